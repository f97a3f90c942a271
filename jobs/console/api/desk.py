"""Claims, notes and dispositions. Each is on the disk before the answer goes out; nothing is changed, only superseded."""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

from fastapi import Body, Header, Request, Response

from graph.errors import InputError
from jobs.console.desk_answers import (
    ClaimAnswer,
    ClaimRequest,
    DispositionAnswer,
    DispositionRequest,
    DispositionsAnswer,
    NoteAnswer,
    NoteRequest,
    NotesAnswer,
)
from jobs.console.endpoints import Endpoint, RingPath
from jobs.console.lake_rings import LakeRing, etag, read_lake_ring
from jobs.console.problems import Problem
from jobs.console.runtime import actor_of, console_of
from jobs.desk.claims import Claim, record_claim, standing_claims
from jobs.desk.dispositions import (
    DISPOSITIONS,
    Disposition,
    record_disposition,
    ring_dispositions,
    shared_evidence,
)
from jobs.desk.notes import Note, record_note, ring_notes
from jobs.desk.records import standing

__all__ = ["ENDPOINTS"]

IfMatch = Annotated[str | None, Header(max_length=200, description="entity tag of the ring as it was looked at")]

PLAIN_CLAIM = ClaimRequest()


def claim_ring(
    request: Request, ring_id: RingPath, wanted: Annotated[ClaimRequest, Body()] = PLAIN_CLAIM
) -> ClaimAnswer:
    """Takes a ring, or takes it over. 409 where somebody has it, or nobody from whom to take it over."""
    console, actor = console_of(request), actor_of(request)
    read_lake_ring(console.lake, ring_id)
    action: Literal["claim", "take_over"] = "take_over" if wanted.takes_over else "claim"
    _write(lambda: record_claim(console.lake, Claim(console.random(16), ring_id, action, actor.name, console.clock())))
    return _owner(request, ring_id)


def release_ring(request: Request, ring_id: RingPath) -> ClaimAnswer:
    """Gives a ring back. 409 for whoever does not have it."""
    console, actor = console_of(request), actor_of(request)
    _write(
        lambda: record_claim(console.lake, Claim(console.random(16), ring_id, "release", actor.name, console.clock()))
    )
    return _owner(request, ring_id)


def list_notes(request: Request, ring_id: RingPath) -> NotesAnswer:
    """Notes on a ring, superseded ones too."""
    notes = ring_notes(console_of(request).lake, ring_id)
    return NotesAnswer(notes=[NoteAnswer.model_validate(note) for note in notes])


def write_note(request: Request, ring_id: RingPath, wanted: NoteRequest) -> NoteAnswer:
    """Writes a note on a ring of the current night."""
    console, actor = console_of(request), actor_of(request)
    version = read_lake_ring(console.lake, ring_id).version
    _refuse_foreign("notes", wanted.supersedes, [note.note_id for note in ring_notes(console.lake, ring_id)])
    note = Note(console.random(16), ring_id, version, wanted.text, actor.name, console.clock(), wanted.supersedes)
    _write(lambda: record_note(console.lake, note))
    return NoteAnswer.model_validate(note)


def list_dispositions(request: Request, ring_id: RingPath) -> DispositionsAnswer:
    """The history of a ring: its verdicts in order, superseded ones too."""
    found = ring_dispositions(console_of(request).lake, ring_id)
    return DispositionsAnswer(
        dispositions=[DispositionAnswer.model_validate(each) for each in found],
        standing=[each.disposition_id for each in standing(DISPOSITIONS, found)],
    )


def write_disposition(
    request: Request, response: Response, ring_id: RingPath, wanted: DispositionRequest, if_match: IfMatch = None
) -> DispositionAnswer:
    """Writes a verdict on a ring. 428 without `If-Match`, 409 where the ring is another by now."""
    console, actor = console_of(request), actor_of(request)
    ring = read_lake_ring(console.lake, ring_id)
    _refuse_moved(ring, if_match)
    chosen = tuple(dict.fromkeys(wanted.account_ids))
    if not set(chosen) <= set(ring.members):
        raise Problem(422, "members", "Each of `account_ids` must be a member of the ring at this version.")
    if not chosen and wanted.verdict != "needs_more":
        raise Problem(
            422, "members", "`account_ids` must name at least one member, unless the verdict is `needs_more`."
        )
    _refuse_second(ring_dispositions(console.lake, ring_id), wanted.supersedes)
    made = Disposition(
        disposition_id=console.random(16),
        ring_id=ring_id,
        ring_version=ring.version,
        night=ring.night.date,
        verdict=wanted.verdict,
        reason=wanted.reason,
        account_ids=chosen,
        actor=actor.name,
        time=console.clock(),
        supersedes=wanted.supersedes,
        evidence=shared_evidence(ring.night, chosen) if chosen else (),
    )
    _write(lambda: record_disposition(console.lake, made))
    response.headers["etag"] = etag(ring.version)
    return DispositionAnswer.model_validate(made)


def _refuse_moved(ring: LakeRing, if_match: str | None) -> None:
    if if_match is None:
        raise Problem(
            428, "if-match", "Send the ring's `ETag` as `If-Match`, so that the verdict is on what was looked at."
        )
    if if_match != etag(ring.version):
        raise Problem(409, "moved", "The ring has another version by now. Look at it again.", ring_version=ring.version)


def _refuse_second(earlier: Sequence[Disposition], supersedes: str | None) -> None:
    """Says which verdicts stand where the new one supersedes none of them; `record_disposition` refuses it whatever was seen here."""
    _refuse_foreign("dispositions", supersedes, [each.disposition_id for each in earlier])
    standing_ids = [each.disposition_id for each in standing(DISPOSITIONS, earlier)]
    if standing_ids and supersedes not in standing_ids:
        raise Problem(
            409, "stands", "Another verdict stands. Read it, and say that yours supersedes it.", standing=standing_ids
        )


def _refuse_foreign(kind: str, supersedes: str | None, own: list[str]) -> None:
    if supersedes is not None and supersedes not in own:
        raise Problem(422, "supersedes", f"`supersedes` must be one of the {kind} of this ring.")


def _write(record: Callable[[], None]) -> None:
    """Writes to the desk; what stands against it by now is a conflict.

    Raises:
        Problem: 409.
    """
    try:
        record()
    except InputError:
        raise Problem(
            409, "conflict", "Somebody has written in between, or the ring is not yours. Look at it again."
        ) from None


def _owner(request: Request, ring_id: str) -> ClaimAnswer:
    claim = standing_claims(console_of(request).lake).get(ring_id)
    return ClaimAnswer(ring_id=ring_id, owner=claim.actor if claim else None, since=claim.time if claim else None)


_RING = "/api/v1/rings/{ring_id}"
ENDPOINTS = (
    Endpoint("POST", f"{_RING}/claim", claim_ring, ClaimAnswer),
    Endpoint("POST", f"{_RING}/release", release_ring, ClaimAnswer),
    Endpoint("GET", f"{_RING}/notes", list_notes, NotesAnswer),
    Endpoint("POST", f"{_RING}/notes", write_note, NoteAnswer, 201),
    Endpoint("GET", f"{_RING}/dispositions", list_dispositions, DispositionsAnswer),
    Endpoint("POST", f"{_RING}/dispositions", write_disposition, DispositionAnswer, 201),
)
