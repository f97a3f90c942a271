/**
 * The members table: the real control of the page. Selects by checkbox, click, keys and ranges; sorts; hides what the filters leave out.
 *
 * Sends nothing itself but what `selection.js` sends. Hears `ringlight:selection`. Rows are `tr[data-account]`; `data-selected` marks those
 * that are selected, `hidden` those that the filters leave out. A long table has its first rows at once and the rest once `addRest` is called.
 */
import * as selection from "./selection.js";

const ORDERS = { rank: "number", account: "text", score: "number", outcome: "text", first: "text", shared: "number" };

/** The table with its rows. @param {HTMLTableElement} table */
export class MembersTable {
  constructor(table) {
    this.table = table;
    this.body = table.tBodies[0];
    this.template = this.body.querySelector("template");
    this.rows = [...this.body.rows, ...(this.template?.content.querySelectorAll("tr") ?? [])];
    this.byAccount = new Map(this.rows.map((row) => [row.dataset.account, row]));
    this.anchor = null;
    this.marked = [];
    this.all = table.querySelector("[data-select-all]");
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.all?.addEventListener("change", () => selection.set(this.all.checked ? this.visible() : [], "table"));
    for (const button of table.querySelectorAll("button[data-sort]")) button.addEventListener("click", () => this.sort(button));
    document.addEventListener("ringlight:selection", (event) => this.mark(event.detail));
  }

  /** Adds the rows of a long table that the page keeps back until its picture is drawn, so that the picture need not wait for them. */
  addRest() {
    if (!this.template) return;
    this.body.append(...this.template.content.querySelectorAll("tr"));
    this.template.remove();
    this.template = null;
  }

  /** Accounts of the rows that are shown, in their order. */
  visible() {
    return [...this.body.rows].filter((row) => !row.hidden).map((row) => row.dataset.account);
  }

  /** Shows the rows of these accounts alone. @param {Set<string>} accounts @returns {number} rows left out */
  filter(accounts) {
    let n = 0;
    for (const row of this.rows) {
      const isOut = !accounts.has(row.dataset.account);
      if (row.hidden !== isOut) row.hidden = isOut;
      n += isOut;
    }
    return n;
  }

  /** Selects the row that the keys stand on, or no longer; with `isRange`, all from the one selected before. */
  selectHere(isRange) {
    const row = this.here();
    if (!row) return;
    if (isRange && this.anchor) this.range(row);
    else selection.toggle(row.dataset.account, "table");
    this.anchor = row;
  }

  here() {
    return this.body.querySelector("tr[aria-current]:not([hidden]), tr.here:not([hidden])") ?? document.activeElement?.closest?.("tr[data-account]") ?? null;
  }

  clicked(event) {
    const row = event.target.closest("tr[data-account]");
    if (!row || event.target.closest("a, button, summary")) return;
    const { account } = row.dataset;
    const isBox = event.target.matches("input");
    if (event.shiftKey && this.anchor) {
      this.range(row);
      if (isBox) event.target.checked = true;
    } else if (isBox || event.ctrlKey || event.metaKey) selection.toggle(account, "table");
    else selection.set(selection.has(account) && selection.get().length === 1 ? [] : [account], "table");
    this.anchor = row;
  }

  range(row) {
    const shown = [...this.body.rows].filter((one) => !one.hidden);
    const [from, until] = [shown.indexOf(this.anchor), shown.indexOf(row)].sort((one, other) => one - other);
    if (from < 0) return;
    selection.set([...selection.get(), ...shown.slice(from, until + 1).map((one) => one.dataset.account)], "table");
  }

  mark({ ids, origin }) {
    for (const row of this.marked) {
      delete row.dataset.selected;
      row.querySelector("input").checked = false;
    }
    this.marked = ids.map((id) => this.byAccount.get(id)).filter(Boolean);
    for (const row of this.marked) {
      row.dataset.selected = "";
      row.querySelector("input").checked = true;
    }
    if (this.all) {
      this.all.checked = this.marked.length > 0 && this.marked.length === this.rows.length;
      this.all.indeterminate = this.marked.length > 0 && this.marked.length < this.rows.length;
    }
    if (origin !== "table" && this.marked.length) this.marked.at(-1).scrollIntoView({ block: "nearest" });
  }

  sort(button) {
    this.addRest();
    const { sort } = button.dataset;
    const head = button.closest("th");
    const isUp = head.getAttribute("aria-sort") !== "ascending";
    for (const other of this.table.tHead.querySelectorAll("th[aria-sort]")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", isUp ? "ascending" : "descending");
    const value = (row) => row.dataset[sort] ?? "";
    const compare = ORDERS[sort] === "number" ? (one, other) => Number(value(one)) - Number(value(other)) : (one, other) => value(one).localeCompare(value(other), "en", { numeric: true });
    const byRank = (one, other) => Number(one.dataset.rank) - Number(other.dataset.rank);
    this.body.append(...[...this.rows].sort((one, other) => (isUp ? 1 : -1) * compare(one, other) || byRank(one, other)));
  }
}
