"""Bounds that the questions of `graph.queries` share, and how their answers' rows are made."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from graph import query_cypher as cypher
from graph.errors import InputError
from graph.store import Ask, Row

__all__ = [
    "MAX_HOLDERS",
    "MAX_IDENTIFIERS",
    "MAX_LIMIT",
    "SECONDS",
    "named_identifiers",
    "parse_evidence",
    "read_held",
    "refuse_outside",
    "refuse_unknown_account",
    "with_times",
]

SECONDS = 10.0  # a question's time on the server
MAX_LIMIT = 200  # rows of an answer
MAX_IDENTIFIERS = 200  # of an account
MAX_HOLDERS = 1_000  # of an identifier: above every type's cap, so that what is no hub is counted exactly
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_evidence(text: str | None) -> list[Row]:
    """A relationship's `evidence`, JSON in Neo4j, as rows; the strongest first where they have bits."""
    rows: list[Row] = json.loads(text or "[]")
    return sorted(rows, key=lambda row: -(row.get("bits") or 0.0))


def with_times(row: Row) -> Row:
    """`first_seen` and `last_seen` as times in UTC, where the texts give microseconds since 1970."""
    for name in ("first_seen", "last_seen"):
        if row.get(name) is not None:
            row[name] = _EPOCH + timedelta(microseconds=row[name])
    return row


def read_held(ask: Ask, account_id: str, max_identifiers: int, identifier_type: str | None = None) -> list[Row]:
    """What an account holds, as `graph.queries.Account.identifiers`; only those of one type, if it is given."""
    values = {"accounts": [account_id], "max_identifiers": max_identifiers, "max_holders": MAX_HOLDERS}
    rows = ask(cypher.ACCOUNT_LINKS, {**values, "identifier_type": identifier_type})
    return [{**with_times(row["link"]), "n_accounts": row["n_accounts"]} for row in rows]


def named_identifiers(names: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """(identifier_type, hash) as the texts take them."""
    return [{"identifier_type": kind, "identifier": value} for kind, value in names]


def refuse_unknown_account(ask: Ask, name: str, account_id: str) -> None:
    """Ends a question about an account that the night does not have.

    Raises:
        InputError: the night that is shown has no such account.
    """
    if not ask(cypher.KNOWN_ACCOUNT, {"account_id": account_id}):
        raise InputError(
            f"`{name}` must be an account of the night that is shown; got `{account_id}`. Look for another."
        )


def refuse_outside(name: str, value: int, most: int) -> None:
    """Ends a question that asks for more than its bound.

    Raises:
        InputError: `value` is not from 1 to `most`.
    """
    if not 1 <= value <= most:
        raise InputError(f"`{name}` must be from 1 to {most:,}; got {value:,}. Ask for less at once.")
