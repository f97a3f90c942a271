"""What a handler module declares of each of its routes, and parameters that several have."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import AfterValidator, WithJsonSchema

from graph.schema import IDENTIFIERS

__all__ = ["AccountQuery", "Endpoint", "IdentifierLabel", "LimitQuery", "RingPath"]


def _known(label: str) -> str:
    if label not in IDENTIFIERS:
        raise ValueError(f"must be one of {', '.join(IDENTIFIERS)}")
    return label


IdentifierLabel = Annotated[
    str,
    AfterValidator(_known),
    WithJsonSchema({"type": "string", "enum": list(IDENTIFIERS), "title": "Identifier type"}),
]

RingPath = Annotated[str, Path(min_length=1, max_length=200, description="id of a ring")]
AccountQuery = Annotated[str, Query(min_length=1, max_length=1_000, description="id of an account")]
LimitQuery = Annotated[int, Query(ge=1, le=200, description="rows at most")]


@dataclass(frozen=True)
class Endpoint:
    """A route.

    Attributes:
        path: as in `jobs.console.access.RULES`.
        handler: a plain function; its answer is checked against `answer`.
        answer: model of the answer; None where the handler makes its own response.
        status: of a good answer.
        media: content types of a response that is no JSON.
        has_bare: some good answers have no body: 204.
        is_page: it is for browsers: the API's description does not have it.
    """

    method: str
    path: str
    handler: Callable[..., Any]
    answer: Any = None
    status: int = 200
    media: tuple[str, ...] = ()
    has_bare: bool = False
    is_page: bool = False
