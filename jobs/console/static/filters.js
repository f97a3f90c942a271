/**
 * What of the ring is shown: types, bits, dates, and what the picture draws. The state stands in the URL with the ring's version, so a page
 * can be handed on, and whoever opens it later is told if the ring has changed since.
 *
 * Sends `ringlight:filters` on document, with `detail.state` and `detail.origin`, whenever it changes.
 * Hears `ringlight:selection`: the selection stands in the URL as well.
 */
import { accountNode } from "./ring_data.js";

const DAY = 86_400_000;
const SHOWN = ["both", "shared", "pairs"];

/**
 * @typedef {object} Filters
 * @property {string[]|null} types types shown; null: all
 * @property {number} minBits the least that a pair, or an identifier that is part of none, must say
 * @property {string|null} from first day, UTC, of first uses that are shown
 * @property {string|null} until last day, the day included
 * @property {"both"|"shared"|"pairs"} shown what the picture draws: what is shared, pairs, or both
 */

/** @type {Filters} */
const ALL = { types: null, minBits: 0, from: null, until: null, shown: "both" };
let state = { ...ALL };
let version = "";

/** The filters as they stand. @returns {Filters} */
export function get() {
  return { ...state };
}

/** Changes some of the filters. @param {Partial<Filters>} change @param {string} origin who says so */
export function set(change, origin) {
  const wanted = { ...state, ...change };
  if (JSON.stringify(wanted) === JSON.stringify(state)) return;
  state = wanted;
  writeUrl((query) => writeFilters(query, state));
  document.dispatchEvent(new CustomEvent("ringlight:filters", { detail: { state: get(), origin } }));
}

/** Shows all again. */
export function clear(origin) {
  set(ALL, origin);
}

/** Whether anything is filtered. */
export function isAll(filters = state) {
  return filters.types === null && !filters.minBits && !filters.from && !filters.until;
}

/** The filters that a URL's query has; what is not well formed is as if it were not there. @returns {Filters} */
export function readFilters(query) {
  const bits = Number(query.get("min_bits"));
  const day = (name) => (/^\d{4}-\d{2}-\d{2}$/.test(query.get(name) ?? "") && !Number.isNaN(Date.parse(query.get(name))) ? query.get(name) : null);
  return {
    types: query.has("types") ? query.get("types").split(",").filter(Boolean).sort() : null,
    minBits: Number.isFinite(bits) && bits > 0 ? bits : 0,
    from: day("from"),
    until: day("until"),
    shown: SHOWN.includes(query.get("shown")) ? query.get("shown") : "both",
  };
}

function writeFilters(query, filters) {
  const values = {
    types: filters.types?.join(","),
    min_bits: filters.minBits || null,
    from: filters.from,
    until: filters.until,
    shown: filters.shown === "both" ? null : filters.shown,
  };
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined) query.delete(name);
    else query.set(name, value);
  }
}

/**
 * Takes the filters from the page's URL, and keeps the selection and the ring's version there from here on. An older version that the URL
 * names stays until the reader changes something: the page has said by then that the ring has moved.
 * @param {string} shown the version that the page shows
 */
export function begin(shown) {
  version = shown;
  const asked = new URLSearchParams(location.search);
  state = readFilters(asked);
  if (!asked.get("version")) writeUrl(() => {});
  document.addEventListener("ringlight:selection", (event) => {
    if (event.detail.origin === "url") return;
    writeUrl((query) => (event.detail.ids.length ? query.set("select", event.detail.ids.map(encodeURIComponent).join(",")) : query.delete("select")));
  });
}

/** The accounts that the page's URL selects: parted by commas, each encoded once more, so that an id may hold one. */
export function selectedByUrl() {
  const ids = (new URLSearchParams(location.search).get("select") ?? "").split(",").filter(Boolean);
  return ids.map((id) => {
    try {
      return decodeURIComponent(id);
    } catch {
      return id;
    }
  });
}

function writeUrl(change) {
  const url = new URL(location.href);
  change(url.searchParams);
  url.searchParams.set("version", version);
  history.replaceState(history.state, "", url);
}

/**
 * What passes the filters. With any filter set, an account is shown if something that passes joins it to another; without, all are.
 * @param {import("./ring_data.js").RingData} data
 * @param {Filters} filters
 * @returns {{accounts: Set<string>, nodes: Set<string>, holds: Set<object>, pairs: Set<object>}} account ids, nodes, and rows of data
 */
export function passing(data, filters) {
  const types = filters.types && new Set(filters.types);
  const from = filters.from ? Date.parse(filters.from) : -Infinity;
  const until = filters.until ? Date.parse(filters.until) + DAY : Infinity;
  const isType = (type) => !types || types.has(type);
  const identifiers = new Set([...data.identifiers].filter(([, row]) => isType(row.identifier_type)).map(([node]) => node));
  const isDated = Boolean(filters.from || filters.until);
  const inTime = data.holds.filter((row) => identifiers.has(row.node) && (!isDated || (row.time >= from && row.time < until)));
  const held = new Set(inTime.map((row) => row.name));
  const said = (pair, row) => [pair.account_a, pair.account_b].map((id) => JSON.stringify([id, `i:${row.identifier_type}:${row.identifier}`]));
  const speaks = (pair, row) => isType(row.identifier_type) && (!isDated || said(pair, row).every((name) => held.has(name)));
  const pairs = new Set(data.pairs.filter((pair) => pair.weight_bits >= filters.minBits && pair.evidence.some((row) => speaks(pair, row))));
  // What is too weak by itself is shown where it is part of a pair that is not.
  const told = new Set();
  if (filters.minBits) for (const pair of pairs) for (const row of pair.evidence) for (const name of said(pair, row)) told.add(name);
  const holds = new Set(inTime.filter((row) => data.identifiers.get(row.node).weight >= filters.minBits || told.has(row.name)));
  const accounts = isAll(filters) ? new Set(data.accounts.keys()) : joined(holds, pairs);
  const nodes = new Set([...accounts].map(accountNode));
  for (const row of holds) nodes.add(row.node);
  return { accounts, nodes, holds, pairs };
}

function joined(holds, pairs) {
  const holders = new Map();
  for (const row of holds) {
    if (!holders.has(row.node)) holders.set(row.node, []);
    holders.get(row.node).push(row.account_id);
  }
  const accounts = new Set();
  for (const ids of holders.values()) if (ids.length > 1) for (const id of ids) accounts.add(id);
  for (const pair of pairs) accounts.add(pair.account_a).add(pair.account_b);
  return accounts;
}
