"""From what a person types to the identifiers it may be: normalised and hashed as at ingest, under the lake's key.

Nothing says of a typed text which type it is, nor where a name ends and a birth date begins, so every reading is hashed. A reading
that nobody ever submitted is a hash that no account holds, and finds nothing. The text itself goes nowhere from here.
"""

import re
from collections.abc import Callable, Iterator
from datetime import date

import polars as pl

from graph.errors import InputError
from graph.normalise import normalise
from graph.schema import IDENTIFIERS
from graph.sightings import keyed_hash

__all__ = ["MAX_TERM_BYTES", "hash_search_term"]

MAX_TERM_BYTES = 1_000  # as much as ingest takes of a text
_MAX_WORDS = 40
_FEWEST_PHONE_KEYS = 5
_HASH = re.compile(r"[0-9a-f]{64}")
_YEAR_FIRST = re.compile(r"(?<!\d)(\d{4})[-./ ]?(\d{1,2})[-./ ]?(\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})[-./ ](\d{1,2})[-./ ](\d{4})(?!\d)")

Reading = tuple[str | None, ...]


def hash_search_term(text: str, key: str) -> list[tuple[str, str]]:
    """All identifiers that a typed text may be.

    Args:
        text: one value as somebody would submit it: a phone number, a mailbox, a device id, an IP address, a name with a birth
            date, an address with or without its postcode, in either order. Or an identifier's own hash, 64 hex digits.
        key: the lake's key.

    Returns:
        (identifier_type, hash), each once, in the order of `graph.schema.IDENTIFIERS`; empty where no type takes such a text.
        A phone number is tried with and without the plus. Feed them to `graph.queries.find_identifiers`.

    Raises:
        InputError: the text is longer than `MAX_TERM_BYTES`. The message does not hold it.
    """
    text = text.encode("utf-8", "replace").decode()  # half a surrogate pair is no text
    n_bytes = len(text.encode())
    if n_bytes > MAX_TERM_BYTES:
        raise InputError(
            f"`text` must be at most {MAX_TERM_BYTES:,} bytes long; got {n_bytes:,}. Search for one value."
        )
    forms: dict[str, pl.LazyFrame] = {}
    for label, kind in IDENTIFIERS.items():
        readings = dict.fromkeys(_READINGS.get(kind.normaliser, _as_typed)(text))
        if not readings:
            continue
        schema = dict.fromkeys(kind.columns, pl.String)
        padded = [(*reading, None)[: len(schema)] for reading in readings]
        form = normalise(kind.normaliser, *(pl.col(name) for name in kind.columns))
        forms[label] = pl.LazyFrame(padded, schema=schema, orient="row").select(value=keyed_hash(form, label, key))
    found: dict[tuple[str, str], None] = {}
    for label, hashes in zip(
        forms, pl.collect_all(forms.values()), strict=True
    ):  # together: a query of its own costs milliseconds
        found.update(dict.fromkeys((label, value) for value in hashes["value"].drop_nulls()))
    if _HASH.fullmatch(text.strip().lower()):
        found.update(dict.fromkeys((label, text.strip().lower()) for label in IDENTIFIERS))
    return list(found)


def _as_typed(text: str) -> Iterator[Reading]:
    yield (text.strip(),)
    yield (text,)  # an opaque id is hashed letter by letter, its blanks too


def _phones(text: str) -> Iterator[Reading]:
    number = text.strip()
    if sum(letter.isalnum() for letter in number) < _FEWEST_PHONE_KEYS:
        return
    yield (number,)
    yield (number.removeprefix("+") if number.startswith("+") else f"+{number}",)


def _persons(text: str) -> Iterator[Reading]:
    """Name and birth date: the date wherever it stands, day and month in either order."""
    for pattern, orders in ((_YEAR_FIRST, ((1, 2, 3),)), (_YEAR_LAST, ((3, 2, 1), (3, 1, 2)))):
        for match in pattern.finditer(text):
            name = f"{text[: match.start()]} {text[match.end() :]}".strip()
            for order in orders:
                try:
                    yield name, date(*(int(match[place]) for place in order)).isoformat()
                except ValueError:
                    continue


def _addresses(text: str) -> Iterator[Reading]:
    """Address and postcode: none, or any one or two words that stand together and hold a digit."""
    yield text.strip(), None
    words = text.split()[:_MAX_WORDS]
    for start in range(len(words)):
        for end in (start + 1, start + 2):
            code = " ".join(words[start:end])
            rest = " ".join(words[:start] + words[end:])
            if end <= len(words) and rest and any(letter.isdigit() for letter in code):
                yield rest, code


def _with(letters: str) -> Callable[[str], Iterator[Reading]]:
    """As it was typed, where one of these letters is in it: ingest takes no other."""

    def readings(text: str) -> Iterator[Reading]:
        if any(letter in text for letter in letters):
            yield (text.strip(),)

    return readings


# by the name of the normaliser; other types are read as they were typed
_READINGS: dict[str, Callable[[str], Iterator[Reading]]] = {
    "email": _with("@"),
    "ip": _with(".:"),
    "national_id": _with("0123456789"),
    "phone": _phones,
    "person": _persons,
    "address": _addresses,
    "building": _addresses,
}
