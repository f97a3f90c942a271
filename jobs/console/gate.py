"""What stands before every handler, in this order: sign-in, rate, origin, permission, the audit row; and behind it: no row, no data.

A request that was let in and then came to nothing (404, 409, 422 ...) leaves a second row, `refused`, with status and kind: the first is on the disk
before anything is looked at, and a log that is only added to cannot be corrected.
"""

import hashlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from graph.errors import RinglightError
from jobs.console.access import RULES, Actor, Limit, Permission, Rule, is_allowed
from jobs.console.audited import shown_or_masked, write_row
from jobs.console.guard import counted_address, refuse_foreign_origin
from jobs.console.problems import Problem, of_error
from jobs.console.runtime import Console, Replay, console_of
from jobs.console.signin import identify, is_claimed

__all__ = ["GatedRoute"]

NOBODY = Actor("anonymous", frozenset(), "none")
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class GatedRoute(APIRoute):
    """A route of the console; a body is not even read before the gate lets its sender in."""

    def get_route_handler(self) -> Handler:
        """The route's handler behind the gate."""
        answer = super().get_route_handler()

        async def gated(request: Request) -> Response:
            rule = RULES[request.method, self.path]
            console = console_of(request)
            request.state.rule, request.state.is_recorded, request.state.is_refused = rule, False, False
            is_public = rule.permission is Permission.public
            if is_public:
                await run_in_threadpool(_let_in_public, request, console, rule)
            else:
                request.state.actor = await run_in_threadpool(_let_in, request, console, rule)
            try:
                response = await _once(answer, request, console, rule)
            except Exception as error:
                if not is_public and not request.state.is_refused:
                    await run_in_threadpool(_write_failure, request, console, rule, error)
                raise
            if response.status_code >= 400 and not is_public and not request.state.is_refused:
                returned = HTTPException(response.status_code)  # a page that says so itself, with its form
                await run_in_threadpool(_write_failure, request, console, rule, returned)
            if rule.names_subject and response.status_code < 400 and not request.state.is_recorded:
                raise RinglightError(f"`{rule.action}` must write its audit row before it answers; got none.")
            return response

        return gated


def _let_in_public(request: Request, console: Console, rule: Rule) -> None:
    """Signing in: counted by address, since nobody is known yet."""
    request.state.actor = NOBODY
    if request.method not in SAFE:
        refuse_foreign_origin(request, console.config, is_bearer=True)
    peer = counted_address(request, console.config)
    if rule.limit is not Limit.none:
        wait = console.rates.wait_seconds(f"address {peer}", rule.limit)
        if wait is not None:
            if console.rates.is_first(f"{rule.limit}\x1f{peer}"):
                _refused(request, console, NOBODY, rule, "too many requests")
            raise Problem(429, "rate", "Too many requests. Wait, then try again.", {"Retry-After": str(wait)})
    if rule.names_subject:
        _refuse_flood(request, console, rule)


def _let_in(request: Request, console: Console, rule: Rule) -> Actor:
    """Who sends the request, once all that can refuse it has been asked, and the row is written.

    Raises:
        Problem: 401, 403 or 429; the refusal is written down first. 503 where the audit cannot be written.
    """
    actor = identify(request, console)
    if actor is None:
        _refuse_nobody(request, console, rule)
        raise Problem(
            401, "sign-in", "Sign in, or send a valid token.", {"WWW-Authenticate": 'Bearer realm="ringlight"'}
        )
    wait = console.rates.wait_seconds(actor.name, rule.limit)
    if wait is not None:
        if console.rates.is_first(f"{actor.name}\x1f{rule.limit}"):
            _refused(request, console, actor, rule, "too many requests")
        raise Problem(429, "rate", "Too many requests. Wait, then try again.", {"Retry-After": str(wait)})
    if request.method not in SAFE:
        try:
            refuse_foreign_origin(request, console.config, is_bearer=actor.by in ("token", "demo"))
        except Problem:
            _refused(request, console, actor, rule, "foreign origin")
            raise
    if not is_allowed(actor, rule.permission):
        _refused(request, console, actor, rule, f"lacks {rule.permission}")
        raise Problem(403, "permission", f"This asks for the permission `{rule.permission}`, which you do not have.")
    if not rule.names_subject:
        write_row(console, actor, rule.action, _subject(request, console, rule))
        request.state.is_recorded = True
    return actor


def _write_failure(request: Request, console: Console, rule: Rule, error: Exception) -> None:
    """A request that was let in came to nothing: a row of its own says so, after the one that let it in."""
    problem = of_error(error)
    _refused(request, console, request.state.actor, rule, f"{problem.status} {problem.kind}")


def _refuse_nobody(request: Request, console: Console, rule: Rule) -> None:
    """Writes down a request of nobody. Only one that brings a token or cookie is a failed sign-in: who opens a page first has neither."""
    peer = counted_address(request, console.config)
    if is_claimed(request, console):
        _refuse_flood(request, console, rule)
        console.rates.count_failure(peer)
        _refused(request, console, NOBODY, rule, "not signed in")
    elif console.rates.is_few(peer):
        _refused(request, console, NOBODY, rule, "not signed in")
    elif console.rates.is_first(f"anonymous\x1f{peer}"):
        _refused(request, console, NOBODY, rule, "not signed in, again and again")


def _refuse_flood(request: Request, console: Console, rule: Rule) -> None:
    peer = counted_address(request, console.config)
    if console.rates.is_failing(peer):
        if console.rates.is_first(f"failures\x1f{peer}"):
            _refused(request, console, NOBODY, rule, "too many failed sign-ins")
        raise Problem(429, "rate", "Too many sign-ins that failed. Wait.", {"Retry-After": "60"})


def _refused(request: Request, console: Console, actor: Actor, rule: Rule, why: str) -> None:
    write_row(console, actor, rule.action, _subject(request, console, rule), why)


def _subject(request: Request, console: Console, rule: Rule) -> dict[str, str]:
    """The parameters that the rule names, as far as they may be written down before they are checked."""
    values = {**request.query_params, **request.path_params}
    return {
        name: shown_or_masked(name, str(values[name]), console.keys.pseudonym)
        for name in rule.subject
        if values.get(name)
    }


async def _once(answer: Handler, request: Request, console: Console, rule: Rule) -> Response:
    """The handler's answer; for a change with an `Idempotency-Key` that was seen before, the answer given then.

    Raises:
        Problem: 400 for a key that is too long, 409 while the first request is under way, 422 where it asked for something else.
    """
    key = request.headers.get("idempotency-key")
    if key is None or not rule.is_change:
        return await answer(request)
    if not 1 <= len(key) <= 128:
        raise Problem(400, "idempotency-key", "`Idempotency-Key` must have 1 to 128 characters.")
    name = (request.state.actor.name, rule.action, request.url.path, key)
    asked = (request.headers.get("if-match") or "").encode() + b"\0" + await request.body()
    mark = hashlib.sha256(asked).hexdigest()
    found = console.replays.begin(name, mark)
    if found is not None:
        return _again(found, mark)
    kept: Replay | None = None
    try:
        response = await answer(request)
        if response.status_code < 400:
            headers = tuple(
                (key, value) for key, value in response.headers.items() if key in ("content-type", "etag", "location")
            )
            kept = Replay(mark, response.status_code, bytes(response.body), headers)
    finally:
        console.replays.end(name, kept)
    return response


def _again(found: Replay, mark: str) -> Response:
    if found.request != mark:
        raise Problem(422, "idempotency-key", "This `Idempotency-Key` was used for another request.")
    if found.status is None:
        raise Problem(409, "idempotency-key", "The first request with this `Idempotency-Key` is under way.")
    return Response(found.body, found.status, {**dict(found.headers), "Idempotency-Replayed": "true"})
