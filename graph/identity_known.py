"""What a night keeps of its comparisons, so that the next one looks only at records that came, went or changed.

A record is known again by its account and a digest of its submission. What it holds, and the levels of a pair of such records, follow
from the submissions alone; but where a name is one word, also from whether that word leads in others' names, so a record with a word
that now leads otherwise counts as a new one. Numbers of accounts and records may be others each night.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from graph.identity_codes import code_of, halves_of
from graph.identity_values import VALUES, Values

__all__ = [
    "KNOWN_SCHEMAS",
    "Compared",
    "Known",
    "Rows",
    "carry_compared",
    "keep",
    "leave_out",
    "look_up",
    "look_up_any",
    "match_records",
    "merge_compared",
    "nothing_known",
    "renumber_known",
]

Compared = tuple[
    NDArray[np.int64], NDArray[np.uint32]
]  # codes (`graph.identity_codes`), sorted; and the pattern of each

_PAIRS: dict[str, pl.DataType] = {"left": pl.Int32(), "right": pl.Int32(), "pattern": pl.UInt32()}
KNOWN_SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "records": {
        "account": pl.Int32(),
        "digest": pl.UInt64(),
        "leads": pl.Boolean(),
        **{name: pl.UInt64() for name in VALUES},
        **{f"n {name}": pl.Int32() for name in VALUES},
    },
    "pairs": _PAIRS,
    "others": _PAIRS,
}


@dataclass(frozen=True)
class Known:
    """The compared pairs of a night. Digests of raw values can be guessed back, so it belongs where those are.

    Attributes:
        records: account i32 (-1: no more), digest, leads, and by the names of `graph.identity_values.VALUES` what each record
            holds and how many hold the same; the row is the record's number.
        pairs: left, right i32, pattern u32 of all pairs that blocks give, sorted by left and right.
        others: the same of other pairs that were compared.
    """

    records: pl.DataFrame
    pairs: pl.DataFrame
    others: pl.DataFrame


@dataclass(frozen=True)
class Rows:
    """All records of a night, sorted by account and digest.

    Attributes:
        account: int32[n].
        digest: uint64[n], of the submission.
        source: int64[n], the record's number the night before; -1 for a new one.
    """

    account: NDArray[np.int32]
    digest: NDArray[np.uint64]
    source: NDArray[np.int64]


def nothing_known() -> Known:
    """There is no night before."""
    return Known(**{name: pl.DataFrame(schema=schema) for name, schema in KNOWN_SCHEMAS.items()})


def renumber_known(known: Known, then: pl.DataFrame, now: pl.DataFrame) -> Known:
    """What was known, with tonight's numbers of accounts.

    Args:
        then, now: account, account_id; those of `then` are 0..n-1 in order.
    """
    number = then.select("account_id").join(
        now.select("account_id", "account"), on="account_id", how="left", maintain_order="left"
    )["account"]
    return replace(known, records=known.records.with_columns(number.fill_null(-1).gather(known.records["account"])))


def match_records(known: Known, fresh: pl.DataFrame, is_fresh: NDArray[np.bool_]) -> Rows:
    """Puts the records of some accounts in the place of those that they had.

    Args:
        known: in tonight's numbers of accounts.
        fresh: account, digest; sorted by both.
        is_fresh: bool[n_accounts], all records of the account are in `fresh`.
    """
    columns = ["account", "digest"]
    then = known.records.select(*columns, source=pl.int_range(pl.len()))
    there = np.append(~is_fresh, False)[then["account"].to_numpy()]  # the last is that of -1
    found = fresh.select(columns).join(then.filter(~there), on=columns, how="left", maintain_order="left")
    both = pl.concat([then.filter(there), found.with_columns(pl.col("source").fill_null(-1))], rechunk=True)
    order = np.argsort(both["account"].to_numpy(), kind="stable")  # fast on what is nearly in order
    return Rows(*(both[name].to_numpy()[order] for name in (*columns, "source")))


def keep(rows: Rows, leads: NDArray[np.bool_], values: Values, pairs: Compared, others: Compared) -> Known:
    """What the next night may look up; see `Known`."""
    records = pl.DataFrame(
        {
            "account": rows.account,
            "digest": rows.digest,
            "leads": leads,
            **dict(zip(VALUES, values.value, strict=True)),
            **{f"n {name}": count for name, count in zip(VALUES, values.held, strict=True)},
        }
    )
    return Known(records, _frame(pairs), _frame(others))


def _frame(pairs: Compared) -> pl.DataFrame:
    left, right = (pl.Series(side) for side in halves_of(pairs[0]))
    return pl.DataFrame({"left": left, "right": right, "pattern": pairs[1]})


def carry_compared(pairs: pl.DataFrame, now: NDArray[np.int64]) -> Compared:
    """Compared of the night before in tonight's numbers of records.

    Args:
        pairs: as in `Known`.
        now: int64[n_records then], the number of tonight, -1 for records whose pairs are not taken over.
    """
    codes, places = _carried(pairs["left"].to_numpy(), pairs["right"].to_numpy(), now)
    patterns = pairs["pattern"].to_numpy()[places]
    if (codes[1:] < codes[:-1]).any():
        order = np.argsort(codes, kind="stable")  # fast on what is nearly in order
        codes, patterns = codes[order], patterns[order]
    return codes, patterns


@njit(cache=True, nogil=True)
def _carried(
    left: NDArray[np.int32], right: NDArray[np.int32], now: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    codes = np.empty(left.shape[0], dtype=np.int64)
    places = np.empty(left.shape[0], dtype=np.int64)
    n_pairs = 0
    for pair in range(left.shape[0]):
        a, b = now[left[pair]], now[right[pair]]
        if a >= 0 and b >= 0:
            codes[n_pairs], places[n_pairs] = code_of(a, b), pair
            n_pairs += 1
    return codes[:n_pairs], places[:n_pairs]


def look_up(pairs: Compared, wanted: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """The patterns of wanted pairs (int64[n], sorted), uint32[n], and which of them are there, bool[n]."""
    codes, patterns = pairs
    if not codes.shape[0]:
        return np.zeros(wanted.shape[0], dtype=np.uint32), np.zeros(wanted.shape[0], dtype=np.bool_)
    place = np.minimum(np.searchsorted(codes, wanted), codes.shape[0] - 1)
    return patterns[place], codes[place] == wanted


def look_up_any(parts: Sequence[Compared], wanted: NDArray[np.int64]) -> tuple[NDArray[np.uint32], NDArray[np.bool_]]:
    """`look_up` in several lists; of those that have a pair the last one tells."""
    patterns, is_there = np.zeros(wanted.shape[0], dtype=np.uint32), np.zeros(wanted.shape[0], dtype=np.bool_)
    for pairs in parts:
        if pairs[0].shape[0]:
            found, is_here = look_up(pairs, wanted)
            patterns[is_here], is_there = found[is_here], is_there | is_here
    return patterns, is_there


def leave_out(pairs: Compared, touched: NDArray[np.bool_]) -> Compared:
    """Compared without a touched record."""
    stays = _are_calm(pairs[0], touched)
    return pairs[0][stays], pairs[1][stays]


@njit(cache=True, nogil=True)
def _are_calm(codes: NDArray[np.int64], touched: NDArray[np.bool_]) -> NDArray[np.bool_]:
    calm = np.empty(codes.shape[0], dtype=np.bool_)
    for pair in range(codes.shape[0]):
        calm[pair] = not (touched[codes[pair] >> 32] or touched[codes[pair] & 0xFFFFFFFF])
    return calm


def merge_compared(one: Compared, other: Compared) -> Compared:
    """Two lists of pairs as one; none is in both."""
    if not one[0].shape[0] or not other[0].shape[0]:
        return one if one[0].shape[0] else other
    place = np.searchsorted(one[0], other[0]) + np.arange(other[0].shape[0])
    is_other = np.zeros(one[0].shape[0] + other[0].shape[0], dtype=np.bool_)
    is_other[place] = True
    codes = np.empty(is_other.shape[0], dtype=np.int64)
    patterns = np.empty(is_other.shape[0], dtype=np.uint32)
    codes[~is_other], codes[is_other] = one[0], other[0]
    patterns[~is_other], patterns[is_other] = one[1], other[1]
    return codes, patterns
