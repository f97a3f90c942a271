/**
 * What the picture draws, from the ring, what passes the filters, and what is folded or hidden. Pure; sends no events.
 *
 * Nodes: `a:` accounts, `i:` identifiers, `c:` communities that are folded. Edges: `h:` an account holds an identifier, `p:` a pair,
 * `g:` what crosses from or to a folded community, as one edge with its count.
 */
import { accountNode, communityNode } from "./ring_data.js";

/**
 * @param {import("./ring_data.js").RingData} data
 * @param {{accounts: Set<string>, nodes: Set<string>, holds: Set<object>, pairs: Set<object>}} shown what passes the filters
 * @param {{folded: Set<number>, hidden: Set<string>, kinds: "both"|"shared"|"pairs"}} view
 * @returns {{nodes: Map<string, object>, edges: Map<string, object>}} cytoscape's data by id
 */
export function drawnElements(data, shown, view) {
  const isFolded = (row) => row.community !== null && row.community !== undefined && view.folded.has(row.community);
  const placeOf = (node, row) => (isFolded(row) ? communityNode(row.community) : node);
  const nodes = new Map();
  for (const row of data.answer.communities) {
    const id = communityNode(row.community);
    if (view.folded.has(row.community) && !view.hidden.has(id)) nodes.set(id, { ...communityData(row, 0), id });
  }
  for (const id of shown.accounts) {
    const row = data.accounts.get(id);
    const node = accountNode(id);
    if (view.hidden.has(node)) continue;
    if (!isFolded(row)) nodes.set(node, accountData(row, node));
    else if (nodes.has(placeOf(node, row))) nodes.get(placeOf(node, row)).n_accounts += 1;
  }
  for (const [id, node] of nodes) if (node.kind === "community") node.n_accounts ? label(node) : nodes.delete(id);
  const edges = new Map();
  if (view.kinds !== "pairs") {
    for (const node of shown.nodes) {
      const row = data.identifiers.get(node);
      if (row && !isFolded(row) && !view.hidden.has(node)) nodes.set(node, identifierData(row, node));
    }
    for (const row of shown.holds) {
      const source = placeOf(accountNode(row.account_id), data.accounts.get(row.account_id));
      joinNodes(edges, nodes, source, placeOf(row.node, data.identifiers.get(row.node)), `h:${row.name}`, { kind: "hold", hold: row });
    }
    dropBare(nodes, edges, data);
  }
  if (view.kinds !== "shared") {
    for (const row of shown.pairs) {
      const [source, target] = [row.account_a, row.account_b].map((id) => placeOf(accountNode(id), data.accounts.get(id)));
      const isPlain = source.startsWith("a:") && target.startsWith("a:");
      if (isPlain || view.kinds === "pairs") {
        joinNodes(edges, nodes, source, target, `p:${row.name}`, { kind: "pair", bits: row.weight_bits, pair: row });
      }
    }
  }
  return { nodes, edges };
}

/** Whether two nodes are drawn as one, so that nothing between them shows. */
function joinNodes(edges, nodes, source, target, id, data) {
  if (source === target || !nodes.has(source) || !nodes.has(target)) return;
  if (!source.startsWith("c:") && !target.startsWith("c:")) {
    edges.set(id, { id, source, target, ...data });
    return;
  }
  const [one, other] = [source, target].sort();
  const gathered = `g:${one}|${other}`;
  const edge = edges.get(gathered) ?? { id: gathered, source: one, target: other, kind: "gathered", n: 0 };
  edge.n += 1;
  edges.set(gathered, edge);
}

/** An identifier that only one node holds, or none, joins nothing: it goes, unless expanding brought it. */
function dropBare(nodes, edges, data) {
  const degree = new Map();
  for (const edge of edges.values()) for (const end of [edge.source, edge.target]) degree.set(end, (degree.get(end) ?? 0) + 1);
  for (const id of [...nodes.keys()]) {
    if (!id.startsWith("i:") || (degree.get(id) ?? 0) > 1 || data.identifiers.get(id).isAdded) continue;
    nodes.delete(id);
    for (const [name, edge] of edges) if (edge.source === id || edge.target === id) edges.delete(name);
  }
}

function accountData(row, id) {
  const score = row.score ?? 0;
  const text = row.account_id.length > 16 ? `${row.account_id.slice(0, 7)}…${row.account_id.slice(-7)}` : row.account_id;
  return { id, kind: "account", label: text, score, outcome: row.outcome ?? "", added: row.isAdded ? "yes" : "no", size: 16 + 18 * score * score };
}

function identifierData(row, id) {
  return { id, kind: "identifier", type: row.identifier_type, label: row.name, added: row.isAdded ? "yes" : "no", size: 13 + Math.min(13, 2 * Math.sqrt(row.n_members ?? 1)) };
}

function communityData(row, n) {
  return { kind: "community", community: row.community, n_accounts: n, score: row.max_score ?? 0 };
}

function label(node) {
  node.label = String(node.n_accounts);
  node.size = 26 + 6 * Math.sqrt(node.n_accounts);
}
