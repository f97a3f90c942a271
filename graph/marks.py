"""Marks of accounts: a digest of all that was known of an account, by which the next night sees whether it changed."""

import polars as pl

from graph.partitions import account_key

__all__ = ["MARK_SCHEMA", "are_among", "build_marks", "differing_accounts"]

MARK_SCHEMA: dict[str, pl.DataType] = {"account": pl.UInt64(), "mark": pl.UInt64()}


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


def differing_accounts(before: pl.DataFrame, now: pl.DataFrame) -> pl.Series:
    """Keys of accounts that came, went or have another mark; u64, distinct."""
    columns = list(MARK_SCHEMA)
    sides = (before.join(now, on=columns, how="anti"), now.join(before, on=columns, how="anti"))
    return pl.concat([side["account"] for side in sides]).unique()


def are_among(account_ids: pl.Series, keys: pl.Series) -> pl.Series:
    """Whether each account's key is among the keys."""
    return account_ids.to_frame("id").select(is_among=account_key(pl.col("id")).is_in(keys.implode()))["is_among"]
