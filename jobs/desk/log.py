"""Append-only logs of the desk: one JSON object a line, on disk before the call returns.

    LAKE/desk/<name>.jsonl          mode 0600, in a folder of mode 0700
    LAKE/desk/.<name>.jsonl.lock    who writes holds it, one of all threads and processes; a dead holder's lock is free
    LAKE/desk/<name>.jsonl.torn     what a crash left of lines that no caller was told are kept

A line without its end was never acknowledged. If it is whole it is kept all the same, since nothing of it is lost; else it is set aside
in the `.torn` file, and said.
"""

import contextlib
import json
import logging
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from graph.errors import InputError, LakeHeldError, StoreError
from jobs.files import sync_folder
from jobs.key import make_private_folder

__all__ = [
    "MAX_LINE_BYTES",
    "Place",
    "Record",
    "append",
    "canonical",
    "hold",
    "lines_backwards",
    "read_lines",
    "read_on",
    "settle",
    "write_lines",
]

Record = dict[str, Any]
Say = Callable[[str], None]

MAX_LINE_BYTES = 8 * 2**20  # a ring of 50,000 members, with what they share
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.002
CHUNK_BYTES = 65_536

_sync: Callable[[int], None] = getattr(os, "fdatasync", os.fsync)  # data and length; the rest of the inode can wait
_log = logging.getLogger("ringlight.desk")
_threads: dict[Path, threading.RLock] = {}
_threads_guard = threading.Lock()


def canonical(record: Mapping[str, Any]) -> bytes:
    """The record as JSON that equal records have alike: sorted keys, no spaces, UTF-8.

    Raises:
        InputError: a value is none of JSON, or a text is no Unicode.
    """
    try:
        text = json.dumps(record, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        return text.encode()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"`record` must hold JSON values alone; got {type(error).__name__}. Give texts, whole numbers and lists of these."
        ) from None


def append(path: Path, record: Mapping[str, Any], say: Say = _log.warning) -> None:
    """Adds one record, flushed to the disk before this returns.

    Args:
        path: LAKE/desk/<name>.jsonl; made where it is not there. The lake must be.
        record: with its own id and time; this adds neither.
        say: receives one sentence where a torn line was found and set aside.

    Raises:
        InputError: the record is no JSON, or too long.
        LakeHeldError: another process held the log for 30 seconds.
        StoreError: the disk refused; nothing was added.
    """
    with hold(path):
        settle(path, say)
        write_lines(path, [canonical(record)])


def read_lines(path: Path, say: Say = _log.warning) -> list[Record]:
    """All records in the order in which they were added; none where the log is not there. Changes nothing.

    Args:
        say: receives one sentence where the last line is torn; it is left out.

    Raises:
        InputError: a line before the last is no JSON object.
    """
    return read_on(path, Place(), say)[0]


@dataclass(frozen=True)
class Place:
    """How far a log was read: so many lines of so many bytes, the last of them with these."""

    n_lines: int = 0
    n_bytes: int = 0
    last: bytes = b""


def read_on(path: Path, place: Place, say: Say = _log.warning) -> tuple[list[Record], Place | None]:
    """The records after a place of the log, and the place to read on from; see `read_lines`.

    Returns:
        None for the place where the last line has no end, so that this must be looked at again.

    Raises:
        InputError: a line is no JSON object.
        LookupError: the log does not hold the place: it is another one, or was put back.
    """
    data = _read_from(path, place)
    if data and not data.endswith(b"\n"):  # torn, or being written
        with hold(path):
            data = _read_from(path, place)
    *lines, last = data.split(b"\n")
    end = Place(place.n_lines + len(lines), place.n_bytes + len(data), lines[-1] if lines else place.last)
    if last and _parsed(last) is not None:
        lines.append(last)
    elif last:
        say(
            f"The last line of {path.name} is torn ({len(last):,} bytes without an end): it was never kept, and is left out."
        )
    records = []
    for number, line in enumerate(lines, start=place.n_lines + 1):
        record = _parsed(line)
        if record is None:
            raise InputError(
                f"`{path.name}` must hold one JSON object a line; got a line {number} that is none. Restore the desk from a backup."
            )
        records.append(record)
    return records, None if last else end


def lines_backwards(path: Path, before: int | None = None) -> Iterator[tuple[int, bytes]]:
    """The lines of a file, the last one first, each with the byte at which it begins, without its end; what has no end is none.

    Args:
        before: only those that end before this byte; it may be where a line begins that was given out earlier.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        size = file.seek(0, 2)
        place, held, is_whole = size if before is None else min(before, size), b"", False
        while place:
            step = min(place, CHUNK_BYTES)
            place -= step
            file.seek(place)
            held = file.read(step) + held
            start = place + len(held) + 1
            first, *lines = held.split(b"\n")
            for line in reversed(lines):
                start -= len(line) + 1
                if is_whole:
                    yield start, line
                is_whole = True
            held = first
        if is_whole:
            yield 0, held


@contextlib.contextmanager
def hold(path: Path) -> Iterator[None]:
    """Holds a log for the time of the block, against other threads and processes; makes the desk's folder where it is not there.

    Raises:
        InputError: the lake is not there.
        LakeHeldError: another process held it for 30 seconds.
        StoreError: the folder cannot be written.
    """
    if not path.parent.parent.is_dir():
        raise InputError(f"`--lake` must be a folder that exists; got `{path.parent.parent}`.")
    with _threads_guard:
        own = _threads.setdefault(path.resolve(), threading.RLock())
    with own:
        try:
            if not path.parent.is_dir() or stat.S_IMODE(path.parent.stat().st_mode) != 0o700:
                make_private_folder(path.parent)
            lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=WAIT_SECONDS, mode=0o600)
            lock.acquire(poll_interval=POLL_SECONDS)
        except Timeout:
            raise LakeHeldError(
                f"`{path.name}` must be free; another process has held it for {WAIT_SECONDS:.0f} seconds. Try again, or end that process."
            ) from None
        except OSError as error:
            raise _refused(path, error) from None
        try:
            yield
        finally:
            lock.release()


def settle(path: Path, say: Say = _log.warning) -> bytes:
    """Mends the end of a log that the caller holds: a whole line gets its end, a torn one is set aside, and said.

    Returns:
        the torn bytes that were set aside; none where nothing was torn.
    """
    tail = _tail(path)
    if not tail:
        return b""
    try:
        if _parsed(tail) is not None:
            _write(path, b"\n")
            return b""
        aside = path.with_name(f"{path.name}.torn")
        _write(aside, tail + b"\n")
        with path.open("r+b") as file:
            file.truncate(file.seek(0, os.SEEK_END) - len(tail))
            os.fsync(file.fileno())
    except OSError as error:
        raise _refused(path, error) from None
    say(
        f"The last line of {path.name} was torn by a crash ({len(tail):,} bytes without an end): it was never kept, and now lies in {aside.name}."
    )
    return tail


def write_lines(path: Path, lines: list[bytes]) -> None:
    """Adds lines to a settled log that the caller holds; all of them, or none.

    Raises:
        InputError: a line is too long.
        StoreError: the disk refused; nothing was added.
    """
    longest = max(map(len, lines), default=0)
    if longest > MAX_LINE_BYTES:
        raise InputError(f"`record` must be at most {MAX_LINE_BYTES:,} bytes of JSON; got {longest:,}. Shorten it.")
    try:
        _write(path, b"".join(line + b"\n" for line in lines))
    except OSError as error:
        raise _refused(path, error) from None


def _write(path: Path, data: bytes) -> None:
    """To the disk, or not at all: what was half written is cut off again."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            _sync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)


def _tail(path: Path) -> bytes:
    """What stands after the last end of a line."""
    found = b""
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        place = file.seek(0, os.SEEK_END)
        while place and b"\n" not in found:
            step = min(place, 65_536)
            place -= step
            file.seek(place)
            found = file.read(step) + found
            if found.endswith(b"\n"):
                return b""
    return found.rpartition(b"\n")[2]


def _read_from(path: Path, place: Place) -> bytes:
    """What stands after the place.

    Raises:
        LookupError: the log does not hold the place.
    """
    known = place.last + b"\n" if place.n_bytes else b""
    try:
        with path.open("rb") as file:
            file.seek(place.n_bytes - len(known))
            if file.read(len(known)) != known:
                raise LookupError(path.name)
            return file.read()
    except FileNotFoundError:
        if place.n_bytes:
            raise LookupError(path.name) from None
        return b""
    except OSError as error:
        raise InputError(
            f"`{path.name}` must be readable; got {error.strerror}. Correct the owner and mode of LAKE/desk."
        ) from None


def _parsed(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _refused(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"`{path.name}` must be writable; got {error.strerror}. Free space, or correct its mode, and try again."
    )
