"""The picture of a ring, and where its nodes lie."""

from collections.abc import Mapping
from typing import Annotated

from fastapi import Body, Request, Response

from graph.errors import InputError
from graph.queries import read_ring_picture
from jobs.console.endpoints import Endpoint, RingPath
from jobs.console.lake_rings import etag, read_lake_ring
from jobs.console.naming import with_names
from jobs.console.picture_answers import PictureAnswer, Point, PositionsAnswer, PositionsRequest
from jobs.console.problems import Problem
from jobs.console.runtime import Console, actor_of, console_of, graph_of
from jobs.desk.positions import Positions, keep_positions, read_positions, rounded

__all__ = ["ENDPOINTS"]


def get_picture(request: Request, response: Response, ring_id: RingPath) -> PictureAnswer:
    """A ring as it is drawn, with the newest positions that were kept of it. `ETag` is its version."""
    console = console_of(request)
    drawn = _drawn(console, ring_id)
    response.headers["etag"] = etag(drawn.ring_version)
    kept = read_positions(console.lake, ring_id)
    if kept is None:
        return drawn
    return drawn.model_copy(update={"positions": kept.nodes, "positions_version": kept.ring_version})


def write_positions(
    request: Request, ring_id: RingPath, wanted: Annotated[PositionsRequest, Body()]
) -> PositionsAnswer:
    """Keeps where the nodes of the picture lie. 409 where the ring has another version by now, 422 where no node is of its picture."""
    console, actor = console_of(request), actor_of(request)
    ring = read_lake_ring(console.lake, ring_id)
    if wanted.ring_version != ring.version:
        raise Problem(409, "moved", "The ring has another version by now. Look at it again.", ring_version=ring.version)
    nodes = rounded(_own(wanted.positions, _drawn(console, ring_id)))
    if not nodes:
        raise Problem(422, "no-nodes", "`positions` must name nodes of the ring's picture; got none of them.")
    made = Positions(ring_id, ring.version, nodes, actor.name, console.clock())
    held = keep_positions(console.lake, made, replaces=wanted.replaces)
    return PositionsAnswer(
        ring_id=ring_id, ring_version=held.ring_version, is_kept=held is made, n_nodes=len(held.nodes)
    )


def _drawn(console: Console, ring_id: str) -> PictureAnswer:
    """The picture without positions: the kept one, or the graph's."""
    store = graph_of(console)

    def read() -> PictureAnswer:
        found = with_names(vars(read_ring_picture(store, ring_id)), console.keys.pseudonym)
        return PictureAnswer.model_validate({**found, "positions": None, "positions_version": None})

    try:
        return console.kept.get(
            store, ("picture", ring_id), read, lambda found: len(found.holds) + 2 * len(found.pairs)
        )
    except InputError:
        raise Problem(404, "no-ring", "The night that is shown has no such ring.") from None


def _own(positions: Mapping[str, Point], drawn: PictureAnswer) -> dict[str, Point]:
    """Those of the picture's own nodes. Any other name may be anything, and is not kept."""
    nodes = {f"a:{row.account_id}" for row in drawn.accounts}
    nodes |= {f"i:{row.identifier_type}:{row.identifier}" for row in drawn.identifiers}
    nodes |= {f"c:{row.community}" for row in drawn.communities}
    return {node: point for node, point in positions.items() if node in nodes}


_RING = "/api/v1/rings/{ring_id}"
ENDPOINTS = (
    Endpoint("GET", f"{_RING}/picture", get_picture, PictureAnswer),
    Endpoint("POST", f"{_RING}/positions", write_positions, PositionsAnswer),
)
