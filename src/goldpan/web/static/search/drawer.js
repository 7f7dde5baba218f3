/** The basket, opened: what is in it, and how it is taken away. */

import { picture } from "./cards.js";
import { $, button, counted, cut, make, toggle } from "./elements.js";
import { titleOf } from "./facts.js";
import { ask, fetchFile } from "./server.js";

const SHOWN = 500;
const FILES = { parquet: "basket.parquet", json: "chunk_0.json" };

export class Drawer {
  #pool = null;

  constructor(basket) {
    this.basket = basket;
    this.dialog = $("basket");
    $("basket-open").addEventListener("click", () => this.open());
    $("basket-undo").addEventListener("click", () => this.#then(() => basket.undo()));
    $("basket-empty").addEventListener("click", () => this.#then(() => basket.empty()));
    for (const format of Object.keys(FILES)) $(`take-${format}`).addEventListener("click", () => this.#take(format));
    $("keep")?.addEventListener("click", () => this.#keep());
    basket.addEventListener("change", () => this.#count());
  }

  /** Turns to the basket of a pool. */
  use(pool) {
    if (pool === this.#pool) return;
    this.#pool = pool;
    this.basket.open(pool);
  }

  async open() {
    if (!this.dialog.open) this.dialog.showModal();
    await this.#fill();
  }

  #count() {
    const size = this.basket.size;
    $("basket-size").textContent = size.toLocaleString("en");
    $("basket-title").textContent = `Basket of ${this.#pool.name}: ${counted(size, "row")}`;
    toggle($("basket-none"), size === 0);
    for (const id of ["take-parquet", "take-json", "keep", "basket-empty"]) if ($(id)) $(id).disabled = size === 0;
    $("basket-undo").disabled = !this.basket.canUndo;
  }

  async #then(work) {
    work();
    await this.#fill();
  }

  async #fill() {
    try {
      const { told, gone } = await this.basket.describe();
      $("basket-rows").replaceChildren(...told.slice(0, SHOWN).map((item) => this.#row(item)));
      const more = told.length - SHOWN;
      $("basket-more").textContent =
        more > 0 ? `And ${counted(more, "row")} more, which are taken away with these.` : "";
      this.#say(
        "",
        gone ? `${counted(gone, "row")} left the basket: this pool has other rows under their numbers now.` : "",
      );
    } catch (error) {
      this.#say("", error.message);
    }
  }

  #say(sentence, problem = "") {
    $("basket-said").textContent = sentence;
    $("basket-problem").textContent = problem;
  }

  #row(item) {
    const title = titleOf(item.row, item.metadata);
    const query = item.query ? `for ${cut(item.query, 100)}` : "";
    return make(
      "li",
      {},
      make("span", { className: "thumb" }, picture(item, [128])),
      make(
        "span",
        { className: "text" },
        make("span", { className: "caption", dir: "auto" }, cut(title, 200)),
        make("span", { className: "below soft", dir: "auto" }, query),
      ),
      button("Remove", { "aria-label": `Remove ${cut(title, 100)}` }, (event) => this.#remove(item, event.target)),
    );
  }

  /** Takes a row out; the focus goes to the next one. */
  #remove(item, pressed) {
    const line = pressed.closest("li");
    (line.nextElementSibling ?? line.previousElementSibling)?.querySelector("button").focus();
    line.remove();
    this.basket.remove([item.row]);
    if (!this.basket.size) $("basket-close").focus();
  }

  /** What is in the basket, as the server takes it. */
  #chosen() {
    return { pool: this.#pool.name, items: this.basket.items.map(({ row, query, score }) => ({ row, query, score })) };
  }

  async #take(format) {
    try {
      save(await fetchFile("export", { ...this.#chosen(), format }), FILES[format]);
      this.#say(`${FILES[format]}: ${counted(this.basket.size, "row")}.`);
    } catch (error) {
      this.#say("", error.message);
    }
  }

  /** Puts the images into the workspace that the server was given for them. */
  async #keep() {
    this.#say("Reading the images…");
    try {
      const { workspace, kept, known, failed, elsewhere } = await ask("keep", this.#chosen());
      const parts = [`${counted(kept, "image")} put into ${workspace}`];
      if (known) parts.push(`${known} in it before`);
      if (failed) parts.push(`${failed} could not be read; its failures say why`);
      if (elsewhere)
        parts.push(
          `${elsewhere} on the web only: take the chunk JSON and type goldpan retrieve fetch ${workspace} chunk_0.json`,
        );
      this.#say(`${parts.join("; ")}.`);
    } catch (error) {
      this.#say("", error.message);
    }
  }
}

function save(blob, name) {
  const address = URL.createObjectURL(blob);
  make("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
