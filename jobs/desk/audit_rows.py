"""Rows of the audit and its seal: how they look, and how each is bound to the one before by the audit key.

    mac of a row = HMAC-SHA256(audit key, mac of the row before || canonical JSON of the row)
    seal = seq and mac of the last row, with an HMAC of both

The audit key is drawn from the lake's by a label, so what either is used for says nothing of the other.
"""

import hashlib
import hmac
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints, TypeAdapter, ValidationError

from graph.errors import InputError
from jobs.desk.log import canonical
from jobs.desk.records import STRICT, Name, UtcTime
from jobs.files import sync_folder

__all__ = [
    "FIRST",
    "MAX_ROW_BYTES",
    "AuditRow",
    "Seal",
    "audit_key",
    "encode_row",
    "parse_row",
    "read_row",
    "read_seal",
    "row_of",
    "write_seal",
]

FIRST = "0" * 64  # the mac before the first row
MAX_ROW_BYTES = 65_536
SEAL_BYTES = 256  # below a disk's sector, which is written whole or not at all

Mac = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Target = Annotated[str, StringConstraints(max_length=1_000)]


@dataclass(frozen=True)
class AuditRow:
    """One thing that somebody did, or was refused.

    Attributes:
        seq: 1, 2, 3, ...
        time: when, UTC.
        actor: who; `anonymous` where nobody had signed in.
        role: the actor's role, or `none`.
        action: what, as `ring.view`, `search`, `reveal`, `export`, `token.create`.
        target: on what: the id of a ring, account, night or token; may be empty.
        result: whether it was allowed; what was allowed and then came to nothing has a second row, refused, that says why.
        details: what else is to be known: JSON values. Never a raw identity value: a search is written down by its keyed hash, a
            reveal by its identifier's hash and its reason. That is the caller's duty; nothing here can tell.
        previous: mac of the row before.
        mac: binds all of it.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    seq: Annotated[int, Field(ge=1)]
    time: UtcTime
    actor: Name
    role: Name
    action: Name
    target: Target
    result: Literal["allowed", "refused"]
    details: dict[str, JsonValue] = field(default_factory=dict)
    previous: Mac = FIRST
    mac: Mac = FIRST


@dataclass(frozen=True)
class Seal:
    """The last row, as `audit.head` tells of it."""

    seq: int
    mac: str


ROW = TypeAdapter(AuditRow)


def audit_key(key: str) -> bytes:
    """The key of the audit, from the lake's (hex)."""
    return hmac.digest(bytes.fromhex(key), b"ringlight audit\x001", hashlib.sha256)


def row_of(key: bytes, last: Seal, values: dict[str, Any]) -> AuditRow:
    """The row after `last` with these values, bound to it.

    Raises:
        InputError: a value is malformed, or the row too long.
    """
    try:
        row = ROW.validate_python(values | {"seq": last.seq + 1, "previous": last.mac})
    except ValidationError as error:
        faults = [f"`{'.'.join(map(str, each['loc']))}`: {each['msg']}" for each in error.errors(include_input=False)]
        raise InputError(f"`AuditRow` must be well formed; got {len(faults)} fault(s):", faults) from None
    content = _content(row)
    if len(content) > MAX_ROW_BYTES - 512:
        raise InputError(f"`details` must be at most some {MAX_ROW_BYTES:,} bytes; got {len(content):,}. Shorten it.")
    return replace(row, mac=_mac(key, last.mac, content))


def encode_row(row: AuditRow) -> bytes:
    """The row as its line."""
    return canonical(ROW.dump_python(row, mode="json"))


def parse_row(key: bytes, line: bytes) -> AuditRow | None:
    """The row that a line is; None where the line is not, to the byte, what somebody with the key wrote."""
    try:
        row = ROW.validate_json(line)
        if encode_row(row) != line:
            return None
    except (ValueError, InputError):
        return None
    return row if hmac.compare_digest(row.mac, _mac(key, row.previous, _content(row))) else None


def read_row(line: bytes) -> AuditRow:
    """The row that a line is, unverified.

    Raises:
        InputError: it is none.
    """
    try:
        return ROW.validate_json(line)
    except ValidationError:
        raise InputError(
            "`audit.jsonl` must hold one row a line; got a line that is none. Run `ringlight audit verify`."
        ) from None


def read_seal(path: Path, key: bytes) -> Seal | None:
    """The seal; None where there is none.

    Raises:
        ValueError: it is none of this key's.
    """
    try:
        found = json.loads(path.read_bytes())
        seal = Seal(int(found["seq"]), str(found["mac"]))
        told = str(found["seal"])
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise ValueError("seal") from None
    if not hmac.compare_digest(told.encode(), _seal(key, seal).encode()):
        raise ValueError("seal")
    return seal


def write_seal(path: Path, key: bytes, seal: Seal) -> None:
    """Writes the seal in place; it reaches the disk with the system's next write-out, and at once where it is new.

    Raises:
        OSError: the disk refused.
    """
    data = json.dumps({"mac": seal.mac, "seal": _seal(key, seal), "seq": seal.seq}, sort_keys=True).encode()
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(descriptor, data.ljust(SEAL_BYTES - 1) + b"\n", 0)
        if is_new:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    if is_new:
        sync_folder(path.parent)


def _content(row: AuditRow) -> bytes:
    told = ROW.dump_python(row, mode="json")
    return canonical({name: value for name, value in told.items() if name not in ("previous", "mac")})


def _mac(key: bytes, previous: str, content: bytes) -> str:
    return hmac.digest(key, previous.encode() + content, hashlib.sha256).hex()


def _seal(key: bytes, seal: Seal) -> str:
    return hmac.digest(key, f"head\x00{seal.seq}\x00{seal.mac}".encode(), hashlib.sha256).hex()
