"""Answers about the graph: rings, accounts, what they hold and why they are tied. Identifiers stand under pseudonyms.

`identifier` is the hex of the keyed hash, by which the API is asked about one; `name` is what people call it.
"""

from datetime import date, datetime

from pydantic import BaseModel, Field

__all__ = [
    "AccountAnswer",
    "AlikeAnswer",
    "NeighboursAnswer",
    "PathAnswer",
    "QueueAnswer",
    "RingAnswer",
    "SearchAnswer",
    "WhyLinkedAnswer",
    "WhyNotAnswer",
]


class IdentifierRow(BaseModel):
    """An identifier. `is_hub`: so many hold it that nothing is followed through it."""

    identifier_type: str
    identifier: str
    name: str
    is_hub: bool = False
    n_accounts: int | None = None


class LinkRow(IdentifierRow):
    """What an account holds; `weight` in bits."""

    weight: float
    first_seen: datetime
    last_seen: datetime
    n_events: int


class MemberLinkRow(LinkRow):
    """What a member of a ring holds."""

    account_id: str


class EvidenceRow(IdentifierRow):
    """What one shared identifier says of two accounts, in bits."""

    bits: float
    gap_days: float | None = None
    is_concurrent: bool | None = None
    is_crossed: bool | None = None


class ReasonEvidenceRow(BaseModel):
    """What a reason names: an identifier, an account, or both."""

    identifier_type: str | None = None
    identifier: str | None = None
    name: str | None = None
    account_id: str | None = None


class ReasonRow(BaseModel):
    """Why an account is suspected; `contribution` in log odds of the score."""

    code: str
    text: str
    contribution: float | None
    evidence: list[ReasonEvidenceRow]


class AccountRow(BaseModel):
    """Where an account stands in the night."""

    account_id: str
    score: float | None = None
    rank: int | None = None
    ring_id: str | None = None
    cluster_id: str | None = None
    outcome: str | None = None


class MemberRow(AccountRow):
    """A member of a ring, or an account by itself, with its reasons."""

    n_identifiers: int
    reasons: list[ReasonRow]


class PairRow(BaseModel):
    """Two accounts and the evidence that joins them."""

    account_a: str
    account_b: str
    weight_bits: float
    identifier_types: list[str]
    evidence: list[EvidenceRow]


class QueueRow(BaseModel):
    """A ring in the queue. `owner` has claimed it; `verdict` stands on it."""

    ring_id: str
    ring_version: str
    place: int
    score: float | None
    n_accounts: int
    n_shared: int | None = None
    shared_types: list[str] = []
    first_seen: datetime | None
    reasons: list[str]
    status: str
    owner: str | None = None
    verdict: str | None = None
    verdict_version: str | None = Field(None, description="the ring's version that the verdict is on")


class QueueAnswer(BaseModel):
    """A page of the queue; `next_cursor` leads to the following one, `n_rings` match the filters in all."""

    night: date | None
    n_rings: int
    rings: list[QueueRow]
    next_cursor: str | None


class RingAnswer(BaseModel):
    """A ring with its graph in the night that is shown; what the bounds left out is counted."""

    night: date | None
    ring: QueueRow
    accounts: list[MemberRow]
    links: list[MemberLinkRow]
    pairs: list[PairRow]
    n_accounts_left_out: int
    n_links_left_out: int


class AccountAnswer(BaseModel):
    """An account and what it holds."""

    account: MemberRow
    identifiers: list[LinkRow]
    n_identifiers_left_out: int


class NeighbourRow(AccountRow):
    """An account that shares identifiers with another; `bits` is the sum of their weights."""

    bits: float
    shared: list[LinkRow]


class NeighboursAnswer(BaseModel):
    """Neighbours, most bits first. `not_followed`: identifiers that too many hold."""

    accounts: list[NeighbourRow]
    n_found: int
    not_followed: list[LinkRow]


class AlikeRow(BaseModel):
    """An account like another; `similarity` is (1 + cosine) / 2."""

    account_id: str
    similarity: float


class AlikeAnswer(BaseModel):
    """Accounts with embeddings most like this one's."""

    accounts: list[AlikeRow]


class HopRow(BaseModel):
    """A step from one account to the next, and what they share; `weight_bits` null where they are no pair."""

    account_a: str
    account_b: str
    weight_bits: float | None
    evidence: list[EvidenceRow]
    shared: list[LinkRow]


class PathAnswer(BaseModel):
    """A shortest path. `is_exhaustive`: no bound cut the search short, so without hops there is none."""

    hops: list[HopRow]
    n_seen: int
    is_exhaustive: bool


class WhyLinkedAnswer(BaseModel):
    """The evidence of a pair; null and empty where the two are none."""

    weight_bits: float | None
    evidence: list[EvidenceRow]


class SharedRow(IdentifierRow):
    """What two accounts hold both, and what hinders it from joining them."""

    bits: float
    gap_days: float | None
    is_concurrent: bool | None
    hindrance: str | None


class TypeRow(BaseModel):
    """How many identifiers of a type each holds, and both."""

    identifier_type: str
    n_a: int
    n_b: int
    n_shared: int


class WhyNotAnswer(BaseModel):
    """Why two accounts are not joined."""

    weight_bits: float | None
    shared: list[SharedRow]
    by_type: list[TypeRow]


class HolderRow(AccountRow):
    """An account that holds what was searched for."""

    first_seen: datetime
    last_seen: datetime
    n_events: int


class FoundRow(IdentifierRow):
    """An identifier that somebody holds, and who."""

    accounts: list[HolderRow]


class SearchAnswer(BaseModel):
    """What a term is: an account's id, identifiers, or nothing that the night knows."""

    account: AccountRow | None
    identifiers: list[FoundRow]
