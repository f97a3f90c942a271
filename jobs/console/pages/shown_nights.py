"""The night that is shown and the one before it, as the lake has them."""

from datetime import date
from pathlib import Path

from graph.lake import Night, list_nights
from jobs.console.night_pairs import night_before

__all__ = ["shown_nights"]


def shown_nights(lake: Path, day: date | None) -> tuple[Night | None, Night | None]:
    """The complete night of a date, and the one before it; None for one that the lake does not have."""
    shown = next((each for each in list_nights(lake) if each.date == day), None)
    return shown, None if shown is None else night_before(lake, shown)
