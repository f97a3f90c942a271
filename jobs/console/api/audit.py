"""The audit, for auditors: newest first. To read it is written down as well."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import BaseModel, JsonValue

from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.endpoints import Endpoint, LimitQuery
from jobs.console.runtime import console_of
from jobs.desk.audit_reading import newest_rows

__all__ = ["ENDPOINTS"]

Filter = Annotated[str | None, Query(max_length=200)]


class AuditRowAnswer(BaseModel):
    """A row; `mac` binds it to the one before."""

    seq: int
    time: datetime
    actor: str
    role: str
    action: str
    target: str
    result: str
    details: dict[str, JsonValue]
    mac: str


class AuditAnswer(BaseModel):
    """A page of the audit as it stands in the file; `ringlight audit verify` says whether that is what was written.

    Attributes:
        n_looked_at: rows that were looked at for this page, at most 200,000.
        next_cursor: for the page that looks at earlier rows; there may be one although this page has few rows, or none.
    """

    rows: list[AuditRowAnswer]
    n_looked_at: int
    next_cursor: str | None


def get_audit(
    request: Request,
    actor: Filter = None,
    action: Filter = None,
    target: Filter = None,
    result: Annotated[Literal["allowed", "refused"] | None, Query()] = None,
    limit: LimitQuery = 50,
    cursor: Annotated[str | None, Query(max_length=2_000)] = None,
) -> AuditAnswer:
    """Rows of the audit, the newest first."""
    console = console_of(request)
    filters = {"actor": actor, "action": action, "target": target, "result": result}
    before = read_cursor(cursor, filters, console.keys.cursor)
    wanted = {name: value for name, value in filters.items() if value is not None}
    found = newest_rows(console.lake, limit, before=before, wanted=wanted)
    return AuditAnswer(
        rows=[AuditRowAnswer.model_validate(row, from_attributes=True) for row in found.rows],
        n_looked_at=found.n_looked_at,
        next_cursor=None if found.earlier is None else make_cursor(found.earlier, filters, console.keys.cursor),
    )


ENDPOINTS = (Endpoint("GET", "/api/v1/audit", get_audit, AuditAnswer),)
