"""Who sends a request: a token, a session's cookie, or a header from a proxy that is trusted. Whatever is not sure is nobody."""

import hmac
from datetime import timedelta
from typing import Any

from fastapi import Request, Response

from graph.errors import InputError
from jobs.console.access import Actor, person_name
from jobs.console.config import is_loopback
from jobs.console.guard import is_local, is_proxy, peer_of
from jobs.console.runtime import Console
from jobs.console.signing import open_signed, sign
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import check_token, list_tokens

__all__ = [
    "DEMO",
    "begin_session",
    "cookie_name",
    "end_session",
    "identify",
    "is_claimed",
    "of_browser",
    "of_secret",
    "refuse_open_door",
]

DEMO = Actor("demo", frozenset(Role), "demo")


def refuse_open_door(console: Console) -> None:
    """Ends a console that nobody could sign in to safely, before it listens.

    Raises:
        InputError: no way to sign in is set up, or the demo would listen beyond loopback.
    """
    config = console.config
    if console.secrets.demo_token is not None:
        if config.origin is not None or not is_loopback(config.host):
            raise InputError(
                f"`--demo` must listen on loopback alone; got `{config.host}`. Leave `console.host` and `console.origin` out, or `--demo`."
            )
        return
    if config.oidc is None and not config.trusted_proxies and not _has_tokens(console):
        raise InputError(
            "`console` must have a way to sign in; got none. Make a token with `ringlight token create`, set `console.oidc` or "
            "`console.trusted_proxies`, or look around with `--demo`."
        )


def identify(request: Request, console: Console) -> Actor | None:
    """Who sends the request; None for nobody. A token that is not valid is nobody, whatever cookie comes with it."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    if scheme:
        return of_secret(request, console, secret.strip()) if scheme.lower() == "bearer" else None
    return of_browser(request, console)


def of_browser(request: Request, console: Console) -> Actor | None:
    """Whom the session's cookie or a listed proxy names. No token is looked at, so nobody can try tokens where nothing is counted."""
    if (cookie := request.cookies.get(cookie_name(console))) is not None:
        return _of_cookie(cookie, console)
    return _of_proxy(request, console)


def is_claimed(request: Request, console: Console) -> bool:
    """Whether the request carries something that could be guessed: a token or a cookie, whatever it is worth."""
    return "authorization" in request.headers or cookie_name(console) in request.cookies


def of_secret(request: Request, console: Console, secret: str) -> Actor | None:
    """Whose token it is: the demo's, from this machine alone, or one of the desk's that stands."""
    demo = console.secrets.demo_token
    if demo is not None and hmac.compare_digest(secret.encode(), demo.encode()):
        return DEMO if is_local(request) else None
    token = check_token(console.lake, secret, console.clock())
    if token is None:
        return None
    return Actor(f"token:{token.name}", frozenset({token.role}), "token", frozenset(token.scopes), token.token_id)


def begin_session(response: Response, console: Console, actor: Actor) -> None:
    """Sets the cookie by which a browser is known from here on. What is in it is signed, and none of it is secret."""
    until = console.clock() + timedelta(minutes=console.config.session_minutes)
    value = {
        "name": actor.name,
        "roles": sorted(actor.roles),
        "scopes": None if actor.scopes is None else sorted(actor.scopes),
        "token": actor.token_id,
        "demo": actor.by == "demo",
        "id": console.random(16),
        "until": int(until.timestamp()),
    }
    response.set_cookie(
        cookie_name(console),
        sign(value, console.keys.session),
        max_age=60 * console.config.session_minutes,
        path="/",
        secure=console.config.is_encrypted,
        httponly=True,
        samesite="lax",  # strict would not come along on the way back from the provider
    )


def end_session(response: Response, console: Console, actor: Actor) -> None:
    """Takes the cookie away, and makes a copy of it worthless."""
    if actor.session_id is not None:
        console.ended.add(actor.session_id)
    response.delete_cookie(
        cookie_name(console), path="/", secure=console.config.is_encrypted, httponly=True, samesite="lax"
    )


def cookie_name(console: Console) -> str:
    """The session's cookie; with https under a name that browsers take from this host alone."""
    return "__Host-ringlight" if console.config.is_encrypted else "ringlight"


def _of_cookie(cookie: str, console: Console) -> Actor | None:
    value = open_signed(cookie, console.keys.session)
    if value is None or value["until"] <= console.clock().timestamp() or value["id"] in console.ended:
        return None
    if value["demo"] and console.secrets.demo_token is None:
        return None
    if value["token"] is not None and not _stands(console, value["token"]):
        return None
    return _actor_of(value)


def _stands(console: Console, token_id: str) -> bool:
    """Whether the token of a session is neither revoked nor expired since."""
    return any(token.token_id == token_id and token.is_live(console.clock()) for token in list_tokens(console.lake))


def _has_tokens(console: Console) -> bool:
    return any(token.is_live(console.clock()) for token in list_tokens(console.lake))


def _actor_of(value: dict[str, Any]) -> Actor:
    scopes = None if value["scopes"] is None else frozenset(Scope(name) for name in value["scopes"])
    roles = frozenset(Role(name) for name in value["roles"])
    return Actor(value["name"], roles, "session", scopes, value["token"], value["id"])


def _of_proxy(request: Request, console: Console) -> Actor | None:
    """Whom a listed proxy names. The address is the connection's own: no header says where a request comes from."""
    config = console.config
    if not is_proxy(peer_of(request), config):
        return None
    names = request.headers.getlist(config.proxy_user_header)
    name = person_name(names[0]) if len(names) == 1 else None
    if name is None:
        return None
    listed = {role.strip() for role in ",".join(request.headers.getlist(config.proxy_roles_header)).split(",")}
    roles = frozenset(role for role in Role if role.value in listed)
    return Actor(name, roles, "proxy") if roles else None
