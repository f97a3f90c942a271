"""Errors as RFC 9457 problem details, every one of them; none says what the request held."""

import http
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from graph.errors import InputError, LakeHeldError, RinglightError, StoreError

__all__ = ["PROBLEM_TYPE", "Problem", "ProblemAnswer", "add_handlers", "as_response", "of_error"]

PROBLEM_TYPE = "application/problem+json"

_log = logging.getLogger("ringlight.console")


class Fault(BaseModel):
    """One fault of a request: where, as a JSON pointer into its part, and what."""

    part: str = Field(description="body, path, query, header or cookie")
    pointer: str
    detail: str


class ProblemAnswer(BaseModel):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str
    faults: list[Fault] | None = None


class Problem(Exception):
    """A refusal or failure that the caller is told of.

    Attributes:
        kind: a short name, the end of the problem's type.
        detail: one or two sentences for people, without any value of the request.
        headers: of the answer.
        extra: further members.
    """

    def __init__(
        self, status: int, kind: str, detail: str, headers: Mapping[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(f"{status} {kind}")
        self.status, self.kind, self.detail = status, kind, detail
        self.headers, self.extra = dict(headers or {}), extra


def as_response(problem: Problem) -> JSONResponse:
    """The answer that tells of the problem."""
    body = {
        "type": f"urn:ringlight:problem:{problem.kind}",
        "title": http.HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        **problem.extra,
    }
    return JSONResponse(body, problem.status, problem.headers, PROBLEM_TYPE)


def of_error(error: Exception) -> Problem:
    """The problem that an error is; one that nobody foresaw is a 500 that says nothing."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, RequestValidationError):
        return Problem(
            422, "validation", "The request does not keep the API's description.", faults=_faults(error.errors())
        )
    if isinstance(error, HTTPException):
        phrase = http.HTTPStatus(error.status_code).phrase
        detail = error.detail if error.status_code == 413 else f"{phrase}."  # of these, `guard` alone makes its own
        return Problem(error.status_code, phrase.lower().replace(" ", "-"), detail, error.headers)
    if isinstance(error, StoreError | LakeHeldError):
        _log.warning("The store, or a lock, failed: %s", type(error).__name__)
        return Problem(
            503, "unavailable", "The graph store or the lake cannot answer now. Try again.", {"Retry-After": "5"}
        )
    if isinstance(error, InputError):
        return Problem(400, "input", "The request asks for what the night or the desk does not allow.")
    if isinstance(error, RinglightError):
        return Problem(503, "unavailable", "The lake cannot answer now. Try again.", {"Retry-After": "5"})
    return Problem(500, "fault", "This is our fault. It was written down for whoever mends it.")


def add_handlers(app: FastAPI, answer: Callable[[Request, Problem], Response]) -> None:
    """Makes every error of the application a problem; `answer` makes what the one who asked gets."""

    def handle(request: Request, error: Exception) -> Response:
        return answer(request, of_error(error))

    for kind in (Problem, RequestValidationError, HTTPException, RinglightError):
        app.add_exception_handler(kind, handle)


def _faults(errors: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Where and what; no input, and no name of a field that the request made up: it may be anything."""
    faults = []
    for error in errors:
        part, *names = (str(name) for name in error["loc"])
        is_unknown = error["type"] == "extra_forbidden"
        if is_unknown:
            names = names[:-1]
        if error["type"] == "json_invalid":
            names = []
        pointer = "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in names)
        message = "There is a field that is not known" if is_unknown else str(error["msg"])
        faults.append({"part": part, "pointer": pointer, "detail": f"{message}."})
    return faults
