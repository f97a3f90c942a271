/**
 * The table of pairs: hides what the filters leave out, and, if asked, what does not touch the selection. Its rows, a page of them, come
 * from the server; each has a `details` that says why the two are linked.
 *
 * Sends nothing. Hears `ringlight:selection`. Rows are `tr[data-a][data-b]`.
 */
import { pairName } from "./ring_data.js";
import * as selection from "./selection.js";
import { count, number } from "./words.js";

/** The table. @param {HTMLElement} place the section that holds it */
export class PairsTable {
  constructor(place) {
    this.rows = [...place.querySelectorAll("tr[data-a]")];
    this.only = place.querySelector("[data-only-selected]");
    this.told = place.querySelector("[data-told]");
    this.shown = null;
    this.only?.addEventListener("change", () => this.show());
    document.addEventListener("ringlight:selection", () => this.only?.checked && this.show());
  }

  /** Shows these pairs alone. @param {Set<{name: string}>} pairs */
  filter(pairs) {
    this.shown = new Set([...pairs].map((row) => row.name));
    this.show();
  }

  show() {
    const chosen = this.only?.checked ? new Set(selection.get()) : null;
    let n = 0;
    for (const row of this.rows) {
      const { a, b } = row.dataset;
      row.hidden = (this.shown !== null && !this.shown.has(pairName(a, b))) || (chosen !== null && !chosen.has(a) && !chosen.has(b));
      n += !row.hidden;
    }
    if (this.told) this.told.textContent = n === this.rows.length ? "" : `${number(n)} of ${count(this.rows.length, "row")} shown`;
  }
}
