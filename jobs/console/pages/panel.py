"""The case beside a ring: who has it, its verdicts, notes, files and history, and the forms of those who may write."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Query, Request, Response

from jobs.console.api.desk import list_dispositions, list_notes
from jobs.console.audited import shown_or_masked
from jobs.console.desk_answers import DispositionAnswer, NoteAnswer
from jobs.console.endpoints import Endpoint, RingPath
from jobs.console.lake_rings import read_lake_ring
from jobs.console.pages.shell import render
from jobs.console.problems import Problem
from jobs.console.runtime import console_of
from jobs.desk.audit_reading import MAX_LOOKED_AT, rows_about
from jobs.desk.claims import Claim, ring_claims, standing_claims

__all__ = ["ENDPOINTS", "CasePanel", "read_panel"]

MAX_AUDIT = 50


@dataclass(frozen=True)
class CasePanel:
    """What the panel shows of a ring.

    Attributes:
        ring_version: the version that the reader looks at; a verdict is on it.
        current_version: the version in the lake's current night; None where the ring is not in it.
        members: account ids of the current version, riskiest first.
        claim: the one that stands; None where nobody has the ring.
        standing: the verdict that stands; the next one supersedes it.
        earlier: all other verdicts, the newest first.
        notes: the newest first.
        superseded_notes: ids of notes in whose place another stands.
    """

    ring_id: str
    ring_version: str
    current_version: str | None
    members: tuple[str, ...]
    claim: Claim | None
    standing: DispositionAnswer | None
    earlier: tuple[DispositionAnswer, ...]
    notes: tuple[NoteAnswer, ...]
    superseded_notes: frozenset[str]

    @property
    def has_moved(self) -> bool:
        """Whether what the reader looks at is no longer what a verdict would be on."""
        return self.ring_version != self.current_version


def read_panel(request: Request, ring_id: str, ring_version: str | None = None) -> CasePanel:
    """The case as it stands.

    Args:
        ring_version: the version that the reader looks at; None takes the current one.

    Raises:
        Problem: 404, neither the current night nor the desk knows the ring.
    """
    console = console_of(request)
    verdicts, notes = list_dispositions(request, ring_id), list_notes(request, ring_id).notes
    try:
        ring = read_lake_ring(console.lake, ring_id)
    except Problem:
        if ring_version is None and not verdicts.dispositions and not notes:
            raise
        ring = None
    current = None if ring is None else ring.version
    newest = tuple(reversed(verdicts.dispositions))
    stands = next((each for each in newest if each.disposition_id in verdicts.standing), None)
    return CasePanel(
        ring_id=ring_id,
        ring_version=ring_version or current or "",
        current_version=current,
        members=() if ring is None else ring.members,
        claim=standing_claims(console.lake).get(ring_id),
        standing=stands,
        earlier=tuple(each for each in newest if each is not stands),
        notes=tuple(reversed(notes)),
        superseded_notes=frozenset(each.supersedes for each in notes if each.supersedes),
    )


def panel_part(
    request: Request,
    ring_id: RingPath,
    version: Annotated[str | None, Query(max_length=200, description="the version that is looked at")] = None,
) -> Response:
    """The panel, for a ring page that is open; with it what the page's head says of the owner and the verdict."""
    return render(request, "_case_panel_anew.html", {"panel": read_panel(request, ring_id, version)})


def history_part(request: Request, ring_id: RingPath) -> Response:
    """Who had the ring, and the newest rows of the audit that are about it: as a case file has them, and for those who may make one."""
    console = console_of(request)
    written = shown_or_masked("ring_id", ring_id, console.keys.pseudonym)
    audited = rows_about(console.lake, written, MAX_AUDIT, MAX_LOOKED_AT)
    context: dict[str, Any] = {
        "claims": tuple(reversed(ring_claims(console.lake, ring_id))),
        "rows": audited.rows,
        "is_whole": audited.is_whole,
        "is_full": len(audited.rows) == MAX_AUDIT,
        "max_looked_at": MAX_LOOKED_AT,
    }
    return render(request, "_case_history.html", context)


ENDPOINTS = (
    Endpoint("GET", "/rings/{ring_id}/panel", panel_part, is_page=True),
    Endpoint("GET", "/rings/{ring_id}/history", history_part, is_page=True),
)
