"""What an ordinary team knows of an account: counts, ages and amounts from events, no graph; and what it wants to foresee."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl

from graph.cleaning import clean_table, signup_times
from graph.errors import InputError
from graph.events import EventSource, open_events, scan_table

__all__ = ["FEATURE_NAMES", "AccountTables", "build_account_features", "read_account_tables", "reversed_within"]

AccountTables = Mapping[str, pl.DataFrame]

_RECENT_DAYS = 30
_TABLES = ("logins", "profiles", "instruments", "payments", "id_checks")
FEATURE_NAMES: tuple[str, ...] = (
    "age_days",
    "n_logins",
    "n_logins_recent",
    "n_days_with_login",
    "days_since_login",
    "n_profiles",
    "n_instruments",
    "n_prepaid_cards",
    "n_unlinked",
    "n_checks_failed",
    "vendor_score",
    "n_payments",
    "n_payments_recent",
    "n_reversed",
    "n_declined",
    "days_since_payment",
    "amount_sum",
    "amount_mean",
    "amount_max",
)


def read_account_tables(events: Path, as_of: datetime) -> dict[str, pl.DataFrame]:
    """The event tables as they were known before `as_of`, cleaned as the night cleans them.

    Raises:
        InputError: `events` does not keep the contract.
    """
    source = open_events(events)
    signups = clean_table(scan_table(source, "signups"), "signups", as_of).rows
    times = signup_times(signups)
    return {"signups": signups} | {
        name: clean_table(scan_table(source, name), name, as_of, times).rows for name in _TABLES
    }


def build_account_features(tables: AccountTables, accounts: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """One row an account of `accounts` (column account_id), in its order: account_id and `FEATURE_NAMES` as f64.

    Args:
        tables: as `read_account_tables` gives them for `as_of`.
        as_of: cut-off, UTC; ages and times since are days before it. What never happened is null.
    """
    recent = pl.col("event_time") >= as_of - timedelta(days=_RECENT_DAYS)
    age = ((pl.lit(as_of) - pl.col("event_time")).dt.total_seconds() / 86_400).alias("days")

    def of(table: str, **expressions: pl.Expr) -> pl.DataFrame:
        return tables[table].with_columns(age).group_by("account_id").agg(**expressions)

    amount = pl.col("amount_minor").cast(pl.Float64)
    parts = [
        of("signups", age_days=pl.col("days").max()),
        of(
            "logins",
            n_logins=pl.len(),
            n_logins_recent=recent.sum(),
            n_days_with_login=pl.col("event_time").dt.date().n_unique(),
            days_since_login=pl.col("days").min(),
        ),
        of("profiles", n_profiles=pl.len()),
        of(
            "instruments",
            n_instruments=pl.col("instrument_id").n_unique(),
            n_prepaid_cards=(pl.col("kind") == "prepaid_card").sum(),
            n_unlinked=(pl.col("action") == "unlink").sum(),
        ),
        of("id_checks", n_checks_failed=(pl.col("result") == "fail").sum(), vendor_score=pl.col("vendor_score").mean()),
        of(
            "payments",
            n_payments=pl.len(),
            n_payments_recent=recent.sum(),
            n_reversed=(pl.col("status") == "reversed").sum(),
            n_declined=(pl.col("status") == "declined").sum(),
            days_since_payment=pl.col("days").min(),
            amount_sum=amount.sum(),
            amount_mean=amount.mean(),
            amount_max=amount.max(),
        ),
    ]
    frame = accounts.select("account_id")
    for part in parts:
        frame = frame.join(part, on="account_id", how="left", maintain_order="left")
    counts = [name for name in FEATURE_NAMES if name.startswith("n_") or name == "amount_sum"]
    return frame.with_columns(pl.col(counts).fill_null(0)).select("account_id", pl.col(FEATURE_NAMES).cast(pl.Float64))


def reversed_within(events: Path, accounts: pl.DataFrame, as_of: datetime, n_days: int) -> pl.Series:
    """For each of `accounts`, in its order: whether one of its payments from `as_of` on, within `n_days`, was known as reversed
    before those days were over.

    Raises:
        InputError: the payments end before those days do, so that the answer is not known yet.
    """
    source: EventSource = open_events(events)
    end = as_of + timedelta(days=n_days)
    payments = scan_table(source, "payments")
    last = payments.select(pl.col("event_time").max()).collect().item()
    if last is None or last < end - timedelta(days=1):
        raise InputError(
            f"`--events` must hold the payments of the {n_days} days from {as_of:%Y-%m-%d} on; got "
            f"{'none' if last is None else f'them until {last:%Y-%m-%d}'}. Choose an earlier date."
        )
    payments = payments.filter(pl.col("event_time") >= as_of, pl.col("event_time") < end)
    times = signup_times(clean_table(scan_table(source, "signups"), "signups", end).rows)
    known = clean_table(payments, "payments", end, times).rows
    hit = known.filter(pl.col("status") == "reversed").select("account_id").unique()
    return accounts.select(pl.col("account_id").is_in(hit["account_id"].implode()).alias("is_reversed")).to_series()
