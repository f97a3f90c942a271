"""Two nights compared, once for each pair: the queue and the nights' page ask again and again."""

from collections.abc import Collection, Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from graph.lake import Night, list_nights
from graph.night_changes import NightChanges, compare_nights
from jobs.console.kept_answers import AnswerShelf

__all__ = ["MAX_LISTED", "changes_between", "changes_since", "night_before", "shown_nights"]

MAX_LISTED = 20  # members and identifiers that are named of a ring

# The queue's pair has a place of its own: who steps through the nights does not make everybody's queue compare anew.
_of_queue, _of_readers = AnswerShelf(1), AnswerShelf(3)


def changes_between(before: Night, now: Night) -> NightChanges:
    """What became of the rings of one night in another. A pair is kept as long as neither night is written anew.

    Raises:
        InputError: `before` is not earlier than `now`.
    """
    return _compare(before, now, _of_readers)


def changes_since(
    lake: Path, shown: date | None, ring_ids: Collection[str]
) -> tuple[date | None, Mapping[str, dict[str, Any]]]:
    """The night before the one that is shown, and what became of each of the rings since; none where the lake has no earlier night.

    Args:
        ring_ids: those that are asked for; no ring of the lake is made a row for anything else.
    """
    now, before = shown_nights(lake, shown)
    if now is None or before is None:
        return None, {}
    rings = _compare(before, now, _of_queue).rings
    rows = rings.filter(pl.col("ring_id").is_in(list(ring_ids))).to_dicts()
    return before.date, {row["ring_id"]: row for row in rows}


def shown_nights(lake: Path, day: date | None) -> tuple[Night | None, Night | None]:
    """The complete night of a date, and the one before it; None for one that the lake does not have."""
    shown = next((each for each in list_nights(lake) if each.date == day), None)
    return shown, None if shown is None else night_before(lake, shown)


def night_before(lake: Path, night: Night) -> Night | None:
    """The latest complete night that is earlier; None for the first."""
    return next((each for each in reversed(list_nights(lake)) if each.date < night.date), None)


def _compare(before: Night, now: Night, shelf: AnswerShelf) -> NightChanges:
    pair = (before, _mark(before), now, _mark(now))
    if pair in _of_queue:
        shelf = _of_queue
    return shelf.get(pair, lambda: compare_nights(before, now, max_listed=MAX_LISTED), lambda _: 0)


def _mark(night: Night) -> int:
    """Differs once the night is made anew: its manifest is replaced then."""
    try:
        return (night.folder / "manifest.json").stat().st_mtime_ns
    except OSError:
        return 0
