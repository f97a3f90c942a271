"""Average-link agglomeration: groups are merged while they agree on the whole, so that no chain of likely pairs joins what disagrees.

Source: Sokal and Michener's unweighted average linkage (1958), on bits in place of distances.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.components import connected_components

__all__ = ["LARGEST_COMPONENT", "agglomerate", "bounded_components"]

LARGEST_COMPONENT = 200


def bounded_components(
    n_nodes: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    bits: NDArray[np.float64],
    largest: int = LARGEST_COMPONENT,
) -> NDArray[np.int32]:
    """Connected components of at most `largest` nodes, the strongest pairs joined first.

    Returns:
        int32[n_nodes], dense, numbered by smallest node.
    """
    order = np.lexsort((right, left, -bits))
    kept = _bounded(n_nodes, left[order], right[order], largest)
    return connected_components(n_nodes, left[order][kept], right[order][kept])


@njit(cache=True, nogil=True)
def _bounded(n_nodes: int, left: NDArray[np.int32], right: NDArray[np.int32], largest: int) -> NDArray[np.bool_]:
    parent = np.arange(n_nodes)
    size = np.ones(n_nodes, dtype=np.int64)
    kept = np.zeros(left.shape[0], dtype=np.bool_)
    for pair in range(left.shape[0]):
        a, b = left[pair], right[pair]
        while parent[a] != a:
            parent[a] = parent[parent[a]]
            a = parent[a]
        while parent[b] != b:
            parent[b] = parent[parent[b]]
            b = parent[b]
        if a != b and size[a] + size[b] <= largest:
            if size[a] < size[b]:
                a, b = b, a
            parent[b] = a
            size[a] += size[b]
            kept[pair] = True
    return kept


def agglomerate(
    component: NDArray[np.int32],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    bits: NDArray[np.float64],
    least_bits: float,
    size: NDArray[np.float64] | None = None,
    missing: float = -np.inf,
) -> NDArray[np.int32]:
    """Merges, within each component, the two groups that agree most on average, while they agree by `least_bits`.

    Args:
        component: int32[n_nodes].
        left, right, bits: pairs of nodes of one component; a pair that occurs twice counts by its larger bits.
        least_bits: mean bits below which two groups stay apart.
        size: float64[n_nodes], by how many a node counts in a mean; one each, if None.
        missing: bits of a pair of one component that is not given.

    Returns:
        int32[n_nodes], dense, numbered by smallest node. O(k^2) memory and about O(k^3) time for a component of k nodes, which
        `bounded_components` bounds.
    """
    members = np.argsort(component, kind="stable")
    starts = np.searchsorted(component[members], np.arange(component.max(initial=-1) + 2))
    place = np.empty(component.shape[0], dtype=np.int64)
    place[members] = np.arange(component.shape[0]) - starts[component[members]]
    by_component = np.argsort(component[left], kind="stable")
    pair_starts = np.searchsorted(component[left][by_component], np.arange(starts.shape[0]))
    leader = np.arange(component.shape[0])
    _agglomerate(
        members,
        starts,
        place,
        left[by_component],
        right[by_component],
        bits[by_component],
        pair_starts,
        least_bits,
        np.ones(component.shape[0]) if size is None else size,
        missing,
        leader,
    )
    return np.unique(leader, return_inverse=True)[1].astype(np.int32)


@njit(cache=True, nogil=True)
def _agglomerate(
    members: NDArray[np.int64],
    starts: NDArray[np.int64],
    place: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    bits: NDArray[np.float64],
    pair_starts: NDArray[np.int64],
    least_bits: float,
    sizes: NDArray[np.float64],
    missing: float,
    leader: NDArray[np.int64],
) -> None:
    for number in range(starts.shape[0] - 1):
        n = starts[number + 1] - starts[number]
        if n < 2:
            continue
        mean = np.full((n, n), missing)
        for i in range(n):
            mean[i, i] = -np.inf
        for pair in range(pair_starts[number], pair_starts[number + 1]):
            i, j = place[left[pair]], place[right[pair]]
            if bits[pair] > mean[i, j]:
                mean[i, j] = mean[j, i] = bits[pair]
        size = np.empty(n)
        for i in range(n):
            size[i] = sizes[members[starts[number] + i]]
        best = np.zeros(n, dtype=np.int64)
        for i in range(n):
            best[i] = np.argmax(mean[i])
        for _ in range(n - 1):
            i = 0
            for k in range(n):
                if size[k] > 0 and (size[i] == 0 or mean[k, best[k]] > mean[i, best[i]]):
                    i = k
            j = best[i]
            if mean[i, j] < least_bits:
                break
            i, j = min(i, j), max(i, j)
            for k in range(n):
                if size[k] > 0 and k != i and k != j:
                    mean[i, k] = (size[i] * mean[i, k] + size[j] * mean[j, k]) / (size[i] + size[j])
                    mean[k, i] = mean[i, k]
                    mean[k, j] = mean[j, k] = -np.inf
            mean[i, j] = mean[j, i] = -np.inf
            size[i] += size[j]
            size[j] = 0
            for k in range(n):
                if leader[members[starts[number] + k]] == members[starts[number] + j]:
                    leader[members[starts[number] + k]] = members[starts[number] + i]
                if size[k] > 0 and (k == i or best[k] == i or best[k] == j or mean[k, i] > mean[k, best[k]]):
                    best[k] = np.argmax(mean[k])
