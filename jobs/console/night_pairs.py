"""Two nights compared, once for each pair: the queue and the nights' page ask again and again."""

import functools
import threading
from pathlib import Path

from graph.lake import Night, list_nights
from graph.night_changes import NightChanges, compare_nights

__all__ = ["MAX_LISTED", "changes_between", "night_before"]

MAX_LISTED = 20  # members and identifiers that are named of a ring

_guard = threading.Lock()


def changes_between(before: Night, now: Night) -> NightChanges:
    """What became of the rings of one night in another. A pair is kept as long as neither night is written anew.

    Raises:
        InputError: `before` is not earlier than `now`.
    """
    with _guard:  # of two who ask at once, the second finds what the first one made
        return _compare(before, _mark(before), now, _mark(now))


def night_before(lake: Path, night: Night) -> Night | None:
    """The latest complete night that is earlier; None for the first."""
    return next((each for each in reversed(list_nights(lake)) if each.date < night.date), None)


@functools.lru_cache(maxsize=4)
def _compare(before: Night, _before: int, now: Night, _now: int) -> NightChanges:
    return compare_nights(before, now, max_listed=MAX_LISTED)


def _mark(night: Night) -> int:
    """Differs once the night is made anew: its manifest is replaced then."""
    try:
        return (night.folder / "manifest.json").stat().st_mtime_ns
    except OSError:
        return 0
