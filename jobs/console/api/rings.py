"""The queue, and a ring with its graph."""

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from graph.errors import InputError
from graph.queries import read_ring_graph
from graph.store import current_date
from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.endpoints import Endpoint, IdentifierLabel, LimitQuery, RingPath
from jobs.console.graph_answers import QueueAnswer, QueueRow, RingAnswer
from jobs.console.lake_rings import etag
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.queue_reading import DeskFilter, read_queue_page, with_desk
from jobs.console.runtime import console_of, graph_of

__all__ = ["ENDPOINTS"]

Status = Literal["suspected", "confirmed"]


def get_queue(
    request: Request,
    status: Annotated[list[Status] | None, Query(max_length=10)] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
    min_accounts: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    identifier_type: IdentifierLabel | None = None,
    owner: Annotated[str | None, Query(max_length=200, description="rings that this person has")] = None,
    is_free: Annotated[bool, Query(description="rings that nobody has")] = False,
    hides_decided: Annotated[bool, Query(description="without rings whose version has a verdict that decides")] = False,
    limit: LimitQuery = 50,
    cursor: Annotated[str | None, Query(max_length=2_000)] = None,
) -> QueueAnswer:
    """Rings in the order of the night: first the one whose case is expected to stop the most."""
    console = console_of(request)
    store = graph_of(console)
    night = current_date(store)
    filters: dict[str, Any] = {
        "statuses": status, "min_score": min_score, "min_accounts": min_accounts, "identifier_type": identifier_type,
    }  # fmt: skip
    desk = DeskFilter(owner, is_free, hides_decided)
    question = {**filters, **asdict(desk), "night": night.isoformat() if night else None}
    after = read_cursor(cursor, question, console.keys.cursor)
    rows, following = read_queue_page(console, store, filters, desk, after, limit)
    return QueueAnswer(
        night=night,
        rings=[QueueRow.model_validate(row) for row in rows],
        next_cursor=None if following is None else make_cursor(following, question, console.keys.cursor),
    )


def get_ring(request: Request, response: Response, ring_id: RingPath) -> RingAnswer:
    """A ring, its members, what they hold, what joins them, and why each is suspected. `ETag` is its version."""
    console = console_of(request)
    store = graph_of(console)
    try:
        found = read_ring_graph(store, ring_id)
    except InputError:
        raise Problem(404, "no-ring", "The night that is shown has no such ring.") from None
    response.headers["etag"] = etag(found.ring["ring_version"])
    rows = {
        "ring": with_desk(console, [found.ring])[0],
        "accounts": found.accounts,
        "links": found.links,
        "pairs": found.pairs,
    }
    left_out = {"n_accounts_left_out": found.n_accounts_left_out, "n_links_left_out": found.n_links_left_out}
    return RingAnswer.model_validate({**with_names(rows, console.keys.pseudonym), **left_out})


ENDPOINTS = (
    Endpoint("GET", "/api/v1/queue", get_queue, QueueAnswer),
    Endpoint("GET", "/api/v1/rings/{ring_id}", get_ring, RingAnswer),
)
