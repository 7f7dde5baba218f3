/** What the browser remembers of this server. */

/** Returns what was remembered. */
export function recall(key, usual) {
  try {
    return JSON.parse(localStorage.getItem(`goldpan ${key}`)) ?? usual;
  } catch {
    return usual;
  }
}

/** Remembers a value; returns whether the browser had room and leave. */
export function remember(key, value) {
  try {
    localStorage.setItem(`goldpan ${key}`, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Calls back with the key of what another window of this server remembered. */
export function onChangeElsewhere(callback) {
  addEventListener("storage", (event) => callback(event.key?.replace("goldpan ", "")));
}
