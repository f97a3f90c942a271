"""Nights: how each went, and what became of the rings between two of them."""

from fastapi import Request, Response

from graph.night_changes import RING_CHANGES
from jobs.console.api.nights import get_changes, get_nights
from jobs.console.endpoints import Endpoint
from jobs.console.pages.fields import CursorField, DayField, address
from jobs.console.pages.shell import render
from jobs.console.problems import Problem

__all__ = ["ENDPOINTS"]

N_NIGHTS = 60


def nights_page(
    request: Request, since: DayField = None, until: DayField = None, cursor: CursorField = None
) -> Response:
    """The nights' health; with two of them, what changed between, a page of rings at a time."""
    nights = get_nights(request, limit=N_NIGHTS).nights
    changes, fault = None, None
    if since is not None and until is not None:
        if since >= until:
            fault = "The first night must be before the second. Choose another two."
        else:
            changes = get_changes(request, since, until, cursor=cursor)
    elif since is not None or until is not None:
        fault = "Choose two nights to compare."
    if cursor is not None and changes is None:
        raise Problem(400, "cursor", "The cursor is none of this list. Begin again without it.")
    more = None if changes is None else changes.next_cursor
    context = {
        "nights": nights,
        "dates": [night.date for night in nights],
        "since": since,
        "until": until,
        "changes": changes,
        "fault": fault,
        "meanings": RING_CHANGES,
        "is_first": cursor is None,
        "first_href": address("/nights", since=since, until=until),
        "next_href": None if more is None else address("/nights", since=since, until=until, cursor=more),
    }
    shown = next((night.date for night in nights if night.is_shown), None)
    return render(request, "nights.html", context, status=422 if fault else 200, night=shown)


ENDPOINTS = (Endpoint("GET", "/nights", nights_page, is_page=True),)
