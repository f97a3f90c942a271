"""The queue, and a ring with its graph."""

from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from graph.errors import InputError
from graph.queries import read_queue, read_ring_graph
from graph.store import current_date
from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.endpoints import Endpoint, IdentifierLabel, LimitQuery, RingPath
from jobs.console.graph_answers import QueueAnswer, QueueRow, RingAnswer
from jobs.console.lake_rings import etag
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.runtime import Console, console_of, graph_of
from jobs.desk.claims import standing_claims
from jobs.desk.dispositions import standing_dispositions

__all__ = ["ENDPOINTS"]

Status = Literal["suspected", "confirmed"]


def get_queue(
    request: Request,
    status: Annotated[list[Status] | None, Query(max_length=10)] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
    min_accounts: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    identifier_type: IdentifierLabel | None = None,
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
    question = {**filters, "night": night.isoformat() if night else None}
    after = read_cursor(cursor, question, console.keys.cursor)
    rows = read_queue(store, **filters, after=after, limit=limit)
    more = len(rows) == limit
    return QueueAnswer(
        night=night,
        rings=[QueueRow.model_validate(row) for row in _with_desk(console, rows)],
        next_cursor=make_cursor(rows[-1]["place"], question, console.keys.cursor) if more else None,
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
        "ring": _with_desk(console, [found.ring])[0],
        "accounts": found.accounts,
        "links": found.links,
        "pairs": found.pairs,
    }
    left_out = {"n_accounts_left_out": found.n_accounts_left_out, "n_links_left_out": found.n_links_left_out}
    return RingAnswer.model_validate({**with_names(rows, console.keys.pseudonym), **left_out})


def _with_desk(console: Console, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rings with who has each, and the verdict that stands on it."""
    claims = standing_claims(console.lake)
    verdicts = {each.ring_id: each for each in standing_dispositions(console.lake)}
    made = []
    for row in rows:
        claim, verdict = claims.get(row["ring_id"]), verdicts.get(row["ring_id"])
        told = {"verdict": verdict.verdict, "verdict_version": verdict.ring_version} if verdict else {}
        made.append({**row, "owner": claim.actor if claim else None, **told})
    return made


ENDPOINTS = (
    Endpoint("GET", "/api/v1/queue", get_queue, QueueAnswer),
    Endpoint("GET", "/api/v1/rings/{ring_id}", get_ring, RingAnswer),
)
