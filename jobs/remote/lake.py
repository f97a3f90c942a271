"""A lake at a URL: brought to the working place before a night, and published from it after.

    nights/<date>/  models/<version>/  state/<date>/  restricted/state/<date>/     folders that are whole or not there: each has a
                                                                                    last file, without which nobody reads it
    desk/  day/  embeddings/  models/promotions.jsonl                              files that stand for themselves
    current                                                                        last of all

What is not listed here never leaves the place: the key, the files that a night works with, half-made nights, locks. A folder that is replaced
loses its last file first. A run that was stopped in between leaves `current` and whole nights as they were, and the next one goes on.
Where a folder was made anew both here and there, the one at the URL holds. A desk's log is only ever added to: the longer one holds, and two that
went different ways are refused.
"""

import os
import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path, PurePosixPath

from graph.errors import InputError, StoreError
from jobs.files import delete
from jobs.key import make_private_folder
from jobs.night import Progress
from jobs.remote.lock import Hold
from jobs.remote.mirror import Mirror
from jobs.remote.storage import Entry, Storage
from jobs.state import N_KEPT

__all__ = ["Listing", "Scope", "fetch_lake", "list_lake", "push_lake", "whole_nights"]

LAST_FILES = {
    "models": "model.json",
    "nights": "manifest.json",
    "state": "mark",
    "restricted/state": "mark",
}  # in the order in which they are published
LOOSE = ("desk", "day", "embeddings")
DECISIONS = "models/promotions.jsonl"
CURRENT = "current"
STATES = ("state", "restricted/state")
TIMINGS = "timings.json"  # of no night's result

Listing = Mapping[str, Entry]


@dataclass(frozen=True)
class Scope:
    """What of a lake is fetched.

    Attributes:
        whole: nights with all their tables.
        older: of every other night these files.
        states: dates of states.
        zones: of `models` and `LOOSE` these.
    """

    whole: frozenset[date] = frozenset()
    older: tuple[str, ...] = ("manifest.json",)
    states: frozenset[date] = frozenset()
    zones: tuple[str, ...] = ("models",)


def list_lake(storage: Storage, zones: Iterable[str] = (*LAST_FILES, *LOOSE)) -> dict[str, Entry]:
    """All that a lake at a URL holds in these zones, and `current`; no drafts, nor what is not a lake's."""
    found: dict[str, Entry] = {}
    for zone in zones:
        found |= {name: entry for name, entry in storage.list(zone).items() if not _is_draft(name)}
    pointer = storage.entry(CURRENT)
    return found if pointer is None else found | {CURRENT: pointer}


def whole_nights(there: Collection[str]) -> list[date]:
    """Dates of the nights that are whole, oldest first."""
    days = []
    for unit in _units(there):
        zone, name = unit.rsplit("/", 1)
        if zone == "nights" and _last_file(unit) in there:
            try:
                days.append(date.fromisoformat(name))
            except ValueError:
                continue
    return sorted(days)


def fetch_lake(storage: Storage, mirror: Mirror, there: Listing, scope: Scope, progress: Progress) -> None:
    """Brings what is in scope, changed at the URL and not made here, to the place.

    Raises:
        InputError: the URL lost what it had, or a desk's log went different ways.
        StoreError: the storage does not answer, or a folder changed while it was read.
    """
    if CURRENT in mirror.known and CURRENT not in there:
        raise InputError(
            f"`--lake` must hold the nights that it held; got `{storage.url}`, whose `{CURRENT}` is gone. Restore it, or remove "
            f"`{mirror.home}` to begin anew."
        )
    make_private_folder(mirror.folder / "restricted")
    units = _units(there)
    try:
        for unit, names in units.items():
            if wanted := _in_scope(unit, names, scope):
                _fetch_unit(storage, mirror, there, unit, wanted, progress)
        for unit in _units(_here(mirror, [zone for zone in LAST_FILES if zone in ("nights", *scope.zones)])):
            last = _last_file(unit)
            if last not in there and last in mirror.known and mirror.is_changed_there(last, None):  # deleted at the URL
                delete(mirror.path(unit))
                _forget(mirror, unit)
        for name in sorted({*there, *_here(mirror, scope.zones), *mirror.known}):
            if _is_loose(name) and name.split("/")[0] in scope.zones:
                _fetch_loose(storage, mirror, name, there.get(name), progress)
        _fetch_loose(storage, mirror, CURRENT, there.get(CURRENT), progress)
    finally:
        mirror.save()


def push_lake(storage: Storage, mirror: Mirror, there: Listing, hold: Hold, progress: Progress) -> None:
    """Publishes what was made in the place and is not at the URL: data, then each folder's last file, `current` last of all.

    Raises:
        LakeHeldError: the lock was lost; nothing is published after.
        StoreError: the storage does not answer; the next run goes on.
    """
    here = _here(mirror, (*LAST_FILES, *LOOSE))
    units = _units(here)
    try:
        for zone in LAST_FILES:
            for unit in sorted(unit for unit in units if unit.rsplit("/", 1)[0] == zone):
                _push_unit(storage, mirror, there, unit, units[unit], hold, progress)
            if zone == "models":
                for name in sorted(filter(_is_loose, here)):
                    _push_loose(storage, mirror, name, there.get(name), hold)
        _push_loose(storage, mirror, CURRENT, there.get(CURRENT), hold)
        mirror.save()
        _drop_states(storage, hold)
    finally:
        mirror.save()


def _fetch_unit(
    storage: Storage, mirror: Mirror, there: Listing, unit: str, wanted: Sequence[str], progress: Progress
) -> None:
    """Fetches a folder aside and renames it."""
    last = _last_file(unit)
    if last not in there or (mirror.is_changed_here(last) and not mirror.is_changed_there(last, there[last])):
        return  # not whole there; or made here, and to be published
    if all(mirror.is_same(name, there[name]) for name in wanted):
        return
    zone, _, own = unit.rpartition("/")
    aside = f"{zone}/.{own}.fetch"
    kept = [name for name in _units(there)[unit] if name not in wanted and mirror.is_same(name, there[name])]
    places = {name: f"{aside}/{name.removeprefix(unit + '/')}" for name in (*wanted, *kept)}
    for path in _files(mirror.path(aside)):  # of a fetch that was stopped
        if path.relative_to(mirror.folder).as_posix() not in places.values():
            path.unlink()
    need = []
    for name, place in places.items():
        if mirror.is_same(name, there[name]):
            _link(mirror.path(name), mirror.path(place))
            mirror.note(place, there[name])
        elif not mirror.is_same(place, there[name]):
            need.append(name)
    progress.say(f"fetching {unit}: {len(need):,} files, {sum(there[name].size for name in need) / 2**20:,.1f} MiB")
    files = [(name, mirror.path(places[name])) for name in need]
    storage.fetch_all(files, lambda name: mirror.note(places[name], there[name]), unit, progress)
    if storage.entry(last) != there[last]:
        raise StoreError(f"`{storage.url}/{unit}` must stay as it is while it is read; it was replaced. Try again.")
    old = mirror.path(f"{zone}/.{own}.old")
    delete(old)
    if mirror.path(unit).exists():
        mirror.path(unit).rename(old)
    mirror.path(aside).rename(mirror.path(unit))
    delete(old)
    _forget(mirror, unit)
    mirror.move([name.removeprefix(f"{unit}/") for name in places], aside, unit)
    mirror.save()


def _fetch_loose(storage: Storage, mirror: Mirror, name: str, entry: Entry | None, progress: Progress) -> None:
    if entry is None:
        if name in mirror.known and name.startswith("desk/"):
            raise InputError(f"`{storage.url}/{name}` must be there, as it was; it is gone. Restore it from a backup.")
        if name in mirror.known:
            delete(mirror.path(name))
            mirror.note(name, None)
        return
    path = mirror.path(name)
    if path.is_file() and not mirror.is_changed_there(name, entry):
        return
    if path.is_file() and mirror.is_changed_here(name) and name.startswith("desk/"):
        _settle_log(storage, mirror, name, entry)
        return
    if name in mirror.known and mirror.is_changed_here(name):
        progress.say(f"warning: `{name}` was changed here and at {storage.url}; the one there holds.")
    if name.startswith("desk/"):
        make_private_folder(path.parent)
    storage.fetch(name, path)
    mirror.note(name, entry)


def _settle_log(storage: Storage, mirror: Mirror, name: str, entry: Entry) -> None:
    """A log that was added to here and there: the longer one, if it begins with the other."""
    path = mirror.path(name)
    other = path.with_name(f".{path.name}.there")
    storage.fetch(name, other)
    here, there = path.read_bytes(), other.read_bytes()
    if there.startswith(here):
        other.replace(path)
        mirror.note(name, entry)
    elif here.startswith(there):
        other.unlink()
        mirror.replace(name, entry)
    else:
        raise InputError(
            f"`{name}` must go on from what `{storage.url}` has; got lines here and others there. Two consoles wrote at once: "
            f"join `{path}` and `{other}` by hand."
        )


def _push_unit(
    storage: Storage, mirror: Mirror, there: Listing, unit: str, names: Collection[str], hold: Hold, progress: Progress
) -> None:
    last = _last_file(unit)
    if last not in names or not mirror.is_changed_here(last):
        return  # half-made, or what was fetched
    if mirror.is_changed_there(last, there.get(last)):
        return  # made there since
    changed = [name for name in sorted(names) if name != last and not mirror.is_same(name, there.get(name))]
    gone = [name for name in _units(there).get(unit, []) if name not in names and name != last]
    if last in there and (gone or any(name in there and not name.endswith(TIMINGS) for name in changed)):
        hold.check()
        mirror.replace(last, there[last])  # first: from here on it is this place's to finish
        mirror.save()
        storage.remove([last])
    n_bytes = sum(mirror.path(name).stat().st_size for name in changed)
    progress.say(f"publishing {unit}: {len(changed) + 1:,} files, {n_bytes / 2**20:,.1f} MiB")
    storage.put_all([(mirror.path(name), name) for name in changed], mirror.note, unit, progress)
    storage.remove(gone)
    mirror.save()
    hold.check()
    mirror.note(last, storage.put(mirror.path(last), last))
    mirror.save()


def _push_loose(storage: Storage, mirror: Mirror, name: str, entry: Entry | None, hold: Hold) -> None:
    stat = mirror.stat(name)
    if stat is None or not mirror.is_changed_here(name) or mirror.is_changed_there(name, entry):
        return
    copy = mirror.path(name).with_name(f".{mirror.path(name).name}.copy")
    shutil.copyfile(mirror.path(name), copy)  # a console may add to it meanwhile
    try:
        hold.check()
        mirror.note(name, storage.put(copy, name), stat)
    finally:
        copy.unlink()


def _drop_states(storage: Storage, hold: Hold) -> None:
    """Deletes states that no next night begins from; the mark goes first."""
    for zone in STATES:
        units = _units(list_lake(storage, [zone]))
        for unit in sorted(units)[:-N_KEPT]:
            hold.check()
            storage.remove([_last_file(unit), *units[unit]])


def _in_scope(unit: str, names: Sequence[str], scope: Scope) -> list[str]:
    zone, _, own = unit.rpartition("/")
    try:
        day = date.fromisoformat(own) if zone != "models" else None
    except ValueError:
        return []
    if zone == "nights" and day not in scope.whole:
        return [name for name in names if name.removeprefix(f"{unit}/") in scope.older]
    if zone in STATES and day not in scope.states:
        return []
    if zone == "models" and zone not in scope.zones:
        return []
    return list(names)


def _here(mirror: Mirror, zones: Iterable[str]) -> list[str]:
    """What lies in the place and may be published."""
    paths = [path for zone in zones for path in _files(mirror.folder / zone)]
    names = [path.relative_to(mirror.folder).as_posix() for path in paths]
    return [name for name in names if not _is_draft(name)]


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _units(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of each folder that is whole or not there."""
    units: dict[str, list[str]] = {}
    for name in names:
        for zone in LAST_FILES:
            own, slash, _ = name.removeprefix(f"{zone}/").partition("/")
            if name.startswith(f"{zone}/") and slash:
                units.setdefault(f"{zone}/{own}", []).append(name)
    return units


def _last_file(unit: str) -> str:
    return f"{unit}/{LAST_FILES[unit.rsplit('/', 1)[0]]}"


def _is_loose(name: str) -> bool:
    return name == DECISIONS or name.split("/")[0] in LOOSE


def _is_draft(name: str) -> bool:
    return any(part.startswith(".") for part in PurePosixPath(name).parts)


def _forget(mirror: Mirror, unit: str) -> None:
    for name in [name for name in mirror.known if name.startswith(f"{unit}/")]:
        mirror.note(name, None)


def _link(path: Path, other: Path) -> None:
    other.parent.mkdir(parents=True, exist_ok=True)
    other.unlink(missing_ok=True)
    try:
        os.link(path, other)
    except OSError:  # a file system without links
        shutil.copy2(path, other)
