/**
 * Forms that write: `<form data-api="/api/v1/..." data-method="POST">` goes to the API as JSON, and nothing is written in another way.
 *
 * Named fields become members: empty ones are left out; checkboxes and `account_ids` become lists; `data-boolean` makes a boolean of a field.
 * `data-if-match`: version of the ring that was looked at. `data-said`: what is said when it is done. `data-download`: the answer is a file.
 * `data-reveal`: id of the element that shows the answer's values. `data-then`: a path to go to. Else `ringlight:desk-changed` is fired on the body.
 */

import { freshKey } from "./api.js";
import { say } from "./say.js";

/** What was sent last by a form and not answered: the same is tried again under the same key, so it cannot be written twice. */
const unanswered = new WeakMap();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement) || form.dataset.api === undefined) return;
  event.preventDefault();
  if (form.getAttribute("aria-busy") !== "true") submit(form);
});

/**
 * A form's named fields as the API takes them.
 * @param {HTMLFormElement} form
 * @returns {Record<string, string | boolean | string[]>}
 */
export function fieldsOf(form) {
  const found = {};
  for (const field of form.elements) {
    if (!field.name || field.disabled || field instanceof HTMLButtonElement) continue;
    const isBox = field.type === "checkbox";
    if (field.dataset.boolean !== undefined) {
      found[field.name] = isBox ? field.checked : field.value === "true";
    } else if (isBox || field.name === "account_ids") {
      found[field.name] ??= [];
      if (!isBox || field.checked) found[field.name].push(field.value);
    } else if (field.type === "radio" ? field.checked : field.value !== "") {
      found[field.name] = field.value;
    }
  }
  return found;
}

async function submit(form) {
  const body = JSON.stringify(fieldsOf(form));
  const before = unanswered.get(form);
  const key = before !== undefined && before.body === body ? before.key : freshKey();
  unanswered.set(form, { body, key });
  setBusy(form, true);
  tell(form, "");
  try {
    const answer = await fetch(form.dataset.api, { method: form.dataset.method ?? "POST", headers: headersOf(form, key), body });
    unanswered.delete(form);
    if (answer.ok) await succeed(form, answer);
    else await refuse(form, answer);
  } catch {
    tell(form, "The console does not answer. Nothing is lost: send it again.");
  } finally {
    setBusy(form, false);
  }
}

function headersOf(form, key) {
  const headers = { "Content-Type": "application/json", Accept: "application/json, */*;q=.5", "Idempotency-Key": key };
  if (form.dataset.ifMatch) headers["If-Match"] = `"${form.dataset.ifMatch}"`;
  return headers;
}

async function succeed(form, answer) {
  if (form.dataset.download !== undefined) {
    await offer(form, answer);
  } else if (form.dataset.reveal !== undefined) {
    reveal(form, await answer.json());
  } else if (form.dataset.then !== undefined) {
    window.location.assign(form.dataset.then);
  } else {
    await answer.text(); // read to its end, else the browser takes the request for given up
    say(form.dataset.said ?? "Done.");
    form.reset();
    document.body.dispatchEvent(new CustomEvent("ringlight:desk-changed", { bubbles: true, detail: { api: form.dataset.api } }));
  }
}

async function refuse(form, answer) {
  let told = {};
  try {
    told = await answer.json();
  } catch {
    // Not from the console itself: a proxy, say. The status is all there is.
  }
  const faults = (told.faults ?? []).map((fault) => `${fault.pointer.replace("/", "")}: ${fault.detail}`);
  const wait = answer.headers.get("Retry-After");
  const parts = [told.detail ?? `The console answered with status ${answer.status}.`, ...faults];
  if (answer.status === 429 && wait !== null) parts.push(`Wait ${wait} seconds.`);
  const here = window.location.pathname + window.location.search;
  if (answer.status === 409) tell(form, parts.join(" "), "Load it anew", here);
  else if (answer.status === 401) tell(form, parts.join(" "), "Sign in", `/signin?next=${encodeURIComponent(here)}`);
  else tell(form, parts.join(" "));
}

async function offer(form, answer) {
  const name = /filename="([^"]+)"/.exec(answer.headers.get("Content-Disposition") ?? "")?.[1] ?? "case";
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  window.setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  const sum = answer.headers.get("X-Case-Sha256");
  const status = form.querySelector("[role=status]");
  if (status !== null) status.textContent = `${name} is made.${sum === null ? "" : ` sha256 of the case: ${sum}`}`;
}

function reveal(form, told) {
  const place = document.getElementById(form.dataset.reveal);
  const list = document.createElement("dl");
  list.className = "facts";
  for (const [column, value] of Object.entries(told.values)) {
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = column.replaceAll("_", " ");
    text.textContent = value;
    list.append(term, text);
  }
  const hide = document.createElement("button");
  hide.type = "button";
  hide.className = "small";
  hide.textContent = "Hide it again";
  hide.addEventListener("click", () => {
    place.replaceChildren();
    form.hidden = false;
    form.reset();
  });
  place.replaceChildren(list, hide);
  form.hidden = true;
  hide.focus();
  say(`The value of ${told.name} is shown.`);
}

function tell(form, text, label, href) {
  const place = form.querySelector("[role=alert]");
  if (place === null) return;
  place.textContent = text;
  place.hidden = text === "";
  if (label === undefined) return;
  const link = document.createElement("a");
  link.href = href;
  link.textContent = label;
  place.append(" ", link, ".");
}

function setBusy(form, isBusy) {
  form.setAttribute("aria-busy", String(isBusy)); // buttons are not disabled: the focus would leave them
}
