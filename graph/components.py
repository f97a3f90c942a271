"""Connected components by union-find.

Rem's algorithm with splicing, in place: one pass over the edges and no second array. Source: Patwary, Blair, Manne,
"Experiments on union-find algorithms for the disjoint-set data structure", SEA 2010.
"""

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["connected_components"]


def connected_components(n_nodes: int, source: NDArray[Any], target: NDArray[Any]) -> NDArray[np.int32]:
    """Labels the connected components of an undirected graph.

    Args:
        n_nodes: number of nodes; nodes are 0..n_nodes-1.
        source: one end of each edge, int32[m].
        target: the other end, int32[m]. Direction, order, repeats and self-loops do not matter.

    Returns:
        int32[n_nodes], dense, numbered by each component's smallest node. O((n + m) α(n)) time, one int32 a node of memory.

    Examples:
        >>> connected_components(5, np.array([3, 1]), np.array([1, 4])).tolist()
        [0, 1, 2, 1, 1]
    """
    parent = np.arange(n_nodes, dtype=np.int32)
    _union(parent, source.astype(np.int32, copy=False), target.astype(np.int32, copy=False))
    return _label(parent)


@njit(cache=True, nogil=True)
def _union(parent: NDArray[np.int32], source: NDArray[np.int32], target: NDArray[np.int32]) -> None:
    """Parents always point to smaller nodes, so that a root is its component's smallest node."""
    for edge in range(source.shape[0]):
        x, y = source[edge], target[edge]
        while parent[x] != parent[y]:
            if parent[x] < parent[y]:
                x, y = y, x
            if parent[x] == x:
                parent[x] = parent[y]
                break
            above = parent[x]
            parent[x] = parent[y]
            x = above


@njit(cache=True, nogil=True)
def _label(parent: NDArray[np.int32]) -> NDArray[np.int32]:
    """Turns the forest into dense labels in place; a node's parent is smaller, so it is labelled before it."""
    n_labels = 0
    for node in range(parent.shape[0]):
        if parent[node] == node:
            parent[node] = n_labels
            n_labels += 1
        else:
            parent[node] = parent[parent[node]]
    return parent
