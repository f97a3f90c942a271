"""What is shared because something else is: accounts that give one address share its building, which tells nothing more."""

from typing import TypeVar

import polars as pl

from graph.schema import IDENTIFIERS

__all__ = ["HOLDERS", "drop_implied", "is_implied", "is_implied_evidence"]

# The same for the same accounts in any order; only compared within one run. With `n`, two sets are alike by chance in one case of 2^64.
HOLDERS = pl.col("account_id").hash().sum()

Frame = TypeVar("Frame", pl.DataFrame, pl.LazyFrame)


def drop_implied(held: Frame, *by: str) -> Frame:
    """Identifiers of a group of accounts without those whose holders are all on one that implies them (`IdentifierType.within`).

    Args:
        held: identifier_type, n (how many of the group hold it), holders (`HOLDERS`), and the columns of `by`.
        by: columns that name the group.

    Returns:
        the rows that stay, in any order.
    """
    for label, kind in IDENTIFIERS.items():
        if kind.within is not None:
            implying = held.filter(pl.col("identifier_type") == kind.within).select(*by, "n", "holders").unique()
            implied = implying.with_columns(identifier_type=pl.lit(label))
            held = held.join(implied, on=[*by, "identifier_type", "n", "holders"], how="anti")
    return held


def is_implied(identifier_type: str, shared_types: frozenset[str] | set[str]) -> bool:
    """Whether two accounts that share identifiers of these types say nothing more by sharing one of this type."""
    return IDENTIFIERS[identifier_type].within in shared_types


def is_implied_evidence() -> pl.Expr:
    """Whether a piece of evidence (account_a, account_b, identifier_type) follows from another one of its pair."""
    implied = pl.lit(False)
    for label, kind in IDENTIFIERS.items():
        if kind.within is not None:
            is_held = (pl.col("identifier_type") == kind.within).any().over("account_a", "account_b")
            implied |= (pl.col("identifier_type") == label) & is_held
    return implied
