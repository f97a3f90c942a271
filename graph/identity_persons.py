"""All pairs of what one component holds, which average linkage compares before persons are told."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.identity_codes import code_of

__all__ = ["inner_pairs"]


def inner_pairs(component: NDArray[np.int32], group: NDArray[np.int32]) -> NDArray[np.int64]:
    """All pairs of records of one component and different groups, by component.

    Args:
        component: int32[n_records], of the record.
        group: int32[n_records], its account.

    Returns:
        int64[n_pairs], codes (`graph.identity_codes`).
    """
    order = np.argsort(component, kind="stable").astype(np.int32)
    starts = np.flatnonzero(np.diff(component[order], prepend=-1))
    ends = np.append(starts[1:], order.shape[0])
    if not starts.shape[0]:
        return np.empty(0, dtype=np.int64)
    # one account may have submitted a hundred thousand identities: components of it alone have no pairs
    grouped = group[order]
    several = np.maximum.reduceat(grouped, starts) != np.minimum.reduceat(grouped, starts)
    starts, ends = starts[several], ends[several]
    pairs = np.empty(_inner(order, starts, ends, group, np.empty(0, dtype=np.int64)), dtype=np.int64)
    _inner(order, starts, ends, group, pairs)
    return pairs


@njit(cache=True, nogil=True)
def _inner(
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    group: NDArray[np.int32],
    pairs: NDArray[np.int64],
) -> int:
    """Counts the pairs, and writes them where there is room."""
    n_pairs, is_writing = 0, pairs.shape[0] > 0
    for block in range(starts.shape[0]):
        for i in range(starts[block], ends[block]):
            for j in range(i + 1, ends[block]):
                if group[order[i]] != group[order[j]]:
                    if is_writing:
                        pairs[n_pairs] = code_of(order[i], order[j])
                    n_pairs += 1
    return n_pairs
