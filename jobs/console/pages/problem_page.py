"""A problem as the one who asked can read it: a page for a browser, problem+json for everybody else."""

from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from jobs.console.pages.shell import render, wants_page
from jobs.console.paths import local_path
from jobs.console.problems import Problem, as_response

__all__ = ["answer_problem"]

_TITLES = {
    400: "That cannot be answered",
    401: "Sign in first",
    403: "Not for your role",
    404: "Not there",
    409: "It has moved",
    422: "That cannot be answered",
    429: "Too fast",
    503: "Not available now",
}


def answer_problem(request: Request, problem: Problem) -> Response:
    """The problem's answer, with its status; somebody who is not signed in and asks for a page is led to the sign-in."""
    if not wants_page(request):
        return as_response(problem)
    is_part = "hx-request" in request.headers
    if problem.status == 401 and not request.url.path.startswith("/auth/"):
        return _to_signin(request, is_part)
    context = {"problem": problem, "heading": _TITLES.get(problem.status, "This went wrong")}
    response = render(request, "_problem.html" if is_part else "problem.html", context, status=problem.status)
    response.headers.update(problem.headers)
    return response


def _to_signin(request: Request, is_part: bool) -> Response:
    """htmx follows a redirect unseen and would put the sign-in into a part of the page, so it is told to leave the page."""
    if not is_part:
        wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(_signin_url(wanted if request.method == "GET" else request.url.path), 303)
    parts = urlsplit(request.headers.get("hx-current-url", "/"))
    wanted = parts.path + (f"?{parts.query}" if parts.query else "")
    return Response(status_code=401, headers={"HX-Redirect": _signin_url(wanted)})


def _signin_url(onward: str) -> str:
    return f"/signin?next={quote(local_path(onward), safe='/')}"
