/** Elements whose values are text and never markup. */

const LONGEST_ADDRESS = 8192;

export const $ = (id) => document.getElementById(id);

/** Returns an element; properties it does not know become attributes, strings among the children become text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** Returns a button that is no part of a form. */
export const button = (text, properties, onclick) => make("button", { type: "button", ...properties, onclick }, text);

/** Returns a text cut to a length: captions can be books. */
export const cut = (text, length) => (text.length > length ? `${text.slice(0, length)}…` : text);

/** Returns "1 row" or "2 rows". */
export const counted = (number, what) => `${number.toLocaleString("en")} ${what}${number === 1 ? "" : "s"}`;

/** Returns the address that a text is, where a browser may be led there. */
export function webAddress(text) {
  return /^https?:\/\//i.test(text) && text.length < LONGEST_ADDRESS && URL.canParse(text) ? new URL(text) : null;
}

/** Shows or hides an element. */
export function toggle(element, shown) {
  element.hidden = !shown;
}

let quiet;

/** Says in a corner, and to screen readers, what was done. */
export function say(sentence) {
  const corner = $("said");
  corner.textContent = sentence;
  clearTimeout(quiet);
  quiet = setTimeout(() => (corner.textContent = ""), 6000);
}
