"""Crossed identity: one number with many people, one person with many numbers, and numbers one digit apart."""

import numpy as np
import polars as pl

from gnn.feature_types import Feature, Rows, on_accounts
from gnn.windows import count_within
from graph.normalise import normalise
from graph.schema import IDENTIFIERS

__all__ = ["COLUMNS", "FEATURES", "build"]

_SHORTEST, _PLACES, _SERIES = (
    7,
    16,
    20,
)  # of a number: least length, places looked at; most numbers that differ in one place
_ONE_OFF = ("national_ids_one_off", "national_ids_one_off_7d")
_CONTACTS = ("phone", "email", "address", "device", "instrument")

COLUMNS = {"profiles": ("national_id",)}
FEATURES = (
    Feature("people_per_national_id", "other people who used its national id number", "crossed"),
    Feature("national_ids_per_person", "other national id numbers used with its name and birth date", "crossed"),
    Feature("accounts_per_person", "other accounts with its name and birth date", "crossed"),
    Feature("own_national_ids", "national id numbers that it submitted, beyond the first", "crossed"),
    Feature("own_people", "names and birth dates that it submitted, beyond the first", "crossed"),
    Feature("identity_size", "other accounts whose submitted identity is the same person's", "crossed"),
    Feature("national_ids_one_off", "other people whose national id number differs in one place", "crossed"),
    Feature("national_ids_one_off_7d", "those of them who first submitted it within 7 days of it", "crossed"),
    *(
        Feature(f"people_per_{label}", f"other people who used its most crossed {label}", "crossed")
        for label in _CONTACTS
    ),
)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    person = _of_type(rows, "person").rename({"identifier": "person"})
    number = _of_type(rows, "national_id").rename({"identifier": "number"})
    both = person.join(number, on="account")
    per_number = both.group_by("number").agg(people=pl.col("person").n_unique() - 1)
    per_person = both.group_by("person").agg(numbers=pl.col("number").n_unique() - 1)
    crossed = (
        both.join(per_number, on="number")
        .join(per_person, on="person")
        .group_by("account")
        .agg(people_per_national_id=pl.col("people").max(), national_ids_per_person=pl.col("numbers").max())
    )
    holders = person.join(person.group_by("person").agg(n=pl.len() - 1), on="person")
    counts = holders.group_by("account").agg(own_people=pl.len() - 1, accounts_per_person=pl.col("n").max())
    numbers = number.group_by("account").agg(own_national_ids=pl.len() - 1)
    identity = rows.accounts.select("account", identity_size=pl.len().over("identity") - 1)
    contacts = [_people_per(rows, person, label) for label in _CONTACTS]
    return on_accounts(rows.accounts, (crossed, counts, numbers, identity, _one_off(rows), *contacts), FEATURES)


def _of_type(rows: Rows, label: str) -> pl.DataFrame:
    return rows.links((pl.col("identifier_type") == label) & ~pl.col("is_hub")).select("account", "identifier")


def _people_per(rows: Rows, person: pl.DataFrame, label: str) -> pl.DataFrame:
    held = _of_type(rows, label)
    people = held.join(person, on="account").group_by("identifier").agg(n=pl.col("person").n_unique())
    return (
        held.join(people, on="identifier")
        .group_by("account")
        .agg((pl.col("n").cast(pl.Int64) - 1).max().alias(f"people_per_{label}"))
    )


def _one_off(rows: Rows) -> pl.DataFrame:
    """account, national_ids_one_off, national_ids_one_off_7d; people are counted by number first, so nothing grows squared."""
    held = (
        rows.tables["profiles"]
        .select("account", "event_time", number=normalise("national_id", pl.col("national_id")))
        .filter(pl.col("number").str.len_chars() >= _SHORTEST)
        .group_by("account", "number")
        .agg(pl.col("event_time").min())
        .filter(pl.len().over("number") <= IDENTIFIERS["national_id"].cap)
        .join(rows.accounts.select("account", "identity"), on="account")
        .with_columns(number=pl.col("number").rank("dense").cast(pl.Int64) - 1, text="number")
    )
    near = _one_place_apart(held.select("number", "text").unique())
    came = (
        near.join(held.select(other="number", identity="identity", came="event_time"), on="other")
        .group_by("number", "identity")
        .agg(pl.col("came").min())
    )
    if came.is_empty():
        return pl.DataFrame(schema={"account": pl.Int32, **dict.fromkeys(_ONE_OFF, pl.Int64)})
    asked = held.join(near.select("number").unique(), on="number", how="semi").join(
        came, on=["number", "identity"], how="left", maintain_order="left"
    )
    start = min(came["came"].min(), asked["event_time"].min())  # type: ignore[type-var]
    group, of = came["number"].to_numpy(), asked["number"].to_numpy()
    time, own = (((column - start).dt.total_seconds()).to_numpy() for column in (came["came"], asked["event_time"]))
    week = 7 * 86400
    everyone = count_within(group, time, np.zeros_like(own), np.full_like(own, time.max()), of=of)
    soon = count_within(group, time, own - week, own + week, of=of)
    itself = pl.col("came").is_not_null().cast(pl.Int64)
    itself_soon = ((pl.col("came") - pl.lit(start)).dt.total_seconds() - pl.Series(own)).abs() <= week
    return (
        asked.with_columns(everyone=pl.Series(everyone) - itself, soon=pl.Series(soon) - itself_soon.fill_null(False))
        .group_by("account")
        .agg(national_ids_one_off=pl.col("everyone").max(), national_ids_one_off_7d=pl.col("soon").max())
    )


def _one_place_apart(numbers: pl.DataFrame) -> pl.DataFrame:
    """number, other: each place is masked in turn, and the numbers that then agree are met; many that agree are a series."""
    near = [pl.DataFrame(schema={"number": pl.Int64, "other": pl.Int64})]
    longest = max(numbers["text"].str.len_chars().to_list(), default=0)
    for place in range(min(longest, _PLACES)):
        masked = (
            numbers.filter(pl.col("text").str.len_chars() > place)
            .select("number", mask=pl.col("text").str.slice(0, place) + "_" + pl.col("text").str.slice(place + 1))
            .filter(pl.len().over("mask").is_between(2, _SERIES))
        )
        met = masked.join(masked.select("mask", other="number"), on="mask").filter(pl.col("number") != pl.col("other"))
        near.append(met.select("number", "other"))
    return pl.concat(near)
