"""Two accounts beside each other: why they are linked, or why not, and the shortest path between them."""

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.responses import RedirectResponse

from jobs.console.api.accounts import get_path, get_why_linked, get_why_not
from jobs.console.audited import record
from jobs.console.endpoints import AccountQuery, Endpoint
from jobs.console.pages.fields import AccountField, address
from jobs.console.pages.ring_rows import evidence_words
from jobs.console.pages.shell import render, shown_night

__all__ = ["ENDPOINTS"]

_Picks = Annotated[list[Annotated[str, Query(max_length=1_000)]] | None, Query(max_length=1_000)]


def compare_page(request: Request, a: AccountField = None, b: AccountField = None, pick: _Picks = None) -> Response:
    """Why two accounts are tied. `pick`: those that were ticked in a list; two lead on to `a` and `b`."""
    chosen = list(dict.fromkeys(pick or ()))
    if len(chosen) == 2:
        record(request, {})
        return RedirectResponse(address("/compare", a=chosen[0], b=chosen[1]), 303)
    if a is None or b is None or a == b:
        record(request, {})
        # What was sent may be anything, and does not come back.
        return render(request, "compare.html", {"n_picked": len(chosen), "linked": None})
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


def path_part(request: Request, a: AccountQuery, b: AccountQuery) -> Response:
    """The shortest path of two accounts over what they share."""
    return render(request, "_path.html", {"answer": get_path(request, a, b), "a": a, "b": b})


ENDPOINTS = (
    Endpoint("GET", "/compare", compare_page, is_page=True),
    Endpoint("GET", "/compare/path", path_part, is_page=True),
)
