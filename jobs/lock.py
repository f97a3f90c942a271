"""One run at a time holds a lake. The system frees the lock of a holder that died."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from graph.errors import LakeHeldError

__all__ = ["FETCH", "hold_lake"]

FETCH = "fetch"  # the work of who brings nights of a URL to the place: it ends by itself
FETCH_SECONDS = 1800.0
LOOK_SECONDS = 1.0
LOCK_FILE = ".lock"
HOLDER_FILE = ".lock.holder"


@contextlib.contextmanager
def hold_lake(lake: Path, day: date | None, work: str = "night") -> Iterator[None]:
    """Holds the lake for the time of the block; waits for none but one that fetches.

    Args:
        lake: an existing folder.
        day: the night that the holder runs.
        work: what the holder does, for the message that others get.

    Raises:
        LakeHeldError: another run holds it; the message says which.
    """
    lock = FileLock(lake / LOCK_FILE, timeout=0)
    _acquire(lock, lake)
    holder = lake / HOLDER_FILE
    try:
        facts = {
            "work": work,
            "night": day.isoformat() if day else None,
            "pid": os.getpid(),
            "host": socket.gethostname(),
        }
        holder.write_text(json.dumps(facts))
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _acquire(lock: FileLock, lake: Path) -> None:
    ends = time.monotonic() + FETCH_SECONDS
    while True:
        try:
            lock.acquire()
            return
        except Timeout:
            facts = _holder(lake)
            if facts.get("work") == FETCH and time.monotonic() < ends:
                time.sleep(LOOK_SECONDS)
                continue
            raise LakeHeldError(
                f"`{lake}` must be free; {_told(facts)} holds it. Wait until that run ends, or stop it."
            ) from None


def _holder(lake: Path) -> dict[str, Any]:
    try:
        facts = json.loads((lake / HOLDER_FILE).read_text())
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def _told(facts: dict[str, Any]) -> str:
    if not facts:
        return "another run"
    night = f" of {facts['night']}" if facts.get("night") else ""
    return f"the {facts.get('work')}{night} (process {facts.get('pid')} on {facts.get('host')})"
