"""Accounts known at a cut-off, numbered in an order that follows from their history and not from their names."""

import polars as pl

from graph.components import connected_components
from graph.normalise import normalise
from graph.sightings import keyed_hash
from graph.snapshot import Events

__all__ = ["build_accounts", "build_identities"]

TIE_BREAKERS = ("full_name", "birth_date", "national_id", "email", "phone", "address", "postcode")


def build_accounts(events: Events, key: str) -> pl.DataFrame:
    """Numbers the accounts with a signup.

    The number decides the order of rows, of sums and of draws, so it must not follow from opaque ids: accounts are sorted by
    their signup's time, then by what they first submitted; a keyed hash parts those that are equal in all of it.

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
    ordered = (
        signups.join(submitted, on="account_id", how="left")
        .with_columns(tie=keyed_hash(pl.col("account_id"), "account", key))
        .sort("signup_time", *TIE_BREAKERS, "tie", nulls_last=True)
    )
    return ordered.select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("account"),
        "account_id",
        "signup_time",
    )


def build_identities(events: Events, accounts: pl.DataFrame) -> pl.Series:
    """Numbers the persons whose identity was submitted: accounts of one person share a number.

    Exact agreement of two primary elements makes one person: name with birth date, national id with birth date, or national
    id with name. A shared national id alone does not: two people who share a number stay two.

    Returns:
        i32 `identity` for each account, in the accounts' order, dense, numbered by smallest account.
    """
    elements = (
        events["profiles"]
        .join(accounts.select("account", "account_id"), on="account_id")
        .select(
            "account",
            person=normalise("person", pl.col("full_name"), pl.col("birth_date")),
            name=normalise("person", pl.col("full_name"), pl.lit("")),
            number=normalise("national_id", pl.col("national_id")),
            born=pl.col("birth_date").cast(pl.String),
        )
    )
    keys = (
        elements.select("account", element=pl.col("person")),
        elements.select("account", element=pl.col("number") + "\x1fb" + pl.col("born")),
        elements.select("account", element=pl.col("number") + "\x1fn" + pl.col("name")),
    )
    edges = pl.concat(
        frame.drop_nulls()
        .unique()
        .with_columns(first=pl.col("account").min().over("element"))
        .select("account", "first")
        for frame in keys
    )
    labels = connected_components(accounts.height, edges["account"].to_numpy(), edges["first"].to_numpy())
    return pl.Series("identity", labels, dtype=pl.Int32)
