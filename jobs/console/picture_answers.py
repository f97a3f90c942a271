"""Answers about the picture of a ring, and the request that keeps where its nodes lie.

Nodes are named `a:<account_id>`, `i:<identifier_type>:<identifier>` and `c:<community>`.
"""

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from jobs.console.graph_answers import IdentifierRow, PairRow
from jobs.desk.positions import MAX_NODES, Coordinate, Node

__all__ = ["PictureAnswer", "PositionsAnswer", "PositionsRequest"]

Point = tuple[Coordinate, Coordinate]


class DrawnAccountRow(BaseModel):
    """A member as it is drawn; `first_seen` is of what it holds."""

    account_id: str
    score: float | None
    outcome: str | None
    cluster_id: str | None
    community: int
    first_seen: datetime | None


class DrawnIdentifierRow(IdentifierRow):
    """What two members or more hold; `n_accounts` is of the whole night, `community` null for a hub, which belongs to none."""

    weight: float
    n_members: int
    community: int | None


class HoldRow(BaseModel):
    """A member holds an identifier that is drawn."""

    account_id: str
    identifier_type: str
    identifier: str
    first_seen: datetime
    last_seen: datetime
    n_events: int


class CommunityRow(BaseModel):
    """Members that share more with each other than with the rest: one node of a folded picture."""

    community: int
    n_accounts: int
    n_identifiers: int
    max_score: float | None


class PictureAnswer(BaseModel):
    """A ring as it is drawn; what the bounds left out is counted."""

    ring_id: str
    ring_version: str
    accounts: list[DrawnAccountRow]
    identifiers: list[DrawnIdentifierRow]
    holds: list[HoldRow]
    pairs: list[PairRow]
    communities: list[CommunityRow]
    is_folded: bool = Field(description="there are more accounts and identifiers than anybody reads")
    positions: dict[str, tuple[float, float]] | None = Field(description="where nodes lie: x to the right, y downwards")
    positions_version: str | None = Field(description="the ring's version under which they were kept")
    n_accounts_left_out: int
    n_holds_left_out: int
    n_pairs_left_out: int


class PositionsRequest(BaseModel):
    """Where the nodes of a ring's picture lie. The first positions of a version stand, unless others replace them."""

    model_config = ConfigDict(extra="forbid")

    ring_version: str = Field(min_length=1, max_length=200)
    positions: dict[Node, Point] = Field(min_length=1, max_length=MAX_NODES)
    replaces: bool = False


class PositionsAnswer(BaseModel):
    """What is kept now. `is_kept`: it is what was sent; else others stand already."""

    ring_id: str
    ring_version: str
    is_kept: bool
    n_nodes: Annotated[int, Field(description="positions kept; of nodes that are none of the ring none is")]
