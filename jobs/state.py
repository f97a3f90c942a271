"""LAKE/state/: what a night leaves for the next one to update from.

    LAKE/state/<date>/              the linkage of that night: numbers, account ids and keyed hashes, no raw values
    LAKE/restricted/state/<date>/   submitted identities, and digests of raw rows: mode 0700
    .../mark                        whose state it is, what may read it, and its files: a state that lacks one is none
    <work>/began_from               the state that an unfinished night began to update from

Nothing depends on it but time: where either is missing a night makes all anew, and comes to the same result.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from graph.lake import Night, list_nights
from jobs.files import delete, fingerprint, write_json, write_whole
from jobs.key import make_private_folder
from jobs.manifest import code_version, mark_of_night, versions
from jobs.night import NightContext, StepResult

__all__ = ["Reader", "begin_from", "find_state", "keep_state", "records_of", "with_state_begun"]

N_KEPT = 2  # the newest, and the one before it, so that a night can be run again
MARK_FILE = "mark"
BEGAN_FILE = "began_from"


@dataclass(frozen=True)
class Reader:
    """What a state must agree with to be read: another key, seed or number of partitions makes other rows.

    Attributes:
        key: fingerprint of the key.
        settings: general settings that change what a night finds.
        n_partitions: of the accounts.
    """

    key: str
    settings: Mapping[str, Any]
    n_partitions: int


def find_state(lake: Path, previous: Night | None, reader: Reader) -> tuple[Path, Path] | None:
    """The two folders to update from: what `previous` left, if it is whole, that night's still, and fit for the reader."""
    if previous is None:
        return None
    mark = _mark(previous, reader)
    state, restricted = (zone / previous.date.isoformat() for zone in _zones(lake))
    return (state, restricted) if _holds(state, "mark", mark) and _holds(restricted, "mark", mark) else None


def keep_state(lake: Path, night: Night, work: Path, results: Iterable[StepResult], reader: Reader) -> None:
    """Moves what a complete night's steps leave for the next one from `work`, and deletes states that are older than two."""
    results = list(results)
    zone, restricted = _zones(lake)
    make_private_folder(restricted)
    mark = _mark(night, reader)
    _keep(zone, night, work, [name for result in results for name in result.state], mark)
    _keep(restricted, night, work, [name for result in results for name in result.restricted_state], mark, 0o700)
    known = {other.date.isoformat() for other in list_nights(lake)}
    for folder in (zone, restricted):
        states = sorted(folder.iterdir())
        for path in [*(path for path in states if path.name not in known), *states[:-N_KEPT]]:
            _delete(path)


def records_of(lake: Path, night: Night) -> pl.DataFrame | None:
    """The submitted identities of a night (`graph.identity_records.RECORD_SCHEMA`, `account` the id); None where none are kept."""
    folder = _zones(lake)[1] / night.date.isoformat()
    if not _holds(folder, "night", mark_of_night(night)):  # of an earlier run of that night, perhaps
        return None
    return pl.read_parquet(folder / "records" / "*.parquet")


def begin_from(night: NightContext) -> None:
    """Notes the state that a night updates from: what its steps leave half-way holds with that one alone."""
    write_whole(night.work / BEGAN_FILE, _began(night.state))


def with_state_begun(night: NightContext) -> NightContext | None:
    """The night with the state that its unfinished run began from; None where that is no longer at hand.

    A run that began without one goes on without one, whatever is at hand now: the result is the same.
    """
    try:
        began = (night.work / BEGAN_FILE).read_text(encoding="utf-8")
    except OSError:
        return None
    if not began:
        return replace(night, state=None, restricted_state=None)
    return night if began == _began(night.state) else None


def _began(state: Path | None) -> str:
    return "" if state is None else (state / MARK_FILE).read_text(encoding="utf-8")


def _keep(zone: Path, night: Night, work: Path, names: Iterable[str], mark: str, mode: int = 0o777) -> None:
    folder = zone / night.date.isoformat()
    _delete(folder)
    folder.mkdir(parents=True, mode=mode)
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(work / name, place)  # the zones may be two file systems
    held = {"mark": mark, "night": mark_of_night(night), "bytes": _sizes(folder)}
    write_json(folder / MARK_FILE, held)


def _delete(folder: Path) -> None:
    """The mark goes first: what is half deleted is no state."""
    (folder / MARK_FILE).unlink(missing_ok=True)
    delete(folder)


def _holds(folder: Path, name: str, value: Any) -> bool:
    """Whether the folder is whole, and its mark says so of it."""
    try:
        held = json.loads((folder / MARK_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(held, dict) and held.get(name) == value and held.get("bytes") == _sizes(folder)


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path != folder / MARK_FILE)
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _zones(lake: Path) -> tuple[Path, Path]:
    return lake / "state", lake / "restricted" / "state"


def _mark(night: Night, reader: Reader) -> str:
    settings = dict(reader.settings)
    return fingerprint([mark_of_night(night), reader.key, settings, reader.n_partitions, code_version(), versions()])
