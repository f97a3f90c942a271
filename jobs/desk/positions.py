"""Where the nodes of a ring's picture lie: kept, so that the picture that somebody learnt stays as it was.

    LAKE/desk/positions/<name>.json    one small file a ring, mode 0600: the newest positions; the name is a hash of the ring's id

No record of what somebody judged, so it is replaced, whole or not at all, and not added to. At most `MAX_RINGS` are kept: the
ones that were written longest ago go first, and with one that is lost, the picture is laid out anew.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError

from graph.errors import StoreError
from jobs.desk.log import hold
from jobs.desk.records import DESK_FOLDER, STRICT, Name, UtcTime
from jobs.files import sync_folder
from jobs.key import make_private_folder

__all__ = [
    "MAX_NODES",
    "MAX_RINGS",
    "POSITIONS",
    "POSITIONS_FOLDER",
    "Positions",
    "keep_positions",
    "read_positions",
    "rounded",
]

POSITIONS_FOLDER = "positions"
MAX_NODES = 4_000
MAX_RINGS = 5_000
FARTHEST = 1e6

Node = Annotated[str, StringConstraints(pattern=r"^[aic]:", max_length=1_010)]
Coordinate = Annotated[float, Field(ge=-FARTHEST, le=FARTHEST, allow_inf_nan=False)]


@dataclass(frozen=True)
class Positions:
    """Positions of the nodes of a ring's picture.

    Attributes:
        ring_id: the ring.
        ring_version: its version when they were kept.
        nodes: by node, `a:<account>`, `i:<type>:<hash>` or `c:<community>`: x to the right and y downwards, in the picture's own unit.
        actor: whose browser laid them out.
        time: when, UTC.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    ring_id: Name
    ring_version: Name
    nodes: Annotated[dict[Node, tuple[Coordinate, Coordinate]], Field(max_length=MAX_NODES)]
    actor: Name
    time: UtcTime


POSITIONS = TypeAdapter(Positions)


def keep_positions(lake: Path, positions: Positions, *, replaces: bool = False) -> Positions:
    """Keeps positions, on the disk before this returns, in place of those of another version of the ring.

    Args:
        replaces: in place of those of the same version, too; else the first ones stand.

    Returns:
        the positions that stand.

    Raises:
        LakeHeldError: another process held them for 30 seconds.
        StoreError: the disk refused; then what was kept before stands.
    """
    folder = lake / DESK_FOLDER / POSITIONS_FOLDER
    with hold(lake / DESK_FOLDER / POSITIONS_FOLDER):
        held = read_positions(lake, positions.ring_id)
        if held is not None and held.ring_version == positions.ring_version and not replaces:
            return held
        try:
            if not folder.is_dir():
                make_private_folder(folder)
            _replace(folder / _name(positions.ring_id), POSITIONS.dump_json(positions))
            _drop_oldest(folder)
        except OSError as error:
            raise StoreError(
                f"`{POSITIONS_FOLDER}` must be writable; got {error.strerror}. Free space, or correct its mode, and try again."
            ) from None
    return positions


def read_positions(lake: Path, ring_id: str) -> Positions | None:
    """The newest positions of a ring; None where none are kept, or what is there is damaged."""
    path = lake / DESK_FOLDER / POSITIONS_FOLDER / _name(ring_id)
    try:
        found = POSITIONS.validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
    return found if found.ring_id == ring_id else None


def rounded(nodes: Mapping[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Positions to a tenth of their unit, which nobody sees: a file stays small."""
    return {node: (round(x, 1), round(y, 1)) for node, (x, y) in nodes.items()}


def _name(ring_id: str) -> str:
    return f"{hashlib.sha256(ring_id.encode()).hexdigest()[:32]}.json"


def _replace(path: Path, data: bytes) -> None:
    """The file is there whole, as it was or as it is to be, whenever the machine stops."""
    partial = path.with_name(f".{path.name}.partial")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    sync_folder(path.parent)


def _drop_oldest(folder: Path) -> None:
    files = list(folder.glob("*.json"))
    if len(files) > MAX_RINGS:
        for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))[:-MAX_RINGS]:
            path.unlink()
