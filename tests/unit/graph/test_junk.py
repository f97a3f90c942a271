"""Placeholders found from the data: what is one, and above all what is not."""

from collections.abc import Iterable
from datetime import UTC, datetime

import polars as pl
import pytest

from graph.junk import FEWEST, TYPES, find_junk
from graph.links import number_identifiers

START = datetime(2026, 1, 1, tzinfo=UTC)
N_ACCOUNTS, DAYS = 600, 200
Holder = tuple[int, int, str, str, float]  # account, identity, type, identifier, day

SPREAD = range(3, N_ACCOUNTS, 15)  # 40 accounts of all times


def population() -> list[Holder]:
    """Each account signs up a third of a day after the one before it, with things of its own."""
    return [
        (account, account, label, f"{label}{account}", account * DAYS / N_ACCOUNTS)
        for account in range(N_ACCOUNTS)
        for label in TYPES
    ]


def held_by(accounts: Iterable[int], label: str, identifier: str) -> list[Holder]:
    return [(account, account, label, identifier, account * DAYS / N_ACCOUNTS) for account in accounts]


def frame(rows: list[Holder]) -> pl.DataFrame:
    columns = ("account", "identity", "identifier_type", "identifier", "day")
    table = pl.DataFrame(rows, schema=columns, orient="row")
    microseconds = (pl.col("day") * 86_400_000_000).cast(pl.Int64)
    return table.with_columns(first_seen=pl.lit(START) + pl.duration(microseconds=microseconds)).drop("day")


def found(held: pl.DataFrame) -> list[str]:
    """Names of the placeholders among what these links hold."""
    names = held.select("identifier_type", name="identifier").unique(maintain_order=True)
    names = names.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("identifier"))
    links = held.rename({"identifier": "name"}).join(names, on=["identifier_type", "name"])
    counts = links.group_by("identifier").agg(n_accounts=pl.len().cast(pl.Int64))
    accounts = held.select("account", "identity").unique()
    junk = find_junk(links, names.join(counts, on="identifier"), accounts)
    return names[junk.to_list()]["name"].sort().to_list()


def junk(rows: list[Holder]) -> list[str]:
    return found(frame(population() + rows))


@pytest.mark.parametrize("label", ["phone", "email", "national_id", "address", "device"])
def test_what_all_kinds_of_people_type_at_all_times_is_junk(label: str) -> None:
    assert junk(held_by(SPREAD, label, "call reception")) == ["call reception"]


def test_a_burst_on_one_number_is_evidence_and_stays() -> None:
    assert junk(held_by(range(300, 340), "national_id", "stolen")) == []


def test_a_drip_of_weeks_within_a_longer_history_is_evidence_and_stays() -> None:
    assert junk(held_by(range(200, 400, 5), "phone", "farm")) == []


def test_holders_who_share_another_thing_keep_their_evidence() -> None:
    pairs = [row for one, two in zip(list(SPREAD)[::2], list(SPREAD)[1::2], strict=True) for row in held_by((one, two), "instrument", f"card{one}")]  # fmt: skip
    assert junk(held_by(SPREAD, "phone", "ring") + pairs) == []


def test_what_strangers_share_anyway_does_not_clear_a_placeholder() -> None:
    shop = held_by(range(N_ACCOUNTS), "payee", "supermarket")
    carrier = held_by(SPREAD, "ip", "carrier")
    assert junk(held_by(SPREAD, "phone", "0800") + shop + carrier) == ["0800"]


def test_one_persons_accounts_do_not_make_a_placeholder() -> None:
    rows = [(account, 3, label, value, day) for account, _, label, value, day in held_by(SPREAD, "phone", "own")]
    assert junk(rows) == []


def test_a_value_no_larger_than_its_type_knows_is_none() -> None:
    others = [row for start in range(12) for row in held_by(range(start, N_ACCOUNTS, 40), "phone", f"desk{start}")]
    assert junk(held_by(SPREAD, "phone", "call reception") + others) == []


def test_a_young_history_has_no_junk() -> None:
    rows = [(*row[:4], row[4] / 10) for row in population() + held_by(SPREAD, "phone", "call reception")]
    assert found(frame(rows)) == []


def test_instruments_and_payees_with_many_customers_are_none() -> None:
    assert junk(held_by(SPREAD, "payee", "charity") + held_by(SPREAD, "instrument", "payroll")) == []


def test_neither_names_nor_order_change_it() -> None:
    held = frame(population() + held_by(SPREAD, "phone", "call reception"))
    renamed = held.with_columns(identifier="z" + pl.col("identifier").str.reverse(), account=1000 - pl.col("account"))
    assert found(renamed.sample(fraction=1, shuffle=True, seed=1)) == ["z" + "call reception"[::-1]]
    assert found(held) == ["call reception"]
    assert len(SPREAD) >= FEWEST


def test_it_links_nobody_and_weighs_nothing() -> None:
    held = frame(population() + held_by(SPREAD, "phone", "call reception"))
    accounts = pl.DataFrame(
        {"account": range(N_ACCOUNTS), "identity": range(N_ACCOUNTS)},
        schema=dict.fromkeys(("account", "identity"), pl.Int32),
    ).with_columns(account_id=pl.format("a{}", "account"))
    links = held.join(accounts.select("account", "account_id"), on="account").select(
        "account_id",
        "identifier_type",
        "identifier",
        "first_seen",
        last_seen="first_seen",
        n_events=pl.lit(1, pl.Int64),
    )
    numbered = number_identifiers(links, accounts)
    hubs = numbered.identifiers.filter("is_hub")
    assert hubs.select("hash", "weight").rows() == [("call reception", 0.0)]
    assert numbered.links.height == links.height
