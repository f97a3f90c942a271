"""The frame around every page: the templates, the head, and the headers that a page goes out with."""

import base64
import functools
import hashlib
from datetime import date
from typing import Any

import jinja2
from fastapi import Request
from starlette.responses import HTMLResponse

from graph.store import current_date
from jobs.console.access import Actor, Permission, is_allowed
from jobs.console.pages.statics import static_folder
from jobs.console.pages.words import FILTERS
from jobs.console.runtime import console_of, graph_of

__all__ = ["CSP", "HTML", "REGIONS", "first_page", "permissions_of", "render", "shown_night", "wants_page"]

HTML = "text/html; charset=utf-8"

# The one style element that cytoscape writes, and nothing else that is not a file of the console.
_CYTOSCAPE_STYLE = ".__________cytoscape_container { position: relative; }"
_STYLE_HASH = base64.b64encode(hashlib.sha256(_CYTOSCAPE_STYLE.encode()).digest()).decode()

CSP = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        f"style-src 'self' 'sha256-{_STYLE_HASH}'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "content-security-policy": CSP,
    # With `no-referrer` a browser sends `Origin: null` with a form, which nobody could tell from another site's.
    "referrer-policy": "same-origin",
}

# Where the head leads to, and what each place asks for; the first that somebody may see is their start.
REGIONS: tuple[tuple[str, str, Permission], ...] = (
    ("/queue", "Queue", Permission.read),
    ("/search", "Search", Permission.read),
    ("/nights", "Nights", Permission.read),
    ("/audit", "Audit", Permission.audit),
    ("/help", "Help", Permission.signed_in),
)


def render(
    request: Request, template: str, context: dict[str, Any], *, status: int = 200, night: date | None = None
) -> HTMLResponse:
    """A page, or a part of one, for whoever sent the request.

    Args:
        template: its file in `jobs/console/templates`; names of parts begin with `_`.
        context: what the template shows beside the frame's own (actor, may, regions, path, night).
        night: the night that is shown, for the head; None on pages that show none.
    """
    actor = _signed_in(request)
    may = permissions_of(actor)
    frame = {
        "actor": actor,
        "may": may,
        "regions": [(path, label) for path, label, wanted in REGIONS if wanted.value in may],
        "path": request.url.path,
        "night": night,
    }
    text = _environment().get_template(template).render(frame | context)
    return HTMLResponse(text, status, dict(_HEADERS))


def shown_night(request: Request) -> date | None:
    """The night that the graph shows, for the head.

    Raises:
        StoreError: the graph cannot be read.
    """
    return current_date(graph_of(console_of(request)))


def permissions_of(actor: Actor | None) -> frozenset[str]:
    """Names of what the actor may; none for nobody."""
    return frozenset(each.value for each in Permission if actor is not None and is_allowed(actor, each))


def first_page(actor: Actor) -> str:
    """Where the actor's work begins."""
    return next(path for path, _, wanted in REGIONS if is_allowed(actor, wanted))


def wants_page(request: Request) -> bool:
    """Whether a browser asks for a page, or htmx for a part of one; the API is answered as an API, whoever asks."""
    if request.url.path.startswith("/api/"):
        return False
    return "text/html" in request.headers.get("accept", "") or "hx-request" in request.headers


def _signed_in(request: Request) -> Actor | None:
    actor: Actor | None = getattr(request.state, "actor", None)
    return actor if actor is not None and actor.roles else None


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("jobs.console", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= FILTERS
    environment.globals["static"] = static_folder()
    return environment
