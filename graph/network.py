"""A cluster or ring as a `networkx` graph: for measures, pictures and export.

Accounts and identifiers are nodes; a link (account - identifier) or a pair (account - account) is an edge:

    account     kind, label, account_id, score, rank, ring_id, outcome, n_events, n_identifiers
    identifier  kind, label, identifier_type, identifier (hex of the keyed hash), n_accounts (in this network),
                is_hub (over its cap: it links nobody, and its links weigh 0)
    link        kind, first_seen, last_seen, n_events, weight
    pair        kind, weight_bits, evidence (list of dicts, see `graph.lake.EVIDENCE`)

An attribute that is not known is absent. `build_network` is shared by the readers of the lake and of the store.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx as nx
import polars as pl

from graph.errors import InputError
from graph.lake import Night

if TYPE_CHECKING:
    from graph.store import Store

__all__ = [
    "account_node",
    "build_network",
    "identifier_node",
    "pseudonyms",
    "read_cluster_network",
    "read_cluster_networks",
    "read_ring_network",
    "write_graphml",
]

_SHORTEST_PSEUDONYM = 3


def account_node(account_id: str) -> str:
    """The node of an account."""
    return f"account:{account_id}"


def identifier_node(identifier_type: str, identifier: str) -> str:
    """The node of an identifier, named by its type and hash."""
    return f"{identifier_type}:{identifier}"


def pseudonyms(identifiers: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Short names for (type, hash), such as `device a3f`: the shortest start of the hash, 3 characters or more, that is
    unique among those given of its type. Stable, for it is always a start of the same hash.

    Example:
        >>> pseudonyms([("device", "a3f09"), ("device", "b7712"), ("ip", "a3f55")])[("device", "a3f09")]
        'device a3f'
    """
    by_type: dict[str, list[str]] = defaultdict(list)
    for identifier_type, identifier in dict.fromkeys(identifiers):
        by_type[identifier_type].append(identifier)
    names = {}
    for identifier_type, hashes in by_type.items():
        hashes.sort()
        word = identifier_type.replace("_", " ")
        for i, identifier in enumerate(hashes):
            neighbours = hashes[max(0, i - 1) : i] + hashes[i + 1 : i + 2]
            length = max([_SHORTEST_PSEUDONYM, *(_common_start(identifier, other) + 1 for other in neighbours)])
            names[identifier_type, identifier] = f"{word} {identifier[:length]}"
    return names


def _common_start(left: str, right: str) -> int:
    same = 0
    for a, b in zip(left, right, strict=False):
        if a != b:
            break
        same += 1
    return same


def build_network(nodes: Iterable[Mapping[str, Any]], edges: Iterable[Mapping[str, Any]]) -> nx.Graph:
    """The network of nodes and edges, with the attributes that this module's docstring lists.

    Args:
        nodes: `kind` is `account` (with `account_id`) or `identifier` (with `identifier_type`, `identifier`); what else
            they hold becomes attributes.
        edges: `kind` is `link` (with `account_id`, `identifier_type`, `identifier`) or `pair` (with `account_a`,
            `account_b`); what else they hold becomes attributes. Both ends must be among `nodes`.

    Returns:
        An undirected graph, the same for every order of `nodes` and `edges`.

    Raises:
        InputError: an edge ends at no node.
    """
    node_rows = list(nodes)
    names = pseudonyms((row["identifier_type"], row["identifier"]) for row in node_rows if row["kind"] == "identifier")
    named = {}
    for row in node_rows:
        if row["kind"] == "account":
            node, label = account_node(row["account_id"]), row["account_id"]
        else:
            key = row["identifier_type"], row["identifier"]
            node, label = identifier_node(*key), names[key]
        named[node] = _known({"label": label, **row})
    joined = {}
    for row in edges:
        ends, attributes = _edge(row)
        if not all(end in named for end in ends):
            raise InputError(
                f"`edges` must end at nodes of the network; got a {row['kind']} that does not. Read its accounts too."
            )
        joined[ends] = attributes
    network = nx.Graph()
    network.add_nodes_from(sorted(named.items()))
    for source, target in sorted(joined):
        network.add_edge(source, target, **joined[source, target])
    holders: Counter[str] = Counter()
    links: Counter[str] = Counter()
    events: Counter[str] = Counter()
    weighs: set[str] = set()
    for (account, identifier), attributes in joined.items():
        if attributes["kind"] == "link":
            holders[identifier] += 1
            links[account] += 1
            events[account] += attributes.get("n_events", 0)
            if attributes.get("weight") != 0:
                weighs.add(identifier)
    for node, attributes in network.nodes(data=True):
        if attributes["kind"] == "account":
            attributes.update(n_identifiers=links[node], n_events=events[node])
        else:
            attributes.update(n_accounts=holders[node], is_hub=node not in weighs)
    return network


def _edge(row: Mapping[str, Any]) -> tuple[tuple[str, str], dict[str, Any]]:
    if row["kind"] == "link":
        ends = account_node(row["account_id"]), identifier_node(row["identifier_type"], row["identifier"])
        of_ends = {"account_id", "identifier_type", "identifier"}
    else:
        left, right = sorted((row["account_a"], row["account_b"]))
        ends = account_node(left), account_node(right)
        of_ends = {"account_a", "account_b"}
    return ends, _known({key: value for key, value in row.items() if key not in of_ends})


def _known(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if value is not None}


def read_cluster_network(night: Night, cluster_id: str) -> nx.Graph:
    """A cluster of a night as a network; where it names a ring, with the ring's members of other clusters.

    Returns:
        See the module's docstring. `network.graph` holds `cluster_id` and `as_of`.

    Raises:
        InputError: the night has no such cluster.
    """
    return read_cluster_networks(night, [cluster_id])[cluster_id]


def read_cluster_networks(night: Night, cluster_ids: Sequence[str]) -> dict[str, nx.Graph]:
    """Several clusters at the cost of one; see `read_cluster_network`.

    Each table is scanned once and filtered while it is, so only the clusters' own rows come into memory.

    Raises:
        InputError: the night lacks one of them.
    """
    wanted = list(dict.fromkeys(cluster_ids))
    named = (
        night.scan("scores")
        .filter(pl.col("ring_id").is_in(wanted))
        .select("account_id", cluster_id="ring_id")
        .collect()
    )
    members = night.scan("clusters").filter(pl.col("cluster_id").is_in(wanted)).collect()
    missing = [cluster for cluster in wanted if cluster not in set(members["cluster_id"])]
    if missing:
        raise InputError(
            f"`cluster_id` must be a cluster of the night {night.date}; got `{missing[0]}`. "
            "`rings.parquet` and `clusters.parquet` of that night list those there are; "
            "`lineage.parquet` says what became of earlier ones."
        )
    members = pl.concat([members.select("account_id", "cluster_id"), named]).unique(maintain_order=True)
    own = members["account_id"].unique().sort().implode()
    scores = night.scan("scores").filter(pl.col("account_id").is_in(own)).drop("model_version").collect()
    labels = night.scan("labels").filter(pl.col("account_id").is_in(own)).select("account_id", "outcome").collect()
    links = night.scan("links").filter(pl.col("account_id").is_in(own)).collect()
    pairs = night.scan("pairs").filter(pl.col("account_a").is_in(own), pl.col("account_b").is_in(own)).collect()
    accounts = members.join(scores, on="account_id", how="left").join(labels, on="account_id", how="left")
    cluster_of = members.rename({"account_id": "account"})
    linked = links.join(cluster_of, left_on="account_id", right_on="account")
    # Two clusters may hold a pair between them; it belongs to neither.
    paired = pairs.join(cluster_of, left_on="account_a", right_on="account").join(
        cluster_of, left_on=["account_b", "cluster_id"], right_on=["account", "cluster_id"]
    )
    networks = {}
    for cluster in wanted:
        of_cluster = pl.col("cluster_id") == cluster
        own_links = linked.filter(of_cluster).drop("cluster_id")
        network = build_network(
            _rows("account", accounts.filter(of_cluster).drop("cluster_id"))
            + _rows("identifier", own_links.select("identifier_type", "identifier").unique()),
            _rows("link", own_links) + _rows("pair", paired.filter(of_cluster).drop("cluster_id")),
        )
        network.graph.update(cluster_id=cluster, as_of=night.as_of)
        networks[cluster] = network
    return networks


def read_ring_network(store: "Store", ring_id: str) -> nx.Graph:
    """A ring of the night that the store shows, as a network.

    Returns:
        See the module's docstring; `network.graph` holds `cluster_id`. Very large rings are cut as `graph.queries.read_ring_graph` says.

    Raises:
        InputError: the store shows no such ring.
        StoreError: no night is loaded, or the server fails.
    """
    from graph.queries import read_ring_graph  # here, so that who reads the lake alone needs no driver

    found = read_ring_graph(store, ring_id)
    accounts = [
        {**{name: row[name] for name in ("account_id", "score", "rank", "outcome", "cluster_id")}, "ring_id": ring_id}
        for row in found.accounts
    ]
    held = {(row["identifier_type"], row["identifier"]) for row in found.links}
    links = [{name: value for name, value in row.items() if name != "is_hub"} for row in found.links]
    network = build_network(
        [{"kind": "account", **row} for row in accounts]
        + [{"kind": "identifier", "identifier_type": kind, "identifier": value} for kind, value in held],
        [{"kind": "link", **row} for row in links]
        + [
            {"kind": "pair", **{name: row[name] for name in ("account_a", "account_b", "weight_bits", "evidence")}}
            for row in found.pairs
        ],
    )
    network.graph.update(cluster_id=ring_id)
    return network


def _rows(kind: str, frame: pl.DataFrame) -> list[dict[str, Any]]:
    return [{"kind": kind, **row} for row in frame.iter_rows(named=True)]


def write_graphml(network: nx.Graph, path: Path) -> Path:
    """Writes the network as GraphML, which Gephi, yEd and Cytoscape open.

    Times become ISO 8601 text, lists and dicts JSON text, and what is None is left out.

    Raises:
        InputError: `path` cannot be written.
    """
    plain = nx.Graph(**{key: _plain(value) for key, value in network.graph.items() if value is not None})
    for node, attributes in network.nodes(data=True):
        plain.add_node(node, **{key: _plain(value) for key, value in attributes.items() if value is not None})
    for source, target, attributes in network.edges(data=True):
        plain.add_edge(source, target, **{key: _plain(value) for key, value in attributes.items() if value is not None})
    try:
        nx.write_graphml_xml(plain, path, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"`path` must be a file that can be written; got `{path}` ({error.strerror}). Name another."
        ) from error
    return path


def _plain(value: Any) -> str | int | float | bool:
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, datetime | date):
        return value.isoformat()
    return json.dumps(value, default=lambda v: v.isoformat(), sort_keys=True)
