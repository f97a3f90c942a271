"""Search: a term in the body of a POST, and never in an address, a title or the browser's history."""

from typing import Annotated, Any

from fastapi import Form, Request, Response

from jobs.console.api import search as api
from jobs.console.audited import record
from jobs.console.endpoints import Endpoint
from jobs.console.graph_answers import SearchAnswer
from jobs.console.pages.shell import render, shown_night
from jobs.console.problems import Problem

__all__ = ["ENDPOINTS"]


def search_page(request: Request) -> Response:
    """What the search understands; the field is in the head."""
    return _page(request, {"answer": None, "problem": None})


def results_page(request: Request, term: Annotated[str, Form(max_length=500)] = "") -> Response:
    """What the term is: an account, identifiers with who holds them, or nothing that the night knows."""
    if not term.strip():
        record(request, {})
        return _page(request, {"answer": None, "problem": "There was nothing to search for. Type one value."}, 422)
    try:
        answer = api.search(request, api.SearchRequest.model_validate({"term": term}))
    except Problem as problem:
        if problem.kind != "term":
            raise
        return _page(request, {"answer": None, "problem": "That is too long to be one value."}, problem.status)
    return _page(request, {"answer": answer, "problem": None, "rings": _rings(answer)})


def _page(request: Request, context: dict[str, Any], status: int = 200) -> Response:
    """The whole page, or its middle where htmx asks from another one."""
    template = "_search.html" if "hx-request" in request.headers else "search.html"
    return render(request, template, {"rings": {}} | context, status=status, night=shown_night(request))


def _rings(answer: SearchAnswer) -> dict[str, list[str]]:
    """By identifier the rings that its holders are in."""
    return {
        row.identifier: sorted({holder.ring_id for holder in row.accounts if holder.ring_id})
        for row in answer.identifiers
    }


ENDPOINTS = (
    Endpoint("GET", "/search", search_page, is_page=True),
    Endpoint("POST", "/search", results_page, is_page=True),
)
