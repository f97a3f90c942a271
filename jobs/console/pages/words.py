"""How pages say times, numbers and scores: the filters of the templates."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

__all__ = ["FILTERS", "LIKELIHOODS", "money", "path_part", "score_words", "utc"]

# Words of estimative probability; a score is a calibrated probability, so each covers what it says.
LIKELIHOODS = ((0.95, "almost certain"), (0.8, "very likely"), (0.5, "likely"), (0.2, "possible"))


def score_words(score: float | None) -> str:
    """A calibrated probability in words.

    Examples:
        >>> score_words(0.97), score_words(0.5), score_words(0.01), score_words(None)
        ('almost certain', 'likely', 'unlikely', 'not scored')
    """
    if score is None:
        return "not scored"
    return next((words for least, words in LIKELIHOODS if score >= least), "unlikely")


def utc(moment: datetime | None, seconds: bool = False) -> str:
    """A time to the minute, or to the second, in UTC and saying so; it must have a zone.

    Examples:
        >>> utc(datetime(2026, 3, 31, 9, 5, tzinfo=UTC))
        '2026-03-31 09:05 UTC'
    """
    if moment is None:
        return "not known"
    return f"{moment.astimezone(UTC):{'%Y-%m-%d %H:%M:%S' if seconds else '%Y-%m-%d %H:%M'}} UTC"


# ISO 4217: currencies whose minor unit is no hundredth, and how many digits theirs has
_MINOR_DIGITS = dict.fromkeys(
    [
        "BIF",
        "CLP",
        "DJF",
        "GNF",
        "ISK",
        "JPY",
        "KMF",
        "KRW",
        "PYG",
        "RWF",
        "UGX",
        "UYI",
        "VND",
        "VUV",
        "XAF",
        "XOF",
        "XPF",
    ],
    0,
) | dict.fromkeys(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"], 3)


def money(amount_minor: int, currency: str) -> str:
    """An amount in the currency's own unit.

    Examples:
        >>> money(431900, "EUR"), money(1200, "JPY"), money(1200, "KWD")
        ('4,319.00 EUR', '1,200 JPY', '1.200 KWD')
    """
    digits = _MINOR_DIGITS.get(currency, 2)
    return f"{amount_minor / 10**digits:,.{digits}f} {currency}"


def path_part(value: str) -> str:
    """A value as one part of a path, whatever is in it.

    Examples:
        >>> path_part("a/b?c")
        'a%2Fb%3Fc'
    """
    return quote(value, safe="")


def _day(moment: datetime | date | None) -> str:
    if moment is None:
        return "not known"
    return f"{moment.astimezone(UTC) if isinstance(moment, datetime) else moment:%Y-%m-%d}"


def _count(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _score(value: float | None) -> str:
    """Two digits, and never 0.00 or 1.00 for what is not sure."""
    if value is None:
        return "–"
    if 0 < value < 0.005:
        return "< 0.01"
    return "> 0.99" if 0.995 <= value < 1 else f"{value:.2f}"


def _decimal(value: float | None, digits: int = 1) -> str:
    return "not known" if value is None else f"{value:,.{digits}f}"


def _plural(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "utc": utc,
    "day": _day,
    "count": _count,
    "money": money,
    "score": _score,
    "score_words": score_words,
    "decimal": _decimal,
    "plural": _plural,
    "words": lambda value: str(value).replace("_", " "),
    "path_part": path_part,
}
