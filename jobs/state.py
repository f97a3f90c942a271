"""LAKE/state/: what a night leaves for the next one to update from.

    LAKE/state/<date>/         the linkage of that night: numbers, hashes and digests, no raw values
    LAKE/state/<date>/mark     whose state it is, and by which code and versions it may be read
    <work>/began_from          the mark of the state that an unfinished night began to update from

Nothing depends on it but time: without it a night makes all anew, and comes to the same result.
"""

from collections.abc import Iterable
from pathlib import Path

from graph.lake import Night, list_nights
from jobs.files import delete, fingerprint, write_whole
from jobs.manifest import code_version, mark_of_night, versions

__all__ = ["began_from", "begin_from", "find_state", "keep_state"]

N_KEPT = 2  # the newest, and the one before it, so that a night can be run again
MARK_FILE = "mark"
BEGAN_FILE = "began_from"


def find_state(lake: Path, previous: Night | None, key: str, n_partitions: int) -> Path | None:
    """The folder to update from: what `previous` left, if it is that night's still and was left by this code.

    Args:
        key: fingerprint of the key.
    """
    if previous is None:
        return None
    folder = _folder(lake, previous)
    try:
        held = (folder / MARK_FILE).read_text(encoding="utf-8")
    except OSError:
        return None
    return folder if held == _mark(previous, key, n_partitions) else None


def keep_state(lake: Path, night: Night, work: Path, names: Iterable[str], key: str, n_partitions: int) -> None:
    """Moves a complete night's files (relative to `work`) to LAKE/state/<date>, and deletes states that are older than two."""
    folder = _folder(lake, night)
    delete(folder)
    for name in names:
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        (work / name).rename(place)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / MARK_FILE, _mark(night, key, n_partitions))
    known = {other.date.isoformat() for other in list_nights(lake)}
    states = sorted(path for path in folder.parent.iterdir())
    for path in [*(path for path in states if path.name not in known), *states[:-N_KEPT]]:
        delete(path)


def begin_from(work: Path, state: Path | None) -> None:
    """Notes the state that a night updates from: what its steps leave half-way holds with that one alone."""
    write_whole(work / BEGAN_FILE, _mark_in(state))


def began_from(work: Path, state: Path | None) -> bool:
    """Whether an unfinished night began from this very state."""
    try:
        return (work / BEGAN_FILE).read_text(encoding="utf-8") == _mark_in(state)
    except OSError:
        return False


def _mark_in(state: Path | None) -> str:
    return "" if state is None else (state / MARK_FILE).read_text(encoding="utf-8")


def _folder(lake: Path, night: Night) -> Path:
    return lake / "state" / night.date.isoformat()


def _mark(night: Night, key: str, n_partitions: int) -> str:
    return fingerprint([mark_of_night(night), key, n_partitions, code_version(), versions()])
