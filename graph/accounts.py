"""Accounts known at a cut-off, numbered in an order that follows from their history and not from their names."""

from collections.abc import Callable

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.schema import TABLES, UTC_TIME
from graph.sightings import keyed_hash
from graph.snapshot import Events

__all__ = ["HISTORY_TABLES", "build_accounts", "build_histories", "find_accounts"]

TIE_BREAKERS = ("full_name", "birth_date", "national_id", "email", "phone", "address", "postcode")
HISTORY_TABLES = tuple(name for name in TABLES if name != "outcomes")  # no label may move a number
ROUNDS = 2


def build_histories(events: Events) -> pl.DataFrame:
    """What each account did, without any id: a digest that stays when accounts and identifiers are renamed.

    Histories of a part of the accounts are the whole's histories of those accounts.

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


def build_accounts(
    signups: pl.DataFrame,
    profiles: pl.LazyFrame,
    histories: Callable[[pl.DataFrame], pl.DataFrame],
    links: Callable[[], pl.LazyFrame],
    key: str,
) -> pl.DataFrame:
    """Numbers the accounts with a signup.

    The number decides the order of rows, of sums and of draws, so it must not follow from opaque ids: accounts are sorted by
    their signup's time, then by what they first submitted, then by what they and those they share with did. A keyed hash parts
    those that are equal in all of it. What comes later in this list is read for those alone that are equal in all before.

    Args:
        signups: account_id, signup_time; one row an account.
        profiles: clean events; read only where signups tie.
        histories: gives the histories (`build_histories`) of the accounts of a frame with `account_id`; asked only where
            profiles tie, too.
        links: gives account_id, identifier (any number, the same for the same one), identifier_type, first_seen, last_seen,
            n_events; read only then.
        key: of the keyed hash.

    Returns:
        account i32 (0..n-1), account_id str, signup_time, sorted by account.
    """
    known = signups.select("account_id", "signup_time")
    order = ["signup_time"]
    tied = known.filter(pl.col("signup_time").is_duplicated())
    if tied.height:
        known = known.join(_submitted(profiles, tied), on="account_id", how="left")
        order += TIE_BREAKERS
        tied = known.filter(known.select(order).is_duplicated())
    if tied.height:
        known = known.join(_refine(tied.select("account_id"), histories, links()), on="account_id", how="left")
        known = known.with_columns(tie=keyed_hash(pl.col("account_id"), "account", key))
        order += ["digest", "tie"]
    return known.sort(order, nulls_last=True).select(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("account"),
        "account_id",
        pl.col("signup_time").cast(UTC_TIME),
    )


def find_accounts(account_ids: pl.Series, accounts: pl.DataFrame) -> NDArray[np.int32]:
    """The number of each id in `accounts` (account, account_id), int32[n]; -1 where it is not there."""
    known = accounts.select("account", "account_id")
    found = account_ids.to_frame("account_id").join(known, on="account_id", how="left", maintain_order="left")
    return found["account"].cast(pl.Int32).fill_null(-1).to_numpy()


def _submitted(profiles: pl.LazyFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """What each of the accounts first submitted."""
    rows = profiles.join(accounts.lazy().select("account_id"), on="account_id", how="semi").collect()
    return (
        rows.sort("event_time", *TIE_BREAKERS, nulls_last=True)
        .unique("account_id", keep="first", maintain_order=True)
        .select("account_id", *TIE_BREAKERS)
    )


def _refine(
    accounts: pl.DataFrame, histories: Callable[[pl.DataFrame], pl.DataFrame], links: pl.LazyFrame
) -> pl.DataFrame:
    """Digests of accounts by their own history and by those of whom they share with (colour refinement, `ROUNDS` deep)."""
    edges = _around(accounts, links)
    near = pl.concat([accounts, edges.select("account_id")]).unique()
    digests = near.join(histories(near), on="account_id", how="left").with_columns(pl.col("digest").fill_null(0))
    for _ in range(ROUNDS):
        held = edges.join(digests, on="account_id").with_columns(
            message=_digest(pl.concat_str("line", "digest", separator="|"))
        )
        met = held.with_columns(
            heard=_digest(
                pl.concat_str("line", "identifier_type", pl.col("message").sum().over("identifier"), separator="|")
            )
        )
        heard = met.group_by("account_id").agg(pl.col("heard").sum())
        digests = digests.join(heard, on="account_id", how="left").select(
            "account_id", digest=_digest(pl.concat_str("digest", pl.col("heard").fill_null(0), separator="|"))
        )
    return digests.join(accounts, on="account_id", how="semi")


def _around(accounts: pl.DataFrame, links: pl.LazyFrame) -> pl.DataFrame:
    """The links that `ROUNDS` rounds about these accounts read: of all who hold what those hold with whom they share."""
    near = accounts.lazy()
    for _ in range(ROUNDS - 1):
        shared = links.join(near, on="account_id", how="semi").select("identifier").unique()
        near = links.join(shared, on="identifier", how="semi").select("account_id").unique().collect().lazy()
    heard = links.join(near, on="account_id", how="semi").select("identifier").unique().collect().lazy()
    times = pl.concat_str(
        pl.col("first_seen").dt.epoch("us"), pl.col("last_seen").dt.epoch("us"), "n_events", separator="|"
    )
    return (
        links.join(heard, on="identifier", how="semi")
        .select("account_id", "identifier", "identifier_type", line=_digest(times))
        .collect()
    )


def _digest(text: pl.Expr) -> pl.Expr:
    """xxh3 of a text, kept to 48 bits so that sums of many do not overflow."""
    hashed: pl.Expr = text.nchash.xxh3_64()  # type: ignore[attr-defined]  # polars-hash registers it
    return hashed % 2**48
