"""Which pairs of records are worth comparing: those that share a block of some key.

A block is used while no more than `LARGEST_BLOCK` records stand in it; where a coarse key's block is larger, the finer keys that
contain it go on. So no value, however common, costs more than its records times a constant. Those of one name and one birth date are
joined in a row where they are more, up to the cap of the identifier type `person`: one actor may submit one identity a hundred times.

A pair of records that stayed as they were, in blocks that are used or not as they were, is a candidate as it was. So a night
looks for pairs of touched records only.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.identity_codes import code_of, codes_of
from graph.identity_values import KEYS, Values, are_held
from graph.schema import IDENTIFIERS

__all__ = ["LARGEST_BLOCK", "PAIRS_PER_RECORD", "are_used", "bound_blocks", "candidates", "pairs_in_a_row"]

LARGEST_BLOCK = 50
PAIRS_PER_KEY = 4  # a record, by one key; beyond it the key's largest blocks are left out
PAIRS_PER_RECORD = 80  # by all keys; beyond it the largest blocks of all keys are left out
PERSON = list(KEYS).index("person")


def bound_blocks(count: NDArray[np.int32]) -> NDArray[np.int32]:
    """The size up to which each key's blocks are used, so that all pairs stay within `PAIRS_PER_RECORD`.

    Args:
        count: int32[len(KEYS) or more, n], see `graph.identity_values.Values`.

    Returns:
        int32[len(KEYS)].
    """
    n_records = count.shape[1]
    sizes = np.arange(LARGEST_BLOCK + 1)
    bound = np.empty(len(KEYS), dtype=np.int32)
    pairs = np.zeros((len(KEYS), LARGEST_BLOCK + 1))  # by size of their block
    for number in range(len(KEYS)):
        pairs[number] = np.bincount(np.minimum(count[number], LARGEST_BLOCK + 1), minlength=LARGEST_BLOCK + 2)[:-1]
        pairs[number] *= (sizes - 1).clip(0) / 2
        bound[number] = _affordable(pairs[number], PAIRS_PER_KEY * n_records)
        pairs[number, bound[number] + 1 :] = 0
    whole: NDArray[np.int32] = np.minimum(bound, _affordable(pairs.sum(axis=0), PAIRS_PER_RECORD * n_records))
    return whole


def _affordable(pairs_by_size: NDArray[np.float64], n_pairs: int) -> int:
    """The largest size of block up to which there are no more than `n_pairs`."""
    return int(np.searchsorted(np.cumsum(pairs_by_size), n_pairs, side="right")) - 1


def are_used(count: NDArray[np.int32], bound: int) -> NDArray[np.bool_]:
    """Whether the blocks of one key, in which each record stands, are used."""
    used: NDArray[np.bool_] = (count >= 2) & (count <= bound)
    return used


def candidates(values: Values, bound: NDArray[np.int32], touched: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Pairs of records that share a used block, and of which at least one is touched, each once.

    Args:
        values: of all records.
        bound: as `bound_blocks` gives it.
        touched: bool[n].

    Returns:
        int64[n_pairs], codes (`graph.identity_codes`), sorted.
    """
    found, nothing = [], np.empty(0, dtype=np.int64)
    for number in range(len(KEYS)):
        value = values.value[number]
        used = are_used(values.held[number], int(bound[number]))
        if not touched.all():
            used &= are_held(value, used & touched)
        rows = np.flatnonzero(used)
        order = rows[np.argsort(value[rows], kind="stable")].astype(np.int32)
        starts = np.flatnonzero(np.diff(value[order], prepend=np.uint64(0)))
        ends = np.append(starts[1:], order.shape[0]).astype(np.int64)
        pairs = np.empty(_pair(values, bound, touched, number, order, starts, ends, nothing), dtype=np.int64)
        _pair(values, bound, touched, number, order, starts, ends, pairs)
        found.append(pairs)
    whole = np.empty(sum(pairs.shape[0] for pairs in found), dtype=np.int64)
    n_pairs = 0
    while found:  # one key's at a time, so that not all are there twice
        pairs = found.pop()
        whole[n_pairs : n_pairs + pairs.shape[0]] = pairs
        n_pairs += pairs.shape[0]
    whole.sort()
    return whole


def pairs_in_a_row(values: Values, bound: NDArray[np.int32]) -> NDArray[np.int64]:
    """Each record of a name and birth date too common for all pairs, with the next one; no block gives these pairs.

    Returns:
        int64[n_pairs], as `candidates` gives them.
    """
    value, count = values
    is_common = (count[PERSON] > bound[PERSON]) & (count[PERSON] <= IDENTIFIERS["person"].cap)
    order = np.flatnonzero(is_common).astype(np.int64)
    order = order[np.argsort(value[PERSON][order], kind="stable")]
    left, right = order[:-1], order[1:]
    in_a_row = value[PERSON][left] == value[PERSON][right]
    for number in range(len(KEYS)):
        used = are_used(count[number][left], int(bound[number]))
        in_a_row &= ~(used & (value[number][left] == value[number][right]))
    pairs: NDArray[np.int64] = np.sort(codes_of(left[in_a_row], right[in_a_row]))
    return pairs


@njit(cache=True, nogil=True)
def _pair(
    values: Values,
    bound: NDArray[np.int32],
    touched: NDArray[np.bool_],
    number: int,
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    pairs: NDArray[np.int64],
) -> int:
    """Counts the pairs of one key that no earlier key gave, and writes them where there is room."""
    n_pairs, is_writing = 0, pairs.shape[0] > 0
    for block in range(starts.shape[0]):
        for i in range(starts[block], ends[block]):
            for j in range(i + 1, ends[block]):
                a, b = order[i], order[j]
                if not (touched[a] or touched[b]):
                    continue
                is_known = False
                for earlier in range(number):
                    if (
                        values.value[earlier, a] == values.value[earlier, b]
                        and 2 <= values.held[earlier, a] <= bound[earlier]
                    ):
                        is_known = True
                        break
                if is_known:
                    continue
                if is_writing:
                    pairs[n_pairs] = code_of(a, b)
                n_pairs += 1
    return n_pairs
