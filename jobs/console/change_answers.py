"""Answers about what became of rings between two nights."""

from datetime import date

from pydantic import BaseModel, Field

__all__ = ["ChangeRow", "ChangesAnswer"]


class SharedIdentifierRow(BaseModel):
    """An identifier that several members share."""

    identifier_type: str
    identifier: str
    name: str
    n_members: int


class ChangeRow(BaseModel):
    """What became of a ring; `_before` is of the earlier night, null where it was not there."""

    ring_id: str
    change: str
    was: str | None = Field(description="the earlier ring that it goes on from, where that has another id")
    parents: list[str]
    heirs: list[str]
    ring_version_before: str | None
    ring_version: str | None
    status_before: str | None
    status: str | None
    score_before: float | None
    score: float | None
    n_accounts_before: int | None
    n_accounts: int | None
    place_before: int | None
    place: int | None
    n_added: int
    n_removed: int
    added: list[str]
    removed: list[str]
    n_identifiers_came: int
    n_identifiers_went: int
    identifiers_came: list[SharedIdentifierRow]
    identifiers_went: list[SharedIdentifierRow]
    codes_came: list[str]
    codes_went: list[str]


class ChangesAnswer(BaseModel):
    """Two nights compared, a page of rings; `totals` are of all."""

    since: date
    until: date
    totals: dict[str, int]
    rings: list[ChangeRow]
    next_cursor: str | None
