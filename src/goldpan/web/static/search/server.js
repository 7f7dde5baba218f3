/** Questions to the server. */

const OVER = "This page belongs to a run of the server that is over. Open the address that goldpan serve printed.";
const ELSEWHERE = 502;
const SILENT = "The server does not answer. Is goldpan serve still running?";

/** Why there is no answer, in a sentence. */
export class Problem extends Error {}

/** Returns the answer to a question, as JSON gives it. */
export async function ask(name, question, signal) {
  return (await answer(name, question, signal)).json();
}

/** Returns the answer to a question as a file. */
export async function fetchFile(name, question) {
  return (await answer(name, question)).blob();
}

async function answer(name, question, signal) {
  const asked = question && {
    method: "POST",
    body: JSON.stringify(question),
    headers: { "Content-Type": "application/json" },
  };
  let response;
  try {
    response = await fetch(`/api/v1/${name}`, { signal, ...asked });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(SILENT);
  }
  if (response.ok) return response;
  const { error, message } = await response.json().catch(() => ({}));
  if (error === "no_token") throw new Problem(OVER);
  const sentence = message?.replace(`${error}: `, "") ?? `The server failed with status ${response.status}.`;
  throw new Problem(
    response.status === ELSEWHERE ? `The image could not be fetched from there: ${sentence}` : sentence,
  );
}
