/** The search page: what is asked for stands in the address; this file asks, and shows what comes. */

import { address, read } from "./address.js";
import { Basket } from "./basket.js";
import { Controls } from "./controls.js";
import { Drawer } from "./drawer.js";
import { $, counted, cut, say, toggle } from "./elements.js";
import { onImage } from "./images.js";
import { onKeys } from "./keys.js";
import { PAGE, Results } from "./results.js";
import { Problem, ask } from "./server.js";
import { Viewer } from "./viewer.js";

const LOOK_ALIKE = 0.94;
const SAMPLE = 24;
const REMEMBERED = 20;
const METRICS = {
  cosine: "cosine",
  ip: "inner product",
  l2: "distance",
  sqeuclidean: "squared distance",
  hamming: "Hamming distance",
};

const basket = new Basket();
const isKept = (row) => basket.has(row);
const actions = { open: (hit) => viewer.open(hit), like, keep };
const results = new Results({ actions, isKept, onMore: sayHowMany });
const viewer = new Viewer({ results, actions, isKept });
const drawer = new Drawer(basket);
const controls = new Controls(go);
const answers = new Map(); // of late, by question, so that going back takes no time

let pools = [];
let asked = read(location, history.state);
let answer = null;
let running = new AbortController();

/** Returns the pool that is asked, the first where the address names none. */
const pool = () => pools.find(({ name }) => name === asked.pool) ?? pools[0];

/** Asks for something else, which becomes a step of the window's history; `place` is where one is to be then. */
function go(changes, place = null) {
  if (viewer.isOpen) viewer.close();
  keepPlace();
  asked = { ...asked, ...changes };
  const state = asked.query?.kind === "image" ? { image: asked.query.value } : null;
  try {
    history.pushState(state, "", address(asked));
  } catch {
    history.pushState(null, "", address(asked)); // an image too large for the history: it is asked for this once
  }
  return run(place);
}

/** Remembers where one is, for coming back. */
function keepPlace() {
  try {
    const focus = results.focused() && results.active;
    history.replaceState({ ...history.state, focus, shown: results.visible.length, scroll: scrollY }, "");
  } catch {
    // without a place, one comes back to the top
  }
}

/** Shows what the address asks for. */
async function run(place = null) {
  if (!pools.length) return start();
  running.abort();
  running = new AbortController();
  const { signal } = running;
  controls.show(asked, pool());
  document.title = asked.query ? `${cut(named(asked.query), 60)} - goldpan` : "goldpan";
  drawer.use(pool());
  $("status").textContent = asked.query ? "Searching…" : "";
  document.body.classList.add("waiting");
  try {
    if (asked.pool && asked.pool !== pool().name)
      throw new Problem(`There is no pool ${asked.pool} here; choose one of the list.`);
    const found = await (asked.query ? search(signal) : sample(signal));
    if (signal.aborted) return;
    answer = found;
    toggle($("problem"), false);
    await results.show(found.hits, { pool: pool().name, nsfw: asked.nsfw }, place?.shown);
    if (signal.aborted) return;
    if (place) restore(place);
    else scrollTo(0, 0);
    sayHowMany();
  } catch (error) {
    if (!signal.aborted) await fail(error);
  } finally {
    if (!signal.aborted) document.body.classList.remove("waiting");
  }
}

function restore({ focus, scroll }) {
  if (focus !== undefined) results.focus(focus);
  scrollTo(0, scroll ?? 0);
}

async function fail(error) {
  if (!(error instanceof Problem)) console.error(error);
  answer = null;
  $("status").textContent = "";
  await results.show([], {});
  sayHowMany();
  $("problem-text").textContent = error.message;
  toggle($("problem"), true);
}

async function search(signal) {
  const { kind, value } = asked.query;
  if (value === null)
    throw new Problem("This search was for an image that this window no longer has. Give it once more.");
  const question = {
    pool: pool().name,
    queries: [{ [kind]: value }],
    modality: asked.modality,
    k: Math.min(asked.k, pool().rows),
    described: PAGE,
    deduplicate: controls.hidesSimilar(asked, pool()) ? LOOK_ALIKE : null,
  };
  const key = JSON.stringify(question);
  if (!answers.has(key)) {
    const { results: found, ...about } = await ask("search", question, signal);
    answers.set(key, { ...about, hits: found[0].hits, k: question.k });
    if (answers.size > REMEMBERED) answers.delete(answers.keys().next().value);
  }
  return answers.get(key);
}

/** Returns rows from all over the pool, to begin with. */
async function sample(signal) {
  const { name, rows } = pool();
  const size = Math.min(SAMPLE, rows);
  const some = Array.from({ length: size }, (_, at) => Math.floor((at * rows) / size));
  return { hits: await ask("rows", { pool: name, rows: some }, signal) };
}

/** Says what was found, and offers more of it. */
function sayHowMany() {
  toggle($("start"), answer && !asked.query);
  const found = asked.query ? (answer?.hits.length ?? 0) : 0;
  const shown = results.visible.length;
  toggle($("add-all"), asked.query && shown);
  toggle($("none"), answer && asked.query && results.atEnd && !shown);
  $("none-text").textContent = found ? `Nothing is shown: ${results.hiddenSentence()}.` : "Nothing was found.";
  toggle($("show-hidden"), found);
  toggle($("the-end"), found && shown && results.atEnd);
  $("the-end").textContent = `That is all: ${counted(shown, "answer")}.`;
  toggle($("more"), found && results.atEnd && answer.k < pool().rows);
  if (!answer || !asked.query) return;
  $("more").textContent = `Search for ${Math.min(2 * answer.k, pool().rows).toLocaleString("en")}`;
  sayWhatWasFound(answer);
}

function sayWhatWasFound({ hits, seconds, metric, k }) {
  const hidden = results.hiddenSentence();
  const twins = controls.hidesSimilar(asked, pool()) && asked.modality !== "fused" ? k - hits.length : 0;
  const parts = [
    `${counted(hits.length, "row")} nearest to ${cut(named(asked.query), 80)}`,
    `by ${METRICS[metric]}, in ${seconds < 0.01 ? "under 0.01" : seconds.toFixed(2)} s`,
    ...(twins > 0 ? [`${counted(twins, "near-duplicate")} hidden`] : []),
    ...(hidden ? [hidden] : []),
  ];
  const sentence = `${parts.join("; ")}.`;
  if ($("status").textContent !== sentence) $("status").textContent = sentence; // else it would be read out again
}

/** Returns what is searched for, in words. */
function named(query) {
  return { text: `“${query.value}”`, image: query.name, image_url: query.value, row: `row ${query.value}` }[query.kind];
}

async function like(hit) {
  if (!pool().takes.includes("row")) return;
  await go({ query: { kind: "row", value: hit.row } });
  results.focus(0);
}

function keep(hit) {
  if (!basket.has(hit.row)) return put([hit]);
  basket.remove([hit.row]);
  say(`Out of the basket; it holds ${counted(basket.size, "row")}.`);
}

function put(hits) {
  const words = asked.query ? named(asked.query) : "";
  const lasts = basket.add(hits, asked.query?.kind === "text" ? asked.query.value : words);
  const warning = lasts ? "" : " This browser has no room or leave to keep it: it goes with this window.";
  say(`In the basket; it holds ${counted(basket.size, "row")}.${warning}`);
}

async function putAll() {
  try {
    put(await results.all());
  } catch (error) {
    say(error.message);
  }
}

async function start() {
  history.scrollRestoration = "manual";
  try {
    pools = await ask("pools");
  } catch (error) {
    return fail(error);
  }
  controls.offer(pools);
  if (matchMedia("(hover: hover)").matches && history.state?.focus === undefined)
    $("words").focus({ preventScroll: true });
  await run(history.state);
}

addEventListener("popstate", (event) => {
  asked = read(location, event.state);
  if (viewer.isOpen) viewer.close();
  run(event.state ?? {});
});
addEventListener("pagehide", keepPlace);
basket.addEventListener("change", () => {
  results.showKept();
  viewer.showKept();
});
$("retry").addEventListener("click", () => (pools.length ? run() : start()));
$("add-all").addEventListener("click", putAll);
$("show-hidden").addEventListener("click", () => go({ nsfw: true }));
$("more").addEventListener("click", () => {
  const seen = results.visible.length;
  go({ k: Math.min(2 * asked.k, pool().rows) }, { shown: seen + 1, focus: seen, scroll: scrollY });
});
onImage((query) => go({ query }));
onKeys({
  current: () => (viewer.isOpen ? viewer.hit : results.focused()),
  keep,
  like,
  toResults: () => results.focus(0),
});
start();
