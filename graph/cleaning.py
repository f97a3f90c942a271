"""Rows that were known at the cut-off, parted into those that stand and those for quarantine."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from graph.events import open_events, scan_table
from graph.plausible import PLAUSIBLE
from graph.schema import TABLES, UTC_TIME, Table

__all__ = [
    "QUARANTINE_SCHEMA",
    "REASONS",
    "CleanTable",
    "clean_table",
    "first_of_each",
    "is_known",
    "is_since_signup",
    "read_events",
    "signup_times",
    "standing_rows",
]

EARLIEST_BEFORE_SIGNUP = timedelta(days=1)

QUARANTINE_SCHEMA: dict[str, pl.DataType] = {
    "event_id": pl.String(),
    "event_time": UTC_TIME,
    "known_time": UTC_TIME,
    "account_id": pl.String(),
    "reason": pl.String(),
}

# reason -> what it says; the first that holds for a row is the one it is given
REASONS: dict[str, str] = {
    "null_key": "a column that must have a value is empty",
    "unknown_value": "a value is not one of those that the contract lists",
    "known_before_event": "known_time lies before event_time",
    "no_signup": "the account has no signup known at the cut-off",
    "before_signup": "the event lies more than one day before its account's signup",
}


@dataclass(frozen=True)
class CleanTable:
    """One table as of a cut-off.

    Attributes:
        rows: the contract's columns, one row an event, sorted by event_time and event_id.
        rejected: the rows for quarantine, with `QUARANTINE_SCHEMA`; no value of theirs but ids and times.
        n_read: rows known at the cut-off.
        n_repeated: rows left out because their event_id stands already.
        n_nulled: optional values that could not be and became null, by column; only columns with any.
    """

    rows: pl.DataFrame
    rejected: pl.DataFrame
    n_read: int
    n_repeated: int
    n_nulled: dict[str, int]


def clean_table(
    scan: pl.LazyFrame,
    table: str,
    as_of: datetime,
    signups: pl.DataFrame | None = None,
    without: pl.Series | None = None,
) -> CleanTable:
    """Parts the rows of one table that were known before `as_of`.

    Args:
        scan: all rows of the table, as `graph.events.scan_table` gives them.
        table: its name in the contract.
        as_of: cut-off of knowledge, exclusive, UTC. Rows without any time are never held back, so they reach quarantine.
        signups: account_id, signup_time of the accounts known at the cut-off (`signup_times`); None for signups themselves.
        without: ids of events whose copy that stands is elsewhere; these are repeated, too.
    """
    declared = TABLES[table]
    known = scan.filter(is_known(as_of)).collect()
    judged = _judge(known.lazy(), declared, signups).collect()
    rejected = judged.filter(pl.col("reason").is_not_null()).select(list(QUARANTINE_SCHEMA))
    standing = judged.filter(pl.col("reason").is_null()).select(known.columns)
    unique = first_of_each(standing)
    if without is not None:
        unique = unique.filter(~pl.col("event_id").is_in(without.implode()))
    rows, n_nulled = _null_implausible(unique, declared)
    return CleanTable(
        rows=rows.sort("event_time", "event_id"),
        rejected=rejected.sort(list(QUARANTINE_SCHEMA)),
        n_read=known.height,
        n_repeated=standing.height - unique.height,
        n_nulled=n_nulled,
    )


def is_known(as_of: datetime) -> pl.Expr:
    """Whether a row was known before `as_of`; one without any time is never held back, so that it reaches quarantine."""
    return (pl.col("known_time") < as_of).fill_null(True)


def standing_rows(scan: pl.LazyFrame, table: str, as_of: datetime, signups: pl.DataFrame | None) -> pl.LazyFrame:
    """The rows that `clean_table` would keep, as they came and each as often as it came."""
    judged = _judge(scan.filter(is_known(as_of)), TABLES[table], signups)
    return judged.filter(pl.col("reason").is_null()).drop("reason", "signup_time")


def read_events(folder: Path, as_of: datetime) -> dict[str, pl.DataFrame]:
    """All clean events known before `as_of`, in memory: for one process, without quarantine or partitions.

    Args:
        folder: EVENTS.
        as_of: cut-off of knowledge, exclusive, UTC.

    Returns:
        every table of the contract, empty where it is missing; see `CleanTable.rows`.

    Raises:
        InputError: the folder does not keep the contract.
    """
    source = open_events(folder)
    events = {"signups": clean_table(scan_table(source, "signups"), "signups", as_of).rows}
    signups = signup_times(events["signups"])
    for name in TABLES:
        if name != "signups":
            events[name] = clean_table(scan_table(source, name), name, as_of, signups).rows
    return events


def is_since_signup() -> pl.Expr:
    """Whether a row (event_time, signup_time) lies at most a day before its account's signup; an earlier one goes to quarantine."""
    return pl.col("event_time") >= pl.col("signup_time") - EARLIEST_BEFORE_SIGNUP


def signup_times(signups: pl.DataFrame) -> pl.DataFrame:
    """account_id and signup_time (its earliest signup) of each account, sorted by account_id."""
    return signups.group_by("account_id").agg(signup_time=pl.col("event_time").min()).sort("account_id")


def _judge(rows: pl.LazyFrame, table: Table, signups: pl.DataFrame | None) -> pl.LazyFrame:
    """With `signup_time` and `reason`: why a row goes to quarantine, null where it stands."""
    if signups is not None:
        joined = rows.join(signups.lazy(), on="account_id", how="left", maintain_order="left")
    else:
        joined = rows.with_columns(signup_time=pl.col("event_time"))
    return joined.with_columns(reason=_reason(table))


def _reason(table: Table) -> pl.Expr:
    is_null = pl.any_horizontal(pl.col(column.name).is_null() for column in table.columns if not column.optional)
    unknown = [
        ~pl.col(column.name).is_in(column.values) & pl.col(column.name).is_not_null()
        for column in table.columns
        if column.values
    ]
    return (
        pl.when(is_null)
        .then(pl.lit("null_key"))
        .when(pl.any_horizontal(unknown) if unknown else pl.lit(False))
        .then(pl.lit("unknown_value"))
        .when(pl.col("known_time") < pl.col("event_time"))
        .then(pl.lit("known_before_event"))
        .when(pl.col("signup_time").is_null())
        .then(pl.lit("no_signup"))
        .when(~is_since_signup())
        .then(pl.lit("before_signup"))
    )


def first_of_each(rows: pl.DataFrame) -> pl.DataFrame:
    """One row an event_id: the copy known first; among equals the first by content, so file order does not matter."""
    if rows["event_id"].n_unique() == rows.height:
        return rows
    order = ["known_time", "event_time", *(name for name in rows.columns if name not in {"known_time", "event_time"})]
    return rows.sort(order, nulls_last=True).unique("event_id", keep="first", maintain_order=True)


def _null_implausible(rows: pl.DataFrame, table: Table) -> tuple[pl.DataFrame, dict[str, int]]:
    checks = {
        column.name: PLAUSIBLE[column.plausible](pl.col(column.name)) for column in table.columns if column.plausible
    }
    if not checks:
        return rows, {}
    nulled = rows.with_columns(pl.when(passes).then(pl.col(name)).alias(name) for name, passes in checks.items())
    n_nulled = {name: nulled[name].null_count() - rows[name].null_count() for name in checks}
    return nulled, {name: n for name, n in n_nulled.items() if n}
