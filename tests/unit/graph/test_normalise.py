"""Normal forms: what is one thing, what is nothing, and that doing it twice changes nothing."""

import polars as pl
import pytest

from graph.normalise import normalise
from graph.sightings import hash_identifier


def form(name: str, *values: str | None) -> str | None:
    frame = pl.DataFrame(
        {f"c{number}": [value] for number, value in enumerate(values)},
        schema_overrides={f"c{number}": pl.String for number in range(len(values))},
    )
    return frame.select(normalise(name, *(pl.col(column) for column in frame.columns))).item()


@pytest.mark.parametrize(("name", "one", "other"), [
    ("email", ("A.Lice+shop@Gmail.com ",), ("alice@googlemail.com",)),
    ("phone", ("+1 (555) 010-0200 ext 3",), ("001 555 010 0200",)),
    ("ip", ("2001:4860:1:2:3:4:5:6",), ("2001:4860:1:2::9",)),
    ("ip", ("::ffff:8.8.8.8",), ("8.8.8.8",)),
    ("national_id", ("123-45-6780",), ("123 456780",)),
    ("phone", ("+٤٤ ٢٠ ٧٩٤٦ ٠٠٠٠",), ("+44 20 7946 0000",)),
    ("person", ("Zoë  de la Mora", "1980-02-03"), ("DE LA MORA, ZOE", "1980-02-03")),
    ("address", ("12 North Elm Street, Apt #4", "sw1a 1aa"), ("12 N. Elm St. Unit 4", "SW1A1AA")),
])  # fmt: skip
def test_two_ways_to_write_one_thing_become_one(name: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert form(name, *one) == form(name, *other) is not None


@pytest.mark.parametrize(("name", "one", "other"), [
    ("email", ("a.lice@mail.example",), ("alice@mail.example",)),
    ("phone", ("+15550100200",), ("+15550100201",)),
    ("ip", ("2001:4860:1:2::9",), ("2001:4860:1:3::9",)),
    ("national_id", ("123-45-6780",), ("123-45-6781",)),
    ("person", ("Ann Lee", "1980-02-03"), ("Ann Lee", "1980-02-04")),
    ("person", ("राम कुमार", "1980-02-03"), ("रीमा कुमारी", "1980-02-03")),
    ("opaque", ("null",), (" null",)),
    ("address", ("12 Elm St Apt 4", "1"), ("12 Elm St Apt 5", "1")),
])  # fmt: skip
def test_two_things_stay_two(name: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert form(name, *one) != form(name, *other)


@pytest.mark.parametrize(("name", "values"), [
    ("email", ("test@mail.example",)), ("phone", ("000-000-0000",)), ("phone", ("555",)), ("ip", ("192.168.1.4",)),
    ("ip", ("fe80::1",)), ("ip", ("999.1.1.1",)), ("national_id", ("000-00-0000",)), ("national_id", ("123-45-6789",)),
    ("person", ("N/A", "1980-01-01")), ("person", ("Ann Lee", None)), ("address", ("unknown", "12345")), ("address", (None, "12345")), ("opaque", ("",)),
])  # fmt: skip
def test_what_people_type_when_they_have_none_links_nobody(name: str, values: tuple[str | None, ...]) -> None:
    assert form(name, *values) is None


@pytest.mark.parametrize(("name", "value"), [("email", "A.B+c@Gmail.com"), ("phone", "0044 20 7946 0000"), ("ip", "2001:4860:1:2:3::"), ("national_id", "ab-12 34"), ("opaque", " x1 ")])  # fmt: skip
def test_normalising_twice_changes_nothing(name: str, value: str) -> None:
    once = form(name, value)
    assert once is not None
    assert form(name, once) == once


def test_a_search_finds_what_ingest_hashed_and_another_key_does_not() -> None:
    one = hash_identifier("phone", {"phone": "+1 555 010 0200"}, "00ff")
    assert one == hash_identifier("phone", {"phone": "+15550100200"}, "00ff")
    assert one != hash_identifier("phone", {"phone": "+15550100200"}, "00fe")
    assert one is not None
    assert len(one) == 64
