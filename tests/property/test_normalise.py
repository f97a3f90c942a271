"""Normalising twice changes nothing, for any text and for texts that look like values."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.normal_text import SEPARATOR
from graph.normalise import NORMALISERS, normalise

MANY = settings(max_examples=40)

TEXT = st.text(max_size=40)
DIGITS = st.text("0123456789 -().+٤٠５", max_size=22)
WORDS = st.lists(
    st.sampled_from(
        ["Mr", "Dr.", "J.", "Ann", "O’Brien", "Łukasz", "ß", "İ", "Σας", "apt", "Unit", "#", "#4", "no", "12", "12-a", "First", "Street", "St.", "P.O.", "Box",
         "po", "str", "Hauptstraße", "王", "小明", "राम", "n/a", "test", "-", "’", "Ǆ", "ﬁ", "½", "\u200d", "\u0301"]
    ),
    max_size=8,
)  # fmt: skip
BOX = st.text('abAB.+-_"<> é', max_size=10)
DOMAIN = st.sampled_from(["gmail.com", "GOOGLEMAIL.com.", "proton.me", "ya.ru", "outlook.com", "bücher.example", "xn--bcher-kva.example", "x", ".", "ß。de", "a b"])  # fmt: skip
ADDRESS = st.one_of(
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(str),
    st.ip_addresses(v=6).map(lambda address: f"{address}/64"),
    st.ip_addresses(v=4).map(lambda address: f"::ffff:{address}"),
)
VALUES = {
    "token": st.one_of(TEXT, DIGITS),
    "ip": st.one_of(TEXT, ADDRESS),
    "phone": st.one_of(TEXT, DIGITS, DIGITS.map(lambda text: "+" + text), WORDS.map(" ".join)),
    "email": st.one_of(TEXT, st.tuples(BOX, DOMAIN).map("@".join), st.tuples(TEXT, DOMAIN).map("@".join)),
    "national_id": st.one_of(TEXT, DIGITS, WORDS.map("".join)),
    "person": st.one_of(TEXT, WORDS.map(" ".join)),
    "address": st.one_of(TEXT, WORDS.map(" ".join)),
    "building": st.one_of(TEXT, WORDS.map(" ".join)),
}
POSTCODE = st.one_of(TEXT, st.just("12345-6789"))


def forms(name: str, rows: list[tuple[str | None, ...]]) -> list[str | None]:
    columns = [f"c{place}" for place in range(len(rows[0]))]
    frame = pl.DataFrame(rows, schema=dict.fromkeys(columns, pl.String), orient="row")
    found = frame.select(form=normalise(name, *(pl.col(column) for column in columns)))["form"]
    return list(found)


@pytest.mark.parametrize("name", sorted(NORMALISERS))
@given(data=st.data())
@MANY
def test_normalising_twice_changes_nothing(name: str, data: st.DataObject) -> None:
    second = {
        "person": st.sampled_from(["1980-02-03", "", "1900-01-01"]),
        "address": POSTCODE,
        "building": POSTCODE,
    }
    columns = (VALUES[name], second[name]) if name in second else (VALUES[name],)
    rows = data.draw(st.lists(st.tuples(*columns), min_size=1, max_size=30))
    once = [form for form in forms(name, rows) if form is not None]
    if once:
        parts = [tuple(form.split(SEPARATOR)) if len(columns) > 1 else (form,) for form in once]
        assert forms(name, parts) == once


@pytest.mark.parametrize("name", sorted(NORMALISERS))
@given(data=st.data())
@MANY
def test_a_form_does_not_depend_on_what_stands_beside_it(name: str, data: st.DataObject) -> None:
    n_columns = 2 if name in ("person", "address", "building") else 1
    values = data.draw(st.lists(VALUES[name], min_size=1, max_size=12))
    rows: list[tuple[str | None, ...]] = [(value, "1980-02-03")[:n_columns] for value in values]
    assert forms(name, rows) == [forms(name, [row])[0] for row in rows]
