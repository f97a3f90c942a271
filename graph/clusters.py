"""Clusters: components over strong evidence, refined where they are large, so that a chain of weak ties is no group.

A component is a fact of the graph; a cluster is a judgement of evidence. Components of more than `REFINE_ABOVE` accounts are
parted by the constant Potts model (Traag, Van Dooren, Nesterov, "Narrow scope for resolution-limit-free community detection",
Phys. Rev. E 84, 2011), found by Leiden (Traag, Waltman, van Eck, Sci. Rep. 9, 2019): a cluster keeps together only what is tied by
more than `RESOLUTION` of a full tie, on average, whatever the size of the whole; modularity would melt small groups together.
"""

import graspologic_native
import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from graph.components import connected_components
from graph.links import rarity_ceiling
from graph.threads import run_parts

__all__ = ["build_clusters", "part_by_potts", "tie_floor"]

# in parts of the bits that an identifier of one account carries, so that growth of the whole ties nobody
FLOOR_SHARE = 0.4  # pairs below do not tie
FULL_TIE_SHARE = 4 / 3  # evidence that counts as one whole tie
REFINE_ABOVE = 3
RESOLUTION = 0.02
ITERATIONS = 4


def tie_floor(n_accounts: int) -> float:
    """The bits of evidence from which on a pair ties two accounts, in a world of so many."""
    return FLOOR_SHARE * rarity_ceiling(n_accounts)


def build_clusters(
    pairs: pl.DataFrame,
    n_accounts: int,
    seed: int,
    was: pl.Series | None = None,
    is_dirty: NDArray[np.bool_] | None = None,
    n_world: int | None = None,
) -> pl.DataFrame:
    """Groups the accounts that evidence ties together.

    Each component is refined by itself, with its own numbering, so that what happens elsewhere cannot change it.

    Args:
        pairs: account_a < account_b, weight_bits, ties; distinct, sorted by the accounts.
        n_accounts: accounts are 0..n_accounts-1.
        seed: of Leiden's order of visits.
        was: i32, each account's cluster of an earlier night, if those are to be taken over (see `graph.update`).
        is_dirty: bool[n_accounts], accounts whose components are refined anew; needed with `was`.
        n_world: accounts of the world of which these are a part; all, if None. What ties follows from it.

    Returns:
        account, component, cluster, each i32, one row an account, sorted; both dense, numbered by smallest account.
    """
    n_world = n_accounts if n_world is None else n_world
    ceiling = rarity_ceiling(n_world)
    ties = pairs.filter(pl.col("ties") & (pl.col("weight_bits") >= tie_floor(n_world)))
    source, target = ties["account_a"].to_numpy(), ties["account_b"].to_numpy()
    component = connected_components(n_accounts, source, target)
    weight = np.minimum(ties["weight_bits"].to_numpy() / (FULL_TIE_SHARE * ceiling), 1.0)
    leader = _lead(component) if was is None or is_dirty is None else _lead_as_before(component, was, is_dirty)
    anew = np.ones(n_accounts, dtype=np.bool_) if is_dirty is None else is_dirty
    cluster = _refine(component, source, target, weight, leader, anew, seed)
    return pl.DataFrame(
        {"account": np.arange(n_accounts, dtype=np.int32), "component": component, "cluster": cluster},
        schema={"account": pl.Int32, "component": pl.Int32, "cluster": pl.Int32},
    )


def _refine(
    component: NDArray[np.int32],
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    weight: NDArray[np.float64],
    leader: NDArray[np.int64],
    is_dirty: NDArray[np.bool_],
    seed: int,
) -> NDArray[np.int32]:
    """Parts every large component that has a dirty account; returns dense cluster numbers by smallest account.

    Args:
        leader: int64[n], the smallest account of each account's cluster where its component is not parted.
    """
    n_accounts = component.shape[0]
    members = np.argsort(component, kind="stable")
    starts = np.searchsorted(component[members], np.arange(component.max(initial=-1) + 2))
    edges = np.argsort(component[source], kind="stable")
    edge_starts = np.searchsorted(component[source][edges], np.arange(starts.shape[0]))
    place = np.empty(n_accounts, dtype=np.int32)
    place[members] = np.arange(n_accounts) - starts[component[members]]
    n_dirty = np.bincount(component, weights=is_dirty, minlength=starts.shape[0] - 1)

    parted = np.flatnonzero((np.diff(starts) > REFINE_ABOVE) & (n_dirty > 0))

    def part(begin: int, end: int) -> None:
        for number in parted[begin:end]:
            own = members[starts[number] : starts[number + 1]]
            mine = edges[edge_starts[number] : edge_starts[number + 1]]
            parts = part_by_potts(own.shape[0], place[source[mine]], place[target[mine]], weight[mine], seed)
            first = np.full(parts.max() + 1, own.shape[0])
            np.minimum.at(first, parts, np.arange(own.shape[0]))
            leader[own] = own[first[parts]]

    run_parts(part, parted.shape[0])
    return np.unique(leader, return_inverse=True)[1].astype(np.int32)


def _lead(groups: NDArray[np.int32]) -> NDArray[np.int64]:
    """The first account of each account's group, int64[n]."""
    _, first, place = np.unique(groups, return_index=True, return_inverse=True)
    leader: NDArray[np.int64] = first[place]
    return leader


def _lead_as_before(component: NDArray[np.int32], was: pl.Series, is_dirty: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Leaders of components, and of the clusters as they were where no account of the component is dirty."""
    leader = _lead(component)
    dirty = np.zeros(component.max(initial=-1) + 1, dtype=np.bool_)
    dirty[component[is_dirty]] = True
    clean = np.flatnonzero(~dirty[component])
    leader[clean] = clean[_lead(was.fill_null(-1).to_numpy()[clean])]
    return leader


def part_by_potts(
    n_nodes: int,
    source: NDArray[np.int32],
    target: NDArray[np.int32],
    weight: NDArray[np.float64],
    seed: int,
    resolution: float = RESOLUTION,
) -> NDArray[np.int64]:
    """Communities of one graph by the constant Potts model, found by Leiden: the same for the same input.

    Args:
        source, target, weight: edges, each once, source < target, sorted by source, then target.
        seed: of Leiden's order of visits.
        resolution: the weight a pair of nodes, on average, above which a community keeps together.

    Returns:
        int64[n_nodes], the community of each node.
    """
    indptr, indices, data = _mirror(n_nodes, source, target, weight)
    _, communities = graspologic_native.leiden_csr(
        indptr,
        indices,
        data,
        n_nodes,
        resolution=resolution,
        iterations=ITERATIONS,
        use_modularity=False,
        seed=seed,
    )
    return np.fromiter((communities[node] for node in range(n_nodes)), dtype=np.int64, count=n_nodes)


@njit(cache=True, nogil=True)
def _mirror(
    n_nodes: int, source: NDArray[np.int32], target: NDArray[np.int32], weight: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.float64]]:
    """Both directions of each edge as compressed rows, neighbours in order; edges are distinct and sorted by source, then target."""
    indptr = np.zeros(n_nodes + 1, dtype=np.int64)
    for edge in range(source.shape[0]):
        indptr[source[edge] + 1] += 1
        indptr[target[edge] + 1] += 1
    for node in range(n_nodes):
        indptr[node + 1] += indptr[node]
    place = indptr[:-1].copy()
    indices = np.empty(2 * source.shape[0], dtype=np.int32)
    data = np.empty(2 * source.shape[0], dtype=np.float64)
    for edge in range(source.shape[0]):  # smaller neighbours first: an edge's source is its smaller end
        node = target[edge]
        indices[place[node]], data[place[node]] = source[edge], weight[edge]
        place[node] += 1
    for edge in range(source.shape[0]):
        node = source[edge]
        indices[place[node]], data[place[node]] = target[edge], weight[edge]
        place[node] += 1
    return indptr, indices, data
