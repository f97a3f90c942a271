"""What a feature is, and the rows that all feature families are built from."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from graph.cleaning import is_since_signup
from graph.schema import IDENTIFIERS, Privacy, known_time
from graph.snapshot import Snapshot

__all__ = [
    "DAY_US",
    "FIXED",
    "MOST",
    "TYPES",
    "Feature",
    "Rows",
    "days_between",
    "exact_mean",
    "exact_sum",
    "in_medians",
    "on_accounts",
    "rows_of",
]

DAY_US = 86_400_000_000
TYPES = pl.Enum(list(IDENTIFIERS))  # identifier types, compared as numbers
FIXED = float(2**20)  # parts of one in which values are summed
_LARGEST = 1e12  # of any feature: finite as float32, and so are its squares
MOST = 1e6  # a value beyond counts as this: millions of them still sum below 2**63 in fixed point


@dataclass(frozen=True)
class Feature:
    """One declared feature of an account.

    Attributes:
        name: column of the feature frame.
        meaning: one line in plain words, with the unit.
        family: `account`, `sharing`, `timing`, `pairs`, `cluster`, `crossed`, `money` or `neighbours`.
        missing: the value of an account that has no row to compute it from.
        as_of_rule: which rows count.
        privacy: class of the value; a count or a time about a pseudonym, never an identity value.
    """

    name: str
    meaning: str
    family: str
    missing: float = 0.0
    as_of_rule: str = "rows with known_time before the cut-off"
    privacy: Privacy = "pseudonym"


@dataclass(frozen=True)
class Rows:
    """The events known at the cut-off with dense account numbers, beside the snapshot.

    Attributes:
        as_of: cut-off, exclusive, UTC.
        snapshot: the graph as of it.
        accounts: account i32, signup_time, identity i32; sorted by account.
        tables: each event table with account i32 in place of account_id, and signup_time; sorted by (account, event_time).
    """

    as_of: datetime
    snapshot: Snapshot
    accounts: pl.DataFrame
    tables: Mapping[str, pl.DataFrame]

    @cached_property
    def identifiers(self) -> pl.DataFrame:
        """The snapshot's, with identifier_type of `TYPES`."""
        return self.snapshot.identifiers.with_columns(pl.col("identifier_type").cast(TYPES))

    def links(self, only: pl.Expr, *names: str) -> pl.DataFrame:
        """Some of the snapshot's links with what is known of both ends; in their order, by (account, identifier).

        A snapshot's numbers are places, so it is gathered, in a quarter of the time of joins.

        Args:
            only: of which of the `identifiers`.
            names: columns of these, or of `accounts`.
        """
        chosen = self.identifiers.select(only).to_series().to_numpy()
        links = self.snapshot.links.filter(pl.Series(chosen[self.snapshot.links["identifier"].to_numpy()]))
        return links.with_columns(
            self.accounts[name].gather(links["account"])
            if name in self.accounts.columns
            else self.identifiers[name].gather(links["identifier"])
            for name in names
        )


class _Tables(Mapping[str, pl.DataFrame]):
    """Tables of which the one that was asked for last is in memory."""

    def __init__(self, scans: Mapping[str, pl.LazyFrame]) -> None:
        self._scans = scans
        self._held: tuple[str, pl.DataFrame] | None = None

    def __getitem__(self, name: str) -> pl.DataFrame:
        if self._held is None or self._held[0] != name:
            self._held = None  # before the next is read
            self._held = name, _by_account(self._scans[name].collect())
        return self._held[1]

    def __iter__(self) -> Iterator[str]:
        return iter(self._scans)

    def __len__(self) -> int:
        return len(self._scans)


def rows_of(
    events: Mapping[str, pl.DataFrame | pl.LazyFrame],
    snapshot: Snapshot,
    columns: Mapping[str, Iterable[str]] | None = None,
    *,
    one_at_a_time: bool = False,
) -> Rows:
    """Numbers the events that were known at the snapshot's cut-off; later rows are dropped here, once for all families.

    So are rows that would have gone to quarantine then, as `graph.build.build_snapshot` does: their account's earlier signup was not known yet.

    Args:
        events: by table, clean, what happened at once to an account in the order of event_id (`graph.cleaning.clean_table`), so that no
            order of files or partitions reaches a feature; of lazy ones only what is kept is ever in memory.
        snapshot: the graph as of the cut-off.
        columns: by table the columns that are kept beside account and times; all of them without.
        one_at_a_time: tables are read when they are asked for, and let go when the next one is.
    """
    accounts = snapshot.accounts.select("account", "account_id", "signup_time", "identity")
    keys = accounts.select("account", "account_id", "signup_time")
    known = known_time() < snapshot.as_of
    scans = {}
    for name, frame in events.items():
        if name != "outcomes":
            rows = frame.lazy().filter(known).drop("event_id")
            if columns is not None:
                rows = rows.select("event_time", "account_id", *columns.get(name, ()))
            numbered = rows.join(keys.lazy(), on="account_id", maintain_order="left")
            scans[name] = numbered.filter(is_since_signup()).drop("account_id")
    tables = _Tables(scans)
    held = tables if one_at_a_time else {name: tables[name] for name in scans}
    return Rows(snapshot.as_of, snapshot, accounts.drop("account_id"), held)


def _by_account(rows: pl.DataFrame) -> pl.DataFrame:
    """By account and time; what is equal in both stays in its order. Rows of one account mostly come by time: then a third of a sort."""
    grouped = rows.sort("account", maintain_order=True)
    goes_back = (pl.col("event_time").diff() < timedelta()) & (pl.col("account").diff() == 0)
    if grouped.select(goes_back.any()).item():
        return rows.sort("account", "event_time", maintain_order=True)
    return grouped


def days_between(later: pl.Expr, earlier: pl.Expr) -> pl.Expr:
    """Days, a float, from `earlier` to `later`."""
    return (later - earlier).dt.total_microseconds() / DAY_US


def exact_sum(value: pl.Expr) -> pl.Expr:
    """A sum in fixed point (2**-20), so that neither the order of rows nor the number of threads changes a bit of it.

    Values are clipped to a million either way, so that one absurd row cannot overflow it; NaN counts as null.
    """
    clipped = value.cast(pl.Float64).fill_nan(None).clip(-MOST, MOST)
    return (clipped * FIXED).round().cast(pl.Int64).sum() / FIXED


def in_medians(payments: pl.DataFrame) -> pl.DataFrame:
    """Payments with `amount`: the absolute amount in medians of its currency, float64, at most a million.

    Payments that have it already are a part of those whose medians count, and pass as they are.
    """
    if "amount" in payments.columns:
        return payments
    size = pl.col("amount_minor").cast(pl.Float64).abs()  # cast first: the smallest i64 has no absolute value
    median = payments.group_by("currency").agg(median=size.median())
    return (
        payments.join(median, on="currency", how="left", maintain_order="left")
        .with_columns(amount=(size / pl.col("median").clip(lower_bound=1.0)).clip(0.0, MOST))
        .drop("median")
    )


def exact_mean(value: pl.Expr) -> pl.Expr:
    """A mean in fixed point; null over no value. See `exact_sum`."""
    return exact_sum(value) / value.is_not_null().sum()


def on_accounts(accounts: pl.DataFrame, parts: Iterable[pl.DataFrame], features: Iterable[Feature]) -> pl.DataFrame:
    """Joins the parts to all accounts, fills what is missing, and keeps account and the declared features, float32."""
    frame = accounts
    for part in parts:
        frame = frame.join(part, on="account", how="left", maintain_order="left")
    return frame.select(
        "account",
        *(
            pl.col(f.name)
            .cast(pl.Float64)
            .fill_nan(None)
            .clip(-_LARGEST, _LARGEST)
            .cast(pl.Float32)
            .fill_null(f.missing)
            for f in features
        ),
    )
