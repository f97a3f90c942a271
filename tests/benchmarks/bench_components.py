"""Connected components: ours beside scipy's, networkit's and networkx's on one graph, in one run.

    python tests/benchmarks/bench_components.py [NODES ...]

A random graph with five edges a node, given as two arrays; a peer's own form of a graph is part of its time. networkx runs up to a
million nodes. Prints CPU-seconds of all threads, nanoseconds of CPU an edge, and how many times ours.
"""

import sys
import time
from collections.abc import Callable

import networkit as nk
import networkx as nx
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components as scipy_components

from graph.components import connected_components

Edges = NDArray[np.int32]
NETWORKX_LIMIT = 1_000_000


def by_scipy(n_nodes: int, source: Edges, target: Edges) -> int:
    matrix = coo_array((np.ones(source.shape[0], dtype=np.int8), (source, target)), shape=(n_nodes, n_nodes))
    return int(scipy_components(matrix.tocsr(), directed=False)[0])


def by_networkit(n_nodes: int, source: Edges, target: Edges) -> int:
    network = nk.GraphFromCoo((source.astype(np.uint64), target.astype(np.uint64)), n=n_nodes)
    return int(nk.components.ConnectedComponents(network).run().numberOfComponents())


def by_networkx(n_nodes: int, source: Edges, target: Edges) -> int:
    network = nx.empty_graph(n_nodes)
    network.add_edges_from(zip(source.tolist(), target.tolist(), strict=True))
    return nx.number_connected_components(network)


def by_us(n_nodes: int, source: Edges, target: Edges) -> int:
    return int(connected_components(n_nodes, source, target).max()) + 1


def cpu_seconds(count: Callable[[int, Edges, Edges], int], *args: int | Edges) -> tuple[float, int]:
    start = time.process_time()
    n_components = count(*args)  # type: ignore[arg-type]
    return time.process_time() - start, n_components


def measure(n_nodes: int) -> None:
    source, target = np.random.default_rng(0).integers(0, n_nodes, (2, 5 * n_nodes), dtype=np.int32)
    peers = {"ringlight": by_us, "scipy": by_scipy, "networkit": by_networkit}
    if n_nodes <= NETWORKX_LIMIT:
        peers["networkx"] = by_networkx
    found = {name: cpu_seconds(count, n_nodes, source, target) for name, count in peers.items()}
    assert len({n_components for _, n_components in found.values()}) == 1, "the peers must agree"
    ours = found["ringlight"][0]
    for name, (seconds, _) in found.items():
        rate = seconds / source.shape[0] * 1e9
        print(
            f"{n_nodes:>11,} nodes {name:>10} {seconds:8.2f} CPU-s {rate:8.1f} ns/edge {seconds / ours:6.1f} x",
            flush=True,
        )


if __name__ == "__main__":
    by_us(2, np.zeros(1, dtype=np.int32), np.ones(1, dtype=np.int32))  # compiles
    for wanted in sys.argv[1:] or ("100000", "1000000", "10000000"):
        measure(int(wanted))
