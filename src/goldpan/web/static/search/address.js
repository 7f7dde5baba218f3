/** What is asked for, as the address of the page has it: it can be shared, and the back button leads back.
 *
 * An image that was given is too long for an address; it lies in the history of the window.
 */

export const USUAL_K = 100;
const MODALITIES = ["image", "text", "fused"];
const NAMES = { text: "q", image_url: "image_url", row: "row", image: "image" };

/** Returns {pool, query: {kind, value, name} or null, modality, k, similar, nsfw}. */
export function read(location, state) {
  const given = new URLSearchParams(location.search);
  const modality = given.get("in");
  return {
    pool: given.get("pool"),
    query: readQuery(given, state),
    modality: MODALITIES.includes(modality) ? modality : null,
    k: wholeNumber(given.get("k")) || USUAL_K,
    similar: given.has("similar"),
    nsfw: given.has("nsfw"),
  };
}

function readQuery(given, state) {
  for (const [kind, name] of Object.entries(NAMES)) {
    const value = given.get(name);
    if (!value) continue;
    if (kind === "image") return { kind, name: value, value: state?.image ?? null };
    if (kind !== "row") return { kind, value };
    if (wholeNumber(value) !== null) return { kind, value: wholeNumber(value) };
  }
  return null;
}

const wholeNumber = (text) => (/^\d{1,15}$/.test(text ?? "") ? Number(text) : null);

/** Returns the address of what is asked for. */
export function address({ pool, query, modality, k, similar, nsfw }) {
  const given = new URLSearchParams();
  if (query) given.set(NAMES[query.kind], query.kind === "image" ? query.name : query.value);
  if (pool) given.set("pool", pool);
  if (modality) given.set("in", modality);
  if (k !== USUAL_K) given.set("k", k);
  if (similar) given.set("similar", "1");
  if (nsfw) given.set("nsfw", "1");
  const text = given.toString();
  return text ? `/?${text}` : "/";
}
