"""How many of a group's rows lie within a window of time: what every feature about arriving in step counts."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

__all__ = ["count_near", "count_within", "seconds_since_first"]


def count_near(
    group: NDArray[np.int64],
    time: NDArray[np.int64],
    reaches: Sequence[int],
    of_group: NDArray[np.int64] | None = None,
    of_time: NDArray[np.int64] | None = None,
) -> list[NDArray[np.int64]]:
    """How many rows of the same group lie at most so many seconds before or after, for each query and reach.

    Args:
        group: int64[n], dense and not negative.
        time: int64[n], seconds, not negative.
        reaches: seconds.
        of_group, of_time: int64[q], the queries; default: the rows themselves, so that each counts itself.

    Returns:
        for each reach int64[q]. Rows and queries are sorted once, and then each reach takes one pass over both: O((n + q) log n).
    """
    times = time if of_time is None else np.concatenate([time, of_time])
    span = int(times.max(initial=0)) + max(reaches) + 1  # so that no window reaches into another group
    keys = group * span + time
    asked = keys if of_group is None or of_time is None else of_group * span + of_time
    order = np.argsort(asked)
    asked = asked[order]
    keys = asked if of_group is None else np.sort(keys)
    counts = np.empty((len(reaches), len(order)), dtype=np.int64)
    _sweep(keys, asked, order, np.array(reaches, dtype=np.int64), counts)
    return list(counts)


@njit(cache=True, nogil=True)
def _sweep(
    keys: NDArray[np.int64],
    asked: NDArray[np.int64],
    order: NDArray[np.int64],
    reaches: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    for number in range(reaches.shape[0]):
        first, end, reach = 0, 0, reaches[number]
        for place in range(asked.shape[0]):
            while first < keys.shape[0] and keys[first] < asked[place] - reach:
                first += 1
            while end < keys.shape[0] and keys[end] <= asked[place] + reach:
                end += 1
            counts[number, order[place]] = end - first


def count_within(
    group: NDArray[np.int64],
    time: NDArray[np.int64],
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    of: NDArray[np.int64] | None = None,
) -> NDArray[np.int64]:
    """How many rows of the same group have `low <= time <= high`, for each query; any windows.

    Args:
        group: int64[n], dense and not negative.
        time: int64[n], seconds, not negative.
        low: int64[q], first second of each query's window.
        high: int64[q], last second.
        of: int64[q], the group that each query asks about; default: `group`.

    Returns:
        int64[q]. One sort and two binary searches: O((n + q) log n).
    """
    of = group if of is None else of
    span = int(max(time.max(initial=0), 0)) + 2
    keys = np.sort(group * span + time)
    first = np.searchsorted(keys, of * span + np.clip(low, 0, span - 1), side="left")
    last = np.searchsorted(keys, of * span + np.clip(high, -1, span - 2), side="right")
    counts: NDArray[np.int64] = np.maximum(last - first, 0)
    return counts


def seconds_since_first(column: pl.Series) -> NDArray[np.int64]:
    """Whole seconds since the earliest of some times, int64[n], as the counts want them."""
    seconds = column.dt.epoch("us").to_numpy().astype(np.int64) // 1_000_000
    since: NDArray[np.int64] = seconds - seconds.min(initial=np.iinfo(np.int64).max)
    return since
