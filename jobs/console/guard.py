"""What every request passes before anything is looked at, and every answer carries: size, host, origin, headers, faults."""

import logging
import os
import traceback
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from urllib.parse import urlsplit

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from jobs.console.access import body_limit
from jobs.console.config import ConsoleConfig, is_loopback
from jobs.console.problems import Problem, of_error

__all__ = ["SECURITY_HEADERS", "Guard", "counted_address", "is_local", "is_proxy", "peer_of", "refuse_foreign_origin"]

HEALTH_PATH = "/healthz"
SECURITY_HEADERS = {
    "content-security-policy": "default-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}

_log = logging.getLogger("ringlight.console")


class Guard:
    """The outermost layer.

    A request for another host (a name that somebody pointed to this address), or that is too large, goes no further; whether the console
    lives is told under any name, for it tells nothing else, and those who ask know the machine by its address. An error
    that nobody foresaw ends here: its traceback may hold values, so it goes to LAKE/restricted and not to the log.
    """

    def __init__(
        self, app: ASGIApp, config: ConsoleConfig, lake: Path, answer: Callable[[Request, Problem], Response]
    ) -> None:
        self._app, self._lake, self._answer = app, lake, answer
        self._max_bytes = config.max_body_bytes
        self._hosts = frozenset(urlsplit(origin).netloc for origin in config.origins)
        self._headers = [(name.encode(), value.encode()) for name, value in SECURITY_HEADERS.items()]
        if config.is_encrypted:
            self._headers.append((b"strict-transport-security", b"max-age=31536000"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def send_guarded(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                own = {name for name, _ in message["headers"]}
                added = [header for header in self._headers if header[0] not in own]
                message = {**message, "headers": [*message["headers"], *added]}
            await send(message)

        try:
            max_bytes = body_limit(scope["method"], scope["path"], self._max_bytes)
            self._refuse(Request(scope), max_bytes)
            await self._app(scope, self._capped(receive, max_bytes), send_guarded)
        except Exception as error:
            problem = of_error(error)
            if problem.status == 500:
                self._write_fault(error)
            if not has_begun:
                await self._answer(Request(scope), problem)(scope, receive, send_guarded)

    def _refuse(self, request: Request, max_bytes: int) -> None:
        is_health = request.scope["path"] == HEALTH_PATH and request.method == "GET"
        if not is_health and request.headers.get("host", "").lower() not in self._hosts:
            raise Problem(421, "host", "The console answers to its own name alone: see the setting `console.origin`.")
        length = request.headers.get("content-length", "0")
        if not length.isdigit() or int(length) > max_bytes:
            raise _too_large(max_bytes)

    def _capped(self, receive: Receive, max_bytes: int) -> Receive:
        n_bytes = 0

        async def capped() -> Message:
            nonlocal n_bytes
            message = await receive()
            n_bytes += len(message.get("body", b""))
            if n_bytes > max_bytes:
                raise _too_large(max_bytes)
            return message

        return capped

    def _write_fault(self, error: Exception) -> None:
        _log.error("An unexpected %s: its traceback is in LAKE/restricted/faults.log", type(error).__name__)
        path = self._lake / "restricted" / "faults.log"
        text = "".join(traceback.format_exception(error))
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
                file.write(text + "\n")
        except OSError as second:
            _log.error("LAKE/restricted/faults.log cannot be written: %s", type(second).__name__)


def _too_large(max_bytes: int) -> HTTPException:
    """No `Problem`: FastAPI tells of any other error while it reads a body that the body cannot be parsed."""
    return HTTPException(413, f"The request's body must be at most {max_bytes:,} bytes here. Send less at once.")


def refuse_foreign_origin(request: Request, config: ConsoleConfig, is_bearer: bool) -> None:
    """Refuses a change that another site's page makes a browser send.

    Browsers say where a request comes from in `Sec-Fetch-Site`, and in `Origin`; a page can set neither. What has neither is no
    browser: it is let in with a bearer token, which no browser adds by itself, and not by cookie or proxy.

    Raises:
        Problem: 403.
    """
    site, origin = request.headers.get("sec-fetch-site"), request.headers.get("origin")
    is_own = (site in (None, "same-origin")) and (origin is None or origin.lower() in config.origins)
    if is_own and (is_bearer or site is not None or origin is not None):
        return
    raise Problem(403, "origin", "A change must come from the console's own pages, or with a bearer token.")


def peer_of(request: Request) -> str:
    """The address at the other end of the connection; a proxy's, where one stands between."""
    return request.client.host if request.client else "unknown"


def is_proxy(address: str, config: ConsoleConfig) -> bool:
    """Whether the address is of a listed proxy."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    return any(found in ip_network(network) for network in config.trusted_proxies)


def counted_address(request: Request, config: ConsoleConfig) -> str:
    """The address that rates count a request by, and nothing else is decided by.

    Behind listed proxies it is the last hop of `X-Forwarded-For` that is none of them: what stands before it, the sender may have made up.
    """
    address = peer_of(request)
    hops = [hop.strip() for hop in ",".join(request.headers.getlist("x-forwarded-for")).split(",")]
    while hops and is_proxy(address, config):
        try:
            address = str(ip_address(hops.pop()))
        except ValueError:
            break
    return address


def is_local(request: Request) -> bool:
    """Whether the other end is this machine."""
    return is_loopback(peer_of(request))
