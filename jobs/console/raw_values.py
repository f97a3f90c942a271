"""The one place where a raw identity value is read for a person: of one account, one identifier, from the event folder."""

from datetime import datetime
from pathlib import Path

import polars as pl

from graph.events import open_events, scan_table
from graph.schema import IDENTIFIERS
from graph.sightings import hash_values

__all__ = ["read_raw"]


def read_raw(
    events: Path, as_of: datetime, account_id: str, identifier_type: str, identifier: str, key: str
) -> dict[str, str] | None:
    """The source columns of an identifier as the account submitted them, the latest way of writing it.

    Args:
        events: EVENTS.
        as_of: what became known from then on is not read.
        identifier: hex of its keyed hash.
        key: the lake's key.

    Returns:
        column to text, without those that are null; None where the account never submitted it.

    Raises:
        InputError: the event folder does not keep the contract.
    """
    kind = IDENTIFIERS[identifier_type]
    rows = (
        scan_table(open_events(events, was_read=True), kind.table)
        .filter((pl.col("account_id") == account_id) & (pl.col("known_time") < as_of))
        .sort("event_time")
        .select(kind.columns)
        .collect()
    )
    if rows.is_empty():
        return None
    found = rows.filter(hash_values(rows, kind, key) == identifier)
    if found.is_empty():
        return None
    return {name: str(value) for name, value in found.row(-1, named=True).items() if value is not None}
