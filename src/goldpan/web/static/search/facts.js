/** What is said of a row, whatever its columns are called. */

import { webAddress } from "./elements.js";

const CAPTIONS = ["caption", "text", "alt_text", "alt", "title", "description"];
const NAMES = ["id", "key", "sample_id", "image_path", "url"];
const UNSAFE = 0.5;

function first(metadata, names) {
  const known = new Map(Object.entries(metadata ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
  const found = names
    .map((name) => known.get(name))
    .find((value) => value !== undefined && value !== null && value !== "");
  return found === undefined ? "" : String(found);
}

/** Returns the caption; empty where there is none. */
export const captionOf = (metadata) => first(metadata, CAPTIONS);

/** Returns the label; empty where there is none. */
export const labelOf = (metadata) => first(metadata, ["label", "class", "query"]);

/** Returns the address on the web of the image. */
export const linkOf = (metadata) => webAddress(first(metadata, ["url", "image_url", "uri"]));

/** Returns what a row goes by where it has neither caption nor label. */
export function nameOf(row, metadata) {
  const name = first(metadata, NAMES);
  return name ? name.split("/").filter(Boolean).at(-1) : `row ${row}`;
}

/** Returns what a row is called. */
export const titleOf = (row, metadata) => captionOf(metadata) || labelOf(metadata) || nameOf(row, metadata);

/** Returns what tells a row from the one that has its number in another pool. */
export const markOf = (metadata) => (first(metadata, NAMES) || captionOf(metadata)).slice(0, 200);

/** Whether the metadata say that a row is not for every eye. */
export const isUnsafe = (metadata) =>
  first(metadata, ["nsfw"]).toUpperCase() === "NSFW" || Number(first(metadata, ["punsafe"])) > UNSAFE;

/** Whether a pool says so of its rows. */
export const tellsUnsafe = (pool) => pool.columns.some((name) => ["nsfw", "punsafe"].includes(name.toLowerCase()));

/** Returns the scores of an answer as texts: one of each index that found it, where several were asked. */
export function scoresOf({ score, similarities = {} }) {
  if (score === undefined) return [];
  if (Object.keys(similarities).length === 1) return [short(score)];
  const found = Object.entries(similarities).filter(([, value]) => value !== null);
  return found.map(([name, value]) => `${name} ${short(value)}`);
}

const short = (value) => (Math.abs(value) < 10 ? value.toFixed(3) : value.toPrecision(5));
