"""Notes on rings: what an investigator wants the next one to know. Never deleted; a corrected one supersedes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict

from jobs.desk.records import STRICT, Id, Kind, Name, Text, UtcTime, history, refuse_superseded, standing

__all__ = ["NOTES", "Note", "record_note", "ring_notes", "standing_notes"]


@dataclass(frozen=True)
class Note:
    """One note.

    Attributes:
        note_id: its own id, new for each.
        ring_id, ring_version: the ring as it was looked at.
        text: what was written; it may hold anything, so it is shown with the case and nowhere else.
        actor: who wrote it.
        time: when, UTC.
        supersedes: the note that it stands in place of.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    note_id: Id
    ring_id: Name
    ring_version: Name
    text: Text
    actor: Name
    time: UtcTime
    supersedes: Id | None = None


NOTES = Kind("notes", Note, "note_id", "what investigators wrote on rings")


def record_note(lake: Path, note: Note) -> None:
    """Writes a note down, on the disk before this returns. The same one once more changes nothing.

    Raises:
        InputError: it is malformed, its id stands with other content, or `supersedes` names none or one that is superseded.
        LakeHeldError, StoreError: it could not be written.
    """

    def check(earlier: Sequence[Note]) -> None:
        refuse_superseded(NOTES, note, earlier)

    NOTES.append(lake, note, check)


def ring_notes(lake: Path, ring_id: str) -> tuple[Note, ...]:
    """All notes on a ring in order, superseded ones too."""
    return history(NOTES, NOTES.read(lake), ring_id)


def standing_notes(lake: Path, ring_id: str) -> tuple[Note, ...]:
    """The notes on a ring that none supersedes, in order."""
    return standing(NOTES, ring_notes(lake, ring_id))
