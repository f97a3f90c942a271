"""Compiled code loaded ahead: it comes from files function by function, which takes a new process a second or two."""

from datetime import UTC, date, datetime

import polars as pl

from graph.build import build_linkage
from graph.schema import TABLES
from graph.snapshot import Events

__all__ = ["load_compiled"]


def load_compiled() -> None:
    """Links two accounts that share all they have, and then again as a night after a night."""
    day = datetime(2000, 1, 1, tzinfo=UTC)
    first, second = (_signed_up(n_accounts, day) for n_accounts in (2, 3))
    before = build_linkage(first, day, key="", seed=0)
    build_linkage(second, day, key="", seed=0, before=before)


def _signed_up(n_accounts: int, day: datetime) -> Events:
    given = {
        "event_time": day,
        "known_time": day,
        "full_name": "Ann Lee",
        "birth_date": date(1980, 1, 2),
        "phone": "+4915112345678",
    }
    events = {}
    for name, table in TABLES.items():
        ids = [f"{number}" for number in range(n_accounts)] if name in ("signups", "profiles") else []
        rows = {column.name: [given.get(column.name)] * len(ids) for column in table.columns}
        schema = {column.name: column.dtype for column in table.columns}
        events[name] = pl.DataFrame(rows | {"event_id": ids, "account_id": ids}, schema=schema)
    return events
