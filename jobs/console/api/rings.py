"""The queue, and a ring with its graph."""

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Literal

from fastapi import Query, Request, Response

from graph.errors import InputError
from graph.queries import read_ring_graph, read_whole_queue
from graph.store import Row
from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.endpoints import Endpoint, IdentifierLabel, LimitQuery, RingPath
from jobs.console.graph_answers import QueueAnswer, QueueRow, RingAnswer
from jobs.console.kept_answers import of_one_night
from jobs.console.lake_rings import etag
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.runtime import Console, console_of, graph_of
from jobs.desk.claims import standing_claims
from jobs.desk.dispositions import standing_dispositions

__all__ = ["ENDPOINTS", "kept_queue", "kept_ring"]

Status = Literal["suspected", "confirmed"]
Verdict = Literal["confirmed_ring", "household", "needs_more", "undecided"]


def get_queue(
    request: Request,
    status: Annotated[list[Status] | None, Query(max_length=10)] = None,
    min_score: Annotated[float | None, Query(ge=0, le=1)] = None,
    min_accounts: Annotated[int | None, Query(ge=1, le=10**9)] = None,
    identifier_type: IdentifierLabel | None = None,
    owner: Annotated[str | None, Query(min_length=1, max_length=200, description="who has claimed it")] = None,
    is_claimed: Annotated[bool | None, Query(description="whether anybody has claimed it")] = None,
    verdict: Annotated[
        list[Verdict] | None,
        Query(max_length=10, description="one of these stands on it; `undecided`: none does on this version"),
    ] = None,
    limit: LimitQuery = 50,
    cursor: Annotated[str | None, Query(max_length=2_000)] = None,
) -> QueueAnswer:
    """Rings in the order of the night: first the one whose case is expected to stop the most.

    409 where another night is shown than the one that the cursor is of.
    """
    console = console_of(request)
    night, rings = kept_queue(console)
    of_night: dict[str, Any] = {
        "status": status, "min_score": min_score, "min_accounts": min_accounts, "identifier_type": identifier_type,
    }  # fmt: skip
    of_desk: dict[str, Any] = {"owner": owner, "is_claimed": is_claimed, "verdict": verdict}
    question = {**of_night, **of_desk, "night": night.isoformat() if night else None}
    after = read_cursor(cursor, question, console.keys.cursor) or 0
    wanted = [row for row in rings if _is_of_night(row, **of_night)]
    if any(value is not None for value in of_desk.values()):
        wanted = [row for row in _with_desk(console, wanted) if _is_of_desk(row, **of_desk)]
    left = [row for row in wanted if row["place"] > after]
    rows = _with_desk(console, left[:limit])
    return QueueAnswer(
        night=night,
        n_rings=len(wanted),
        rings=[QueueRow.model_validate(row) for row in rows],
        next_cursor=make_cursor(rows[-1]["place"], question, console.keys.cursor) if len(left) > limit else None,
    )


def get_ring(request: Request, response: Response, ring_id: RingPath) -> RingAnswer:
    """A ring, its members, what they hold, what joins them, and why each is suspected. `ETag` is its version."""
    console = console_of(request)
    found = kept_ring(console, ring_id)
    response.headers["etag"] = etag(found.ring.ring_version)
    own = QueueRow.model_validate(_with_desk(console, [found.ring.model_dump()])[0])
    return found.model_copy(update={"ring": own})


def kept_queue(console: Console) -> tuple[date | None, list[Row]]:
    """The night that is shown, and its rings in order, as the night knows them.

    Raises:
        StoreError: no night is loaded, or the store fails.
    """
    store = graph_of(console)

    def read() -> tuple[date | None, list[Row]]:
        return of_one_night(store, lambda: read_whole_queue(store))

    return console.kept.get(store, "queue", read, lambda found: len(found[1]))


def kept_ring(console: Console, ring_id: str) -> RingAnswer:
    """A ring as the night knows it, without what the desk says of it.

    Raises:
        Problem: 404, no such ring.
    """
    store = graph_of(console)

    def read() -> RingAnswer:
        night, found = of_one_night(store, lambda: read_ring_graph(store, ring_id))
        return RingAnswer.model_validate({"night": night, **with_names(vars(found), console.keys.pseudonym)})

    try:
        return console.kept.get(
            store,
            ("ring", ring_id),
            read,
            lambda found: len(found.accounts) + len(found.links) + 2 * len(found.pairs),
        )
    except InputError:
        raise Problem(404, "no-ring", "The night that is shown has no such ring.") from None


def _is_of_night(
    row: Row,
    status: Sequence[str] | None,
    min_score: float | None,
    min_accounts: int | None,
    identifier_type: str | None,
) -> bool:
    """Whether the ring is wanted, by what the night says of it."""
    return (
        (not status or row["status"] in status)
        and (min_score is None or (row["score"] is not None and row["score"] >= min_score))
        and (min_accounts is None or row["n_accounts"] >= min_accounts)
        and (identifier_type is None or identifier_type in (row["shared_types"] or ()))
    )


def _is_of_desk(row: Row, owner: str | None, is_claimed: bool | None, verdict: Sequence[str] | None) -> bool:
    """Whether the ring is wanted, by what the desk says of it."""
    return (
        (owner is None or row["owner"] == owner)
        and (is_claimed is None or (row["owner"] is not None) is is_claimed)
        and (not verdict or bool(_verdicts(row) & set(verdict)))
    )


def _verdicts(row: Row) -> set[str]:
    """What a ring counts as: a verdict on an earlier version stands, and does not decide what the ring is now."""
    stands = {row["verdict"]} if row["verdict"] else set()
    return stands if stands and row["verdict_version"] == row["ring_version"] else stands | {"undecided"}


def _with_desk(console: Console, rows: Sequence[Row]) -> list[Row]:
    """The rings with who has each, and the verdict that stands on it."""
    claims = standing_claims(console.lake)
    verdicts = {each.ring_id: each for each in standing_dispositions(console.lake)}
    made = []
    for row in rows:
        claim, verdict = claims.get(row["ring_id"]), verdicts.get(row["ring_id"])
        made.append(
            {
                **row,
                "owner": claim.actor if claim else None,
                "verdict": verdict.verdict if verdict else None,
                "verdict_version": verdict.ring_version if verdict else None,
            }
        )
    return made


ENDPOINTS = (
    Endpoint("GET", "/api/v1/queue", get_queue, QueueAnswer),
    Endpoint("GET", "/api/v1/rings/{ring_id}", get_ring, RingAnswer),
)
