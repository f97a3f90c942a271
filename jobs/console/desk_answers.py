"""Requests and answers about what people wrote: claims, notes, dispositions."""

from datetime import date, datetime
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

__all__ = [
    "ClaimAnswer",
    "ClaimRequest",
    "DispositionAnswer",
    "DispositionRequest",
    "DispositionsAnswer",
    "NoteAnswer",
    "NoteRequest",
    "NotesAnswer",
]

Verdict = Literal["confirmed_ring", "household", "needs_more"]


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class ClaimRequest(_Request):
    """Who takes over says so; a claim alone never takes a ring from somebody."""

    takes_over: bool = False


class ClaimAnswer(_Answer):
    """Who has the ring now."""

    ring_id: str
    owner: str | None
    since: datetime | None


class NoteRequest(_Request):
    """A note. It may stand in place of an earlier one, which stays in the history."""

    text: str = Field(min_length=1, max_length=4_000, pattern=r"\S")
    supersedes: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


class NoteAnswer(_Answer):
    """A note as it was written."""

    note_id: str
    ring_id: str
    ring_version: str
    text: str
    actor: str
    time: datetime
    supersedes: str | None


class NotesAnswer(_Answer):
    """All notes on a ring in order, superseded ones too."""

    notes: list[NoteAnswer]


class DispositionRequest(_Request):
    """A verdict on a ring at the version that `If-Match` names."""

    verdict: Verdict
    reason: str = Field(min_length=1, max_length=4_000, pattern=r"\S")
    account_ids: list[str] = Field(
        default=[], max_length=50_000, description="the members meant; none where more is needed"
    )
    supersedes: str | None = Field(None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


class DispositionAnswer(_Answer):
    """A verdict as it was written down."""

    disposition_id: str
    ring_id: str
    ring_version: str
    night: date
    verdict: Verdict
    reason: str
    account_ids: list[str]
    actor: str
    time: datetime
    supersedes: str | None


class DispositionsAnswer(_Answer):
    """All verdicts on a ring in order, superseded ones too; `standing` has the ids of those that stand."""

    dispositions: list[DispositionAnswer]
    standing: list[str]
