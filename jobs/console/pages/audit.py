"""The audit, for auditors: who looked at what, and what was refused."""

from typing import Annotated, Literal

from fastapi import Form, Query, Request, Response
from pydantic import BeforeValidator
from starlette.responses import RedirectResponse

from jobs.console.access import RULES
from jobs.console.api.audit import AuditAnswer, get_audit
from jobs.console.endpoints import Endpoint
from jobs.console.pages.fields import CursorField, TextField, address
from jobs.console.pages.shell import render

__all__ = ["ENDPOINTS"]

_Allowed = Annotated[
    Literal["allowed", "refused"] | None, BeforeValidator(lambda value: value if value != "" else None)
]
_Typed = Annotated[str, Form(max_length=200)]


def audit_page(
    request: Request,
    actor: TextField = None,
    action: TextField = None,
    target: TextField = None,
    result: Annotated[_Allowed, Query()] = None,
    cursor: CursorField = None,
) -> Response:
    """Rows of the audit, the newest first; to read it is one of them."""
    filters = {"actor": actor, "action": action, "target": target, "result": result}
    answer = get_audit(request, actor, action, target, result, cursor=cursor)
    older = address("/audit", **filters, cursor=answer.next_cursor) if answer.next_cursor else None
    return _page(request, answer, filters, is_first=cursor is None, next_href=older)


def typed_page(
    request: Request,
    actor: _Typed = "",
    action: _Typed = "",
    target: _Typed = "",
    result: Annotated[_Allowed, Form()] = None,
    cursor: Annotated[str | None, Form(max_length=2_000)] = None,
) -> Response:
    """Rows for filters that were typed. They may be anything, so they stand in an address only once rows of the audit have them."""
    filters = {"actor": actor or None, "action": action or None, "target": target or None, "result": result}
    answer = get_audit(request, actor or None, action or None, target or None, result, cursor=cursor)
    if answer.rows:
        return RedirectResponse(address("/audit", **filters, cursor=cursor), 303)
    return _page(request, answer, filters)


def _page(
    request: Request,
    answer: AuditAnswer,
    filters: dict[str, str | None],
    *,
    is_first: bool = True,
    next_href: str | None = None,
) -> Response:
    """The page; older rows are had by its address where there is one, else by sending what was typed once more."""
    context = {
        "rows": answer.rows,
        "n_looked_at": answer.n_looked_at,
        "filters": filters,
        "has_filters": any(filters.values()),
        "actions": sorted({rule.action for rule in RULES.values()}),
        "is_first": is_first,
        "first_href": address("/audit", **filters),
        "next_href": next_href,
        "next_cursor": answer.next_cursor,
    }
    return render(request, "audit.html", context)


ENDPOINTS = (
    Endpoint("GET", "/audit", audit_page, is_page=True),
    Endpoint("POST", "/audit", typed_page, is_page=True),
)
