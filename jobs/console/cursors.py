"""Cursors of lists: where the next page begins, signed, and good for the same question alone."""

from typing import Any

from jobs.console.problems import Problem
from jobs.console.signing import open_signed, sign

__all__ = ["MAX_LIMIT", "make_cursor", "read_cursor"]

MAX_LIMIT = 200


def make_cursor(after: Any, question: dict[str, Any], key: bytes) -> str:
    """A cursor behind `after`, the keys of the page's last row (JSON), for the question (filters, night)."""
    return sign({"after": after, "question": question}, key)


def read_cursor(cursor: str | None, question: dict[str, Any], key: bytes) -> Any:
    """What `make_cursor` was given; None for the first page.

    Raises:
        Problem: 400, it was not made here, or for another question; 409, for the same one (its `night` aside) in another night.
    """
    if cursor is None:
        return None
    value = open_signed(cursor, key)
    asked = value.get("question") if value is not None else None
    is_other = isinstance(asked, dict) and asked != question
    if is_other and {**dict(asked or {}), "night": None} == {**question, "night": None}:
        raise Problem(
            409,
            "night-moved",
            "Another night is shown since the last page. Begin again without the cursor, at its first page.",
        )
    if value is None or asked != question:
        raise Problem(400, "cursor", "The cursor is none of this list. Begin again without it.")
    return value["after"]
