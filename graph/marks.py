"""Marks of accounts: a digest of all that was known of an account, by which the next night sees whether it changed."""

import polars as pl

from graph.accounts import HISTORY_TABLES
from graph.snapshot import Events

__all__ = ["MARK_SCHEMA", "build_marks", "changed_accounts", "stale_accounts"]

MARK_SCHEMA: dict[str, pl.DataType] = {"account_id": pl.String(), "mark": pl.UInt64()}


def build_marks(events: Events) -> pl.DataFrame:
    """A digest of the clean events of each account, whatever their order; labels are left out.

    Marks of a partition by account are the whole's marks of those accounts. Equal only within one version of polars and of this
    code: a later version must not read them.

    Returns:
        `MARK_SCHEMA`, sorted by account_id.
    """
    parts = [
        events[name].select("account_id", mark=events[name].hash_rows(seed) % 2**48)
        for seed, name in enumerate(HISTORY_TABLES)
        if events[name].height
    ]
    if not parts:
        return pl.DataFrame(schema=MARK_SCHEMA)
    return pl.concat(parts).group_by("account_id").agg(pl.col("mark").sum()).sort("account_id")


def changed_accounts(before: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    """Account ids of `now` that are new or whose mark is another."""
    return now.join(before, on=["account_id", "mark"], how="anti")["account_id"]


def stale_accounts(before: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    """Account ids of `before` that are no more or whose mark is another."""
    return changed_accounts(now, before)
