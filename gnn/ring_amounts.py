"""What the accounts of each ring paid, as far as it was known."""

from datetime import datetime

import polars as pl

from graph.schema import known_time

__all__ = ["sum_amounts"]


def sum_amounts(payments: pl.DataFrame, members: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """Sums what was settled by ring and currency; currencies are never added to each other.

    Args:
        payments: the event table, clean; may hold later rows.
        members: account_id, ring_id.
        as_of: the cut-off of knowledge, exclusive.

    Returns:
        ring_id, currency, n_payments i64, amount_minor i64 (in the currency's minor unit), sorted by ring and currency. What was reversed or
        declined is not in it.
    """
    settled = payments.filter((known_time() < as_of) & (pl.col("status") == "settled"))
    return (
        settled.join(members.select("account_id", "ring_id").drop_nulls(), on="account_id")
        .group_by("ring_id", "currency")
        .agg(n_payments=pl.len().cast(pl.Int64), amount_minor=pl.col("amount_minor").sum())
        .sort("ring_id", "currency")
    )
