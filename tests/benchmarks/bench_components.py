"""Components and communities: ours beside scipy's, networkit's and networkx's on the same graphs, turn by turn in one run.

    python tests/benchmarks/bench_components.py [NODES ...]          default: 1000000 10000000

Components of a random graph with five edges a node, given as two arrays; a peer's own form of a graph is part of its time. Communities
of planted groups of 2 to 30, each member tied to up to four before it, with one stray tie a hundred nodes, of NODES up to a million: ours is
`graph.clusters.build_clusters` whole, from pairs with bits; of the peers, both modularity, only the search is timed and not the making of their graph.
networkx runs up to 100,000 nodes, and for components up to a million. Prints CPU-seconds of all threads (medians of three turns below a million nodes,
one from there on), nanoseconds of CPU an edge, how many times ours, and for communities the pairwise F1 against what was planted; records them in RESULTS.md.
"""

import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import networkit as nk
import networkx as nx
import numpy as np
import polars as pl
from numpy.typing import NDArray
from results import machine, record, table
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components

from graph.clusters import build_clusters, tie_floor
from graph.components import connected_components

Ints = NDArray[Any]
Peer = Callable[[int, Ints, Ints], Any]
SMALL, LARGE = 100_000, 1_000_000
TURNS = 3
HEAD = ["", "CPU-s", "ns an edge", "times ours"]


def components_by_scipy(n_nodes: int, source: Ints, target: Ints) -> int:
    matrix = coo_array((np.ones(source.shape[0], dtype=np.int8), (source, target)), shape=(n_nodes, n_nodes))
    return int(scipy_components(matrix.tocsr(), directed=False)[0])


def components_by_networkit(n_nodes: int, source: Ints, target: Ints) -> int:
    network = in_networkit(n_nodes, source, target)  # networkit does not keep it alive by itself
    return int(nk.components.ConnectedComponents(network).run().numberOfComponents())


def components_by_networkx(n_nodes: int, source: Ints, target: Ints) -> int:
    return int(nx.number_connected_components(in_networkx(n_nodes, source, target)))


def components_by_us(n_nodes: int, source: Ints, target: Ints) -> int:
    return int(connected_components(n_nodes, source, target).max()) + 1


def in_networkit(n_nodes: int, source: Ints, target: Ints) -> nk.Graph:
    return nk.GraphFromCoo((source.astype(np.uint64), target.astype(np.uint64)), n=n_nodes)


def in_networkx(n_nodes: int, source: Ints, target: Ints) -> "nx.Graph[int]":
    network = nx.empty_graph(n_nodes)
    network.add_edges_from(zip(source.tolist(), target.tolist(), strict=True))
    return network


def random_graph(n_nodes: int) -> tuple[Ints, Ints]:
    source, target = np.random.default_rng(0).integers(0, n_nodes, (2, 5 * n_nodes), dtype=np.int32)
    return source, target


def planted_graph(n_nodes: int) -> tuple[pl.DataFrame, Ints]:
    """Pairs as `graph.pairs` gives them, all of them strong, and the group of each node."""
    draw = np.random.default_rng(1)
    sizes = draw.integers(2, 31, n_nodes)
    group = np.repeat(np.arange(n_nodes), sizes)[:n_nodes]
    number = np.arange(n_nodes) - np.searchsorted(group, group)  # within its group
    inner = [
        np.column_stack([np.flatnonzero(number >= back) - back, np.flatnonzero(number >= back)])
        for back in (1, 2, 3, 4)
    ]
    stray = np.sort(draw.integers(0, n_nodes, (n_nodes // 100, 2)), axis=1)
    edges = np.unique(np.concatenate([*inner, stray[stray[:, 0] != stray[:, 1]]]), axis=0).astype(np.int32)
    bits = np.full(len(edges), 2.5 * tie_floor(n_nodes))
    return pl.DataFrame({"account_a": edges[:, 0], "account_b": edges[:, 1], "weight_bits": bits, "ties": True}), group


def agreement(found: Ints, planted: Ints) -> float:
    """Pairwise F1."""

    def pairs(numbers: Ints) -> float:
        counts = np.unique(numbers, return_counts=True)[1].astype(float)
        return float((counts * (counts - 1) / 2).sum())

    both = pairs(found.astype(np.int64) * (int(planted.max()) + 1) + planted)
    return 2 * both / (pairs(found) + pairs(planted))


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def in_turns(peers: dict[str, Callable[[], Any]], n_turns: int) -> dict[str, tuple[float, Any]]:
    """Of each peer the median of its CPU-seconds, and what it found last."""
    turns = [{name: timed(work) for name, work in peers.items()} for _ in range(n_turns)]
    return {name: (statistics.median(turn[name][0] for turn in turns), turns[-1][name][1]) for name in peers}


def lines(found: dict[str, tuple[float, Any]], n_edges: int) -> list[list[str]]:
    ours = found["ringlight"][0]
    return [
        [name, f"{seconds:.2f}", f"{seconds / n_edges * 1e9:.1f}", f"{seconds / ours:.1f}"]
        for name, (seconds, _) in found.items()
    ]


def measure_components(n_nodes: int) -> str:
    source, target = random_graph(n_nodes)
    makers: dict[str, Peer] = {
        "ringlight": components_by_us,
        "scipy": components_by_scipy,
        "networkit": components_by_networkit,
    }
    if n_nodes <= LARGE:
        makers["networkx"] = components_by_networkx
    peers = {name: (lambda count=count: count(n_nodes, source, target)) for name, count in makers.items()}
    found = in_turns(peers, TURNS if n_nodes < LARGE else 1)
    assert len({n_components for _, n_components in found.values()}) == 1, "the peers must agree"
    return f"Components, {n_nodes:,} nodes, {len(source):,} edges:\n\n" + table(HEAD, lines(found, len(source)))


def measure_communities(n_nodes: int) -> str:
    pairs, planted = planted_graph(n_nodes)
    source, target = pairs["account_a"].to_numpy(), pairs["account_b"].to_numpy()
    kit = in_networkit(n_nodes, source, target)
    peers: dict[str, Callable[[], Any]] = {
        "ringlight": lambda: build_clusters(pairs, n_nodes, 0)["cluster"].to_numpy(),
        "networkit, parallel Leiden": lambda: np.array(
            nk.community.ParallelLeiden(kit).run().getPartition().getVector()
        ),
        "networkit, Louvain": lambda: np.array(nk.community.PLM(kit).run().getPartition().getVector()),
    }
    if n_nodes <= SMALL:
        network = in_networkx(n_nodes, source, target)

        def by_networkx() -> Ints:
            found = np.empty(n_nodes, dtype=np.int64)
            for number, members in enumerate(nx.community.louvain_communities(network, seed=0)):
                found[list(members)] = number
            return found

        peers["networkx, Louvain"] = by_networkx
    found = in_turns(peers, TURNS if n_nodes < LARGE else 1)
    rows = [[*line, f"{agreement(found[line[0]][1], planted):.3f}"] for line in lines(found, len(source))]
    return f"Communities, {n_nodes:,} nodes, {len(source):,} edges:\n\n" + table([*HEAD, "F1"], rows)


def main() -> None:
    """See the module."""
    sizes = [int(wanted) for wanted in sys.argv[1:]] or [LARGE, 10 * LARGE]
    where = machine()
    components_by_us(2, np.zeros(1, dtype=np.int32), np.ones(1, dtype=np.int32))  # compiles
    build_clusters(planted_graph(100)[0], 100, 0)
    told = [measure_components(n_nodes) for n_nodes in sizes]
    told += [measure_communities(n_nodes) for n_nodes in sorted({SMALL, *(min(n, LARGE) for n in sizes)})]
    print("\n\n".join(told))
    record("Components and communities", f"bench_components.py {' '.join(map(str, sizes))}", where, "\n\n".join(told))


if __name__ == "__main__":
    main()
