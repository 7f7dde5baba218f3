/** One answer as a card. */

import { button, cut, make } from "./elements.js";
import { captionOf, labelOf, linkOf, nameOf, scoresOf, titleOf } from "./facts.js";

const LONGEST = 2000;
const SIDES = [256, 512];

/** Returns the picture of a row, or the words that stand for it; `sides` are pixels. */
export function picture(hit, sides = SIDES, properties = {}) {
  if (!hit.picture)
    return make("span", { className: "soft" }, linkOf(hit.metadata) ? "The picture is on the web." : "No picture");
  const source = (side) => `${hit.picture}&side=${side}`;
  const image = make("img", { alt: "", draggable: false, decoding: "async", loading: "lazy", ...properties });
  image.addEventListener("error", () =>
    image.replaceWith(make("span", { className: "soft" }, "The picture cannot be shown.")),
  );
  if (sides.length > 1) image.srcset = sides.map((side, at) => `${source(side)} ${at + 1}x`).join(", ");
  image.src = source(sides[0]);
  return image;
}

/** Returns the card of an answer, which is number `place` of them.
 *
 * Its buttons call `actions.open`, `actions.like` and `actions.keep` with the answer. They are reached with the Tab key
 * on the card that has the focus only; see `Results`.
 */
export function card(hit, place, actions) {
  const title = titleOf(hit.row, hit.metadata);
  const caption = captionOf(hit.metadata);
  const below = caption ? labelOf(hit.metadata) : labelOf(hit.metadata) && nameOf(hit.row, hit.metadata);
  const name = `caption-${hit.row}`;
  const open = button(
    "",
    { className: "picture", tabIndex: -1, "aria-label": `Open ${place}: ${cut(title, 120)}` },
    () => actions.open(hit),
  );
  open.append(picture(hit));
  return make(
    "article",
    { className: "card", tabIndex: -1, "aria-labelledby": name, "aria-posinset": place },
    open,
    make(
      "div",
      { className: "tools" },
      button(
        "≈",
        { className: "like", tabIndex: -1, title: "More like this (m)", "aria-label": "More like this" },
        () => actions.like(hit),
      ),
      button("", { className: "keep", tabIndex: -1 }, () => actions.keep(hit)),
    ),
    make(
      "div",
      { className: "text" },
      make("p", { className: "caption", id: name, dir: "auto" }, cut(title, LONGEST)),
      make("p", { className: "below soft", dir: "auto" }, cut(below, 200)),
    ),
    make("p", { className: "score" }, ...scoresOf(hit).map((score) => make("span", {}, score))),
  );
}

/** Shows on a card whether its row is in the basket. */
export function showKept(element, kept) {
  const keep = element.querySelector(".keep");
  element.classList.toggle("kept", kept);
  keep.setAttribute("aria-pressed", kept);
  keep.setAttribute("aria-label", "In the basket");
  keep.title = kept ? "Take out of the basket (b)" : "Put into the basket (b)";
  keep.textContent = kept ? "✓" : "+";
}
