"""Event files at a URL, brought to the working place: those that changed since, several at once."""

import contextlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from filelock import FileLock, Timeout

from graph.errors import InputError
from graph.schema import TABLES
from jobs.night import Progress
from jobs.remote.mirror import Mirror, open_mirror
from jobs.remote.storage import Storage

__all__ = ["fetched_events"]

LOCK_FILE = ".lock"  # beside the mirror
SUFFIXES = (".parquet", ".csv")


@contextlib.contextmanager
def fetched_events(storage: Storage, place: Path, progress: Progress) -> Iterator[Path]:
    """The folder that mirrors the event files of the contract's tables; for the time of the block nobody else brings it up to date.

    Waits for another run that reads the same events in the same place. Files that are gone from the URL go from the folder. Further tables, and names that begin with a dot or an underscore, stay where they are.

    Args:
        storage: EVENTS, a URL.
        place: the working place.

    Raises:
        InputError: there is no event file, or the URL cannot be read.
        StoreError: the storage does not answer.
    """
    mirror = open_mirror(place, storage.url)
    lock = FileLock(mirror.home / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        progress.say(
            f"Another run reads {storage.url} in {place}; this one waits for it. Another `--place` need not wait."
        )
        lock.acquire()
    try:
        mirror.read_index()
        _fetch(storage, mirror, progress)
        yield mirror.folder
    finally:
        lock.release()


def _fetch(storage: Storage, mirror: Mirror, progress: Progress) -> None:
    there = {name: entry for name, entry in storage.list().items() if _is_event_file(name)}
    if not there:
        raise InputError(
            f"`--events` must hold a folder with files for each event table ({', '.join(TABLES)}); got `{storage.url}`, which has none."
        )
    for path in [path for path in mirror.folder.rglob("*") if path.is_file()]:
        name = path.relative_to(mirror.folder).as_posix()
        if name not in there:
            path.unlink()
            mirror.note(name, None)
    wanted = [name for name, entry in there.items() if not mirror.is_same(name, entry)]
    if wanted:
        n_bytes = sum(there[name].size for name in wanted)
        progress.say(
            f"fetching {len(wanted):,} of {len(there):,} event files ({n_bytes / 2**20:,.1f} MiB) from {storage.url}"
        )
    try:
        files = [(name, mirror.path(name)) for name in wanted]
        storage.fetch_all(files, lambda name: mirror.note(name, there[name]), "event files", progress)
    finally:  # what was fetched whole need not be fetched again
        mirror.save()


def _is_event_file(name: str) -> bool:
    parts = PurePosixPath(name).parts
    is_draft = any(part.startswith((".", "_")) for part in parts)
    return len(parts) > 1 and parts[0] in TABLES and not is_draft and name.lower().endswith(SUFFIXES)
