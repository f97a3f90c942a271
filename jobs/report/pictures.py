"""Pictures of networks: what is drawn and where. Few enough nodes to read, the same places for the same network.

What one account alone has joins nobody and is not drawn, nor is a hub, which links nobody. Beyond `limit` nodes, accounts that share the same things become one
node, and things that the same accounts share; if that is not enough, communities become one node each.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any

import networkx as nx

__all__ = ["HEIGHT", "MAX_NODES", "WIDTH", "build_picture", "is_shared"]

MAX_NODES = 60
WIDTH, HEIGHT = 640, 400
_MARGIN = 46


def build_picture(network: nx.Graph, seed: int, limit: int = MAX_NODES) -> dict[str, Any]:
    """What to draw of a network (see `graph.network`), as JSON values.

    Returns:
        `nodes`: kind (account, identifier, group), label, title, n (accounts or identifiers in it), x and y in a box of
        `WIDTH` x `HEIGHT`; for an account also score, is_member and outcome, for an identifier identifier_type. `edges`: two
        positions in `nodes`, kind. `n_accounts`, `n_identifiers`, `n_not_drawn` (identifiers of one account), `n_hubs` and `folding`: none,
        alike (same neighbours), communities.
    """
    cluster = network.graph.get("cluster_id")
    kinds = Counter(kind for _, kind in network.nodes(data="kind"))
    core = _shared_part(network)
    n_drawn = sum(kind == "identifier" for _, kind in core.nodes(data="kind"))
    n_hubs = sum(row["kind"] == "identifier" and row["is_hub"] for _, row in network.nodes(data=True))
    drawn = nx.Graph()
    drawn.add_nodes_from((node, _node(row, cluster)) for node, row in core.nodes(data=True))
    drawn.add_edges_from((a, b, {"kind": row["kind"]}) for a, b, row in core.edges(data=True))
    folding = "none"
    if len(drawn) > limit:
        drawn, folding = _fold_alike(drawn), "alike"
    if len(drawn) > limit:
        drawn, folding = _fold_communities(drawn, seed, limit), "communities"
    places = _places(drawn, seed)
    position = {node: i for i, node in enumerate(drawn)}
    return {
        "nodes": [
            {key: value for key, value in row.items() if value is not None}
            | {"x": places[node][0], "y": places[node][1]}
            for node, row in drawn.nodes(data=True)
        ],
        "edges": [
            {"source": position[a], "target": position[b], "kind": row["kind"]} for a, b, row in drawn.edges(data=True)
        ],
        "n_accounts": kinds["account"],
        "n_identifiers": kinds["identifier"],
        "n_not_drawn": kinds["identifier"] - n_drawn - n_hubs,
        "n_hubs": n_hubs,
        "folding": folding,
    }


def _shared_part(network: nx.Graph) -> nx.Graph:
    """Accounts, the identifiers that link two or more of them, and pairs that nothing drawn would show."""
    drawn = [node for node, row in network.nodes(data=True) if row["kind"] == "account" or is_shared(row)]
    core = _part(network, drawn)
    held: dict[str, set[str]] = defaultdict(set)
    for a, b, kind in core.edges(data="kind"):
        if kind == "link":
            held[a].add(b)
            held[b].add(a)
    shown = [(a, b) for a, b, kind in core.edges(data="kind") if kind == "pair" and held[a] & held[b]]
    core.remove_edges_from(shown)
    return core


def is_shared(row: Mapping[str, Any]) -> bool:
    """Whether a node's attributes are those of an identifier that links two accounts of the network or more."""
    return row["kind"] == "identifier" and row["n_accounts"] > 1 and not row["is_hub"]


def _part(whole: nx.Graph, nodes: list[str]) -> nx.Graph:
    """The subgraph of `nodes` in their order; networkx's own may iterate over a set of names, whose order varies."""
    part = nx.Graph()
    part.add_nodes_from((node, whole.nodes[node]) for node in nodes)
    part.add_edges_from((a, b, row) for a, b, row in whole.edges(data=True) if a in part and b in part)
    return part


def _node(row: dict[str, Any], cluster: str | None) -> dict[str, Any]:
    if row["kind"] == "identifier":
        return {
            "kind": "identifier",
            "identifier_type": row["identifier_type"],
            "label": row["label"],
            "title": f"{row['label']}: {row['n_accounts']} accounts",
            "n": 1,
        }
    score, outcome = row.get("score"), row.get("outcome")
    said = [f"account {row['account_id']}"]
    said += [] if score is None else [f"score {score:.3f}"]
    said += [] if outcome is None else [outcome.replace("_", " ")]
    return {
        "kind": "account",
        "label": "",
        "title": ", ".join(said),
        "n": 1,
        "score": None if score is None else round(score, 6),
        "outcome": outcome,
        "is_member": score is None or row.get("ring_id") == cluster,
    }


def _fold_alike(drawn: nx.Graph) -> nx.Graph:
    """First accounts with the same neighbours become one node, then identifiers of a type with the same neighbours."""

    def accounts_alike(node: str) -> Hashable:
        row = drawn.nodes[node]
        neighbours = frozenset(drawn[node])
        return (row["outcome"], row["is_member"], neighbours) if row["kind"] == "account" and neighbours else node

    folded = _fold(drawn, accounts_alike)

    def identifiers_alike(node: str) -> Hashable:
        row = folded.nodes[node]
        return (row["identifier_type"], frozenset(folded[node])) if row["kind"] == "identifier" else node

    return _fold(folded, identifiers_alike)


def _fold_communities(drawn: nx.Graph, seed: int, limit: int) -> nx.Graph:
    """Communities by Louvain become one node each; beyond `limit` of them, the largest are drawn."""
    # By number, not by name: sets of strings have another order in each process.
    numbered = nx.convert_node_labels_to_integers(drawn, label_attribute="node")
    communities = sorted(
        (sorted(part) for part in nx.community.louvain_communities(numbered, seed=seed)),
        key=lambda part: (-len(part), part),
    )
    of = {numbered.nodes[i]["node"]: number for number, part in enumerate(communities) for i in part}
    folded = _fold(drawn, of.__getitem__)
    return _part(folded, list(folded)[:limit]) if len(folded) > limit else folded


def _fold(drawn: nx.Graph, alike: Callable[[str], Hashable]) -> nx.Graph:
    """Nodes with the same key become one, named by its first; edges between them go along. The largest come first."""
    parts: dict[Hashable, list[str]] = defaultdict(list)
    for node in drawn:
        parts[alike(node)].append(node)
    ordered = sorted(parts.values(), key=lambda nodes: -len(nodes))
    first = {node: nodes[0] for nodes in ordered for node in nodes}
    folded = nx.Graph()
    for nodes in ordered:
        folded.add_node(nodes[0], **_folded_node([drawn.nodes[node] for node in nodes]))
    for a, b, row in drawn.edges(data=True):
        if first[a] != first[b]:
            folded.add_edge(first[a], first[b], kind=row["kind"])
    return folded


def _folded_node(rows: list[dict[str, Any]]) -> dict[str, Any]:
    if len(rows) == 1:
        return dict(rows[0])
    n_accounts = sum(_count(row, "n_accounts", "account") for row in rows)
    n_identifiers = sum(_count(row, "n_identifiers", "identifier") for row in rows)
    scores = [row["score"] for row in rows if row.get("score") is not None]
    types = {row.get("identifier_type") for row in rows}
    if n_accounts and n_identifiers:
        text = f"{n_accounts} accounts, {n_identifiers} shared things"
        return _group("group", f"{n_accounts} accounts", text, n_accounts, n_identifiers, scores)
    if n_accounts:
        text = f"{n_accounts} accounts"
        return _group("account", text, text, n_accounts, 0, scores) | {
            "outcome": rows[0].get("outcome"),
            "is_member": rows[0].get("is_member"),
        }
    one = next(iter(types)) if len(types) == 1 else None
    text = f"{n_identifiers} x {one.replace('_', ' ')}" if one else f"{n_identifiers} shared things"
    return _group("identifier", text, text, 0, n_identifiers, []) | {"identifier_type": one or "several"}


def _count(row: dict[str, Any], name: str, kind: str) -> int:
    return int(row[name]) if name in row else int(row["n"]) if row["kind"] == kind else 0


def _group(
    kind: str,
    label: str,
    title: str,
    n_accounts: int,
    n_identifiers: int,
    scores: list[float],
) -> dict[str, Any]:
    highest = f", highest score {max(scores):.3f}" if scores else ""
    return {
        "kind": kind,
        "label": label,
        "title": title + highest,
        "n": n_accounts or n_identifiers,
        "n_accounts": n_accounts,
        "n_identifiers": n_identifiers,
        "score": max(scores) if scores else None,
    }


def _places(drawn: nx.Graph, seed: int) -> dict[str, tuple[int, int]]:
    """Where each node stands, in whole pixels."""
    if len(drawn) < 2:
        return dict.fromkeys(drawn, (WIDTH // 2, HEIGHT // 2))
    start = nx.spring_layout(drawn, seed=seed, iterations=80)
    laid = nx.kamada_kawai_layout(drawn, pos=start) if nx.is_connected(drawn) else start
    xs, ys = _stretched(p[0] for p in laid.values()), _stretched(p[1] for p in laid.values())
    return {
        node: (round(_MARGIN + x * (WIDTH - 2 * _MARGIN)), round(_MARGIN + y * (HEIGHT - 2 * _MARGIN)))
        for node, x, y in zip(laid, xs, ys, strict=True)
    }


def _stretched(values: Iterable[float]) -> list[float]:
    """The values moved and scaled to 0..1; all in the middle where they do not differ."""
    found = [float(value) for value in values]
    low, high = min(found), max(found)
    return [(value - low) / (high - low) if high - low > 1e-9 else 0.5 for value in found]
