"""Fields of the pages' forms: empty is as if not sent, and bounds hold for what was sent."""

import pytest
from pydantic import TypeAdapter, ValidationError

from jobs.console.pages import fields

BOUNDED = {
    fields.AccountField: "x" * 1_001, fields.CursorField: "x" * 2_001, fields.DayField: "yesterday", fields.NumberField: "0",
    fields.ScoreField: "1.01", fields.StatusField: "ended", fields.TextField: "x" * 201, fields.TypeField: "surname",
}  # fmt: skip


@pytest.mark.parametrize(("kind", "beyond"), BOUNDED.items(), ids=str)
def test_empty_is_as_if_not_sent_and_bounds_hold(kind, beyond):
    read = TypeAdapter(kind).validate_python
    assert read("") is None
    with pytest.raises(ValidationError):
        read(beyond)
