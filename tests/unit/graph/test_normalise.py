"""Normal forms: what is one thing, what is nothing, and that a search finds what ingest hashed."""

import ipaddress
import random

import numpy as np
import phonenumbers
import polars as pl
import pytest
from disposable_email_domains import blocklist

from graph.normal_places import NOT_PUBLIC_V4, PLAIN_V6, _v6_form
from graph.normalise import NORMALISERS, Forms, is_disposable_email, is_voip_phone, normalise
from graph.schema import IDENTIFIERS, TABLES
from graph.sightings import build_links, hash_identifier

KEY = "00ff"


def form(name: str, *values: str | None) -> str | None:
    frame = pl.DataFrame(
        {f"c{number}": [value] for number, value in enumerate(values)},
        schema_overrides={f"c{number}": pl.String for number in range(len(values))},
    )
    return frame.select(normalise(name, *(pl.col(column) for column in frame.columns))).item()


@pytest.mark.parametrize(("name", "one", "other"), [
    ("email", ("A.Lice+shop@Gmail.com ",), ("alice@googlemail.com",)),
    ("email", ("<mailto:Bob@Mail.Example.>",), ("bob@mail.example",)),
    ("email", ("bob@Bücher.example",), ("bob@xn--bcher-kva.example",)),
    ("email", ("bob＠mail.example",), ('"bob"@mail.example',)),
    ("email", ("ann+a@outlook.com",), ("ann+b@outlook.com",)),
    ("email", ("ann@me.com",), ("ann+x@icloud.com",)),
    ("email", ("a.n-n_@protonmail.com",), ("ann@proton.me",)),
    ("email", ("ann@ya.ru",), ("ann+1@yandex.com",)),
    ("phone", ("+1 (555) 010-0200 ext 3",), ("001 555 010 0200",)),
    ("address", ("Finance Dept, P.O. Box 12", "AB1 2CD"), ("finance dept POBox 12", "ab12cd")),
    ("phone", ("(+44) 20 7946 0000",), ("(00 44) 20 7946 0000",)),
    ("phone", ("(0)044 668 18 00",), ("044 668 18 00",)),
    ("phone", ("+٤٤ ٢٠ ٧٩٤٦ ٠٠٠٠",), ("+44 20 7946 0000",)),
    ("phone", ("+44 (0)20 7946 0000",), ("tel:+442079460000",)),
    ("phone", ("+1-800-FLOWERS",), ("+1 800 356 9377",)),
    ("phone", ("+1 1 212 555 4000",), ("+1 212 555 4000",)),
    ("phone", ("(212) 555-4000",), ("212.555.4000",)),
    ("ip", ("2001:4860:1:2:3:4:5:6",), ("2001:4860:1:2::9",)),
    ("ip", ("::ffff:8.8.8.8",), ("8.8.8.8",)),
    ("ip", ("008.008.008.008",), ("8.8.8.8",)),
    ("ip", ("64:ff9b::808:808",), ("8.8.8.8",)),
    ("national_id", ("123-45-6780",), ("123 456780",)),
    ("national_id", ("１２３.４５.６７８０",), ("123456780",)),
    ("national_id", ("ab 12 34 56 d",), ("AB123456D",)),
    ("person", ("Zoë  de la Mora", "1980-02-03"), ("DE LA MORA, ZOE", "1980-02-03")),
    ("person", ("Dr. John Q. O’Brien-Smith Jr.", "1980-02-03"), ("obrien smith, john", "1980-02-03")),
    ("person", ("Łukasz Ørsted", "1980-02-03"), ("Lukasz Orsted", "1980-02-03")),
    ("person", ("IŞIL Weiß", "1980-02-03"), ("ışıl weiss", "1980-02-03")),
    ("person", ("ΓΙΩΡΓΟΣ Α ΝΙΚΟΛΑΟΥ", "1980-02-03"), ("Γιώργος Νικολάου", "1980-02-03")),
    ("address", ("12 North Elm Street, Apt #4", "sw1a 1aa"), ("12 N. Elm St. Unit 4", "SW1A1AA")),
    ("address", ("Apt 4, 12 North Elm Street", "1"), ("12 N Elm St #4", "1")),
    ("address", ("P.O. Box 12", "12345-6789"), ("Post Office Box 12", "12345")),
    ("address", ("Hauptstraße 5", "10115"), ("Hauptstr. 5", "10115")),
    ("address", ("No. 7 Fifth Avenue", "1"), ("7 5th Ave", "1")),
    ("address", ("12-A O'Connell Rd", "1"), ("12A OConnell Road", "1")),
    ("address", ("9 Oak Road PMB 33", "1"), ("9 Oak Rd #33", "1")),
    ("building", ("12 Elm St Apt 4", "1"), ("12 Elm Street, Unit 5", "1")),
    ("building", ("Flat 3, 12 Elm St", "1"), ("12 Elm St", "1")),
])  # fmt: skip
def test_two_ways_to_write_one_thing_become_one(name: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert form(name, *one) == form(name, *other) is not None


@pytest.mark.parametrize(("name", "one", "other"), [
    ("email", ("a.lice@mail.example",), ("alice@mail.example",)),
    ("email", ("ann+a@mail.example",), ("ann+b@mail.example",)),
    ("email", ("ann@outlook.com",), ("ann@hotmail.com",)),
    ("email", ("a.nn@outlook.com",), ("ann@outlook.com",)),
    ("email", ("ann-a@yahoo.com",), ("ann@yahoo.com",)),
    ("phone", ("+15550100200",), ("+15550100201",)),
    ("phone", ("+442079460000",), ("+12079460000",)),
    ("phone", ("(0)044 668 18 00",), ("+44 6681800",)),
    ("phone", ("+12125554000",), ("2125554000",)),
    ("ip", ("2001:4860:1:2::9",), ("2001:4860:1:3::9",)),
    ("national_id", ("123-45-6780",), ("123-45-6781",)),
    ("person", ("Ann Lee", "1980-02-03"), ("Ann Lee", "1980-02-04")),
    ("person", ("J Smith", "1980-02-03"), ("K Smith", "1980-02-03")),
    ("person", ("J Smith", "1980-02-03"), ("John Smith", "1980-02-03")),
    ("person", ("राम कुमार", "1980-02-03"), ("रीमा कुमारी", "1980-02-03")),
    ("person", ("王 小明", "1980-02-03"), ("王 大明", "1980-02-03")),
    ("token", ("A1",), ("a1",)),
    ("token", ("a1",), (" a1",)),
    ("address", ("12 Elm St Apt 4", "1"), ("12 Elm St Apt 5", "1")),
    ("address", ("12 Elm St", "1"), ("12 Elm St", "2")),
    ("building", ("12 Elm St Apt 4", "1"), ("13 Elm St Apt 4", "1")),
    ("building", ("Hauptstraße Nr. 12", "1"), ("Hauptstraße Nr. 14", "1")),
    ("building", ("Calle Mayor No 5", "1"), ("Calle Mayor No 7", "1")),
    ("building", ("12 Elm St Apt 4", "1"), ("12 Elm St Apt 4", "2")),
])  # fmt: skip
def test_two_things_stay_two(name: str, one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert None not in (form(name, *one), form(name, *other))
    assert form(name, *one) != form(name, *other)


@pytest.mark.parametrize(("name", "values"), [
    ("email", ("test@mail.example",)), ("email", ("n/a@mail.example",)), ("email", ("@mail.example",)), ("email", ("ann@",)), ("email", ("ann",)),
    ("email", ("a@b@c.example",)), ("email", ("...@gmail.com",)),
    ("phone", ("000-000-0000",)), ("phone", ("555",)), ("phone", ("+1 555 555 5555",)), ("phone", ("+44 0000000000",)), ("phone", ("123-456-7890",)),
    ("phone", ("+1 (123) 456-7890",)), ("phone", ("+1 212 555 0123",)), ("phone", ("unknown",)), ("phone", ("9876543210",)),
    ("ip", ("192.168.1.4",)), ("ip", ("fe80::1",)), ("ip", ("fe80::1%eth0",)), ("ip", ("999.1.1.1",)), ("ip", ("100.64.0.9",)), ("ip", ("::1",)),
    ("ip", ("2001:db8::1",)), ("ip", ("::ffff:10.0.0.1",)), ("ip", ("2002:a00:1::1",)), ("ip", ("64:ff9b::a00:1",)), ("ip", ("unknown",)),
    ("national_id", ("000-00-0000",)), ("national_id", ("123-45-6789",)), ("national_id", ("078-05-1120",)), ("national_id", ("219-09-9999",)),
    ("national_id", ("XXX-XX-XXXX",)), ("national_id", ("not available",)), ("national_id", ("12",)),
    ("person", ("N/A", "1980-01-01")), ("person", ("Test User", "1980-01-01")), ("person", ("Ann Lee", None)), ("person", ("Ann Lee", "1900-01-01")),
    ("person", ("Ann Lee", "1970-01-01")), ("person", ("aaaa", "1980-01-01")), ("person", ("", "1980-01-01")), ("person", ("--", "1980-01-01")), ("person", ("Mr.", "1980-01-01")),
    ("address", ("unknown", "12345")), ("address", (None, "12345")), ("address", ("n/a", None)), ("address", ("No fixed abode", "1")),
    ("building", ("unknown", "12345")), ("building", ("Apt 5", "12345")), ("building", (None, "12345")),
    ("token", ("",)), ("token", (" null",)), ("token", ("00000000-0000-0000-0000-000000000000",)), ("token", ("9774D56D682E549C",)),
    ("token", ("ff:ff:ff:ff:ff:ff",)), ("token", ("02:00:00:00:00:00",)),
])  # fmt: skip
def test_what_people_type_when_they_have_none_links_nobody(name: str, values: tuple[str | None, ...]) -> None:
    assert form(name, *values) is None


@pytest.mark.parametrize(("name", "value"), [
    ("phone", "+19696840723"), ("phone", "+1 217 777 7777"), ("phone", "+999512345678"), ("national_id", "000-12-3456"), ("national_id", "666123456"),
    ("national_id", "912-70-1234"), ("token", "0a"), ("token", "f0"), ("ip", "100.202.241.14"), ("email", "testing.ann@mail.example"),
])  # fmt: skip
def test_what_only_looks_like_nothing_links(name: str, value: str) -> None:
    assert form(name, value) is not None


def test_numbers_that_the_library_is_not_asked_are_as_it_gives_them() -> None:
    draw = random.Random(1)
    codes = [str(code) for code in phonenumbers.COUNTRY_CODE_TO_REGION_CODE]
    numbers = [
        f"+{draw.choice(codes)}{draw.randint(0, 99) if draw.random() < 0.3 else ''}{draw.randint(10**5, 10**9)}"
        for _ in range(4000)
    ]
    canonical = pl.DataFrame({"n": numbers}).select(normalise("phone", pl.col("n")))["n"].to_list()
    for number, found in zip(numbers, canonical, strict=True):
        if found is not None and len(number) < 17:
            again = phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.E164)
            twice = phonenumbers.format_number(phonenumbers.parse(again), phonenumbers.PhoneNumberFormat.E164)
            assert found in (again, twice)


def test_public_addresses_are_those_of_the_registry() -> None:
    draw = random.Random(1)
    edges = [int(end) + step for net in NOT_PUBLIC_V4 for end in (net[0], net[-1]) for step in (-1, 0, 1)]
    numbers = [number % 2**32 for number in edges] + [draw.getrandbits(32) for _ in range(2000)]
    texts = [str(ipaddress.IPv4Address(number)) for number in numbers]
    found = pl.DataFrame({"ip": texts}).select(normalise("ip", pl.col("ip")))["ip"].to_list()
    for text, public in zip(texts, found, strict=True):
        address = ipaddress.IPv4Address(text)
        is_service = address in ipaddress.IPv4Network("192.88.99.0/24") or address in ipaddress.IPv4Network(
            "192.0.0.0/24"
        )
        assert public == (text if address.is_global and not address.is_multicast and not is_service else None)


def test_a_throw_away_mailbox_and_an_internet_number_are_flags_and_link_as_others_do() -> None:
    domain = sorted(blocklist)[0]
    mails = pl.DataFrame({"v": [f"Ann@{domain.upper()}", f"ann@sub.{domain}", "ann@gmail.com", "nothing", None]})
    assert mails.select(is_disposable_email(pl.col("v")))["v"].to_list() == [True, True, False, False, False]
    assert form("email", f"ann@{domain}") is not None
    numbers = pl.DataFrame({"v": ["+44 56 0000 0000", "+44 20 7946 0000", "+1 212 555 4000", "5600000000", None]})
    assert numbers.select(is_voip_phone(pl.col("v")))["v"].to_list() == [True, False, False, False, False]


def test_every_identifier_type_has_a_form_and_a_class() -> None:
    for kind in IDENTIFIERS.values():
        assert NORMALISERS[kind.normaliser].form
        source = next(column for column in TABLES[kind.table].columns if column.name == kind.columns[0])
        assert kind.privacy == source.privacy


@pytest.mark.parametrize(("label", "asked", "submitted"), [
    ("phone", {"phone": "+1 555 010 0200"}, {"phone": "+15550100200"}),
    ("email", {"email": "A.nn+x@googlemail.com"}, {"email": "ann@gmail.com"}),
    ("person", {"full_name": "Lee, Ann", "birth_date": "1980-02-03"}, {"full_name": "ann lee", "birth_date": "1980-02-03"}),
    ("address", {"address": "Unit 4, 12 Elm Street", "postcode": "1"}, {"address": "12 elm st #4", "postcode": "1"}),
    ("building", {"address": "Unit 9, 12 Elm Street", "postcode": "1"}, {"address": "12 elm st #4", "postcode": "1"}),
    ("national_id", {"national_id": "123 45 6780"}, {"national_id": "123-45-6780"}),
    ("ip", {"ip": "::ffff:8.8.8.8"}, {"ip": "8.8.8.8"}),
    ("device", {"device_id": "d1"}, {"device_id": "d1"}),
])  # fmt: skip
def test_a_search_finds_what_ingest_hashed_and_another_key_does_not(
    label: str, asked: dict[str, str | None], submitted: dict[str, str]
) -> None:
    events = {
        name: pl.DataFrame(schema={column.name: column.dtype for column in table.columns})
        for name, table in TABLES.items()
    }
    table = IDENTIFIERS[label].table
    row = pl.DataFrame(
        {"event_id": ["e"], "event_time": ["2026-01-01"], "known_time": ["2026-01-01"], "account_id": ["a"]}
        | {column: [value] for column, value in submitted.items()}
    )
    schema = {column.name: column.dtype for column in TABLES[table].columns}
    typed = row.with_columns(pl.col("event_time", "known_time").str.to_datetime("%Y-%m-%d", time_zone="UTC"))
    filled = typed.with_columns(pl.lit(None).alias(name) for name in schema if name not in typed.columns)
    if "birth_date" in submitted:
        filled = filled.with_columns(pl.col("birth_date").str.to_date())
    events[table] = filled.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
    links = build_links(events, KEY).filter(pl.col("identifier_type") == label)
    assert links["identifier"].to_list() == [hash_identifier(label, asked, KEY)]
    assert hash_identifier(label, asked, KEY) != hash_identifier(label, asked, "00fe")


def test_networks_that_are_written_out_are_what_the_standard_library_makes_of_them() -> None:
    draw = np.random.default_rng(0)
    heads = ["2a00", "2001", "2002", "3fff", "2600", "fe80", "64", "2001:db8", "2001:0", "2001:1ff", "2001:200", "3ffe"]
    texts = []
    for _ in range(4_000):
        n = int(draw.integers(1, 8))
        groups = [f"{draw.integers(0, 2 ** int(draw.integers(1, 17))):x}" for _ in range(n)]
        groups = [group.zfill(4) if draw.random() < 0.1 else group for group in groups]
        if draw.random() < 0.7:
            groups.insert(int(draw.integers(0, n + 1)), "")
        text = ":".join([str(draw.choice(heads)), *groups])
        text = text + ":" * int(draw.integers(0, 3)) if draw.random() < 0.2 else text
        text = text.upper() if draw.random() < 0.2 else text
        texts.append(text + "/64" * int(draw.random() < 0.1))
    forms = pl.DataFrame({"ip": texts}).select(normalise("ip", pl.col("ip"))).to_series()
    expected = [_v6_form(text) for text in texts]
    assert forms.to_list() == expected
    plain = pl.Series(texts).str.contains(PLAIN_V6)
    assert 200 < plain.sum() < len(texts) - 300
    assert sum(form is not None for form in expected) > 500


@pytest.mark.parametrize("kept", [(), ("address",)])
def test_forms_that_another_made_are_found_and_what_nobody_made_is_made(kept: tuple[str, ...]) -> None:
    forms = Forms(kept)
    made = forms.make(pl.DataFrame({"address": ["12 Oak Street", None], "postcode": ["04101", "1"]}), ["address"])
    asked = pl.DataFrame({"address": [None, "12 Oak Street", "12 Oak Street"], "postcode": ["1", "04101", None]})
    expected = asked.select(form=normalise("address", pl.col("address"), pl.col("postcode")))["form"]
    assert made["address"].to_list() == [expected[1], None]
    for rows in (asked, asked.head(2)):  # the third was made by nobody
        assert forms.find(rows, "address").to_list() == expected[: rows.height].to_list()
    assert forms.find(pl.DataFrame({"email": ["A@b.org"]}), "email").to_list() == ["a@b.org"]
