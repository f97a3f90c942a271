"""Checks that an optional value must pass; what fails becomes null and is counted, and its row stays.

The checks are loose on purpose: they refuse what cannot be (a birth in the future), never what is merely rare. Birth dates
may lie in any century.
"""

from collections.abc import Callable

import polars as pl

__all__ = ["PLAUSIBLE"]

MAX_TEXT_BYTES = 1_000


def _text(value: pl.Expr) -> pl.Expr:
    return value.str.len_bytes() <= MAX_TEXT_BYTES


def _birth_date(value: pl.Expr) -> pl.Expr:
    return value.cast(pl.Datetime("us", "UTC")) <= pl.col("event_time")


def _email(value: pl.Expr) -> pl.Expr:
    return value.str.contains(r"^\s*[^@\s]+@[^@\s]+\s*$") & _text(value)


def _phone(value: pl.Expr) -> pl.Expr:
    n_digits = value.str.count_matches(r"\d")
    is_word = value.str.contains(r"\d{3}") & (value.str.count_matches(r"[\dA-Za-z]") >= 10)  # 1-800-FLOWERS
    return ((n_digits >= 5) | is_word) & (n_digits <= 20) & _text(value)


def _ip(value: pl.Expr) -> pl.Expr:
    octet = r"(25[0-5]|2[0-4]\d|[01]?\d{1,2})"
    return value.str.contains(rf"^\s*({octet}(\.{octet}){{3}}|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)\s*$") & (
        value.str.len_bytes() <= 64
    )


def _finite(value: pl.Expr) -> pl.Expr:
    return value.is_finite()


# name in graph.schema.Column.plausible -> expression that is true where the value can be
PLAUSIBLE: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "text": _text,
    "birth_date": _birth_date,
    "email": _email,
    "phone": _phone,
    "ip": _ip,
    "finite": _finite,
}
