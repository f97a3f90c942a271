"""Dense numbers for identifiers, in an order that follows from who holds them and since when.

Strings are left behind early: identifiers get provisional numbers from a hash table (`dense_numbers`), all else is arrays of
numbers. The final order is that of the first account that holds an identifier, then type, times, counts and holders, compared
from first to last; two accounts that keep their order keep that of their identifiers, whatever else comes between them. That is
what lets a night take over what the night before found (see `graph.update`).
"""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

__all__ = [
    "Holdings",
    "build_holdings",
    "count_distinct",
    "dense_numbers",
    "first_rows",
    "group_rows",
    "match_rows",
    "order_identifiers",
    "order_rows",
]

Ints = NDArray[Any]

_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio: spreads what a hash leaves close together
_MAX_SEEDS = 8


def dense_numbers(*columns: pl.Series) -> NDArray[np.int32]:
    """Numbers rows so that equal rows, and no others, have equal numbers, in the order of first sight.

    Args:
        columns: text, bytes, types or whole numbers, of one length.

    Returns:
        int32[n], dense.
    """
    frame = pl.DataFrame({f"{place}": column for place, column in enumerate(columns)})
    for seed in range(_MAX_SEEDS):
        numbers = _number(frame.hash_rows(seed).to_numpy())
        first = first_rows(numbers)[numbers]
        repeated = np.flatnonzero(first != np.arange(first.shape[0]))
        one, other = frame[repeated], frame[first[repeated]]
        if all(one[name].eq_missing(other[name]).all() for name in frame.columns):
            return numbers
    raise AssertionError("rows must have distinct hashes under one of the seeds")


@njit(cache=True, nogil=True)
def _number(keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """Numbers of 64-bit keys in order of first sight; open addressing, at most half full."""
    bits = 4
    while (1 << bits) < 2 * keys.shape[0]:
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    slots = np.full(1 << bits, -1, dtype=np.int32)
    firsts = np.empty(keys.shape[0], dtype=np.int32)
    numbers = np.empty(keys.shape[0], dtype=np.int32)
    n_numbers = 0
    for row in range(keys.shape[0]):
        place = ((keys[row] * _SPREAD) >> np.uint64(64 - bits)) & mask
        while slots[place] >= 0 and keys[firsts[slots[place]]] != keys[row]:
            place = (place + np.uint64(1)) & mask
        if slots[place] < 0:
            slots[place] = n_numbers
            firsts[n_numbers] = row
            n_numbers += 1
        numbers[row] = slots[place]
    return numbers


def match_rows(known: pl.DataFrame, wanted: pl.DataFrame) -> NDArray[np.int64]:
    """The row of `known` that equals each row of `wanted`, int64[n_wanted]; -1 for none.

    Args:
        known, wanted: the same columns of the same kinds; the rows of each are distinct.
    """
    for seed in range(_MAX_SEEDS):
        keys = wanted.hash_rows(seed).to_numpy()
        found = _find(known.hash_rows(seed).to_numpy(), keys)
        there = np.flatnonzero(found >= 0)
        one, other = wanted[there], known[found[there]]
        is_same = all(one[name].eq_missing(other[name]).all() for name in wanted.columns)
        if is_same and np.unique(keys).shape[0] == keys.shape[0]:
            return found
    raise AssertionError("rows must have distinct hashes under one of the seeds")


@njit(cache=True, nogil=True)
def _find(keys: NDArray[np.uint64], wanted: NDArray[np.uint64]) -> NDArray[np.int64]:
    """The last row of `keys` that equals each of the wanted keys, which are distinct; -1 for none."""
    bits = 4
    while (1 << bits) < 2 * wanted.shape[0]:
        bits += 1
    mask = np.uint64((1 << bits) - 1)
    slots = np.full(1 << bits, -1, dtype=np.int32)
    found = np.full(wanted.shape[0], -1, dtype=np.int64)
    for number in range(wanted.shape[0]):
        place = ((wanted[number] * _SPREAD) >> np.uint64(64 - bits)) & mask
        while slots[place] >= 0:
            place = (place + np.uint64(1)) & mask
        slots[place] = number
    for row in range(keys.shape[0]):
        place = ((keys[row] * _SPREAD) >> np.uint64(64 - bits)) & mask
        while slots[place] >= 0:
            if wanted[slots[place]] == keys[row]:
                found[slots[place]] = row
                break
            place = (place + np.uint64(1)) & mask
    return found


@njit(cache=True, nogil=True)
def first_rows(numbers: NDArray[np.int32]) -> NDArray[np.int64]:
    """The first row of each number, int64[numbers.max() + 1]; numbers are dense and in order of first sight."""
    rows = np.empty(numbers.max() + 1 if numbers.shape[0] else 0, dtype=np.int64)
    n_seen = 0
    for row in range(numbers.shape[0]):
        if numbers[row] == n_seen:
            rows[n_seen] = row
            n_seen += 1
    return rows


@njit(cache=True, nogil=True)
def group_rows(numbers: NDArray[np.int32], n_numbers: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows by number: (starts int64[n_numbers + 1], rows int64[n]); a number's rows keep their order. O(n), counting sort."""
    starts = np.zeros(n_numbers + 1, dtype=np.int64)
    for number in numbers:
        starts[number + 1] += 1
    for number in range(n_numbers):
        starts[number + 1] += starts[number]
    next_place = starts[:-1].copy()
    rows = np.empty(numbers.shape[0], dtype=np.int64)
    for row in range(numbers.shape[0]):
        rows[next_place[numbers[row]]] = row
        next_place[numbers[row]] += 1
    return starts, rows


def count_distinct(group: Ints, value: Ints, n_groups: int) -> NDArray[np.int64]:
    """How many distinct values each group has, int64[n_groups]; both int32[n] and not negative."""
    codes = group.astype(np.int64) << 32 | value
    codes.sort()
    is_first = np.append(True, codes[1:] != codes[:-1])[: codes.shape[0]]
    return np.bincount(codes[is_first] >> 32, minlength=n_groups)


class Holdings(NamedTuple):
    """Who holds each identifier, and since when, over all who do; m identifiers.

    Attributes:
        first_account: int32[m], the first account that does; the number of accounts where none does.
        kind: int8[m], place of its type.
        earliest, latest: int64[m], microseconds.
        n_holders: int32[m].
        n_events: int64[m].
    """

    first_account: NDArray[np.int32]
    kind: NDArray[np.int8]
    earliest: NDArray[np.int64]
    latest: NDArray[np.int64]
    n_holders: NDArray[np.int32]
    n_events: NDArray[np.int64]


def build_holdings(
    kind: NDArray[np.int8], account: Ints, identifier: Ints, first: Ints, last: Ints, n_events: Ints, n_accounts: int
) -> Holdings:
    """Of the links in one pass, in any order.

    Args:
        kind: int8[m].
        account, identifier: int32 of each link; accounts are 0..n_accounts-1, identifiers 0..m-1.
        first, last: microseconds of each link.
        n_events: of each link.
    """
    n = kind.shape[0]
    earliest, latest = np.full(n, np.iinfo(np.int64).max), np.full(n, np.iinfo(np.int64).min)
    first_account, n_holders = np.full(n, n_accounts, dtype=np.int32), np.zeros(n, dtype=np.int32)
    holdings = Holdings(first_account, kind, earliest, latest, n_holders, np.zeros(n, dtype=np.int64))
    _add_links(holdings, account, identifier, first, last, n_events)
    return holdings


@njit(cache=True, nogil=True)
def _add_links(holdings: Holdings, account: Ints, identifier: Ints, first: Ints, last: Ints, n_events: Ints) -> None:
    for row in range(account.shape[0]):
        number = identifier[row]
        holdings.first_account[number] = min(holdings.first_account[number], account[row])
        holdings.earliest[number] = min(holdings.earliest[number], first[row])
        holdings.latest[number] = max(holdings.latest[number], last[row])
        holdings.n_holders[number] += 1
        holdings.n_events[number] += n_events[row]


def order_identifiers(
    chosen: Ints, holdings: Holdings, account: Ints, identifier: Ints, n_accounts: int, names: pl.Series
) -> NDArray[np.int64]:
    """The final order of some identifiers: by first account, then type, times and counts, then holders from first to last, then name.

    Args:
        chosen: their provisional numbers; all that begin with one account are among them, or none.
        account, identifier: int32 of each link.
        names: of all identifiers, decides what is equal in all else.

    Returns:
        int64[len(chosen)]: the chosen ones in their final order.
    """
    buckets, order = group_rows(holdings.first_account[chosen], n_accounts)
    order = chosen[order]
    _sort_buckets(order, buckets, holdings)
    tied = np.flatnonzero(_are_tied(order, holdings))
    if not tied.shape[0]:
        return order
    is_tied = np.zeros(names.len(), dtype=np.bool_)
    is_tied[order[tied]] = is_tied[order[tied + 1]] = True
    holders: dict[int, list[int]] = {}
    rows = np.flatnonzero(is_tied[identifier])
    for number, holder in zip(identifier[rows].tolist(), account[rows].tolist(), strict=True):
        holders.setdefault(number, []).append(holder)
    for run in np.split(tied, np.flatnonzero(np.diff(tied) > 1) + 1):
        places = np.append(run, run[-1] + 1)
        own = order[places].tolist()
        order[places] = sorted(own, key=lambda number: (sorted(holders[number]), names[number]))
    return order


@njit(cache=True, nogil=True)
def _compare(one: int, other: int, holdings: Holdings) -> int:
    """-1, 0 or 1, of two with one first account."""
    for mine, theirs in (
        (np.int64(holdings.kind[one]), np.int64(holdings.kind[other])),
        (holdings.earliest[one], holdings.earliest[other]),
        (holdings.latest[one], holdings.latest[other]),
        (np.int64(holdings.n_holders[one]), np.int64(holdings.n_holders[other])),
        (holdings.n_events[one], holdings.n_events[other]),
    ):
        if mine != theirs:
            return -1 if mine < theirs else 1
    return 0


@njit(cache=True, nogil=True)
def _sort_buckets(order: Ints, buckets: Ints, holdings: Holdings) -> None:
    """Sorts each bucket of `order` in place: insertion while short, merging runs beyond. Stable."""
    spare = np.empty_like(order)
    short = 16
    for bucket in range(buckets.shape[0] - 1):
        begin, end = buckets[bucket], buckets[bucket + 1]
        for low in range(begin, end, short):
            for place in range(low + 1, min(low + short, end)):
                moving, gap = order[place], place
                while gap > low and _compare(order[gap - 1], moving, holdings) > 0:
                    order[gap] = order[gap - 1]
                    gap -= 1
                order[gap] = moving
        width = short
        while width < end - begin:
            for low in range(begin, end, 2 * width):
                middle, high = min(low + width, end), min(low + 2 * width, end)
                left, right = low, middle
                for place in range(low, high):
                    takes_left = right >= high or (left < middle and _compare(order[left], order[right], holdings) <= 0)
                    if takes_left:
                        spare[place] = order[left]
                        left += 1
                    else:
                        spare[place] = order[right]
                        right += 1
                order[low:high] = spare[low:high]
            width *= 2


@njit(cache=True, nogil=True)
def _are_tied(order: Ints, holdings: Holdings) -> NDArray[np.bool_]:
    """Whether each identifier equals the next one in all that they say."""
    tied = np.zeros(order.shape[0], dtype=np.bool_)
    for place in range(order.shape[0] - 1):
        one, other = order[place], order[place + 1]
        if holdings.first_account[one] == holdings.first_account[other]:
            tied[place] = _compare(one, other, holdings) == 0
    return tied


@njit(cache=True, nogil=True)
def order_rows(account: Ints, identifier: Ints, n_accounts: int) -> Ints:
    """The order of links by account and identifier: int64[n]. A counting sort, and insertion among an account's few."""
    starts, rows = group_rows(account, n_accounts)
    for number in range(n_accounts):
        begin, end = starts[number], starts[number + 1]
        if end - begin > 64:
            own = rows[begin:end]
            rows[begin:end] = own[np.argsort(identifier[own])]  # distinct, so any sort will do
            continue
        for place in range(begin + 1, end):
            moving, gap = rows[place], place
            while gap > begin and identifier[rows[gap - 1]] > identifier[moving]:
                rows[gap] = rows[gap - 1]
                gap -= 1
            rows[gap] = moving
    return rows
