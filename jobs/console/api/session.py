"""Signing in and out, who one is, and whether the console lives."""

from datetime import timedelta
from typing import Annotated

from fastapi import Query, Request, Response
from starlette.responses import JSONResponse, RedirectResponse

from jobs.console.access import Actor, Permission, is_allowed
from jobs.console.audited import record, record_refusal
from jobs.console.endpoints import Endpoint
from jobs.console.guard import counted_address
from jobs.console.night_answers import HealthAnswer, MeAnswer, SessionAnswer, SessionRequest
from jobs.console.oidc import FLOW_SECONDS, begin_flow, finish_flow, onward_of
from jobs.console.paths import local_path
from jobs.console.problems import Problem
from jobs.console.runtime import Console, actor_of, console_of
from jobs.console.signin import begin_session, end_session, of_secret

__all__ = ["ENDPOINTS"]

FLOW_COOKIE = "ringlight-signin"
CALLBACK = "/auth/callback"


def get_health(request: Request) -> HealthAnswer:
    """Whether the console lives; says nothing else to whoever is not known."""
    return HealthAnswer(status="ok", graph=console_of(request).store is not None)


def get_me(request: Request) -> MeAnswer:
    """Who sends this."""
    actor = actor_of(request)
    permissions = [permission.value for permission in Permission if is_allowed(actor, permission)]
    scopes = None if actor.scopes is None else sorted(actor.scopes)
    return MeAnswer(name=actor.name, roles=sorted(actor.roles), scopes=scopes, permissions=permissions)


def begin_signin(request: Request, onward: Annotated[str | None, Query(alias="next")] = None) -> Response:
    """Sends the browser to the provider; `next` is the page of the console that was wanted."""
    console = console_of(request)
    url, kept = begin_flow(console, _redirect_uri(console), local_path(onward))
    response = RedirectResponse(url, 303)
    response.set_cookie(
        FLOW_COOKIE,
        kept,
        max_age=FLOW_SECONDS,
        path=CALLBACK,
        secure=console.config.is_encrypted,
        httponly=True,
        samesite="lax",
    )
    return response


def finish_signin(request: Request, state: Annotated[str | None, Query(max_length=200)] = None) -> Response:
    """Where the provider sends the browser back to."""
    console = console_of(request)
    answer_url = f"{_redirect_uri(console)}?{request.url.query}"
    try:
        actor = finish_flow(console, _redirect_uri(console), answer_url, state, request.cookies.get(FLOW_COOKIE))
    except Problem as problem:
        _failed(request, console, problem.kind)
        raise
    response = RedirectResponse(onward_of(console, request.cookies.get(FLOW_COOKIE)), 303)
    response.delete_cookie(FLOW_COOKIE, path=CALLBACK)
    _signed_in(request, response, console, actor)
    return response


def make_session(request: Request, wanted: SessionRequest) -> Response:
    """Signs a browser in with a token: the token goes, a cookie comes."""
    console = console_of(request)
    actor = of_secret(request, console, wanted.token)
    if actor is None:
        _failed(request, console, "token")
        raise Problem(401, "sign-in", "The token is not valid.", {"WWW-Authenticate": 'Bearer realm="ringlight"'})
    until = console.clock() + timedelta(minutes=console.config.session_minutes)
    response = JSONResponse(SessionAnswer(name=actor.name, until=until).model_dump(mode="json"), 201)
    _signed_in(request, response, console, actor)
    return response


def sign_out(request: Request, response: Response) -> SessionAnswer:
    """Ends the session; a copy of its cookie is worth nothing from here on."""
    end_session(response, console_of(request), actor_of(request))
    return SessionAnswer(name=None, until=None)


def _signed_in(request: Request, response: Response, console: Console, actor: Actor) -> None:
    record(request, {}, actor)
    begin_session(response, console, actor)


def _failed(request: Request, console: Console, why: str) -> None:
    console.rates.count_failure(counted_address(request, console.config))
    record_refusal(request, {}, why)


def _redirect_uri(console: Console) -> str:
    origin = console.config.origin or f"http://{console.config.host}:{console.config.port}"
    return f"{origin}{CALLBACK}"


ENDPOINTS = (
    Endpoint("GET", "/healthz", get_health, HealthAnswer),
    Endpoint("GET", "/auth/signin", begin_signin, None, 303),
    Endpoint("GET", CALLBACK, finish_signin, None, 303),
    Endpoint("POST", "/auth/session", make_session, None, 201),
    Endpoint("POST", "/auth/signout", sign_out, SessionAnswer),
    Endpoint("GET", "/api/v1/me", get_me, MeAnswer),
)
