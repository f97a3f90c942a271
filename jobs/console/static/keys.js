/**
 * Keys: single letters, since browsers own those with Ctrl. They do nothing while somebody types, and can be turned off in the list that `?` opens.
 */

const bound = new Map();
const OFF = "ringlight-keys-off";
const LEAD_MS = 1_200; // how long a first letter waits for its second
let lead = null;

/**
 * Binds a key, or two in a row.
 * @param {string} keys one character, or two with a space between: `f`, `g q`
 * @param {string} description as the list of keys says it
 * @param {(event: KeyboardEvent) => void} action
 */
export function bind(keys, description, action) {
  bound.set(keys, { description, action });
}

/** Hears keys from here on, and binds what holds on every page. */
export function begin() {
  bindEverywhere();
  document.addEventListener("keydown", onKey);
}

/** Forgets the keys of the page that was here before, and binds what holds on every page. */
export function beginAnew() {
  bound.clear();
  lead = null;
  bindEverywhere();
}

function bindEverywhere() {
  bind("/", "search", () => document.getElementById("find")?.focus());
  bind("?", "this list", openList);
  for (const [keys, path, name] of [["g q", "/queue", "queue"], ["g n", "/nights", "nights"]]) {
    if (document.querySelector(`nav a[href="${path}"]`) !== null) bind(keys, `go to the ${name}`, () => window.location.assign(path));
  }
  if (document.querySelector("[data-rows]") !== null) {
    bind("j", "next row (Enter opens it)", () => move(1));
    bind("k", "previous row", () => move(-1));
  }
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.defaultPrevented) return;
  if (isTyping(event.target) || document.querySelector("dialog[open]") !== null) return;
  if (localStorage.getItem(OFF) !== null && event.key !== "?") return;
  const pair = lead !== null && event.timeStamp - lead.at < LEAD_MS ? `${lead.key} ${event.key}` : null;
  const found = (pair !== null && bound.get(pair)) || bound.get(event.key);
  const isLead = [...bound.keys()].some((keys) => keys.startsWith(`${event.key} `));
  lead = found === undefined && isLead ? { key: event.key, at: event.timeStamp } : null;
  if (found === undefined) return;
  event.preventDefault();
  found.action(event);
}

function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target.isContentEditable || target.matches("textarea, select")) return true;
  return target.matches("input:not([type=checkbox], [type=radio], [type=button], [type=submit], [type=range])");
}

/** To the next or previous row of the page's main table: the focus goes to what opens it. */
function move(step) {
  const list = document.querySelector("[data-rows]");
  const rows = [...(list?.querySelectorAll("tr") ?? [])].filter((row) => row.closest("thead") === null && !row.hidden);
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[here === -1 ? (step > 0 ? 0 : rows.length - 1) : here + step];
  const opener = next?.querySelector("[data-open]") ?? next?.querySelector("a[href], button, input");
  if (opener === null || opener === undefined) return;
  opener.focus();
  next.scrollIntoView({ block: "nearest" });
}

function openList() {
  const dialog = document.getElementById("keys") ?? makeDialog();
  const list = dialog.querySelector("dl");
  list.replaceChildren();
  for (const [keys, { description }] of bound) {
    const term = document.createElement("dt");
    for (const key of keys.split(" ")) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap, " ");
    }
    const told = document.createElement("dd");
    told.textContent = description;
    list.append(term, told);
  }
  dialog.showModal();
}

function makeDialog() {
  const dialog = document.createElement("dialog");
  dialog.id = "keys";
  dialog.className = "stack";
  dialog.setAttribute("aria-labelledby", "keys-heading");
  const heading = document.createElement("h2");
  heading.id = "keys-heading";
  heading.textContent = "Keys of this page";
  const list = document.createElement("dl");
  list.className = "facts keys";
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = localStorage.getItem(OFF) === null;
  box.addEventListener("change", () => (box.checked ? localStorage.removeItem(OFF) : localStorage.setItem(OFF, "1")));
  label.append(box, "Keys are on");
  const close = document.createElement("form");
  close.method = "dialog";
  const button = document.createElement("button");
  button.textContent = "Close";
  close.append(button);
  dialog.append(heading, list, label, close);
  document.body.append(dialog);
  return dialog;
}
