"""Sign-in by OpenID Connect: authorization code with PKCE (RFC 7636), state and nonce; the id token checked against the provider's keys.

What belongs to one sign-in (state, nonce, verifier) lies signed in a cookie of ten minutes, so nothing is kept here in between.
"""

from datetime import timedelta
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.requests_client import OAuth2Session
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization
from requests import RequestException

from jobs.console.access import Actor, person_name
from jobs.console.config import OidcConfig, is_loopback
from jobs.console.problems import Problem
from jobs.console.runtime import Console
from jobs.console.signing import open_signed, sign
from jobs.desk.roles import Role

__all__ = ["FLOW_SECONDS", "begin_flow", "finish_flow", "onward_of"]

FLOW_SECONDS = 600
ALGORITHMS = ["RS256", "PS256", "ES256"]  # never "none", and no shared secret: the keys are the provider's
TIMEOUT_SECONDS = 10.0


def begin_flow(console: Console, redirect_uri: str, onward: str = "/") -> tuple[str, str]:
    """Where to send the browser, and the value of the cookie that it has to bring back.

    Args:
        onward: the local path that the person wanted; `onward_of` gives it back.

    Raises:
        Problem: 404 where no provider is set up, 503 where it does not answer.
    """
    config = _config(console)
    verifier, nonce = console.random(48), console.random(16)
    with _session(console, config, redirect_uri) as session:
        url, state = session.create_authorization_url(
            _metadata(config)["authorization_endpoint"], code_verifier=verifier, nonce=nonce, state=console.random(16)
        )
    until = console.clock() + timedelta(seconds=FLOW_SECONDS)
    kept = {"state": state, "nonce": nonce, "verifier": verifier, "until": int(until.timestamp()), "onward": onward}
    return str(url), sign(kept, console.keys.flow)


def onward_of(console: Console, cookie: str | None) -> str:
    """The local path with which the flow was begun; `/` for a cookie that is not ours."""
    flow = open_signed(cookie or "", console.keys.flow)
    return "/" if flow is None else str(flow["onward"])


def finish_flow(console: Console, redirect_uri: str, answer_url: str, state: str | None, cookie: str | None) -> Actor:
    """Who came back from the provider.

    Raises:
        Problem: 401 for anything that does not fit together, 403 for a person without a role, 503 where the provider does not answer.
    """
    config = _config(console)
    flow = open_signed(cookie or "", console.keys.flow)
    if flow is None or flow["until"] <= console.clock().timestamp() or flow["state"] != state:
        raise _refused("The sign-in was not begun here, or took too long.")
    if not parse_qs(urlsplit(answer_url).query).get("code"):
        raise _refused("The provider did not let the person in.")
    metadata = _metadata(config)
    try:
        with _session(console, config, redirect_uri) as session:
            session.state = state
            token = session.fetch_token(
                metadata["token_endpoint"],
                authorization_response=answer_url,
                code_verifier=flow["verifier"],
                timeout=TIMEOUT_SECONDS,
            )
    except AuthlibBaseError:
        raise _refused("The provider did not confirm the sign-in.") from None
    except RequestException:
        raise _unanswered() from None
    return _actor_of(_claims(console, config, metadata, str(token.get("id_token", "")), flow["nonce"]), config)


def _claims(
    console: Console, config: OidcConfig, metadata: dict[str, Any], id_token: str, nonce: str
) -> dict[str, Any]:
    now = console.clock().timestamp()
    registry = jwt.JWTClaimsRegistry(
        now=int(now),
        leeway=60,
        iss={"essential": True, "value": config.issuer},
        aud={"essential": True, "value": config.client_id},
        exp={"essential": True},
        nonce={"essential": True, "value": nonce},
    )
    try:
        keys = KeySet.import_key_set(cast(KeySetSerialization, _get(metadata["jwks_uri"])))
        claims = jwt.decode(id_token, keys, ALGORITHMS).claims
        registry.validate(claims)
    except (JoseError, ValueError):
        raise _refused("The provider's token does not hold.") from None
    return dict(claims)


def _actor_of(claims: dict[str, Any], config: OidcConfig) -> Actor:
    told, groups = claims.get(config.name_claim), claims.get(config.roles_claim, [])
    name = person_name(told) if isinstance(told, str) else None
    if name is None:
        raise _refused("The provider gives no name that a person may have here: ask who runs it for another.")
    listed = {groups} if isinstance(groups, str) else {group for group in groups if isinstance(group, str)}
    roles: frozenset[Role] = frozenset(role for group, role in config.roles.items() if group in listed)
    if not roles:
        raise Problem(403, "no-role", "You are known to the provider, and have no role here.")
    return Actor(name, roles, "session")


def _metadata(config: OidcConfig) -> dict[str, Any]:
    found = _get(f"{config.issuer}/.well-known/openid-configuration")
    wanted = ("authorization_endpoint", "token_endpoint", "jwks_uri")
    if found.get("issuer", "").rstrip("/") != config.issuer or not all(_is_safe(found.get(name)) for name in wanted):
        raise _unanswered()
    return found


def _get(url: str) -> dict[str, Any]:
    try:
        found = httpx.get(url, timeout=TIMEOUT_SECONDS, follow_redirects=False).raise_for_status().json()
    except (httpx.HTTPError, ValueError):
        raise _unanswered() from None
    if not isinstance(found, dict):
        raise _unanswered()
    return found


def _is_safe(url: Any) -> bool:
    parts = urlsplit(url if isinstance(url, str) else "")
    return parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))


def _session(console: Console, config: OidcConfig, redirect_uri: str) -> OAuth2Session:
    return OAuth2Session(
        config.client_id,
        console.secrets.oidc,
        scope="openid profile",
        redirect_uri=redirect_uri,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic" if console.secrets.oidc else "none",
    )


def _config(console: Console) -> OidcConfig:
    if console.config.oidc is None:
        raise Problem(404, "no-provider", "No provider is set up to sign in with.")
    return console.config.oidc


def _refused(text: str) -> Problem:
    return Problem(401, "sign-in", f"{text} Begin again.")


def _unanswered() -> Problem:
    return Problem(503, "provider", "The provider does not answer as it should. Try again.", {"Retry-After": "10"})
