"""The audit, for auditors: who looked at what, and what was refused."""

from typing import Annotated, Literal

from fastapi import Query, Request, Response
from pydantic import BeforeValidator

from jobs.console.access import RULES
from jobs.console.api.audit import get_audit
from jobs.console.endpoints import Endpoint
from jobs.console.pages.fields import CursorField, TextField, address
from jobs.console.pages.shell import render

__all__ = ["ENDPOINTS"]

_Result = Annotated[
    Literal["allowed", "refused"] | None, BeforeValidator(lambda value: value if value != "" else None), Query()
]


def audit_page(
    request: Request,
    actor: TextField = None,
    action: TextField = None,
    target: TextField = None,
    result: _Result = None,
    cursor: CursorField = None,
) -> Response:
    """Rows of the audit, the newest first; to read it is one of them."""
    filters = {"actor": actor, "action": action, "target": target, "result": result}
    answer = get_audit(request, actor, action, target, result, cursor=cursor)
    context = {
        "rows": answer.rows,
        "n_looked_at": answer.n_looked_at,
        "filters": filters,
        "has_filters": any(filters.values()),
        "actions": sorted({rule.action for rule in RULES.values()}),
        "is_first": cursor is None,
        "first_href": address("/audit", **filters),
        "next_href": address("/audit", **filters, cursor=answer.next_cursor) if answer.next_cursor else None,
    }
    return render(request, "audit.html", context)


ENDPOINTS = (Endpoint("GET", "/audit", audit_page, is_page=True),)
