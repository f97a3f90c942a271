"""One run at a time holds a lake. The system frees the lock of a holder that died."""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from filelock import FileLock, Timeout

from graph.errors import LakeHeldError

__all__ = ["hold_lake"]

LOCK_FILE = ".lock"
HOLDER_FILE = ".lock.holder"


@contextlib.contextmanager
def hold_lake(lake: Path, day: date | None, work: str = "night") -> Iterator[None]:
    """Holds the lake for the time of the block; does not wait.

    Args:
        lake: an existing folder.
        day: the night that the holder runs.
        work: what the holder does, for the message that others get.

    Raises:
        LakeHeldError: another run holds it; the message says which.
    """
    lock = FileLock(lake / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LakeHeldError(
            f"`{lake}` must be free; {_holder(lake)} holds it. Wait until that run ends, or stop it."
        ) from None
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


def _holder(lake: Path) -> str:
    try:
        facts = json.loads((lake / HOLDER_FILE).read_text())
        night = f" of {facts['night']}" if facts["night"] else ""
        return f"the {facts['work']}{night} (process {facts['pid']} on {facts['host']})"
    except (OSError, ValueError, KeyError):
        return "another run"
