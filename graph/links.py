"""Links: which account was seen with which identifier, from when to when, how often; and how rare each identifier is."""

import math

import polars as pl

from graph.junk import find_junk
from graph.schema import IDENTIFIERS

__all__ = ["LINK_COLUMNS", "build_links", "number_identifiers", "rarity_ceiling"]

LINK_COLUMNS = ("first_seen", "last_seen", "n_events")


def build_links(sightings: pl.DataFrame) -> pl.DataFrame:
    """One row for each account and identifier. Links of a partition by account are the whole's links of those accounts.

    Returns:
        account_id, identifier_type, identifier (hex), first_seen, last_seen, n_events i64; sorted by the first three.
    """
    return (
        sightings.group_by("account_id", "identifier_type", "identifier")
        .agg(
            first_seen=pl.col("event_time").min(),
            last_seen=pl.col("event_time").max(),
            n_events=pl.len().cast(pl.Int64),
        )
        .sort("account_id", "identifier_type", "identifier")
    )


def rarity_ceiling(n_accounts: int) -> float:
    """Bits that an identifier held by one of `n_accounts` carries: log2, in whole bits.

    Whole bits, so that a growing number of accounts moves weights once per doubling and not every night.
    """
    return float(math.ceil(math.log2(max(n_accounts, 2))))


def number_identifiers(links: pl.DataFrame, accounts: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Numbers identifiers by their history, and says how many hold each.

    The order is that of the first account that holds it, then type and times; the keyed hash parts only what is equal in all
    of it, so that another key or other names change no number that matters.

    Args:
        links: as `build_links` gives them, of all accounts.
        accounts: account, account_id, identity (see `graph.snapshot.Snapshot`).

    Returns:
        identifiers and links, each as `graph.snapshot.Snapshot` describes them.
    """
    caps = pl.DataFrame({"identifier_type": list(IDENTIFIERS), "cap": [kind.cap for kind in IDENTIFIERS.values()]})
    held = links.join(accounts.select("account", "account_id", "identity"), on="account_id")
    ceiling = rarity_ceiling(accounts.height)
    identifiers = (
        held.group_by("identifier_type", "identifier")
        .agg(
            n_accounts=pl.len().cast(pl.Int64),
            n_identities=pl.col("identity").n_unique().cast(pl.Int64),
            first_account=pl.col("account").min(),
            account_sum=pl.col("account").cast(pl.Int64).sum(),
            first=pl.col("first_seen").min(),
            last=pl.col("last_seen").max(),
            n_events=pl.col("n_events").sum(),
        )
        .join(caps, on="identifier_type")
        .sort(
            "first_account", "identifier_type", "first", "last", "n_accounts", "account_sum", "n_events", "identifier"
        )
        .join(
            find_junk(held).select("identifier_type", "identifier", is_junk=True),
            on=["identifier_type", "identifier"],
            how="left",
            maintain_order="left",
        )
        .with_columns(is_hub=(pl.col("n_accounts") > pl.col("cap")) | pl.col("is_junk").fill_null(False))
        .select(
            pl.int_range(pl.len(), dtype=pl.Int32).alias("identifier_number"),
            "identifier_type",
            pl.col("identifier").alias("hash"),
            "n_accounts",
            "n_identities",
            "is_hub",
            weight=pl.when(pl.col("is_hub"))
            .then(0.0)
            .otherwise(ceiling - pl.col("n_accounts").cast(pl.Float64).log(2)),
        )
    )
    numbered = (
        held.join(
            identifiers.select("identifier_number", "identifier_type", identifier="hash"),
            on=["identifier_type", "identifier"],
        )
        .select("account", pl.col("identifier_number").alias("identifier"), *LINK_COLUMNS)
        .sort("account", "identifier")
    )
    return identifiers.rename({"identifier_number": "identifier"}), numbered
