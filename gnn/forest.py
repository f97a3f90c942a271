"""Log odds by boosted trees, from LightGBM's text: to the bit what LightGBM says, in a fraction of its time.

LightGBM walks each tree from its root, a guess of the processor's at every split. Here all splits of a tree are asked of a block of rows
at once, side by side: each has a word with the leaves that are left where it sends a row to the right, the words are put together, and
the first leaf that is left is the row's.

References:
    C. Lucchese, F. M. Nardini et al., QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees,
    SIGIR 2015.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["Forest", "read_forest"]

_BLOCK = 256  # rows: their values stay in the cache
_MOST_LEAVES = 32
_ZERO = np.float32(1e-35)  # up to this a value is zero to LightGBM
_PLAIN = {"2", "0"}  # decision types of numbers without a missing value
_FIRST_BIT = 0x077CB531  # de Bruijn's: times a power of two its upper five bits are all different
_PLACES = np.zeros(32, dtype=np.int64)
for _bit in range(32):
    _PLACES[((_FIRST_BIT << _bit) & 0xFFFFFFFF) >> 27] = _bit


@dataclass(frozen=True)
class Forest:
    """Trees one after the other.

    Attributes:
        used: int64 [n_used], the columns of the values that any tree reads.
        column: int32 [n_splits], the place in `used` of what a split reads.
        threshold: float32 [n_splits]; above it a row goes right.
        left_over: uint32 [n_splits], a bit for each leaf of the tree, from left to right, that is left for who goes right.
        leaf: float64 [n_trees, 32], what each leaf adds.
        splits: int64 [n_trees + 1], where each tree's splits begin.
    """

    used: NDArray[np.int64]
    column: NDArray[np.int32]
    threshold: NDArray[np.float32]
    left_over: NDArray[np.uint32]
    leaf: NDArray[np.float64]
    splits: NDArray[np.int64]

    @property
    def n_trees(self) -> int:
        """How many there are."""
        return len(self.splits) - 1

    def sums(
        self,
        values: NDArray[np.float32],
        n_threads: int,
        steps: Sequence[int] | None = None,
    ) -> NDArray[np.float64]:
        """Sums of leaves.

        Args:
            values: float32 [n, F], without NaN.
            n_threads: rows are dealt to so many; no sum depends on it.
            steps: after how many trees, ascending; all, if None.

        Returns:
            float64 [len(steps), n].
        """
        ends = np.minimum(np.array([self.n_trees] if steps is None else steps, dtype=np.int64), self.n_trees)
        told = np.zeros((len(ends), len(values)))
        bounds = [len(values) * part // max(n_threads, 1) for part in range(max(n_threads, 1) + 1)]
        trees = (self.used, self.column, self.threshold, self.left_over, self.leaf, self.splits)
        with ThreadPoolExecutor(max(n_threads, 1)) as pool:
            parts = itertools.pairwise(bounds)
            list(pool.map(lambda part: _sum(*trees, values, ends, part[0], part[1], told), parts))
        return told


def read_forest(text: str, columns: Sequence[int]) -> Forest:
    """The trees of LightGBM's text format.

    Args:
        text: as `Booster.model_to_string` gives it.
        columns: the columns of the values that are the model's features, in its order.

    Raises:
        ValueError: a tree has more than 32 leaves, or parts by category or missing value.
    """
    trees = [_read_tree(block) for block in text.split("\nTree=")[1:]]
    feature = np.concatenate([np.zeros(0, dtype=np.int64), *(tree.feature for tree in trees)])
    threshold = np.concatenate([np.zeros(0), *(tree.threshold for tree in trees)])
    used, place = np.unique(np.asarray(columns, dtype=np.int64)[feature], return_inverse=True)
    below = threshold.astype(np.float32)  # the largest float32 that is no larger parts float32 values alike
    below = np.where(below > threshold, np.nextafter(below, np.float32(-np.inf)), below)
    return Forest(
        used,
        place.astype(np.int32),
        below,
        np.concatenate([np.zeros(0, dtype=np.uint32), *(tree.left_over for tree in trees)]),
        np.array([tree.leaf for tree in trees]).reshape(len(trees), _MOST_LEAVES),
        np.concatenate([[0], np.cumsum([len(tree.feature) for tree in trees])]).astype(np.int64),
    )


class _Tree(NamedTuple):
    feature: NDArray[np.int64]
    threshold: NDArray[np.float64]
    left_over: NDArray[np.uint32]
    leaf: NDArray[np.float64]  # [32]


def _read_tree(block: str) -> _Tree:
    """One tree's text, of which the first line is its number."""
    fields = dict(line.split("=", 1) for line in block.split("\n\n")[0].splitlines()[1:] if "=" in line)
    value = np.array(fields["leaf_value"].split(), dtype=np.float64)
    if len(value) > _MOST_LEAVES or not set(fields.get("decision_type", "").split()) <= _PLAIN:
        raise ValueError(f"trees must have at most {_MOST_LEAVES} leaves and part numbers alone")
    left, right, feature = (
        np.array(fields.get(name, "").split(), dtype=np.int64)
        for name in ("left_child", "right_child", "split_feature")
    )
    order: list[int] = []  # leaves from left to right
    left_over = np.full(len(left), 0xFFFFFFFF, dtype=np.uint32)

    def visit(node: int) -> None:
        if node < 0:
            order.append(~node)
            return
        first = len(order)
        visit(int(left[node]))
        for bit in range(first, len(order)):
            left_over[node] &= np.uint32(0xFFFFFFFF ^ (1 << bit))
        visit(int(right[node]))

    visit(0 if len(left) else -1)
    leaf = np.zeros(_MOST_LEAVES)
    leaf[: len(order)] = value[order]
    return _Tree(feature, np.array(fields.get("threshold", "").split(), dtype=np.float64), left_over, leaf)


@njit(cache=True, nogil=True)
def _sum(
    used: NDArray[np.int64],
    column: NDArray[np.int32],
    threshold: NDArray[np.float32],
    left_over: NDArray[np.uint32],
    leaf: NDArray[np.float64],
    splits: NDArray[np.int64],
    values: NDArray[np.float32],
    ends: NDArray[np.int64],
    begin: int,
    until: int,
    told: NDArray[np.float64],
) -> None:
    total = np.zeros(_BLOCK)
    own = np.zeros((used.shape[0], _BLOCK), dtype=np.float32)  # a block's values, column by column
    left = np.zeros(_BLOCK, dtype=np.uint32)
    for start in range(begin, until, _BLOCK):
        n = min(_BLOCK, until - start)
        for place in range(n):
            for number in range(used.shape[0]):
                value = values[start + place, used[number]]
                own[number, place] = value if abs(value) > _ZERO else np.float32(0)
        total[:] = 0.0
        step = 0
        for tree in range(splits.shape[0]):
            while step < ends.shape[0] and ends[step] == tree:
                told[step, start : start + n] = total[:n]
                step += 1
            if step == ends.shape[0]:
                break
            left[:] = 0xFFFFFFFF
            for split in range(splits[tree], splits[tree + 1]):
                asked, most, rest = own[column[split]], threshold[split], left_over[split]
                for place in range(_BLOCK):
                    left[place] &= rest if asked[place] > most else np.uint32(0xFFFFFFFF)
            for place in range(n):
                first = left[place] & (~left[place] + np.uint32(1))
                total[place] += leaf[tree, _PLACES[np.uint32(first * np.uint32(_FIRST_BIT)) >> np.uint32(27)]]
