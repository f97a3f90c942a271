"""Who comes in step: on each shared identifier, how many accounts signed up, or first came to it, within days of an account.

A ring's accounts come in waves, and how long a wave lasts is its actor's choice, so windows from a day to a month stand side by
side. The windows of one type each are in `gnn.features_sharing`; these are over all types.
"""

import polars as pl

from gnn.feature_types import Feature, Rows, exact_sum, on_accounts
from gnn.windows import count_near, seconds_since_first
from graph.snapshot import is_shared

__all__ = ["FEATURES", "build"]

_DAYS = (1, 3, 14, 30)
_EVENTS = (
    ("signed_up", "signup_time", "accounts on a shared value that signed up within {} of it"),
    ("came", "first_seen", "accounts that came to a shared value within {} of it"),
)
_WAYS = (("most", "{}, most"), ("share", "share of the {}, highest"), ("bits", "{}, each by the value's bits, sum"))

FEATURES = tuple(
    Feature(
        f"{event}_{days}d_{way}", words.format(meaning.format(f"{days} day{'s' if days > 1 else ''}")), "timing", 0.0
    )
    for event, _, meaning in _EVENTS
    for days in _DAYS
    for way, words in _WAYS
)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    links = rows.links(is_shared(), "n_accounts", "weight", "signup_time")
    group = links["identifier"].to_numpy().astype("int64")
    counts = []
    for event, column, _ in _EVENTS:
        seconds = seconds_since_first(links[column])
        within = count_near(group, seconds, [days * 86_400 for days in _DAYS])
        counts += [pl.Series(f"{event}_{days}d", n - 1) for days, n in zip(_DAYS, within, strict=True)]
    names = [series.name for series in counts]
    others = pl.col("n_accounts") - 1
    by_account = (
        links.select("account", "n_accounts", "weight", *counts)
        .group_by("account")
        .agg(
            *(pl.col(name).max().alias(f"{name}_most") for name in names),
            *((pl.col(name) / others).max().alias(f"{name}_share") for name in names),
            *(exact_sum(pl.col(name) * pl.col("weight")).alias(f"{name}_bits") for name in names),
        )
    )
    return on_accounts(rows.accounts, [by_account], FEATURES)
