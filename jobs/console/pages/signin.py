"""The way in: the page to sign in on, and where somebody who is known goes first."""

from typing import Annotated

from fastapi import Query, Request, Response
from starlette.responses import RedirectResponse

from jobs.console.endpoints import Endpoint
from jobs.console.pages.shell import first_page, render
from jobs.console.paths import local_path
from jobs.console.runtime import console_of
from jobs.console.signin import of_browser

__all__ = ["ENDPOINTS"]


def home_page(request: Request) -> Response:
    """Leads on: to where the actor's work begins, or to the sign-in."""
    actor = of_browser(request, console_of(request))
    return RedirectResponse("/signin" if actor is None else first_page(actor), 303)


def signin_page(request: Request, onward: Annotated[str | None, Query(alias="next")] = None) -> Response:
    """Asks for a token, or leads to the provider; who is signed in is led on."""
    console = console_of(request)
    target = local_path(onward)
    if of_browser(request, console) is not None:
        return RedirectResponse(target, 303)
    return render(
        request,
        "signin.html",
        {
            "next": target,
            "has_provider": console.config.oidc is not None,
            "is_demo": console.secrets.demo_token is not None,
        },
    )


ENDPOINTS = (
    Endpoint("GET", "/", home_page, is_page=True),
    Endpoint("GET", "/signin", signin_page, is_page=True),
)
