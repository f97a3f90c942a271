"""What is typed is found: every reading of a text is normalised and hashed as ingest does it."""

from datetime import date

import polars as pl
import pytest

from graph.cleaning import read_events
from graph.errors import InputError
from graph.identifier_search import MAX_TERM_BYTES, hash_search_term
from graph.lake import as_of_of
from graph.schema import IDENTIFIERS
from graph.sightings import build_links, hash_identifier
from graph.snapshot import Events
from jobs.simulate import simulate

KEY = "5a" * 32
DAY = date(2026, 6, 1)


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Events:
    folder = tmp_path_factory.mktemp("made") / "w"
    simulate(folder, n_accounts=120, n_days=60, seed=5, until=DAY)
    return read_events(folder / "events", as_of_of(DAY))


@pytest.mark.parametrize("label", IDENTIFIERS)
def test_every_value_that_ingest_hashed_is_among_the_readings_of_its_text(events: Events, label: str) -> None:
    kind = IDENTIFIERS[label]
    table = events[kind.table].unique(list(kind.columns), maintain_order=True).head(40)
    assert table.height >= 10
    hashed = build_links({**{name: frame.head(0) for name, frame in events.items()}, kind.table: table}, KEY)
    sighted = set(hashed.filter(identifier_type=label)["identifier"])
    found: set[str] = set()
    for row in table.iter_rows(named=True):
        typed = " ".join(str(row[name]) for name in kind.columns if row[name] is not None)
        found |= {value for name, value in hash_search_term(typed, KEY) if name == label}
    assert len(sighted) >= 10
    assert sighted <= found


@pytest.mark.parametrize(
    ("label", "values", "typed"),
    [
        ("email", {"email": "jane.doe+x@gmail.com"}, " JaneDoe@googlemail.com "),
        ("phone", {"phone": "+44 20 7946 0018"}, "44 20 7946 0018"),
        ("phone", {"phone": "020 7946 0018"}, "+020 7946 0018"),
        ("ip", {"ip": "2a00:1450:4001:81b::200e"}, "2a00:1450:4001:81b:1::1"),
        ("national_id", {"national_id": "912-34-5678"}, "912345678"),
        ("person", {"full_name": "Ada Q. Roe", "birth_date": "1990-04-01"}, "roe, ada 1990-04-01"),
        ("person", {"full_name": "Ada Roe", "birth_date": "1990-04-01"}, "1.4.1990 Ada Roe"),
        ("person", {"full_name": "Ada Roe", "birth_date": "1990-04-01"}, "Ada Roe 04/01/1990"),
        ("person", {"full_name": "Ada Roe", "birth_date": "1990-04-01"}, "Ada Roe 19900401"),
        ("address", {"address": "12 Main Street, Apt 4", "postcode": "SW1A 1AA"}, "12 main st #4, SW1A 1AA"),
        ("address", {"address": "12 Main Street", "postcode": "90210"}, "90210 12 main st"),
        ("address", {"address": "12 Main Street", "postcode": None}, "12 Main St."),
        ("device", {"device_id": " Dev-A "}, " Dev-A "),
        ("device", {"device_id": "Dev-A"}, " Dev-A"),
    ],
)
def test_another_way_to_write_it_finds_the_same(label: str, values: dict[str, str | None], typed: str) -> None:
    wanted = hash_identifier(label, values, KEY)
    assert wanted is not None
    assert (label, wanted) in hash_search_term(typed, KEY)


def test_another_key_or_another_value_finds_something_else() -> None:
    known = set(hash_search_term("jane@example.org", KEY))
    assert known
    assert not known & set(hash_search_term("jane@example.org", "00" * 32))
    assert not known & set(hash_search_term("june@example.org", KEY))


def test_a_hash_is_looked_up_as_it_is() -> None:
    pasted = "0f" * 32
    assert {(label, pasted) for label in IDENTIFIERS} <= set(hash_search_term(pasted.upper(), KEY))


@pytest.mark.parametrize("text", ["", "   ", "n/a", "\x00", "31/31/1990", "💥 " * 80, "1 " * 400, "\ud800"])
def test_a_text_that_nobody_has_is_no_fault(text: str) -> None:
    found = hash_search_term(text, KEY)
    assert len(found) == len(set(found)) <= 200


def test_a_text_too_long_is_refused_without_being_repeated() -> None:
    with pytest.raises(InputError, match="1,001") as raised:
        hash_search_term("secret" + "x" * (MAX_TERM_BYTES - 5), KEY)
    assert "secret" not in str(raised.value)
    assert pl.Series([value for _, value in hash_search_term("x" * MAX_TERM_BYTES, KEY)]).str.len_bytes().max() == 64
