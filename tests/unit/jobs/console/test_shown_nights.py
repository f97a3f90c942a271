"""The night that is shown and the one before it."""

from datetime import date

import pytest

from jobs.console.night_pairs import shown_nights


@pytest.mark.parametrize(("day", "found"), [(31, (31, 30)), (30, (30, None)), (29, (None, None))])
def test_the_shown_night_and_the_one_before(made_night, tmp_path, day, found):
    for number in (30, 31):
        (made_night(tmp_path, date(2026, 3, number)).folder / "manifest.json").write_text("{}")
    nights = shown_nights(tmp_path, date(2026, 3, day))
    assert tuple(None if night is None else night.date.day for night in nights) == found
    assert shown_nights(tmp_path, None) == (None, None)
