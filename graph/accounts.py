"""Accounts known at a cut-off, numbered in an order that follows from their history and not from their names."""

import polars as pl

from graph.components import connected_components
from graph.normalise import normalise
from graph.schema import IDENTIFIERS, TABLES
from graph.sightings import keyed_hash
from graph.snapshot import Events

__all__ = ["HISTORY_TABLES", "build_accounts", "build_histories", "build_identities"]

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


def build_identities(events: Events, accounts: pl.DataFrame) -> pl.Series:
    """Numbers the persons whose identity was submitted: accounts of one person share a number.

    Exact agreement of two primary elements makes one person: name with birth date, national id with birth date, or national
    id with name. A shared national id alone does not: two people who share a number stay two. What more accounts share than
    the identifier's cap is what people type who give no name, and makes nobody the same.

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
    cap = IDENTIFIERS["person"].cap
    edges = pl.concat(
        frame.drop_nulls()
        .unique()
        .filter(pl.len().over("element") <= cap)
        .select("account", first=pl.col("account").min().over("element"))
        for frame in keys
    )
    labels = connected_components(accounts.height, edges["account"].to_numpy(), edges["first"].to_numpy())
    return pl.Series("identity", labels, dtype=pl.Int32)
