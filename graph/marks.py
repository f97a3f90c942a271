"""Marks of accounts: a digest of all that was known of an account, by which the next night sees whether it changed, and how."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from graph.partitions import account_key

__all__ = [
    "MARK_SCHEMA",
    "Differing",
    "are_among",
    "build_marks",
    "differing_accounts",
    "find_differing",
    "rows_to_look_at",
]

MARK_SCHEMA: dict[str, pl.DataType] = {"account": pl.UInt64(), "mark": pl.UInt64()}


@dataclass(frozen=True)
class Differing:
    """Accounts that are not as they were, by their keys: u64, distinct, sorted; none is in both.

    Attributes:
        changed: came, went, lost an event, or have one that ought to have been known before: all of theirs is looked at anew.
        grown: have what they had, and events that came to be known since: these alone are looked at.
    """

    changed: pl.Series
    grown: pl.Series


def build_marks(rows: pl.DataFrame) -> pl.DataFrame:
    """A digest of each account's events of one table, whatever their order.

    Marks of a partition by account are the whole's marks of those accounts. Equal only within one version of polars and of this
    code: a later version must not read them. Accounts whose keys are the same share a mark: either's change is then both's.

    Args:
        rows: clean events; any of the tables but outcomes, since no label may change what is linked.

    Returns:
        `MARK_SCHEMA`: account (`graph.partitions.account_key`), mark; sorted by account.
    """
    digests = rows.select(account=account_key(pl.col("account_id")), mark=rows.hash_rows() % 2**48)
    return digests.group_by("account").agg(pl.col("mark").sum()).sort("account")


def find_differing(
    before: Mapping[str, pl.DataFrame], now: Mapping[str, pl.DataFrame], came: Mapping[str, pl.DataFrame]
) -> Differing:
    """Parts the accounts that differ in any table.

    Marks add up: an account has grown where its mark of then and that of what came since make its mark of now, in every table. A new
    account has grown from nothing.

    Args:
        before, now: marks by table (`build_marks`).
        came: marks of those events of now that came to be known since, by table.
    """
    differing, changed = [], []
    for name, marks in now.items():
        keys = differing_accounts(before[name], marks)
        expected = _marks_of(before[name], keys) + _marks_of(came[name], keys)
        differing.append(keys)
        changed.append(keys.filter(pl.Series(expected != _marks_of(marks, keys))))
    gone = pl.concat(changed).unique().sort()
    every = pl.concat(differing).unique().sort()
    return Differing(gone, every.filter(~every.is_in(gone.implode())))


def rows_to_look_at(rows: pl.DataFrame, came: pl.DataFrame, differing: Differing) -> pl.DataFrame:
    """All rows of changed accounts, and what came of grown ones."""
    changed, grown = (
        frame.filter(are_among(frame["account_id"], keys))
        for frame, keys in ((rows, differing.changed), (came, differing.grown))
    )
    return pl.concat([changed, grown])


def _marks_of(marks: pl.DataFrame, keys: pl.Series) -> NDArray[np.uint64]:
    """The mark of each key; 0 where it has none."""
    if marks.is_empty():
        return np.zeros(keys.len(), dtype=np.uint64)
    known, wanted = marks["account"].to_numpy(), keys.to_numpy()
    place = np.minimum(np.searchsorted(known, wanted), known.shape[0] - 1)
    found: NDArray[np.uint64] = np.where(known[place] == wanted, marks["mark"].to_numpy()[place], np.uint64(0))
    return found


def differing_accounts(before: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    """Keys of accounts that came, went or have another mark; u64, distinct, sorted."""
    sides = (side[name].to_numpy() for side in (before, now) for name in MARK_SCHEMA)
    return pl.Series("account", _differing(*sides))


@njit(cache=True, nogil=True)
def _differing(
    before: NDArray[np.uint64], mark_before: NDArray[np.uint64], now: NDArray[np.uint64], mark_now: NDArray[np.uint64]
) -> NDArray[np.uint64]:
    """Walks through two sorted lists side by side."""
    differing = np.empty(before.shape[0] + now.shape[0], dtype=np.uint64)
    n_differing, i, j = 0, 0, 0
    while i < before.shape[0] or j < now.shape[0]:
        if j == now.shape[0] or (i < before.shape[0] and before[i] < now[j]):
            account, is_same, i = before[i], False, i + 1
        elif i == before.shape[0] or now[j] < before[i]:
            account, is_same, j = now[j], False, j + 1
        else:
            account, is_same = now[j], mark_before[i] == mark_now[j]
            i, j = i + 1, j + 1
        if not is_same:
            differing[n_differing] = account
            n_differing += 1
    return differing[:n_differing]


def are_among(account_ids: pl.Series, keys: pl.Series) -> pl.Series:
    """Whether each account's key is among the keys."""
    return account_ids.to_frame("id").select(is_among=account_key(pl.col("id")).is_in(keys.implode()))["is_among"]
