"""The queue with what the desk says of its rings: who has each, the verdict that stands, and what somebody wants to see of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graph.queries import read_queue
from graph.store import Row, Store
from jobs.console.cursors import MAX_LIMIT
from jobs.console.runtime import Console
from jobs.desk.claims import standing_claims
from jobs.desk.dispositions import OUTCOMES, standing_dispositions

__all__ = ["DeskFilter", "read_queue_page", "with_desk"]

MAX_LOOKED = 10_000  # rings looked at for one page of those that the desk's filters keep


@dataclass(frozen=True)
class DeskFilter:
    """What is kept by what people wrote; the graph does not know it.

    Attributes:
        owner: keep rings that this actor has.
        is_free: keep rings that nobody has.
        hides_decided: leave out rings on whose present version a verdict stands that decides (not `needs_more`).
    """

    owner: str | None = None
    is_free: bool = False
    hides_decided: bool = False

    def keeps(self, row: Row) -> bool:
        """Whether a row of `with_desk` is to be seen."""
        if self.owner is not None and row["owner"] != self.owner:
            return False
        if self.is_free and row["owner"] is not None:
            return False
        is_decided = row.get("verdict") in OUTCOMES and row["verdict_version"] == row["ring_version"]
        return not (self.hides_decided and is_decided)


def read_queue_page(
    console: Console, store: Store, filters: dict[str, Any], desk: DeskFilter, after: int | None, limit: int
) -> tuple[list[Row], int | None]:
    """A page of the queue.

    Args:
        filters: as `read_queue` takes them.
        after: the place behind which to begin.

    Returns:
        At most `limit` rows, and the place behind which the next page begins; None where the queue ends.
    """
    kept: list[Row] = []
    step = limit if desk == DeskFilter() else MAX_LIMIT
    for _ in range(0, MAX_LOOKED, step):
        rows = read_queue(store, **filters, after=after, limit=step)
        for row in with_desk(console, rows):
            after = row["place"]
            if desk.keeps(row):
                kept.append(row)
            if len(kept) == limit:
                return kept, after
        if len(rows) < step:
            return kept, None
    return kept, after


def with_desk(console: Console, rows: Sequence[Row]) -> list[Row]:
    """The rings with who has each, and the verdict that stands on it."""
    claims = standing_claims(console.lake)
    verdicts = {each.ring_id: each for each in standing_dispositions(console.lake)}
    made = []
    for row in rows:
        claim, verdict = claims.get(row["ring_id"]), verdicts.get(row["ring_id"])
        told = {"verdict": verdict.verdict, "verdict_version": verdict.ring_version} if verdict else {}
        made.append({**row, "owner": claim.actor if claim else None, **told})
    return made
