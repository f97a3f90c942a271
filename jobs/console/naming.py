"""Puts a name beside every identifier of an answer, all different within it."""

from collections.abc import Iterator
from typing import Any

from jobs.console.pseudonyms import Identifier, name_identifiers

__all__ = ["with_names"]


def with_names(value: Any, key: bytes) -> Any:
    """A copy of nested rows in which each that has `identifier_type` and `identifier` has its `name` as well."""
    names = name_identifiers(_found(value), key)
    return _named(value, names)


def _found(value: Any) -> Iterator[Identifier]:
    if isinstance(value, dict):
        if (identifier := _identifier(value)) is not None:
            yield identifier
        for part in value.values():
            yield from _found(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _found(part)


def _named(value: Any, names: dict[Identifier, str]) -> Any:
    if isinstance(value, dict):
        identifier = _identifier(value)
        named = {name: _named(part, names) for name, part in value.items()}
        return named if identifier is None else {**named, "name": names[identifier]}
    if isinstance(value, list | tuple):
        return [_named(part, names) for part in value]
    return value


def _identifier(row: dict[str, Any]) -> Identifier | None:
    kind, identifier = row.get("identifier_type"), row.get("identifier")
    return (kind, identifier) if isinstance(kind, str) and isinstance(identifier, str) else None
