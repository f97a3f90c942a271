"""Parameters of pages. A browser sends every field of a form, those left empty too: empty is the same as not sent."""

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BeforeValidator

from jobs.console.endpoints import IdentifierLabel

__all__ = [
    "AccountField",
    "CursorField",
    "DayField",
    "NumberField",
    "ScoreField",
    "StatusField",
    "TextField",
    "TypeField",
    "address",
]

_Blank = BeforeValidator(lambda value: None if value == "" else value)

AccountField = Annotated[str | None, _Blank, Query(max_length=1_000)]
CursorField = Annotated[str | None, _Blank, Query(max_length=2_000)]
DayField = Annotated[date | None, _Blank, Query()]
NumberField = Annotated[int | None, _Blank, Query(ge=1, le=10**9)]
ScoreField = Annotated[float | None, _Blank, Query(ge=0, le=1)]
StatusField = Annotated[Literal["suspected", "confirmed"] | None, _Blank, Query()]
TextField = Annotated[str | None, _Blank, Query(max_length=200)]
TypeField = Annotated[IdentifierLabel | None, _Blank, Query()]


def address(path: str, **parameters: Any) -> str:
    """A path with those parameters that are given, in a fixed order, so that the same view has the same address.

    Examples:
        >>> address("/queue", status="suspected", owner=None, mine=False, min_score=0.5)
        '/queue?min_score=0.5&status=suspected'
    """
    given = {
        name: "true" if value is True else str(value)
        for name, value in sorted(parameters.items())
        if value is not None and value is not False and value != ""
    }
    return f"{path}?{urlencode(given)}" if given else path
