"""Two accounts beside each other: why they are linked, or why not, and the shortest path between them."""

from typing import Annotated

from fastapi import Form, Query, Request, Response
from starlette.responses import RedirectResponse

from jobs.console.api.accounts import get_path, get_why_linked, get_why_not
from jobs.console.audited import record
from jobs.console.endpoints import AccountQuery, Endpoint
from jobs.console.pages.fields import AccountField, address
from jobs.console.pages.ring_rows import evidence_words
from jobs.console.pages.shell import render, shown_night
from jobs.console.problems import Problem

__all__ = ["ENDPOINTS"]

_Typed = Annotated[str, Form(max_length=1_000)]
_Picks = Annotated[list[Annotated[str, Query(max_length=1_000)]] | None, Query(max_length=1_000)]


def compare_page(request: Request, a: AccountField = None, b: AccountField = None, pick: _Picks = None) -> Response:
    """Why two accounts are tied. `pick`: those that were ticked in a list; two lead on to `a` and `b`."""
    chosen = list(dict.fromkeys(pick or ()))
    if len(chosen) == 2:
        record(request, {})
        return RedirectResponse(address("/compare", a=chosen[0], b=chosen[1]), 303)
    if a is None or b is None or a == b:
        record(request, {})
        return _asking(request, n_picked=len(chosen))
    linked = get_why_linked(request, a, b)
    context = {
        "a": a,
        "b": b,
        "n_picked": 0,
        "linked": linked,
        "apart": get_why_not(request, a, b),
        "evidence_words": evidence_words,
    }
    return render(request, "compare.html", context, night=shown_night(request))


def typed_page(request: Request, a: _Typed = "", b: _Typed = "") -> Response:
    """Leads on to two accounts that were typed, once the night knows both: what was typed may be anything, and stands in no address before."""
    if not a or not b or a == b:
        record(request, {})
        return _asking(request, problem="Two different accounts are needed. Give the ids of both.", status=422)
    try:
        get_why_linked(request, a, b)
    except Problem as problem:
        if problem.kind != "no-account":
            raise
        told = "The night that is shown does not have both accounts. Give their ids whole, or search for what you have of them."
        return _asking(request, problem=told, status=problem.status)
    return RedirectResponse(address("/compare", a=a, b=b), 303)


def _asking(request: Request, *, n_picked: int = 0, problem: str | None = None, status: int = 200) -> Response:
    """The form for two accounts. What was sent may be anything, and does not come back."""
    context = {"n_picked": n_picked, "problem": problem, "linked": None}
    return render(request, "compare.html", context, status=status)


def path_part(request: Request, a: AccountQuery, b: AccountQuery) -> Response:
    """The shortest path of two accounts over what they share."""
    return render(request, "_path.html", {"answer": get_path(request, a, b), "a": a, "b": b})


ENDPOINTS = (
    Endpoint("GET", "/compare", compare_page, is_page=True),
    Endpoint("POST", "/compare", typed_page, is_page=True),
    Endpoint("GET", "/compare/path", path_part, is_page=True),
)
