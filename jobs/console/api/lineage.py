"""Which clusters became a ring: its lineage over the nights of the lake."""

from datetime import date
from typing import Literal

from fastapi import Request
from pydantic import BaseModel

from graph.errors import InputError
from graph.lineage import read_lineage
from jobs.console.endpoints import Endpoint, LimitQuery, RingPath
from jobs.console.problems import Problem
from jobs.console.runtime import console_of

__all__ = ["ENDPOINTS"]


class LineageRow(BaseModel):
    """What became of a cluster in a night, and of which clusters of the night before; `n_accounts` is 0 where it ended."""

    date: date
    cluster_id: str
    event: Literal["born", "grew", "shrank", "merged", "split", "ended"]
    parents: list[str]
    n_accounts: int


class LineageAnswer(BaseModel):
    """The lineage of a ring's cluster and of its parents, newest first."""

    ring_id: str
    rows: list[LineageRow]
    n_rows_left_out: int


def get_lineage(request: Request, ring_id: RingPath, limit: LimitQuery = 200) -> LineageAnswer:
    """Which clusters became this ring's, over all nights that the current one was made from."""
    try:
        found = read_lineage(console_of(request).lake, ring_id)
    except InputError:
        raise Problem(404, "no-ring", "The current night has no such ring.") from None
    rows = [LineageRow.model_validate(row) for row in found.head(limit).to_dicts()]
    return LineageAnswer(ring_id=ring_id, rows=rows, n_rows_left_out=found.height - len(rows))


ENDPOINTS = (Endpoint("GET", "/api/v1/rings/{ring_id}/lineage", get_lineage, LineageAnswer),)
