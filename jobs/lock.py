"""One run at a time holds a lake. The system frees the lock of a holder that died."""

import contextlib
import itertools
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from graph.errors import LakeHeldError
from jobs.files import write_whole

__all__ = ["FETCH", "hold_lake", "holder_facts", "tell_holder"]

FETCH = "fetch"  # the work of who brings nights of a URL to the place: it ends by itself
FETCH_SECONDS = 1800.0
LOOK_SECONDS = 1.0
LOOKS_IN_BETWEEN = 3  # at a holder that has not yet written who it is, or has just deleted it
LOCK_FILE = ".lock"
HOLDER_FILE = ".lock.holder"


@contextlib.contextmanager
def hold_lake(
    lake: Path, day: date | None, work: str = "night", say: Callable[[str], None] = lambda text: None
) -> Iterator[None]:
    """Holds the lake for the time of the block; waits for none but one that fetches.

    Args:
        lake: an existing folder.
        day: the night that the holder runs.
        work: what the holder does, for the message that others get.
        say: is told that another is waited for.

    Raises:
        LakeHeldError: another run holds it; the message says which.
    """
    lock = FileLock(lake / LOCK_FILE, timeout=0)
    _acquire(lock, lake, say)
    holder = lake / HOLDER_FILE
    try:
        write_whole(holder, json.dumps(holder_facts(day, work)))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, lake: Path, say: Callable[[str], None]) -> None:
    ends = time.monotonic() + FETCH_SECONDS
    for n_looks in itertools.count():
        try:
            lock.acquire()
            return
        except Timeout:
            facts = _holder(lake)
            is_between = not facts and n_looks < LOOKS_IN_BETWEEN
            if is_between or (facts.get("work") == FETCH and time.monotonic() < ends):
                if n_looks == 0 and facts:
                    say(f"waits for {tell_holder(facts)}, which brings nights to {lake}")
                time.sleep(LOOK_SECONDS)
                continue
            raise LakeHeldError(
                f"`{lake}` must be free; {tell_holder(facts)} holds it. Wait until that run ends, or stop it."
            ) from None


def _holder(lake: Path) -> dict[str, Any]:
    try:
        facts = json.loads((lake / HOLDER_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def holder_facts(day: date | None, work: str) -> dict[str, Any]:
    """What a holder says of itself."""
    return {
        "work": work,
        "night": day.isoformat() if day else None,
        "host": socket.gethostname(),
        "pid": os.getpid(),
    }


def tell_holder(facts: dict[str, Any] | None, more: str = "") -> str:
    """A holder in words, by its `holder_facts`; `more` follows where it runs."""
    if not facts:
        return "another run"
    night = f" of {facts['night']}" if facts.get("night") else ""
    return f"the {facts.get('work', 'run')}{night} (process {facts.get('pid')} on {facts.get('host')}{more})"
