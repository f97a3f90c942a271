"""What a night knows of pairs of records, so that the next one compares only pairs with a record that changed.

A pair's levels follow from its two records and, where both names are one word, from whether that word leads among all names. So a record
is known again by its account and a digest of its submission in which that, too, has a say. Numbers of accounts and records may be others.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from graph.identity_comparison import FIELDS, UNKNOWN
from graph.identity_records import Encoded, digest_records

__all__ = [
    "KNOWN_SCHEMAS",
    "Known",
    "known_levels",
    "note_levels",
    "nothing_known",
    "pack_levels",
    "recognisable",
    "renumber_known",
    "unpack_levels",
]

LENGTHS = tuple(len(levels) for levels in FIELDS.values())
KNOWN_SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "records": {"account": pl.Int32(), "digest": pl.UInt64()},
    "pairs": {"left": pl.Int32(), "right": pl.Int32(), "pattern": pl.UInt32()},
}


@dataclass(frozen=True)
class Known:
    """The compared pairs of a night. Digests of raw values can be guessed back, so it belongs where those are.

    Attributes:
        records: account i32 (-1: no more), digest u64; the row is the record's number.
        pairs: left, right i32, pattern u32 (see `pack_levels`); sorted by left and right.
    """

    records: pl.DataFrame
    pairs: pl.DataFrame


def nothing_known() -> Known:
    """There is no night before."""
    return Known(**{name: pl.DataFrame(schema=schema) for name, schema in KNOWN_SCHEMAS.items()})


def pack_levels(levels: NDArray[np.int8]) -> NDArray[np.uint32]:
    """Levels int8[n_pairs, n_fields] as one number a pair, below the product of the fields' numbers of levels."""
    patterns = np.empty(levels.shape[0], dtype=np.uint32)
    _pack(levels, np.array(LENGTHS), patterns)
    return patterns


def unpack_levels(patterns: NDArray[np.uint32]) -> NDArray[np.int8]:
    """What `pack_levels` packed."""
    return np.stack(np.unravel_index(patterns.astype(np.int64), LENGTHS), axis=1).astype(np.int8)


def recognisable(records: pl.DataFrame, encoded: Encoded) -> pl.DataFrame:
    """By what another night knows records again: `Known.records`.

    Args:
        records, encoded: all records, as they are and as arrays.
    """
    return pl.DataFrame({"account": encoded.account, "digest": _digests(records, encoded)})


def note_levels(
    records: pl.DataFrame, left: NDArray[np.int32], right: NDArray[np.int32], levels: NDArray[np.int8]
) -> Known:
    """What the next night may look up.

    Args:
        records: as `recognisable` gives them.
        left, right, levels: all candidates, sorted.
    """
    return Known(records, pl.DataFrame({"left": left, "right": right, "pattern": pack_levels(levels)}))


def renumber_known(known: Known, then: pl.DataFrame, now: pl.DataFrame) -> Known:
    """What was known, with tonight's numbers of accounts.

    Args:
        then, now: account, account_id; those of `then` are 0..n-1 in order.
    """
    number = then.select("account_id").join(
        now.select("account_id", "account"), on="account_id", how="left", maintain_order="left"
    )["account"]
    return Known(known.records.with_columns(number.fill_null(-1).gather(known.records["account"])), known.pairs)


def known_levels(
    known: Known, records: pl.DataFrame, left: NDArray[np.int32], right: NDArray[np.int32]
) -> NDArray[np.int8]:
    """The levels of those pairs of which both records are as they were and were compared then.

    Args:
        known: in tonight's numbers of accounts.
        records: of tonight, as `recognisable` gives them.
        left, right: tonight's candidates, sorted.

    Returns:
        int8[n_pairs, n_fields]; the first is `UNKNOWN` where the pair is to be compared.
    """
    numbers = records.with_row_index("now")
    now = known.records.join(numbers, on=["account", "digest"], how="left", maintain_order="left")["now"]
    place = now.cast(pl.Int64).fill_null(-1).to_numpy()
    one, other = (place[known.pairs[side].to_numpy()] for side in ("left", "right"))
    stands = (one >= 0) & (other >= 0)
    one, other = one[stands], other[stands]
    then, codes = _codes(np.minimum(one, other), np.maximum(one, other)), _codes(left, right)
    patterns = known.pairs["pattern"].to_numpy()[stands]
    then_order = np.argsort(then, kind="stable")  # fast on what is nearly in order
    levels = np.full((left.shape[0], len(FIELDS)), UNKNOWN, dtype=np.int8)
    distinct, row = _distinct(patterns[then_order])
    _look_up(then[then_order], row, unpack_levels(distinct), codes, levels)
    return levels


def _codes(left: NDArray[Any], right: NDArray[Any]) -> NDArray[np.int64]:
    """Pairs as numbers that sort as they do."""
    codes: NDArray[np.int64] = (left.astype(np.int64) << 32) | right
    return codes


def _distinct(patterns: NDArray[np.uint32]) -> tuple[NDArray[np.uint32], NDArray[np.int32]]:
    """The distinct patterns, and of each pattern its place among them."""
    is_there = np.zeros(int(np.prod(LENGTHS)), dtype=np.bool_)
    is_there[patterns] = True
    return np.flatnonzero(is_there).astype(np.uint32), (np.cumsum(is_there, dtype=np.int32) - 1)[patterns]


def _digests(records: pl.DataFrame, encoded: Encoded) -> NDArray[np.uint64]:
    """A digest of each record's submission; another one where its only word leads."""
    first, last = encoded.names[:, 0], encoded.names[:, 1]
    lone = np.flatnonzero((first >= 0) & (last < 0))
    digests: NDArray[np.uint64] = digest_records(records).to_numpy().copy()
    digests[lone] ^= encoded.leads[first[lone]].astype(np.uint64)
    return digests


@njit(cache=True, nogil=True)
def _pack(levels: NDArray[np.int8], lengths: NDArray[np.int64], patterns: NDArray[np.uint32]) -> None:
    for pair in range(levels.shape[0]):
        pattern = 0
        for field in range(levels.shape[1]):
            pattern = pattern * lengths[field] + levels[pair, field]
        patterns[pair] = pattern


@njit(cache=True, nogil=True)
def _look_up(
    then: NDArray[np.int64],
    row: NDArray[np.int32],
    found: NDArray[np.int8],
    codes: NDArray[np.int64],
    levels: NDArray[np.int8],
) -> None:
    """Walks through two sorted lists of pairs side by side."""
    place = 0
    for pair in range(codes.shape[0]):
        while place < then.shape[0] and then[place] < codes[pair]:
            place += 1
        if place < then.shape[0] and then[place] == codes[pair]:
            for field in range(levels.shape[1]):
                levels[pair, field] = found[row[place], field]
