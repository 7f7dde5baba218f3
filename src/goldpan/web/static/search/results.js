/** The grid of answers: more of them as one scrolls, and the keys that lead through it. */

import { card, showKept } from "./cards.js";
import { $, counted, toggle } from "./elements.js";
import { isUnsafe } from "./facts.js";
import { ask } from "./server.js";

export const PAGE = 60;

/** The answers to one query.
 *
 * `actions` are what can be done with an answer: open, like, keep; `isKept` tells of a row whether it is in the basket;
 * `onMore` is called when more of them are there.
 */
export class Results {
  #hits = [];
  #cards = [];
  #next = 0;
  #active = 0;
  #asked = {};
  #filling = null;

  constructor({ actions, isKept, onMore }) {
    this.actions = actions;
    this.isKept = isKept;
    this.onMore = onMore;
    this.feed = $("results");
    this.feed.addEventListener("keydown", (event) => this.#onKey(event));
    this.feed.addEventListener("focusin", (event) => this.#activate(this.#indexOf(event.target)));
    this.watcher = new IntersectionObserver(([end]) => end.isIntersecting && this.more(), { rootMargin: "800px" });
    $("again").addEventListener("click", () => this.more());
  }

  /** Answers that are shown, in order. */
  get visible() {
    return this.#cards.map(([hit]) => hit);
  }

  /** How many answers are hidden so far: they are marked as unsafe. */
  get hidden() {
    return this.#next - this.#cards.length;
  }

  /** Whether the last answer is there. */
  get atEnd() {
    return this.#next === this.#hits.length;
  }

  /** The number of the card that has the focus, or had it last. */
  get active() {
    return this.#active;
  }

  /** All answers, hidden ones left out, once it is known of each whether it is. */
  async all() {
    await this.#describe(this.#hits);
    return this.#hits.filter((hit) => !this.#hides(hit));
  }

  /** Shows other answers; `asked` is {pool, nsfw}, `atLeast` how many are there at once. */
  async show(hits, asked, atLeast = 0) {
    this.watcher.disconnect();
    this.feed.replaceChildren();
    toggle(this.feed, false);
    this.#hits = hits;
    this.#cards = [];
    this.#next = this.#active = 0;
    this.#asked = asked;
    this.#filling = null;
    do await this.more();
    while (this.#cards.length < atLeast && !this.atEnd && asked === this.#asked);
  }

  /** Shows the next answers; once at a time. */
  more() {
    if (this.#filling !== null) return this.#filling;
    const filling = this.#fill(this.#asked).finally(() => {
      if (this.#filling === filling) this.#filling = null; // else other answers are shown by now
    });
    return (this.#filling = filling);
  }

  async #fill(asked) {
    const some = this.#hits.slice(this.#next, this.#next + PAGE);
    this.feed.setAttribute("aria-busy", "true");
    toggle($("trouble"), false);
    try {
      await this.#describe(some);
    } catch (error) {
      if (asked === this.#asked) this.#fail(error);
      return;
    }
    if (asked !== this.#asked) return;
    this.feed.setAttribute("aria-busy", "false");
    this.#next += some.length;
    const fresh = some.filter((hit) => !this.#hides(hit)).map((hit) => this.#carded(hit));
    this.feed.append(...fresh);
    toggle(this.feed, this.#cards.length > 0);
    if (this.#cards.length) this.#tabbable(this.#active, true);
    if (!this.atEnd) this.#watchAgain();
    this.onMore();
  }

  #fail(error) {
    this.feed.setAttribute("aria-busy", "false");
    $("trouble-text").textContent = error.message;
    toggle($("trouble"), true);
  }

  /** The watcher speaks of changes only: an end that is still in sight after the new answers is looked at anew. */
  #watchAgain() {
    this.watcher.unobserve($("end"));
    this.watcher.observe($("end"));
  }

  async #describe(hits) {
    const bare = hits.filter((hit) => hit.metadata === null);
    if (!bare.length) return;
    const told = await ask("rows", { pool: this.#asked.pool, rows: bare.map((hit) => hit.row) });
    bare.forEach((hit, at) => Object.assign(hit, told[at]));
  }

  #hides(hit) {
    return !this.#asked.nsfw && isUnsafe(hit.metadata);
  }

  #carded(hit) {
    const element = card(hit, this.#cards.length + 1, this.actions);
    element.setAttribute("aria-setsize", this.#hits.length);
    showKept(element, this.isKept(hit.row));
    this.#cards.push([hit, element]);
    return element;
  }

  /** Shows anew which rows are in the basket. */
  showKept() {
    for (const [hit, element] of this.#cards) showKept(element, this.isKept(hit.row));
  }

  /** Gives the focus to the card of a number; the last one where there are fewer. */
  focus(index) {
    this.#cards.at(Math.max(0, Math.min(index, this.#cards.length - 1)))?.[1].focus();
  }

  #indexOf(element) {
    const found = element.closest(".card");
    return this.#cards.findIndex(([, each]) => each === found);
  }

  #activate(index) {
    if (index < 0) return;
    this.#tabbable(this.#active, false);
    this.#tabbable((this.#active = index), true);
  }

  #tabbable(index, yes) {
    const element = this.#cards[index]?.[1];
    if (!element) return;
    for (const each of [element, ...element.querySelectorAll("button")]) each.tabIndex = yes ? 0 : -1;
  }

  #onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const columns = getComputedStyle(this.feed).gridTemplateColumns.split(" ").length;
    const last = this.#cards.length - 1;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns, Home: -last, End: last };
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      if (event.key === "ArrowUp" && this.#active < columns) $("words").focus();
      else this.focus(this.#active + step);
    } else if (event.key === "Enter" && event.target.matches(".card")) {
      event.preventDefault();
      this.actions.open(this.#cards[this.#active][0]);
    }
  }

  /** Returns the answer that has the focus. */
  focused() {
    return this.feed.contains(document.activeElement) ? this.#cards[this.#active]?.[0] : undefined;
  }

  /** Says how many answers are hidden. */
  hiddenSentence() {
    return this.hidden ? `${counted(this.hidden, "answer")} hidden as NSFW` : "";
  }
}
