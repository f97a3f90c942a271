/**
 * Which accounts are selected: one place, for picture, table, panel and URL.
 *
 * Sends `ringlight:selection` on document, with `detail.ids` (account ids, in the order in which they were selected) and `detail.origin`
 * (who changed it), whenever it changes.
 */
let selected = [];

/** The selected account ids. */
export function get() {
  return [...selected];
}

/** Whether an account is selected. */
export function has(id) {
  return selected.includes(id);
}

/**
 * Selects these accounts and no others.
 * @param {Iterable<string>} ids
 * @param {string} origin who says so: `table`, `picture`, `url`, ...
 */
export function set(ids, origin) {
  const wanted = [...new Set(ids)];
  if (wanted.length === selected.length && wanted.every((id, place) => id === selected[place])) return;
  selected = wanted;
  document.dispatchEvent(new CustomEvent("ringlight:selection", { detail: { ids: get(), origin } }));
}

/** Selects an account as well, or no longer. */
export function toggle(id, origin) {
  set(has(id) ? selected.filter((other) => other !== id) : [...selected, id], origin);
}

/** The same as one value. */
export const selection = { get, has, set, toggle };
