"""Events and lakes where they are: a folder as it is, a URL by its mirror in the working place.

All that reads and writes events and lakes does so by folders. The working place is one that all nodes see: on one machine any disk, on a cluster a
shared volume.
"""

import contextlib
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from graph.errors import InputError, LakeHeldError
from jobs.key import KEY_VARIABLE
from jobs.lock import FETCH, hold_lake
from jobs.night import Progress
from jobs.remote.events import fetched_events
from jobs.remote.lake import CURRENT, Listing, Scope, fetch_lake, list_lake, push_lake, whole_nights
from jobs.remote.lock import Clock, hold_url
from jobs.remote.mirror import open_mirror
from jobs.remote.storage import Storage
from jobs.remote.urls import is_url

__all__ = ["events_at", "lake_to_read", "lake_to_write", "place_of"]

LINEAGE_FILES = ("manifest.json", "lineage.parquet", "clusters.parquet")
NIGHT_ZONES = ("models", "desk")


def place_of(named: Path | None) -> Path:
    """The working place: the setting `place`, else a folder in the user's cache."""
    from jobs.local_store import default_cache

    return (named or default_cache(os.environ) / "place").absolute()


@contextlib.contextmanager
def events_at(events: str | Path, place: Path | None, progress: Progress) -> Iterator[Path]:
    """The event folder; of a URL its mirror, brought up to date, which stays as it is for the time of the block.

    Raises:
        InputError, StoreError: see `jobs.remote.events`.
    """
    if not is_url(events):
        yield Path(events)
        return
    with fetched_events(Storage(str(events), "--events"), place_of(place), progress) as folder:
        yield folder


@contextlib.contextmanager
def lake_to_write(
    lake: str | Path,
    day: date | None,
    work: str,
    place: Path | None,
    progress: Progress,
    *,
    publishes: bool = True,
    clock: Clock = time.time,
) -> Iterator[Path]:
    """The lake's folder; a lake at a URL is held, its mirror brought up to date, and what the block made is published at its end.

    Where the block raises, nothing is published; what it left in the place stays, and the next run goes on from it.

    Args:
        day: the night that is run; None for what runs none.
        work: what is done, for the message that others get.
        publishes: False for one step of a night alone.

    Raises:
        InputError: RINGLIGHT_KEY is not set, or the URL is at fault.
        LakeHeldError: another run holds the lake, or took it over meanwhile.
        StoreError: the storage does not answer.
    """
    if not is_url(lake):
        yield Path(lake)
        return
    if day is not None and not os.environ.get(KEY_VARIABLE):
        raise InputError(
            f"`{KEY_VARIABLE}` must be set for a lake at a URL, where no key is kept; got none. Make one with "
            "`python -c 'import secrets; print(secrets.token_hex(32))'`, and keep it."
        )
    storage = Storage(str(lake), "--lake")
    mirror = open_mirror(place_of(place), storage.url)
    with hold_url(storage, day, secrets.token_hex(16), work, clock) as hold:
        with hold_lake(mirror.folder, day, work, progress.say):
            mirror.read_index()
            there = list_lake(storage)
            if publishes:
                push_lake(storage, mirror, there, hold, progress)  # what a run that was stopped left
                there = list_lake(storage)
            fetch_lake(storage, mirror, there, _night_scope(there, day), progress)
        yield mirror.folder
        if publishes:
            with hold_lake(mirror.folder, day, work, progress.say):
                mirror.read_index()
                push_lake(storage, mirror, list_lake(storage), hold, progress)


@contextlib.contextmanager
def lake_to_read(
    lake: str | Path,
    days: Sequence[date | None],
    place: Path | None,
    progress: Progress,
    *,
    with_lineage: bool = False,
    with_records: bool = False,
    zones: tuple[str, ...] = (),
) -> Iterator[tuple[Path, list[date | None]]]:
    """The lake's folder, and the nights asked for; of a lake at a URL these are brought to the place, with models.

    Args:
        days: nights; None is the current one. Where `current` names one that is just being replaced, the whole one before it.
        with_lineage: what a cluster's history is read from, of all nights.
        with_records: the submitted identities of the nights, from restricted/state.
        zones: further zones.

    Raises:
        InputError: the URL is at fault.
        StoreError: the storage does not answer.
    """
    if not is_url(lake):
        yield Path(lake), list(days)
        return
    storage = Storage(str(lake), "--lake")
    mirror = open_mirror(place_of(place), storage.url)
    wanted = ("nights", "models", *zones, *(("restricted/state",) if with_records else ()))
    older = LINEAGE_FILES if with_lineage else Scope.older

    def look() -> tuple[Listing, list[date | None]]:
        there = list_lake(storage, wanted)
        return there, [day or _current(storage, there, progress) for day in days]

    try:
        with hold_lake(mirror.folder, None, FETCH, progress.say):
            mirror.read_index()
            there, found = look()  # not before: whoever was waited for may have fetched what came since
            chosen = frozenset(day for day in found if day is not None)
            scope = Scope(chosen, older, chosen if with_records else frozenset(), ("models", *zones))
            fetch_lake(storage, mirror, there, scope, progress)
    except LakeHeldError:
        progress.say(f"A run holds {mirror.folder}: what it fetched is read.")
        _, found = look()
    yield mirror.folder, found


def _night_scope(there: Listing, day: date | None) -> Scope:
    nights = whole_nights(there)
    if day is None:
        return Scope(zones=NIGHT_ZONES)
    before = [night for night in nights if night < day][-1:]
    return Scope(whole=frozenset({*before, day}), states=frozenset(before), zones=NIGHT_ZONES)


def _current(storage: Storage, there: Listing, progress: Progress) -> date | None:
    """The night that `current` names, if it is whole; else the latest whole one before it. None without any."""
    text = (storage.read(CURRENT) or "").strip() if CURRENT in there else ""
    whole = [night for night in whole_nights(there) if night.isoformat() <= text]
    if not whole:
        return None
    if whole[-1].isoformat() != text:
        progress.say(f"warning: the night {text} is being published anew; this is the night {whole[-1]}.")
    return whole[-1]
