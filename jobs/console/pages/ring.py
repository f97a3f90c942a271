"""The ring page: who is in it and why, with its picture, its timeline and the case beside it."""

from typing import Annotated

from fastapi import Query, Request, Response

from graph.schema import IDENTIFIERS
from jobs.console.api.rings import get_ring
from jobs.console.endpoints import Endpoint, RingPath
from jobs.console.night_pairs import shown_nights
from jobs.console.pages.panel import read_panel
from jobs.console.pages.ring_rows import evidence_words, member_lines, named_evidence, pair_page
from jobs.console.pages.shell import render
from jobs.console.runtime import console_of

__all__ = ["ENDPOINTS"]

PAIRS_A_PAGE = 100
# Members laid out before the picture is; the rest stand in the page as a template, which their script adds.
ROWS_AT_ONCE = 300

# All that `ring.js` imports, however deep: the browser need not read one to learn of the next.
MODULES = (
    "vendor/graph.js", "api.js", "dom.js", "elements.js", "filters.js", "keys.js", "layout.js", "members_table.js", "pairs_table.js",
    "picture.js", "picture_actions.js", "picture_style.js", "ring_data.js", "selection.js", "timeline.js", "undo.js", "why.js", "words.js",
)  # fmt: skip


def ring_page(
    request: Request,
    ring_id: RingPath,
    version: Annotated[str | None, Query(max_length=200, description="the version that a link was made for")] = None,
    pairs_page: Annotated[int, Query(ge=1, le=100_000)] = 1,
) -> Response:
    """A ring of the night that is shown; what is selected and filtered stands in the URL and is read by its scripts."""
    ring = get_ring(request, Response(), ring_id)
    pairs, n_pages = pair_page(ring.pairs, pairs_page, PAIRS_A_PAGE)
    console = console_of(request)
    _, before = shown_nights(console.lake, ring.night)
    context = {
        "ring": ring.ring,
        "answer": ring,
        "modules": MODULES,
        "members": member_lines(ring),
        "rows_at_once": ROWS_AT_ONCE,
        "named": named_evidence(ring.accounts),
        "pairs": pairs,
        "pairs_page": min(pairs_page, n_pages),
        "n_pairs_pages": n_pages,
        "evidence_words": evidence_words,
        "identifier_types": list(IDENTIFIERS),
        "page_query": lambda page: request.url.include_query_params(pairs_page=page).query,
        "moved_from": version if version and version != ring.ring.ring_version else None,
        "night_before": None if before is None else before.date,
        "panel": read_panel(request, ring_id, ring.ring.ring_version),
    }
    return render(request, "ring.html", context, night=ring.night)


ENDPOINTS = (Endpoint("GET", "/rings/{ring_id}", ring_page, is_page=True),)
