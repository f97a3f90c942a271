"""Accounts known at a cut-off, numbered in an order that follows from their history and not from their names."""

import polars as pl

from graph.schema import TABLES
from graph.sightings import keyed_hash
from graph.snapshot import Events

__all__ = ["HISTORY_TABLES", "build_accounts", "build_histories"]

TIE_BREAKERS = ("full_name", "birth_date", "national_id", "email", "phone", "address", "postcode")
HISTORY_TABLES = tuple(name for name in TABLES if name != "outcomes")  # no label may move a number
ROUNDS = 2


def build_histories(events: Events) -> pl.DataFrame:
    """What each account did, without any id: a digest that stays when accounts and identifiers are renamed.

    Histories of a partition by account are the whole's histories of those accounts.

    Returns:
        account_id, digest u64; one row an account that did anything, sorted by account_id.
    """
    parts = []
    for name, frame in events.items():
        values = [column.name for column in TABLES[name].columns if column.values or column.name == "amount_minor"]
        lines = pl.concat_str(
            pl.lit(name), pl.col("event_time").dt.epoch("us"), *values, separator="|", ignore_nulls=True
        )
        parts.append(frame.select("account_id", line=_digest(lines)))
    return pl.concat(parts).group_by("account_id").agg(digest=pl.col("line").sum()).sort("account_id")


def build_accounts(events: Events, histories: pl.DataFrame, links: pl.DataFrame, key: str) -> pl.DataFrame:
    """Numbers the accounts with a signup.

    The number decides the order of rows, of sums and of draws, so it must not follow from opaque ids: accounts are sorted by
    their signup's time, then by what they first submitted, then by what they and those they share with did. A keyed hash parts
    those that are equal in all of it.

    Args:
        events: at least signups and profiles.
        histories: as `build_histories` gives them.
        links: as `graph.links.build_links` gives them.
        key: of the keyed hash.

    Returns:
        account i32 (0..n-1), account_id str, signup_time, sorted by account.
    """
    signups = events["signups"].group_by("account_id").agg(signup_time=pl.col("event_time").min())
    submitted = (
        events["profiles"]
        .sort("event_time", *TIE_BREAKERS, nulls_last=True)
        .unique("account_id", keep="first", maintain_order=True)
        .select("account_id", *TIE_BREAKERS)
    )
    known = signups.join(submitted, on="account_id", how="left")
    order: list[str] = ["signup_time", *TIE_BREAKERS]
    if known.select(order).is_duplicated().any():
        known = known.join(_refine(known.select("account_id"), histories, links), on="account_id", how="left")
        order.append("digest")
    tied = known.with_columns(tie=keyed_hash(pl.col("account_id"), "account", key))
    return tied.sort(*order, "tie", nulls_last=True).select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("account"),
        "account_id",
        "signup_time",
    )


def _refine(accounts: pl.DataFrame, histories: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Digests of accounts by their own history and by those of whom they share with (colour refinement, `ROUNDS` deep)."""
    digests = accounts.join(histories, on="account_id", how="left").with_columns(pl.col("digest").fill_null(0))
    times = pl.concat_str(
        pl.col("first_seen").dt.epoch("us"), pl.col("last_seen").dt.epoch("us"), "n_events", separator="|"
    )
    edges = links.select("account_id", "identifier_type", "identifier", line=_digest(times))
    identifier = ["identifier_type", "identifier"]
    for _ in range(ROUNDS):
        held = edges.join(digests, on="account_id").with_columns(
            message=_digest(pl.concat_str("line", "digest", separator="|"))
        )
        met = held.with_columns(
            heard=_digest(
                pl.concat_str("line", "identifier_type", pl.col("message").sum().over(identifier), separator="|")
            )
        )
        heard = met.group_by("account_id").agg(pl.col("heard").sum())
        digests = digests.join(heard, on="account_id", how="left").select(
            "account_id", digest=_digest(pl.concat_str("digest", pl.col("heard").fill_null(0), separator="|"))
        )
    return digests


def _digest(text: pl.Expr) -> pl.Expr:
    """xxh3 of a text, kept to 48 bits so that sums of many do not overflow."""
    hashed: pl.Expr = text.nchash.xxh3_64()  # type: ignore[attr-defined]  # polars-hash registers it
    return hashed % 2**48
