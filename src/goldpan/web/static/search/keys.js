/** Single keys, which can be turned off: some people's tools type letters where none are meant. */

import { $ } from "./elements.js";
import { recall, remember } from "./memory.js";

/** Listens to keys; `current` returns the answer they are about. */
export function onKeys({ current, keep, like, toResults }) {
  const allowed = $("keys-on");
  allowed.checked = recall("keys", true);
  allowed.addEventListener("change", () => remember("keys", allowed.checked));
  for (const dialog of document.querySelectorAll("dialog")) closeOnBackdrop(dialog);
  $("help-open").addEventListener("click", () => $("help").showModal());
  $("words").addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") (event.preventDefault(), toResults());
  });
  addEventListener("keydown", (event) => {
    if (!allowed.checked || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const hit = current();
    const work = {
      "/": () => !document.querySelector("dialog[open]") && $("words").select(),
      "?": () => !$("help").open && $("help").showModal(),
      b: () => hit && keep(hit),
      m: () => hit && like(hit),
    }[letterOf(event)];
    if (!work) return;
    event.preventDefault();
    work();
  });
}

const isTyping = (element) => element.matches("input:not([type=checkbox], [type=radio]), select, textarea");

/** Returns the key; where letters are not Latin, the one at its place on a Latin keyboard. */
function letterOf(event) {
  const isForeign = event.key.length === 1 && event.key > "\u007f" && event.code.startsWith("Key");
  return isForeign ? event.code.slice(3).toLowerCase() : event.key.toLowerCase();
}

function closeOnBackdrop(dialog) {
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  for (const close of dialog.querySelectorAll(".close")) close.addEventListener("click", () => dialog.close());
}
