"""A linkage brought up to date equals one made anew, whatever came, went or was known late in between."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.build import Comparisons, Linkage, build_linkage, build_snapshot
from graph.identity_known import KNOWN_SCHEMAS
from graph.schema import IDENTIFIERS, TABLES, Column
from graph.snapshot import SNAPSHOT_SCHEMAS

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "00ff"
N_FIRST, N_ACCOUNTS = 14, 18  # of the first night, and in all
N_LONERS = 49  # with some of the others more than 64: the bits of rarity move now and then
N_THINGS = 7
# what profiles submit: few values, so that they meet, in spellings that are one person's or not; lone words that lead or do not
NAMES = (
    "Ann Kim",
    "Kim Ann",
    "Anne Kim",
    "Ann Kimm",
    "Kim",
    "Ann",
    "Lee Kim",
    "Kim Lee",
    "Robert Lee Smith",
    "Bob Smith",
    None,
)
BIRTHS = (date(1980, 1, 2), date(1980, 2, 1), date(1980, 1, 12), date(1991, 7, 30), None)
NUMBERS = (None, "AB123456", "AB123465", "XY900001")
PHONES = (None, "+4915112345678", "+4915112345679")
PLACES = (
    (None, None),
    ("1 High Street", "AB1 2CD"),
    ("1 High Street Apt 2", "AB1 2CD"),
    ("1 Hihg Street", "AB1 2CD"),
    ("7 Low Road", "AB1 2CE"),
)
LOOKS = st.tuples(*(st.integers(0, len(values) - 1) for values in (NAMES, BIRTHS, NUMBERS, PHONES, PLACES)))


@dataclass(frozen=True)
class Row:
    """One event: whose, when it happened, with which of the few shared things, and what it submits if it is a profile.

    `night` is that before which it came to be known; one that comes backdated says that it was known when it happened.
    """

    kind: str
    account: int
    hour: int
    thing: int
    look: tuple[int, int, int, int, int] = (0, 0, 0, 0, 0)
    is_backdated: bool = False
    night: int = 0

    @property
    def event_time(self) -> datetime:
        return START + timedelta(hours=self.hour if self.kind == "signups" else 24 * 9 * self.hour + 6)

    @property
    def known_time(self) -> datetime:
        is_prompt = self.is_backdated or self.night == 0
        return self.event_time if is_prompt else as_of_night(self.night) - timedelta(hours=5)


def as_of_night(night: int) -> datetime:
    return START + timedelta(days=90 + night)


@dataclass(frozen=True)
class Night:
    """What happens before a night: rows that come, and the places of rows that go (erased, or corrected by the source)."""

    come: tuple[Row, ...]
    go: tuple[int, ...] = field(default=())


# signups on the hour, so that many tie; the later ones may name an earlier hour, so that numbers shift. The rest lies days
# apart, so that tenures overlap or do not
ROWS = st.builds(
    Row,
    st.sampled_from(["signups", "logins", "logins", "instruments", "payments", "profiles", "profiles"]),
    st.integers(0, N_ACCOUNTS - 1),
    st.integers(0, 6),
    st.integers(0, N_THINGS - 1),
    LOOKS,
    st.sampled_from([False, False, True]),
)
# a full first night, then a few changes a night, so that most of it stays
NIGHTS = st.builds(
    lambda hours, rows, later: [Night((*(Row("signups", *each, 0) for each in enumerate(hours)), *rows)), *later],
    st.lists(st.integers(0, 6), min_size=N_FIRST, max_size=N_FIRST),
    st.lists(ROWS, min_size=20, max_size=50),
    st.lists(
        st.builds(Night, st.lists(ROWS, max_size=4).map(tuple), st.lists(st.integers(0, 99), max_size=2).map(tuple)),
        min_size=1,
        max_size=2,
    ),
)


@pytest.fixture(autouse=True)
def small_hubs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caps so low that identifiers become hubs, and cease to be, in worlds of a dozen accounts."""
    for label, cap in {"device": 5, "payee": 4, "instrument": 6}.items():
        monkeypatch.setitem(IDENTIFIERS, label, replace(IDENTIFIERS[label], cap=cap))


def empty(columns: tuple[Column, ...]) -> pl.DataFrame:
    return pl.DataFrame(schema={column.name: column.dtype for column in columns})


def events_of(rows: dict[int, Row]) -> dict[str, pl.DataFrame]:
    """Clean events: rows of accounts without a signup are left out, as the contract's reader does."""
    signed = {row.account for row in rows.values() if row.kind == "signups"}
    events = {}
    for name, table in TABLES.items():
        own = [(number, row) for number, row in rows.items() if row.kind == name and row.account in signed]
        values: dict[str, list[object]] = {
            "event_id": [f"{name}{number}" for number, _ in own],
            "event_time": [row.event_time for _, row in own],
            "known_time": [row.known_time for _, row in own],
            "account_id": [f"a{(37 * row.account) % 97:02d}" for _, row in own],
            "device_id": [f"d{row.thing}" for _, row in own],
            "instrument_id": [f"i{row.thing}" for _, row in own],
            "counterparty_id": [f"p{row.thing}" for _, row in own],
            "channel": ["app"] * len(own),
            "kind": ["debit_card"] * len(own),
            "action": ["link"] * len(own),
            "amount_minor": [100 + row.thing for _, row in own],
            "currency": ["EUR"] * len(own),
            "status": ["settled"] * len(own),
            "full_name": [NAMES[row.look[0]] for _, row in own],
            "birth_date": [BIRTHS[row.look[1]] for _, row in own],
            "national_id": [NUMBERS[row.look[2]] for _, row in own],
            "phone": [PHONES[row.look[3]] for _, row in own],
            "address": [PLACES[row.look[4]][0] for _, row in own],
            "postcode": [PLACES[row.look[4]][1] for _, row in own],
        }
        columns = {column.name: values.get(column.name, [None] * len(own)) for column in table.columns}
        events[name] = pl.DataFrame(columns, schema=empty(table.columns).schema).sort("event_time", "event_id")
    return events


def states(nights: list[Night]) -> Iterator[dict[str, pl.DataFrame]]:
    """The events that are known at each night."""
    rows = {number: Row("signups", N_ACCOUNTS + number, number % 7, 0) for number in range(N_LONERS)}
    n_seen = N_LONERS
    for number, night in enumerate(nights):
        for place in night.go:
            if len(rows) > N_LONERS:
                rows.pop(list(rows)[N_LONERS + place % (len(rows) - N_LONERS)])
        rows |= {n_seen + place: replace(row, night=number) for place, row in enumerate(night.come)}
        n_seen += len(night.come)
        yield events_of(rows)


def assert_same(one: Linkage, other: Linkage) -> None:
    for name in SNAPSHOT_SCHEMAS:
        left, right = getattr(one.snapshot, name), getattr(other.snapshot, name)
        assert left.equals(right), f"{name}\n{left}\n{right}"
    assert one.evidence.equals(other.evidence)
    assert one.marks.keys() == other.marks.keys()
    assert all(one.marks[name].equals(other.marks[name]) for name in one.marks)
    assert one.records.equals(other.records)
    assert all(getattr(one.known, name).equals(getattr(other.known, name)) for name in KNOWN_SCHEMAS)


@pytest.mark.slow
@given(NIGHTS)
@settings(max_examples=200)
def test_a_night_after_a_night_equals_a_night_alone(nights: list[Night]) -> None:
    before = None
    for day, events in enumerate(states(nights)):
        as_of = as_of_night(day)
        alone = build_linkage(events, as_of, KEY, 0)
        if before is not None:
            assert_same(build_linkage(events, as_of, KEY, 0, before), alone)
        before = alone


@given(NIGHTS)
@settings(max_examples=40)
def test_a_linkage_holds_the_snapshot_of_its_cut_off(nights: list[Night]) -> None:
    as_of = as_of_night(len(nights))
    *_, events = states(nights)
    alone = build_linkage(events, as_of, KEY, 0)
    whole = build_snapshot(events, as_of, KEY, 0)
    for name in SNAPSHOT_SCHEMAS:
        assert getattr(alone.snapshot, name).equals(getattr(whole, name)), name


@given(NIGHTS)
@settings(max_examples=40)
def test_what_another_cut_off_compared_changes_no_snapshot(nights: list[Night]) -> None:
    """A training's earlier cut-offs read what tonight compared; a later night's may read an earlier one's, too."""
    every = list(states(nights))
    ends = [(0, len(every) - 1), (len(every) - 1, 0)]
    for day, other in ends:
        as_of = as_of_night(day)
        linkage = build_linkage(every[other], as_of_night(other), KEY, 0)
        compared = Comparisons(linkage.known, linkage.snapshot.accounts)
        whole = build_snapshot(every[day], as_of, KEY, 0)
        again = build_snapshot(every[day], as_of, KEY, 0, compared=compared)
        for name in SNAPSHOT_SCHEMAS:
            assert getattr(again, name).equals(getattr(whole, name)), name
