/**
 * The ring as the picture's answer has it, fetched once, with indexes; and what expanding added to it. Sends no events.
 *
 * Nodes are named as everywhere: `a:<account>`, `i:<type>:<hex>`, `c:<community>`.
 */
import { ask } from "./api.js";

export const accountNode = (id) => `a:${id}`;
export const identifierNode = (type, identifier) => `i:${type}:${identifier}`;
export const communityNode = (community) => `c:${community}`;
/** The account of a node, or null. */
export const accountOf = (node) => (node.startsWith("a:") ? node.slice(2) : null);
/** The name of a pair, whichever way round. */
export const pairName = (a, b) => JSON.stringify(a < b ? [a, b] : [b, a]);

/** A ring with its indexes. Hubs stand apart: they join nobody, so they are not drawn. Rows with `isAdded` came by expanding or by a path. */
export class RingData {
  /** @param {any} answer of /api/v1/rings/{ring_id}/picture */
  constructor(answer) {
    this.answer = answer;
    this.accounts = new Map(answer.accounts.map((row) => [row.account_id, row]));
    const named = answer.identifiers.map((row) => [identifierNode(row.identifier_type, row.identifier), row]);
    this.identifiers = new Map(named.filter(([, row]) => !row.is_hub));
    this.hubs = named.filter(([, row]) => row.is_hub).map(([, row]) => row);
    this.holds = answer.holds.map((row) => timed(row)).filter((row) => this.identifiers.has(row.node));
    this.pairs = answer.pairs.map((row) => ({ ...row, name: pairName(row.account_a, row.account_b) }));
    this.pairOf = new Map(this.pairs.map((row) => [row.name, row]));
    this.holdNames = new Set(this.holds.map((row) => row.name));
    this.members = new Set(this.accounts.keys());
    this.addedBy = new Map();
    this.additions = new Map();
  }

  /** Members and added accounts that hold the identifier. */
  holdersOf(node) {
    return this.holds.filter((row) => row.node === node).map((row) => row.account_id);
  }

  /**
   * Adds what expanding found.
   * @param {string} by what it is kept under, to be taken away together
   * @param {any[]} accounts rows with account_id
   * @param {any[]} holds rows of account_id, identifier_type, identifier, name and times
   * @returns {string[]} nodes that are new
   */
  add(by, accounts, holds) {
    const nodes = [];
    for (const row of accounts) {
      if (this.accounts.has(row.account_id)) continue;
      this.accounts.set(row.account_id, { community: null, ...row, isAdded: true });
      nodes.push(accountNode(row.account_id));
    }
    for (const row of holds) {
      const node = identifierNode(row.identifier_type, row.identifier);
      if (!this.identifiers.has(node)) {
        this.identifiers.set(node, { community: null, n_members: 0, ...row, isAdded: true });
        nodes.push(node);
      }
      const hold = { ...timed(row), isAdded: true };
      if (this.holdNames.has(hold.name)) continue;
      this.holdNames.add(hold.name);
      this.holds.push(hold);
    }
    this.addedBy.set(by, [...(this.addedBy.get(by) ?? []), ...nodes]);
    this.additions.set(by, { accounts, holds });
    return nodes;
  }

  /** Takes away what was added under a name; the nodes that went. */
  takeAway(by) {
    const nodes = new Set(this.addedBy.get(by) ?? []);
    this.addedBy.delete(by);
    this.additions.delete(by);
    for (const node of nodes) (node.startsWith("a:") ? this.accounts.delete(node.slice(2)) : this.identifiers.delete(node));
    this.holds = this.holds.filter((row) => !nodes.has(row.node) && !nodes.has(accountNode(row.account_id)));
    this.holdNames = new Set(this.holds.map((row) => row.name));
    return [...nodes];
  }
}

/** Fetches the ring's picture; at the version that is shown, whatever the URL names. @returns {Promise<RingData>} */
export async function loadRing(ringId) {
  return new RingData(await ask(`/rings/${encodeURIComponent(ringId)}/picture`));
}

function timed(row) {
  const node = identifierNode(row.identifier_type, row.identifier);
  return { ...row, node, time: row.first_seen ? Date.parse(row.first_seen) : NaN, name: JSON.stringify([row.account_id, node]) };
}
