/** One row, large, with all that is known of it. */

import { picture } from "./cards.js";
import { $, button, cut, make, webAddress } from "./elements.js";
import { scoresOf, titleOf } from "./facts.js";

const LONGEST = 20_000;
const SIDE = 1024;

export class Viewer {
  #hit = null;

  /** `results` are the answers that are gone through; `actions` as for `Results`. */
  constructor({ results, actions, isKept }) {
    Object.assign(this, { results, actions, isKept });
    this.dialog = $("viewer");
    this.dialog.addEventListener("keydown", (event) => this.#onKey(event));
    this.dialog.addEventListener("close", () => this.isOpen || this.#leave()); // by its button or the browser
    $("viewer-before").addEventListener("click", () => this.#step(-1));
    $("viewer-next").addEventListener("click", () => this.#step(1));
    $("viewer-keep").addEventListener("click", () => this.actions.keep(this.#hit));
    $("viewer-like").addEventListener("click", () => this.actions.like(this.#hit));
  }

  get isOpen() {
    return this.dialog.open;
  }

  get hit() {
    return this.#hit;
  }

  open(hit) {
    this.#show(hit);
    if (!this.dialog.open) this.dialog.showModal();
  }

  /** Closes, and gives the focus to the card of the answer that was seen last. */
  close() {
    this.dialog.close();
    this.#leave(); // at once: the browser tells of it later only, when another key may have been pressed
  }

  #show(hit) {
    this.#hit = hit;
    const title = titleOf(hit.row, hit.metadata);
    $("viewer-title").textContent = cut(title, 160);
    $("viewer-picture").replaceChildren(picture(hit, [SIDE], { loading: "eager", alt: cut(title, 160) }));
    $("viewer-facts").replaceChildren(...facts(hit));
    this.showKept();
  }

  /** Shows anew whether the row is in the basket. */
  showKept() {
    if (this.#hit === null) return;
    const kept = this.isKept(this.#hit.row);
    $("viewer-keep").setAttribute("aria-pressed", kept);
    $("viewer-keep").textContent = kept ? "In the basket ✓" : "Put into the basket";
  }

  async #step(by) {
    const hit = this.#hit;
    const at = this.results.visible.indexOf(hit) + by;
    if (at >= this.results.visible.length) await this.results.more();
    if (this.#hit === hit && this.results.visible[at]) this.#show(this.results.visible[at]);
  }

  /** Leads back to the card of the answer that was seen last; once. */
  #leave() {
    const at = this.results.visible.indexOf(this.#hit);
    this.#hit = null;
    if (at >= 0) this.results.focus(at);
  }

  #onKey(event) {
    if (event.key === "Escape") {
      event.preventDefault();
      return this.close();
    }
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.#step(step);
  }
}

function facts(hit) {
  const scores = scoresOf(hit).map((score) => ["score", score]);
  const known = Object.entries(hit.metadata ?? {}).filter(([, value]) => value !== null && value !== "");
  return [["row", hit.row], ...scores, ...known].map(([name, value]) =>
    make("div", {}, make("dt", { dir: "auto" }, name), make("dd", { dir: "auto" }, shown(value))),
  );
}

function shown(value) {
  const text = cut(typeof value === "object" ? JSON.stringify(value) : String(value), LONGEST);
  const url = webAddress(value);
  return url ? make("a", { href: url.href, target: "_blank", rel: "noopener noreferrer" }, text) : text;
}
