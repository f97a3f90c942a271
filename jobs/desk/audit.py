"""The audit: who did what, one row after the other, each bound to the one before, so that a missing or edited one is found.

    LAKE/desk/audit.jsonl   the rows (`jobs.desk.audit_rows`), on the disk before `AuditLog.append` returns
    LAKE/desk/audit.head    the seal: seq and mac of the last row, written after it

Of somebody who can write these files but has no key it is found: any row that was edited, taken out, added, repeated or moved; rows
cut off at the end, since the seal tells how many there were; a seal that is gone, edited or of other rows. It is not found: both files put
back together to what they once were, or both taken away; nor anything that somebody with the key does. Against the former the
seal must be noted elsewhere: `ringlight audit verify` prints it, and a backup holds it.

A crash between a row and its seal leaves rows after the seal. They are bound by the key, so they are genuine, and no fault; they
are counted (`AuditVerdict.n_unsealed`), since until the next row is written their removal could not be told. A killed process
leaves one at most; after a power failure it may be those of the last half minute, for rows go to the disk at once, and the seal
with the system's next write-out. A row that a crash tore was never acknowledged: it is set aside, and the next row says so.
"""

import contextlib
import copy
import hashlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from graph.errors import GateError, InputError, RinglightError, StoreError
from jobs.desk.audit_rows import (
    FIRST,
    AuditRow,
    Seal,
    audit_key,
    encode_row,
    parse_row,
    read_seal,
    row_of,
    write_seal,
)
from jobs.desk.log import hold, lines_backwards, settle, write_lines
from jobs.desk.records import DESK_FOLDER

__all__ = ["AUDIT_FILE", "HEAD_FILE", "AuditLog", "AuditVerdict", "verify_audit"]

AUDIT_FILE, HEAD_FILE = "audit.jsonl", "audit.head"
NOTHING = Seal(0, FIRST)

Result = Literal["allowed", "refused"]


@dataclass(frozen=True)
class _Tail:
    """The end of the log as this process knows it: file, length, last row."""

    inode: int
    n_bytes: int
    last: Seal


@dataclass
class _Entry:
    """A row that is to be written; then the row, or why there is none."""

    values: dict[str, Any]
    row: AuditRow | None = None
    error: Exception | None = None
    turn: threading.Event = field(default_factory=threading.Event)

    @property
    def is_done(self) -> bool:
        return self.row is not None or self.error is not None


class AuditLog:
    """Writes a lake's audit. One for a process; safe with several threads, and beside other processes.

    Rows of several threads that wait at once share one flush to the disk; each returns once its own row is there.

    Args:
        lake: the lake.
        key: the lake's key, hex (`jobs.key.lake_key`).
    """

    def __init__(self, lake: Path, key: str) -> None:
        self._path = lake / DESK_FOLDER / AUDIT_FILE
        self._head = lake / DESK_FOLDER / HEAD_FILE
        self._key = audit_key(key)
        self._tail: _Tail | None = None
        self._guard = threading.Lock()
        self._is_led = False
        self._waiting: list[_Entry] = []

    def append(
        self,
        *,
        time: datetime,
        actor: str,
        role: str,
        action: str,
        target: str,
        result: Result,
        details: Mapping[str, Any] | None = None,
    ) -> AuditRow:
        """Writes one row; on the disk before this returns. Whatever it is a row of must wait until then.

        Args: see `AuditRow`; no raw identity value in `target` and `details`.

        Raises:
            InputError: a value is malformed; nothing was written.
            GateError: the end of the log is not what was written there; nothing is added, or it would hide that.
            LakeHeldError: another process held the log for 30 seconds.
            StoreError: the disk refused.
        """
        values = {
            "time": time,
            "actor": actor,
            "role": role,
            "action": action,
            "target": target,
            "result": result,
            "details": dict(details or {}),
        }
        entry = _Entry(values)
        with self._guard:
            self._waiting.append(entry)
            leads, self._is_led = not self._is_led, True
        if not leads:
            entry.turn.wait()
        if leads or not entry.is_done:
            self._lead()
        if entry.row is None:
            raise copy.copy(entry.error or _interrupted())  # one of its own for each thread
        return entry.row

    def _lead(self) -> None:
        """Writes for all who wait; whoever came meanwhile is led by the first of them."""
        with self._guard:
            entries, self._waiting = self._waiting, []
        try:
            self._write_together(entries)
        finally:
            with self._guard:
                self._is_led = bool(self._waiting)
                following = self._waiting[:1]
            for entry in entries:
                entry.error = entry.error or (None if entry.row else _interrupted())
            for entry in (*following, *entries):
                entry.turn.set()

    def _write_together(self, entries: Sequence["_Entry"]) -> None:
        """Writes a row for each in one flush; each has its row once it is on the disk, or the reason why it has none."""
        try:
            with hold(self._path):
                torn = settle(self._path) if self._is_new() else b""
                last = self._find_last()
                if torn:
                    row = self._write([row_of(self._key, last, _said_of(torn, entries[0].values["time"]))])
                    last = Seal(row.seq, row.mac)
                rows: dict[int, AuditRow] = {}
                for place, entry in enumerate(entries):
                    try:
                        rows[place] = row_of(self._key, last, entry.values)
                    except InputError as error:
                        entry.error = error
                    else:
                        last = Seal(rows[place].seq, rows[place].mac)
                if rows:
                    self._write(list(rows.values()))
                for place, row in rows.items():
                    entries[place].row = row
        except (RinglightError, OSError) as error:
            for entry in entries:
                entry.error = entry.error or error

    def _is_new(self) -> bool:
        """Whether the file is not as this process left it."""
        tail = self._tail
        found = self._path.stat() if self._path.exists() else None
        return tail is None or found is None or (found.st_ino, found.st_size) != (tail.inode, tail.n_bytes)

    def _write(self, rows: Sequence[AuditRow]) -> AuditRow:
        """Adds rows that follow from the last one, and each other; returns the last."""
        self._tail = None  # until it is written
        write_lines(self._path, [encode_row(row) for row in rows])
        last = self._remember(Seal(rows[-1].seq, rows[-1].mac))
        try:
            write_seal(self._head, self._key, last)
        except OSError as error:
            raise _refused(error) from None
        return rows[-1]

    def _remember(self, last: Seal) -> Seal:
        found = self._path.stat()
        self._tail = _Tail(found.st_ino, found.st_size, last)
        return last

    def _find_last(self) -> Seal:
        """The last row, by what this process wrote, what others added since, or, the first time, what the files say."""
        tail = self._tail
        if not self._is_new() and tail is not None:
            return tail.last
        found = self._path.stat() if self._path.exists() else None
        if tail is not None and found is not None and found.st_ino == tail.inode and found.st_size >= tail.n_bytes:
            return self._follow(tail)
        last = self._open(exists=found is not None)
        if tail is not None and last.seq < tail.last.seq:  # put back together with its seal, while this process ran
            self._tail = tail
            raise _broken(f"{last.seq:,} rows where {tail.last.seq:,} were written")
        return last

    def _follow(self, tail: _Tail) -> Seal:
        """Reads on what other processes added."""
        last = tail.last
        with self._path.open("rb") as file:
            file.seek(tail.n_bytes)
            for line in file:
                row = parse_row(self._key, line.rstrip(b"\n"))
                if row is None or row.seq != last.seq + 1 or row.previous != last.mac:
                    raise _broken("a row that does not follow")
                last = Seal(row.seq, row.mac)
        return self._remember(last)

    def _open(self, *, exists: bool) -> Seal:
        """The last row by the files alone, held against the seal."""
        try:
            sealed = read_seal(self._head, self._key)
        except ValueError:
            raise _broken("a seal of another key, or a damaged one") from None
        if sealed is None:
            if exists:
                raise _broken("no seal")
            sealed = NOTHING  # before the first row, so that no row is ever without one
            try:
                write_seal(self._head, self._key, sealed)
            except OSError as error:
                raise _refused(error) from None
        line = next((line for _, line in lines_backwards(self._path)), None) if exists else None
        row = parse_row(self._key, line) if line is not None else None
        if line is not None and row is None:
            raise _broken("a last row that was edited")
        last = Seal(row.seq, row.mac) if row is not None else NOTHING
        if last.seq < sealed.seq or (last.seq == sealed.seq and last.mac != sealed.mac):
            raise _broken(f"{last.seq:,} rows where {sealed.seq:,} were sealed, or others")
        return self._remember(last) if exists else last


@dataclass(frozen=True)
class AuditVerdict:
    """What `verify_audit` found.

    Attributes:
        n_rows: rows that stand, up to the first fault.
        last_mac: mac of the last of them: with `n_rows` what to note elsewhere.
        n_unsealed: how many of them are later than the seal; see the module's text.
        fault: the first fault in words, with its place; None where all is as it was written.
    """

    n_rows: int
    last_mac: str
    n_unsealed: int
    fault: str | None


def verify_audit(lake: Path, key: str) -> AuditVerdict:
    """Reads the audit through, row by row, in little memory; others may go on writing meanwhile.

    Args:
        key: the lake's key, hex. Under another one nothing stands.
    """
    path, head = (lake / DESK_FOLDER / name for name in (AUDIT_FILE, HEAD_FILE))
    secret = audit_key(key)
    seal_fault = None
    with _held_if_writable(path):
        try:
            sealed = read_seal(head, secret)
        except ValueError:
            sealed, seal_fault = None, f"{HEAD_FILE} is damaged or edited, or RINGLIGHT_KEY is not the lake's"
        n_bytes = path.stat().st_size if path.exists() else 0
    if sealed is None and seal_fault is None and path.exists():
        seal_fault = f"{HEAD_FILE} is gone, so that rows may be missing at the end"
    last, of_seal = NOTHING, NOTHING
    for number, line in enumerate(_lines(path, n_bytes), start=1):
        row = parse_row(secret, line.removesuffix(b"\n"))
        if row is None or row.seq != number or row.previous != last.mac or not line.endswith(b"\n"):
            found = _row_fault(path, n_bytes, number, line, row)
            return AuditVerdict(last.seq, last.mac, last.seq - of_seal.seq, found)
        last = Seal(row.seq, row.mac)
        if sealed is not None and row.seq <= sealed.seq:
            of_seal = last
    fault: str | None = seal_fault
    if sealed is not None and last.seq < sealed.seq:
        missing = (
            f"rows {last.seq + 1:,} to {sealed.seq:,} are" if last.seq + 1 < sealed.seq else f"row {sealed.seq:,} is"
        )
        fault = f"{missing} missing at the end: {HEAD_FILE} tells of {sealed.seq:,}"
    elif sealed is not None and of_seal.mac != sealed.mac:
        fault = f"{HEAD_FILE} is of another row {sealed.seq:,}: the rows, or the seal, were put in place of others"
    return AuditVerdict(last.seq, last.mac, last.seq - of_seal.seq, fault)


def _row_fault(path: Path, n_bytes: int, number: int, line: bytes, row: AuditRow | None) -> str:
    """What is wrong with a line where row `number` must stand."""
    if not line.endswith(b"\n"):
        return f"row {number:,} is torn: line {number:,} has no end"
    if row is None:
        return (
            f"row {number:,} was edited: line {number:,} is not what was written (or RINGLIGHT_KEY is not the lake's)"
        )
    if row.seq == number:
        return f"row {number:,} does not follow the one before it: line {number:,} was put in from elsewhere"
    if row.seq < number:
        return f"row {number:,} is missing or out of order: line {number:,} holds row {row.seq:,} once more"
    later = islice(_lines(path, n_bytes), number, None)
    is_later = any(line.rstrip(b"\n").find(b'"seq":%d,' % number) >= 0 for line in later)
    return f"row {number:,} is {'out of order' if is_later else 'missing'}: line {number:,} holds row {row.seq:,}"


def _lines(path: Path, n_bytes: int) -> Iterator[bytes]:
    """The lines of a file's first bytes, with their ends."""
    if not n_bytes:
        return
    with path.open("rb") as file:
        left = n_bytes
        for line in file:
            yield line[:left]
            left -= len(line)
            if left <= 0:
                return


@contextlib.contextmanager
def _held_if_writable(path: Path) -> Iterator[None]:
    """A copy on a medium that cannot be written is nobody's to write."""
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(StoreError):
            stack.enter_context(hold(path))
        yield


def _said_of(torn: bytes, time: datetime) -> dict[str, Any]:
    """The row that tells of a torn one."""
    told = {"n_bytes": len(torn), "sha256": hashlib.sha256(torn).hexdigest(), "kept_in": f"{AUDIT_FILE}.torn"}
    values = {"time": time, "actor": "ringlight", "role": "none", "action": "audit.torn", "target": AUDIT_FILE}
    return values | {"result": "allowed", "details": told}


def _refused(error: OSError) -> StoreError:
    return StoreError(f"`{HEAD_FILE}` must be writable; got {error.strerror}. Free space, and try again.")


def _interrupted() -> StoreError:
    return StoreError(f"`{AUDIT_FILE}` must be written to the end; got an interruption. Try again.")


def _broken(what: str) -> GateError:
    return GateError(
        f"`{AUDIT_FILE}` must end as it was written; got {what}. Nothing is added to it: run `ringlight audit verify`, keep "
        f"{AUDIT_FILE} and {HEAD_FILE} for who looks into it, and move both out of desk/ to begin a new audit."
    )
