"""Parameters of pages. A browser sends every field of a form, those left empty too: empty is the same as not sent."""

from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import Query
from pydantic import BeforeValidator, Field

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

# Bounds stand on the inner type: on the whole, they would be asked of None as well.
AccountField = Annotated[Annotated[str, Field(max_length=1_000)] | None, _Blank, Query()]
CursorField = Annotated[Annotated[str, Field(max_length=2_000)] | None, _Blank, Query()]
DayField = Annotated[date | None, _Blank, Query()]
NumberField = Annotated[Annotated[int, Field(ge=1, le=10**9)] | None, _Blank, Query()]
ScoreField = Annotated[Annotated[float, Field(ge=0, le=1)] | None, _Blank, Query()]
StatusField = Annotated[Literal["suspected", "confirmed"] | None, _Blank, Query()]
TextField = Annotated[Annotated[str, Field(max_length=200)] | None, _Blank, Query()]
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
