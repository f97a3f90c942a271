"""What a night leaves for the next one: in two zones, both or none, for two nights."""

import stat
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from graph.lake import Night
from jobs.files import delete
from jobs.night import StepResult
from jobs.state import MARK_FILE, Reader, find_state, keep_state, records_of

READER = Reader("key", {"seed": 0}, 2)
RESULTS = [StepResult(state=["numbers"], restricted_state=["raw/0.txt"]), StepResult(state=["more.txt"])]


@pytest.fixture(autouse=True)
def marks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("jobs.state.mark_of_night", lambda night: night.date.isoformat())


def publish(lake: Path, day: date) -> Night:
    night = Night(lake / "nights" / day.isoformat(), day)
    night.folder.mkdir(parents=True)
    work = lake / "restricted" / "work" / day.isoformat()
    for name in ("numbers/0.txt", "raw/0.txt", "more.txt"):
        (work / name).parent.mkdir(parents=True, exist_ok=True)
        (work / name).write_text(name)
    keep_state(lake, night, work, RESULTS, READER)
    return night


def test_both_zones_are_found_and_the_raw_one_is_private(tmp_path):
    night = publish(tmp_path, date(2026, 6, 28))
    state, restricted = find_state(tmp_path, night, READER)
    assert sorted(path.name for path in state.rglob("*.txt")) == ["0.txt", "more.txt"]
    assert [path.relative_to(restricted).as_posix() for path in restricted.rglob("*.txt")] == ["raw/0.txt"]
    assert restricted.is_relative_to(tmp_path / "restricted")
    for folder in (restricted, restricted.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_records_are_those_of_this_edition_of_the_night_or_none(tmp_path, monkeypatch):
    night = Night(tmp_path / "nights/2026-06-28", date(2026, 6, 28))
    work = tmp_path / "work"
    night.folder.mkdir(parents=True)
    (work / "records").mkdir(parents=True)
    pl.DataFrame({"account": ["a"]}).write_parquet(work / "records/0.parquet")
    keep_state(tmp_path, night, work, [StepResult(restricted_state=["records"])], READER)
    assert records_of(tmp_path, night)["account"].to_list() == ["a"]
    assert records_of(tmp_path, Night(tmp_path / "nights/2026-06-27", date(2026, 6, 27))) is None
    monkeypatch.setattr("jobs.state.mark_of_night", lambda night: "run again since")
    assert records_of(tmp_path, night) is None


@pytest.mark.parametrize("zone", ["state", "restricted/state"])
def test_where_one_zone_is_missing_all_is_made_anew(tmp_path, zone):
    night = publish(tmp_path, date(2026, 6, 28))
    delete(tmp_path / zone)
    assert find_state(tmp_path, night, READER) is None


@pytest.mark.parametrize(
    "other", [Reader("another", {"seed": 0}, 2), Reader("key", {"seed": 1}, 2), Reader("key", {"seed": 0}, 3)]
)
def test_what_would_make_other_rows_does_not_read_it(tmp_path, other):
    night = publish(tmp_path, date(2026, 6, 28))
    assert find_state(tmp_path, night, READER) is not None
    assert find_state(tmp_path, night, other) is None


@pytest.mark.parametrize("file", ["state/{}/numbers/0.txt", "state/{}/more.txt", "restricted/state/{}/raw/0.txt"])
def test_a_state_that_lost_a_file_is_none(tmp_path, file):
    night = publish(tmp_path, date(2026, 6, 28))
    place = tmp_path / file.format(night.date)
    place.write_text("cut")
    assert find_state(tmp_path, night, READER) is None
    place.unlink()
    assert find_state(tmp_path, night, READER) is None


def test_a_deletion_that_is_cut_short_leaves_no_state(tmp_path, monkeypatch):
    night = publish(tmp_path, date(2026, 6, 28))
    monkeypatch.setattr("jobs.state.delete", lambda path: None)
    work = tmp_path / "nothing"
    with pytest.raises(FileExistsError):
        keep_state(tmp_path, night, work, RESULTS, READER)
    assert not (tmp_path / "state" / str(night.date) / MARK_FILE).exists()
    assert find_state(tmp_path, night, READER) is None


def test_the_newest_two_stay(tmp_path):
    for day in (27, 28, 29):
        publish(tmp_path, date(2026, 6, day))
    for zone in ("state", "restricted/state"):
        assert sorted(path.name for path in (tmp_path / zone).iterdir()) == ["2026-06-28", "2026-06-29"]
