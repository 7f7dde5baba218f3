/** The form: words, the chosen image, pool, what is searched, how many; and what of each answer is shown. */

import { $, cut, make, toggle, webAddress } from "./elements.js";
import { tellsUnsafe } from "./facts.js";
import { recall, remember } from "./memory.js";

const IN_WORDS = { image: "pictures", text: "captions", fused: "both" };
const WAYS = { text: "by words", image: "by an image: choose one, drop it here or paste it" };
const COUNTS = [20, 50, 100, 200, 500, 1000];
const SHOWN = { captions: true, full: false, scores: true };

export class Controls {
  /** `go` is called with what is to be asked for otherwise. */
  constructor(go) {
    this.go = go;
    $("search").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    $("asked-remove").addEventListener("click", () => {
      go({ query: null });
      $("words").focus();
    });
    $("asked-picture").addEventListener("error", (event) => toggle(event.target, false));
    $("pool").addEventListener("change", (event) => this.#turnTo(event.target.value));
    $("modality").addEventListener("change", (event) => go({ modality: event.target.value }));
    $("k").addEventListener("change", (event) => go({ k: Number(event.target.value) }));
    $("hide-similar").addEventListener("change", (event) => go({ similar: !event.target.checked }));
    $("hide-nsfw").addEventListener("change", (event) => go({ nsfw: !event.target.checked }));
    this.#offerLooks();
    this.#foldOnSmallScreens();
  }

  #submit() {
    const words = $("words").value.trim();
    const isAddress = webAddress(words) && this.pool?.takes.includes("image_url");
    if (words) this.go({ query: { kind: isAddress ? "image_url" : "text", value: words } });
    else if (this.asked?.query?.kind === "text") this.go({ query: null });
  }

  /** A row and a modality mean something in their pool only. */
  #turnTo(name) {
    const query = this.asked.query?.kind === "row" ? null : this.asked.query;
    this.go({ pool: name, query, modality: null });
  }

  /** What of an answer is shown is a matter of the reader, not of the address. */
  #offerLooks() {
    const shown = { ...SHOWN, ...recall("shown", {}) };
    for (const name of Object.keys(SHOWN)) {
      const box = $(`show-${name}`);
      const apply = () => $("results").classList.toggle(`no-${name}`, !box.checked);
      box.checked = shown[name];
      apply();
      box.addEventListener("change", () => {
        shown[name] = box.checked;
        remember("shown", shown);
        apply();
      });
    }
  }

  #foldOnSmallScreens() {
    const wide = matchMedia("(min-width: 56rem)");
    const fold = () => ($("options").open = wide.matches);
    wide.addEventListener("change", fold);
    fold();
  }

  /** Offers the pools of the server. */
  offer(pools) {
    $("pool").replaceChildren(...pools.map(({ name }) => make("option", { value: name }, cut(name, 60))));
  }

  /** Whether near-duplicates are hidden. */
  hidesSimilar(asked, pool) {
    const sides = asked.modality === "fused" ? pool.modalities : [asked.modality ?? pool.modalities[0]];
    return !asked.similar && sides.every((side) => pool.compares.includes(side));
  }

  /** Shows what is asked for. */
  show(asked, pool) {
    if (pool !== this.pool) this.#offerModalities(pool);
    if (pool !== this.pool || asked.query !== this.asked?.query) this.#showQuery(asked.query, pool);
    Object.assign(this, { asked, pool });
    $("pool").value = asked.pool ?? pool.name; // none is chosen where the address names one that is not there
    toggle($("pool-choice"), $("pool").options.length > 1 || !$("pool").value);
    for (const choice of $("modality").querySelectorAll("input"))
      choice.checked = choice.value === (asked.modality ?? pool.modalities[0]);
    this.#showCounts(asked.k);
    $("hide-similar").checked = this.hidesSimilar(asked, pool);
    $("hide-similar").disabled = !pool.compares.length;
    $("hide-nsfw").checked = !asked.nsfw && tellsUnsafe(pool);
    toggle($("nsfw-choice"), tellsUnsafe(pool));
    $("pool-about").textContent = `${pool.rows.toLocaleString("en")} rows of ${pool.name}`;
    $("pool-ways").textContent = pool.takes.map((kind) => WAYS[kind]).filter(Boolean).join(" or ");
    toggle($("pool-takes"), $("pool-ways").textContent);
    $("pool-problem").textContent = pool.problem;
    toggle($("pool-problem"), pool.problem);
  }

  #showQuery(query, pool) {
    const isImage = query && query.kind !== "text";
    const picture = $("asked-picture");
    const source = {
      image: query?.value,
      row: `/api/v1/thumbnail?${new URLSearchParams({ pool: pool.name, row: query?.value, side: 64 })}`,
    }[query?.kind];
    toggle($("asked"), isImage);
    toggle(picture, isImage && source);
    if (isImage && source) picture.src = source;
    $("asked-name").textContent = isImage
      ? cut({ image: query.name, image_url: query.value, row: `like row ${query.value}` }[query.kind], 60)
      : "";
    $("words").value = query?.kind === "text" ? query.value : "";
    $("words").disabled = !pool.takes.includes("text");
    $("choose").disabled = !pool.takes.includes("image");
    document.body.classList.toggle("no-like", !pool.takes.includes("row"));
  }

  #offerModalities(pool) {
    const offered = pool.modalities.length > 1 ? [...pool.modalities, "fused"] : pool.modalities;
    toggle($("modality"), offered.length > 1);
    $("modality-choices").replaceChildren(
      ...offered.map((name) =>
        make("label", {}, make("input", { type: "radio", name: "in", value: name }), IN_WORDS[name]),
      ),
    );
  }

  #showCounts(k) {
    const counts = [...new Set([...COUNTS, k])].sort((a, b) => a - b);
    $("k").replaceChildren(...counts.map((count) => make("option", { value: count }, count.toLocaleString("en"))));
    $("k").value = k;
  }
}
