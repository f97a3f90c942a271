"""The audit, for auditors: newest first. To read it is written down as well."""

from datetime import datetime
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import BaseModel, JsonValue

from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.endpoints import Endpoint, LimitQuery
from jobs.console.runtime import console_of
from jobs.desk.audit_reading import newest_rows
from jobs.desk.audit_rows import AuditRow

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
    """A page of the audit as it stands in the file; `ringlight audit verify` says whether that is what was written."""

    rows: list[AuditRowAnswer]
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

    def matches(row: AuditRow) -> bool:
        return all(value is None or getattr(row, name) == value for name, value in filters.items())

    rows = newest_rows(console.lake, limit, before=before, matches=matches)
    more = make_cursor(rows[-1].seq, filters, console.keys.cursor) if len(rows) == limit else None
    return AuditAnswer(
        rows=[AuditRowAnswer.model_validate(row, from_attributes=True) for row in rows], next_cursor=more
    )


ENDPOINTS = (Endpoint("GET", "/api/v1/audit", get_audit, AuditAnswer),)
