// Calls to the emulator. A refusal throws a Problem with a text for people.

export class Problem extends Error {
  constructor(text, status) {
    super(text);
    this.status = status;
  }
}

async function ask(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
    });
  } catch {
    throw new Problem("The demo server does not answer.", 0);
  }
  let answer = null;
  try {
    answer = await response.json();
  } catch {
    throw new Problem(`An answer was not understood (${response.status}).`, response.status);
  }
  if (!response.ok) {
    const text = answer && (answer.problem || answer.error || answer.errors?.[0]?.msg);
    throw new Problem(typeof text === "string" ? text : `Refused (${response.status}).`, response.status);
  }
  return answer;
}

export const get = (path) => ask("GET", path);
export const post = (path, body = {}) => ask("POST", path, body);
