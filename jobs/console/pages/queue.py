"""The queue: which ring to look at next, filtered by what stands in the address."""

from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request, Response

from graph.schema import IDENTIFIERS
from graph.store import current_date
from jobs.console.api.rings import get_queue
from jobs.console.endpoints import Endpoint
from jobs.console.graph_answers import QueueAnswer
from jobs.console.lake_rings import read_amounts
from jobs.console.night_pairs import changes_since, shown_nights
from jobs.console.pages.fields import (
    CursorField,
    DayField,
    NumberField,
    ScoreField,
    StatusField,
    TextField,
    TypeField,
    address,
)
from jobs.console.pages.shell import render
from jobs.console.runtime import actor_of, console_of, graph_of
from jobs.desk.claims import standing_claims

__all__ = ["ENDPOINTS"]

# No person has one of these names: see `person_name`.
MINE, NOBODYS = "@me", "@nobody"


def queue_page(
    request: Request,
    status: StatusField = None,
    min_score: ScoreField = None,
    min_accounts: NumberField = None,
    identifier_type: TypeField = None,
    owner: TextField = None,
    hides_decided: Annotated[bool, Query()] = False,
    night: DayField = None,
    cursor: CursorField = None,
) -> Response:
    """A page of the queue. `night` is the one that the reader began with."""
    console, actor = console_of(request), actor_of(request)
    filters: dict[str, Any] = {
        "status": status, "min_score": min_score, "min_accounts": min_accounts, "identifier_type": identifier_type,
        "owner": owner, "hides_decided": hides_decided,
    }  # fmt: skip
    asked = {
        "status": [status] if status else None,
        "min_score": min_score,
        "min_accounts": min_accounts,
        "identifier_type": identifier_type,
        "owner": actor.name if owner == MINE else None if owner == NOBODYS else owner,
        "is_claimed": False if owner == NOBODYS else None,
        "verdict": ["undecided", "needs_more"] if hides_decided else None,
    }
    answer, has_moved = _answer(request, asked, cursor, night)
    since, changes = changes_since(console.lake, answer.night, [row.ring_id for row in answer.rings])
    shown, _ = shown_nights(console.lake, answer.night)
    more = None if answer.next_cursor is None else {"cursor": answer.next_cursor, "night": answer.night}
    context = {
        "rings": answer.rings,
        "n_rings": answer.n_rings,
        "filters": filters,
        "has_filters": any(filters.values()),
        "types": list(IDENTIFIERS),
        "owners": sorted({claim.actor for claim in standing_claims(console.lake).values()} - {actor.name}),
        "since": since,
        "changes": changes,
        "amounts": {} if shown is None else read_amounts(shown),
        "moved_from": night if has_moved else None,
        "is_first": cursor is None or has_moved,
        "first_href": address("/queue", **filters),
        "next_href": None if more is None else address("/queue", **filters, **more),
        "here_href": address("/queue", **filters, cursor=None if has_moved else cursor, night=answer.night),
    }
    return render(request, "queue.html", context, night=answer.night)


def night_notice(request: Request, seen: DayField = None) -> Response:
    """Whether another night is shown than the one that the reader's page is of."""
    shown = current_date(graph_of(console_of(request)))
    if seen is None or shown == seen:
        return Response(status_code=204)
    return render(request, "_night_notice.html", {"seen": seen, "shown": shown})


def _answer(
    request: Request, asked: dict[str, Any], cursor: str | None, began: date | None
) -> tuple[QueueAnswer, bool]:
    """The answer, and whether another night is shown by now: then no place in the old order means anything, so it is the first page."""
    shown = current_date(graph_of(console_of(request)))
    has_moved = began is not None and began != shown
    if not has_moved:
        return get_queue(request, **asked, cursor=cursor), False
    return get_queue(request, **asked), True


ENDPOINTS = (
    Endpoint("GET", "/queue", queue_page, is_page=True),
    Endpoint("GET", "/night", night_notice, is_page=True),
)
