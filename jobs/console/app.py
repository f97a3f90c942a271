"""The console's application, made from what it is given: it reads no environment, no clock and no randomness of its own."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request

from graph.store import Store
from jobs.console.access import refuse_unlisted
from jobs.console.api import accounts, audit, desk, export, lineage, nights, pictures, reveal, rings, search, session
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.console.endpoints import Endpoint
from jobs.console.gate import GatedRoute
from jobs.console.guard import Guard
from jobs.console.pages import account as account_pages
from jobs.console.pages import audit as audit_pages
from jobs.console.pages import compare as compare_pages
from jobs.console.pages import help as help_pages
from jobs.console.pages import nights as nights_pages
from jobs.console.pages import panel as panel_pages
from jobs.console.pages import queue as queue_pages
from jobs.console.pages import ring as ring_pages
from jobs.console.pages import search as search_pages
from jobs.console.pages import signin as signin_pages
from jobs.console.pages import statics
from jobs.console.pages.problem_page import answer_problem
from jobs.console.problems import PROBLEM_TYPE, ProblemAnswer, add_handlers
from jobs.console.runtime import Console, Keys, RateLimits
from jobs.console.signin import refuse_open_door
from jobs.console.warming import keep_warm
from jobs.desk.audit import AuditLog

__all__ = ["API_VERSION", "create_app", "routes_of"]

API_VERSION = "1"
OPENAPI_PATH = "/api/v1/openapi.json"

_MODULES: tuple[Any, ...] = (session, nights, rings, pictures, lineage, accounts, search, desk, export, reveal, audit)
_PAGES: tuple[Any, ...] = (
    statics,
    signin_pages,
    help_pages,
    queue_pages,
    ring_pages,
    panel_pages,
    account_pages,
    search_pages,
    compare_pages,
    nights_pages,
    audit_pages,
)
_STATUSES = (400, 401, 403, 404, 409, 413, 421, 422, 428, 429, 500, 503)


def create_app(
    config: ConsoleConfig,
    lake: Path,
    store: Store | None,
    *,
    secrets: ConsoleSecrets,
    clock: Callable[[], datetime],
    random: Callable[[int], str],
) -> FastAPI:
    """The console as an ASGI application.

    Args:
        lake: a lake with a complete night.
        store: the graph; None: what needs it answers 503.
        clock: the time now, with a zone.
        random: text of letters, digits, - and _ from n random bytes, like `secrets.token_urlsafe`.

    Raises:
        InputError: there is no safe way to sign in.
        RinglightError: a route has no rule.
    """
    console = Console(
        config=config,
        secrets=secrets,
        lake=lake,
        store=store,
        clock=clock,
        random=random,
        keys=Keys.of(secrets.key),
        rates=RateLimits(config),
        audit=AuditLog(lake, secrets.key),
    )
    refuse_open_door(console)
    app = FastAPI(
        title="Ringlight",
        version=API_VERSION,
        description="Rings of accounts, who is in them and why. Identifiers stand under pseudonyms.",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_warmed,
    )
    app.state.console = console
    app.router.route_class = GatedRoute
    for endpoint in (*(each for module in (*_MODULES, *_PAGES) for each in module.ENDPOINTS), _openapi_endpoint()):
        _add(app, endpoint)
    refuse_unlisted(routes_of(app))
    add_handlers(app, answer_problem)
    app.add_middleware(Guard, config=config, lake=lake, answer=answer_problem)
    return app


@asynccontextmanager
async def _warmed(app: FastAPI) -> AsyncIterator[None]:
    """While a server serves the application, its questions are kept warm beside it."""
    with keep_warm(app.state.console):
        yield


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """(method, path) of each route; one that is not behind the gate has a path that no rule has."""
    for route in app.routes:
        for method in sorted(getattr(route, "methods", None) or {"*"}):
            path = getattr(route, "path", repr(route))
            yield method, path if isinstance(route, GatedRoute) else f"{path} (not gated)"


def _add(app: FastAPI, endpoint: Endpoint) -> None:
    problem = {"model": ProblemAnswer, "description": "RFC 9457", "content": {PROBLEM_TYPE: {}}}
    responses: dict[int | str, dict[str, Any]] = dict.fromkeys(_STATUSES, problem)
    if endpoint.media:
        responses[endpoint.status] = {"content": {media.partition(";")[0]: {} for media in endpoint.media}}
    if endpoint.has_bare:
        responses[204] = {"description": "Granted; there is nothing to send."}
    app.add_api_route(
        endpoint.path,
        endpoint.handler,
        methods=[endpoint.method],
        response_model=endpoint.answer,
        status_code=endpoint.status,
        responses=responses,
        operation_id=endpoint.handler.__name__,
        include_in_schema=not endpoint.is_page,
    )


def _openapi_endpoint() -> Endpoint:
    def get_openapi(request: Request) -> dict[str, Any]:
        """This API's description, OpenAPI."""
        app: FastAPI = request.app
        return app.openapi()

    return Endpoint("GET", OPENAPI_PATH, get_openapi, dict[str, Any])
