/**
 * Questions to the console's own API. A problem becomes an `Error` whose message is the problem's `detail`. Sends no events.
 */

/**
 * An answer of the API.
 * @param {string} path under /api/v1, with each part already encoded
 * @param {Record<string, string|number>} [query]
 * @returns {Promise<any>}
 */
export async function ask(path, query = {}) {
  const asked = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)])).toString();
  return answerOf(await fetch(`/api/v1${path}${asked ? `?${asked}` : ""}`, { headers: { Accept: "application/json" } }));
}

/** A change, as JSON, with an `Idempotency-Key` of its own. */
export async function tell(path, body) {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": freshKey() };
  return answerOf(await fetch(`/api/v1${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answerOf(response) {
  if (response.ok) return response.status === 204 ? null : response.json();
  const problem = await response.json().catch(() => ({}));
  throw new Error(problem.detail ?? `The console answered ${response.status}.`);
}

/** An `Idempotency-Key`: random, and not by `crypto.randomUUID`, which is missing where a console is reached by plain http under a name. */
export function freshKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
