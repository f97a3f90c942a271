"""Crossed identity: one number with many people, one person with many numbers, and numbers one digit apart."""

import polars as pl

from gnn.feature_types import Feature, Rows, on_accounts

__all__ = ["FEATURES", "build"]

_CONTACTS = ("phone", "email", "address", "device", "instrument")

FEATURES = (
    Feature("people_per_national_id", "other people who used its national id number", "crossed"),
    Feature("national_ids_per_person", "other national id numbers used with its name and birth date", "crossed"),
    Feature("accounts_per_person", "other accounts with its name and birth date", "crossed"),
    Feature("own_national_ids", "national id numbers that it submitted, beyond the first", "crossed"),
    Feature("own_people", "names and birth dates that it submitted, beyond the first", "crossed"),
    Feature("identity_size", "other accounts whose submitted identity is the same person's", "crossed"),
    Feature("national_ids_one_off", "other accounts whose national id number differs in one place", "crossed"),
    Feature("national_ids_one_off_7d", "those of them that submitted within 7 days of it", "crossed"),
    *(
        Feature(f"people_per_{label}", f"other people who used its most crossed {label}", "crossed")
        for label in _CONTACTS
    ),
)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    links = rows.links
    person = _of_type(links, "person").rename({"identifier": "person"})
    number = _of_type(links, "national_id").rename({"identifier": "number"})
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
    contacts = [_people_per(links, person, label) for label in _CONTACTS]
    return on_accounts(rows.accounts, (crossed, counts, numbers, identity, _one_off(rows), *contacts), FEATURES)


def _of_type(links: pl.DataFrame, label: str) -> pl.DataFrame:
    return links.filter((pl.col("identifier_type") == label) & ~pl.col("is_hub")).select("account", "identifier")


def _people_per(links: pl.DataFrame, person: pl.DataFrame, label: str) -> pl.DataFrame:
    held = _of_type(links, label)
    people = held.join(person, on="account").group_by("identifier").agg(n=pl.col("person").n_unique())
    return (
        held.join(people, on="identifier")
        .group_by("account")
        .agg((pl.col("n").cast(pl.Int64) - 1).max().alias(f"people_per_{label}"))
    )


def _one_off(rows: Rows) -> pl.DataFrame:
    """Numbers that agree in all places but one: each place is masked in turn, and what then agrees is grouped."""
    digits = (
        rows.tables["profiles"]
        .select("account", "event_time", digits=pl.col("national_id").str.replace_all(r"[^0-9A-Za-z]", ""))
        .filter(pl.col("digits").str.len_chars() >= 7)
        .group_by("account", "digits")
        .agg(pl.col("event_time").min())
    )
    longest = int(digits["digits"].str.len_chars().max() or 0)  # type: ignore[arg-type]
    near = []
    for place in range(min(longest, 16)):
        masked = digits.filter(pl.col("digits").str.len_chars() > place).with_columns(
            mask=pl.col("digits").str.slice(0, place) + "_" + pl.col("digits").str.slice(place + 1)
        )
        many = pl.col("digits").n_unique().over("mask").is_between(2, 20)
        masked = masked.filter(many)
        pairs = masked.join(masked, on="mask", suffix="_b").filter(pl.col("digits") != pl.col("digits_b"))
        near.append(pairs.select("account", "account_b", "event_time", "event_time_b"))
    if not near:
        return pl.DataFrame(
            schema={"account": pl.Int32, "national_ids_one_off": pl.Int64, "national_ids_one_off_7d": pl.Int64}
        )
    gap = (pl.col("event_time") - pl.col("event_time_b")).abs() <= pl.duration(days=7)
    return (
        pl.concat(near)
        .filter(pl.col("account") != pl.col("account_b"))
        .group_by("account")
        .agg(
            national_ids_one_off=pl.col("account_b").n_unique(),
            national_ids_one_off_7d=pl.col("account_b").filter(gap).n_unique(),
        )
    )
