/** The basket of a pool: rows that were chosen, kept by the browser through reloads and in all of its windows. */

import { markOf } from "./facts.js";
import { onChangeElsewhere, recall, remember } from "./memory.js";
import { ask } from "./server.js";

const LONGEST_QUERY = 1000;

/** Items are {row, query, score, mark}; a mark tells a row from the one that has its number once the pool was built anew. */
export class Basket extends EventTarget {
  #items = new Map();
  #before = null;
  #pool = null;

  constructor() {
    super();
    onChangeElsewhere((key) => this.#pool && key === this.#key && this.open(this.#pool));
  }

  /** Turns to the basket of a pool. */
  open(pool) {
    this.#pool = pool;
    this.#before = null;
    const kept = [recall(this.#key, [])].flat().filter((item) => Number.isInteger(item?.row) && item.row < pool.rows);
    this.#items = new Map(kept.map((item) => [item.row, item]));
    this.#changed();
  }

  get #key() {
    return `basket ${this.#pool.name}`;
  }

  get size() {
    return this.#items.size;
  }

  get items() {
    return [...this.#items.values()];
  }

  get canUndo() {
    return this.#before !== null;
  }

  has(row) {
    return this.#items.has(row);
  }

  /** Puts answers in; returns whether the browser keeps them. */
  add(hits, query) {
    return this.#change((items) => {
      for (const { row, score, metadata } of hits)
        if (!items.has(row))
          items.set(row, { row, query: query.slice(0, LONGEST_QUERY), score: score ?? null, mark: markOf(metadata) });
    });
  }

  remove(rows) {
    return this.#change((items) => rows.forEach((row) => items.delete(row)));
  }

  empty() {
    return this.#change((items) => items.clear());
  }

  /** Takes the last change back. */
  undo() {
    const before = this.#before;
    return this.#change((items) => {
      items.clear();
      for (const item of before) items.set(item.row, item);
    });
  }

  /** Returns what is known of each item; those whose row is another now leave, and are counted. */
  async describe() {
    const items = this.items;
    if (!items.length) return { told: [], gone: 0 };
    const rows = await ask("rows", { pool: this.#pool.name, rows: items.map((item) => item.row) });
    const told = items.map((item, at) => ({ ...item, ...rows[at] }));
    const gone = told.filter((item) => item.mark && item.mark !== markOf(item.metadata)).map((item) => item.row);
    if (gone.length) this.remove(gone);
    return { told: told.filter((item) => this.has(item.row)), gone: gone.length };
  }

  #change(work) {
    this.#before = this.items;
    work(this.#items);
    const kept = remember(this.#key, this.items);
    this.#changed();
    return kept;
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
