"""LAKE/state/: what a night leaves for the next one to update from.

    LAKE/state/<date>/              the linkage of that night: numbers, hashes and digests, no raw values
    LAKE/restricted/state/<date>/   its records of submitted identities: raw values, so mode 0700
    .../mark                        whose state it is, and by which code and versions it may be read

Nothing depends on it but time: where either is missing a night makes all anew, and comes to the same result.
"""

from collections.abc import Iterable
from pathlib import Path

from graph.lake import Night, list_nights
from jobs.files import delete, fingerprint, write_whole
from jobs.key import make_private_folder
from jobs.manifest import code_version, mark_of_night, versions
from jobs.night import StepResult

__all__ = ["find_state", "keep_state"]

N_KEPT = 2  # the newest, and the one before it, so that a night can be run again
MARK_FILE = "mark"


def find_state(lake: Path, previous: Night | None, key: str, n_partitions: int) -> tuple[Path, Path] | None:
    """The two folders to update from: what `previous` left, if it is that night's still and was left by this code.

    Args:
        key: fingerprint of the key.
    """
    if previous is None:
        return None
    mark = _mark(previous, key, n_partitions)
    state, restricted = (zone / previous.date.isoformat() for zone in _zones(lake))
    return (state, restricted) if _held(state) == _held(restricted) == mark else None


def keep_state(
    lake: Path, night: Night, work: Path, results: Iterable[StepResult], key: str, n_partitions: int
) -> None:
    """Moves what a complete night's steps leave for the next one from `work`, and deletes states that are older than two."""
    results = list(results)
    zone, restricted = _zones(lake)
    make_private_folder(restricted)
    mark = _mark(night, key, n_partitions)
    _keep(zone, night, work, [name for result in results for name in result.state], mark)
    _keep(restricted, night, work, [name for result in results for name in result.restricted_state], mark, 0o700)
    known = {other.date.isoformat() for other in list_nights(lake)}
    for folder in (zone, restricted):
        states = sorted(folder.iterdir())
        for path in [*(path for path in states if path.name not in known), *states[:-N_KEPT]]:
            delete(path)


def _keep(zone: Path, night: Night, work: Path, names: Iterable[str], mark: str, mode: int = 0o777) -> None:
    folder = zone / night.date.isoformat()
    delete(folder)
    folder.mkdir(parents=True, mode=mode)
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (work / name).rename(place)
    write_whole(folder / MARK_FILE, mark)


def _held(folder: Path) -> str | None:
    try:
        return (folder / MARK_FILE).read_text(encoding="utf-8")
    except OSError:
        return None


def _zones(lake: Path) -> tuple[Path, Path]:
    return lake / "state", lake / "restricted" / "state"


def _mark(night: Night, key: str, n_partitions: int) -> str:
    return fingerprint([mark_of_night(night), key, n_partitions, code_version(), versions()])
