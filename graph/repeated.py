"""Event ids that stand in more than one partition, found without all ids in memory.

An event stands once, whichever account a copy of it names. Within a partition that is plain; across partitions sorted digests of
the ids are held against each other, range by range.
"""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.partitions import account_key

__all__ = ["are_digested", "digest_ids", "repeated_digests"]

_AT_ONCE = 8_000_000  # digests, of 8 bytes


def digest_ids(event_ids: pl.Series) -> NDArray[np.uint64]:
    """Digests of ids (xxh3), u64, sorted. Equal ids have equal digests; unequal ones almost never."""
    found: NDArray[np.uint64] = _digest(event_ids).to_numpy()
    return np.sort(found)


def are_digested(event_ids: pl.Series, digests: NDArray[np.uint64]) -> pl.Series:
    """Whether each id's digest is among `digests`."""
    return _digest(event_ids).is_in(pl.Series(digests).implode())


def repeated_digests(parts: Sequence[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """Digests that stand in two parts or more: u64, distinct, sorted.

    Args:
        parts: u64, each sorted and distinct, perhaps memory-mapped: of each, only a range is read at a time.
    """
    found = []
    for low, high in _ranges(sum(len(part) for part in parts)):
        cut = [part[np.searchsorted(part, low) : np.searchsorted(part, high, side="right")] for part in parts]
        values = np.sort(np.concatenate([*cut, np.zeros(0, dtype=np.uint64)]))
        found.append(np.unique(values[1:][values[1:] == values[:-1]]))
    return np.concatenate(found)


def _ranges(n: int) -> Iterator[tuple[np.uint64, np.uint64]]:
    """First and last digest of each range; digests are spread evenly."""
    n_ranges = n // _AT_ONCE + 1
    edges = [round(place * 2**64 / n_ranges) for place in range(n_ranges)] + [2**64]
    for low, high in pairwise(edges):
        yield np.uint64(low), np.uint64(high - 1)


def _digest(event_ids: pl.Series) -> pl.Series:
    return event_ids.to_frame("id").select(account_key(pl.col("id"))).to_series()
