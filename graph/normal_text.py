"""What all normal forms share: one case, one set of letters and digits, and the words that people type when they have nothing."""

import sys
import unicodedata
from collections.abc import Callable

import polars as pl

__all__ = ["JUNK", "SEPARATOR", "by_value", "folded", "lowered", "plain"]

SEPARATOR = "\x1f"  # between the parts of a form that is made of two columns

JUNK = frozenset(
    [
        "test", "testing", "tester", "test1", "test123", "n/a", "n.a.", "n.a", "na", "none", "null", "nil", "nan", "unknown", "unkown",
        "unknwon", "anonymous", "anon", "nobody", "noname", "noemail", "no", "-", "--", "---", ".", "..", "...", "?", "??", "???", "x",
        "xx", "xxx", "xxxx", "xxxxx", "asd", "asdf", "asdfasdf", "asdfgh", "qwe", "qwerty", "qwertyuiop", "abc", "abcd", "foo", "bar",
        "foobar", "0", "00", "000", "0000", "undefined", "unavailable", "tbd", "tba", "dummy", "fake", "sample", "example", "invalid",
        "empty", "blank", "default", "nothing", "missing", "ninguno", "ninguna", "nessuno", "keine", "keiner", "aucun", "aucune",
        "onbekend", "unbekannt", "inconnu", "desconocido", "desconocida", "sconosciuto", "not available", "not applicable",
        "not provided", "not known", "not given", "no name", "no address", "no email", "same as above",
    ]
)  # fmt: skip
"""Typed in place of a value, in any field; compared after `plain`."""

# letters that no decomposition splits, as most people type them without the letter's own key
LETTERS = {
    "ß": "ss", "ø": "o", "œ": "oe", "æ": "ae", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h", "ŧ": "t", "ŋ": "n",
    "ə": "e", "ƒ": "f", "ς": "σ", "ʼ": "'", "’": "'", "‘": "'", "`": "'", "´": "'", "′": "'", "＇": "'",
}  # fmt: skip
DIGITS = {
    char: str(unicodedata.decimal(char))
    for char in map(chr, range(0x80, sys.maxunicode + 1))
    if unicodedata.category(char) == "Nd"
}
INVISIBLE = r"[\p{Cf}\p{Cc}]+"  # joiners, direction marks, controls; spaces among them have become spaces before


def folded(values: pl.Series) -> pl.Series:
    """Compatibility forms made one (full-width letters, ligatures), ASCII digits, nothing invisible, one space; case stays."""
    return _where_not_ascii(_one_space(values), _fold)


def lowered(values: pl.Series) -> pl.Series:
    """`folded`, in lower case; each may undo the other once."""
    return folded(folded(values).str.to_lowercase())


def plain(values: pl.Series) -> pl.Series:
    """Lower case, no accents, ASCII digits, one space between words. Marks that are a script's vowels, not accents, stay."""
    return _where_not_ascii(_one_space(values).str.to_lowercase(), _strip)


def by_value(values: pl.Series, form: Callable[[str], str | None]) -> pl.Series:
    """A form computed in Python, once for each distinct value."""
    distinct = values.drop_nulls().unique()
    forms = pl.Series([form(text) for text in distinct.to_list()], dtype=pl.String)
    return values.replace_strict(distinct, forms, default=None, return_dtype=pl.String)


def _one_space(values: pl.Series) -> pl.Series:
    return values.str.replace_all(r"\s+", " ").str.replace_all(INVISIBLE, "").str.strip_chars()


def _fold(values: pl.Series) -> pl.Series:
    return _one_space(values.str.normalize("NFKC").str.replace_many(DIGITS))


def _strip(values: pl.Series) -> pl.Series:
    bare = values.str.normalize("NFKD").str.replace_all("[\u0300-\u036f]", "").str.normalize("NFC").str.to_lowercase()
    return _one_space(bare.str.replace_many(DIGITS | LETTERS).str.replace_all("[\u0300-\u036f]", ""))


def _where_not_ascii(values: pl.Series, change: Callable[[pl.Series], pl.Series]) -> pl.Series:
    """Most values are ASCII, where all of this has nothing to do."""
    rows = values.str.contains(r"[^\x00-\x7f]").fill_null(False).arg_true()
    return values.scatter(rows, change(values.gather(rows))) if len(rows) else values
