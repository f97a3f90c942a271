"""One run at a time holds a lake at a URL: an object `lock`, made by exclusive creation.

    lock                    work, night, host, pid, time, token; its holder writes the time anew every minute
    lock.taken-<token>      who takes over a dead holder's lock makes this first, so that of several one does

A lock whose time is older than ten minutes is a dead holder's. Limits: a holder that slept through ten minutes learns of it at its next look, and
looks before it publishes; between that look and the next object lies a moment in which it may sleep again. Clocks of machines must
agree within minutes. Where a storage has no exclusive creation, two that begin within the same moment see each other by reading back.
"""

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

from graph.errors import LakeHeldError, RinglightError
from jobs.lock import holder_facts, tell_holder
from jobs.remote.storage import Storage

__all__ = ["Hold", "hold_url"]

LOCK = "lock"
BEAT_SECONDS = 60.0
STALE_SECONDS = 600.0
Clock = Callable[[], float]


class Hold:
    """A lock that is held. `check` says whether it still is."""

    def __init__(self, storage: Storage, facts: dict[str, Any], clock: Clock) -> None:
        self._storage, self._facts, self._clock = storage, facts, clock
        self._beaten = clock()
        self._one = threading.Lock()
        self._ended = threading.Event()

    def check(self) -> None:
        """Raises where another took the lock, or where it could be anybody's by now.

        Raises:
            LakeHeldError: the lock was lost.
            StoreError: the storage does not answer.
        """
        with self._one:
            held = _read(self._storage)
            if held is None or held.get("token") != self._facts["token"]:
                raise LakeHeldError(
                    f"`{self._storage.url}` must stay this run's; {_told(held)} holds it now. What was made stays in the working "
                    "place; run the same command again when that run has ended."
                )
            self._storage.write(LOCK, json.dumps(self._facts | {"time": self._clock()}))
            self._beaten = self._clock()

    def beat(self, interval: float) -> None:
        """Writes the time anew until `end`, or until the lock is lost."""
        while not self._ended.wait(interval):
            try:
                self.check()
            except LakeHeldError:
                return
            except RinglightError:
                continue  # no answer: the next look may have one, and publishing looks again

    def end(self) -> None:
        """Lets go: the lock's object goes if it is this run's."""
        self._ended.set()
        with self._one, contextlib.suppress(RinglightError):
            held = _read(self._storage)
            if held is not None and held.get("token") == self._facts["token"]:
                self._storage.remove([LOCK])


@contextlib.contextmanager
def hold_url(
    storage: Storage, day: date | None, token: str, work: str = "night", clock: Clock = time.time
) -> Iterator[Hold]:
    """Holds the lake at a URL for the time of the block; does not wait.

    Args:
        day: the night that the holder runs.
        token: a random text that no other run has.
        work: what the holder does, for the message that others get.
        clock: seconds since 1970, the same on all machines within minutes.

    Raises:
        LakeHeldError: another run holds it; the message says which.
        InputError, StoreError: see `jobs.remote.storage`.
    """
    facts = holder_facts(day, work) | {"token": token}
    _take(storage, facts | {"time": clock()}, clock)
    hold = Hold(storage, facts, clock)
    beater = threading.Thread(target=hold.beat, args=(BEAT_SECONDS,), name="lake lock", daemon=True)
    beater.start()
    try:
        yield hold
    finally:
        hold.end()
        beater.join()


def _take(storage: Storage, facts: dict[str, Any], clock: Clock) -> None:
    text = json.dumps(facts)
    if not storage.create(LOCK, text):
        held = _read(storage)
        if held is not None and clock() - float(held.get("time", 0)) <= STALE_SECONDS:
            raise _held(storage, held)
        _take_over(storage, held, text, clock)
    found = _read(storage)  # a storage without exclusive creation: the last one who wrote has it
    if found is None or found.get("token") != facts["token"]:
        raise _held(storage, found)


def _take_over(storage: Storage, dead: dict[str, Any] | None, text: str, clock: Clock) -> None:
    """Puts our lock in a dead holder's place, if no other does."""
    claim = f"{LOCK}.taken-{(dead or {}).get('token', 'unreadable')}"
    if not storage.create(claim, json.dumps({"time": clock()})):
        other = _read(storage, claim)
        if other is not None and clock() - float(other.get("time", 0)) <= STALE_SECONDS:
            raise _held(storage, dead)
        storage.write(claim, json.dumps({"time": clock()}))  # who made it died, too
    try:
        now = _read(storage)
        if now is not None and (dead is None or now != dead):  # taken over meanwhile, or its holder lives
            raise _held(storage, now)
        storage.write(LOCK, text)
    finally:
        storage.remove([claim])


def _read(storage: Storage, name: str = LOCK) -> dict[str, Any] | None:
    text = storage.read(name)
    try:
        held = json.loads(text) if text is not None else None
    except ValueError:
        return None
    return held if isinstance(held, dict) else None


def _held(storage: Storage, held: dict[str, Any] | None) -> LakeHeldError:
    return LakeHeldError(
        f"`{storage.url}` must be free; {_told(held)} holds it. Wait until that run ends; a lock of a run that died is free "
        f"{STALE_SECONDS / 60:.0f} minutes after its last sign of life."
    )


def _told(held: dict[str, Any] | None) -> str:
    since = datetime.fromtimestamp(float((held or {}).get("time", 0)), UTC)
    return tell_holder(held, f", last seen {since:%Y-%m-%d %H:%M:%S UTC}")
