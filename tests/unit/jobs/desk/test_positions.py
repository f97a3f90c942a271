"""Positions of a picture: one small file a ring, replaced whole, the first of a version stands."""

import dataclasses
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from graph.errors import InputError, StoreError
from jobs.desk import positions as module
from jobs.desk.positions import POSITIONS_FOLDER, Positions, keep_positions, read_positions, rounded

AT = datetime(2026, 4, 1, tzinfo=UTC)


def made(version: str = "v1", x: float = 1.0, ring: str = "c-farm") -> Positions:
    return Positions(ring, version, {"a:farm00": (x, -2.5), "c:3": (0.0, 0.0)}, "ana", AT)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path


def files(lake: Path) -> list[Path]:
    return sorted((lake / "desk" / POSITIONS_FOLDER).iterdir())


def test_what_was_kept_is_read_back_and_others_cannot_look(lake):
    assert read_positions(lake, "c-farm") is None
    assert keep_positions(lake, made()) == made()
    assert read_positions(lake, "c-farm") == made()
    assert [stat.S_IMODE(path.stat().st_mode) for path in files(lake)] == [0o600]
    assert stat.S_IMODE((lake / "desk" / POSITIONS_FOLDER).stat().st_mode) == 0o700


def test_the_first_of_a_version_stands_unless_it_is_replaced(lake):
    keep_positions(lake, made())
    assert keep_positions(lake, made(x=9.0)) == made()
    assert keep_positions(lake, made(x=9.0), replaces=True) == made(x=9.0)
    assert keep_positions(lake, made("v2", 4.0)) == made("v2", 4.0)
    assert read_positions(lake, "c-farm") == made("v2", 4.0)
    assert len(files(lake)) == 1


@pytest.mark.parametrize("ring", ["../../current", "a/b", "x" * 200, "."])
def test_no_name_of_a_ring_leads_out_of_the_folder(lake, ring):
    keep_positions(lake, made(ring=ring))
    assert read_positions(lake, ring) == made(ring=ring)
    assert len(files(lake)) == 1
    assert {path.name for path in lake.iterdir()} == {"desk"}


def test_a_crash_while_it_is_written_leaves_what_was(lake, monkeypatch):
    keep_positions(lake, made())

    def die(path: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", die)
    with pytest.raises(StoreError, match="positions"):
        keep_positions(lake, made("v2"))
    assert read_positions(lake, "c-farm") == made()


@pytest.mark.parametrize("damage", [b"", b"{", b'{"ring_id":"c-farm"}', b'{"nodes":{"a:x":[NaN,1]}}'])
def test_a_damaged_file_is_none_and_can_be_written_anew(lake, damage):
    keep_positions(lake, made())
    files(lake)[0].write_bytes(damage)
    assert read_positions(lake, "c-farm") is None
    assert keep_positions(lake, made("v1", 3.0)) == made("v1", 3.0)


def test_no_more_rings_than_the_bound_are_kept_and_the_newest_stay(lake, monkeypatch):
    monkeypatch.setattr(module, "MAX_RINGS", 3)
    for number in range(6):
        keep_positions(lake, dataclasses.replace(made(), ring_id=f"c-{number}"))
    assert len(files(lake)) == 3
    assert read_positions(lake, "c-5") is not None
    assert read_positions(lake, "c-0") is None


def test_without_a_lake_nothing_is_made(tmp_path):
    with pytest.raises(InputError, match="lake"):
        keep_positions(tmp_path / "none", made())
    assert not (tmp_path / "none").exists()


def test_positions_are_rounded_to_a_tenth():
    assert rounded({"a:x": (1.26, -0.04)}) == {"a:x": (1.3, -0.0)}
