"""Sharing by identifier type: with how many accounts and identities, how rare, joined how close in time, at once or in turn.

Every type of `graph.schema.IDENTIFIERS` gets the same features, so a new type needs no line here. Hubs only count as hubs.
"""

import numpy as np
import polars as pl

from gnn.feature_types import Feature, Rows, days_between, exact_sum, on_accounts
from gnn.windows import count_near, count_within, seconds_of
from graph.schema import IDENTIFIERS
from graph.snapshot import is_shared

__all__ = ["FEATURES", "build"]

DAY = 86_400  # seconds
_CAME_DAYS = (1, 7, 14)
_TYPES = pl.Enum(list(IDENTIFIERS))  # compared as numbers

_PER_TYPE = (
    ("n_{}", "sharing", "{} values used", 0.0),
    ("n_shared_{}", "sharing", "{} values shared with another account", 0.0),
    ("n_hub_{}", "sharing", "{} values that are hubs", 0.0),
    ("max_accounts_{}", "sharing", "other accounts on its most shared {}", 0.0),
    ("mean_accounts_{}", "sharing", "other accounts on its {} values, mean", 0.0),
    ("max_identities_{}", "sharing", "other identities on its most shared {}", 0.0),
    ("max_bits_{}", "sharing", "rarity of its rarest shared {}, bits", 0.0),
    ("joined_7d_{}", "timing", "other identities that came to the same {} within 7 days of it, most", 0.0),
    ("signed_up_7d_{}", "timing", "accounts on the same {} that signed up within 7 days of it, most", 0.0),
    ("overlap_{}", "timing", "other accounts whose time on the same {} overlaps its own, most", 0.0),
    ("sequential_{}", "timing", "other accounts that had the same {} before or after it, most", 0.0),
)
_OVERALL = (
    ("joined_1d", "timing", "other identities that came to a shared identifier within 1 day of it, sum", 0.0),
    ("joined_7d", "timing", "other identities that came to a shared identifier within 7 days of it, sum", 0.0),
    ("joined_14d", "timing", "other identities that came to a shared identifier within 14 days of it, sum", 0.0),
    ("n_types_joined_7d", "timing", "identifier types on which another identity came within 7 days", 0.0),
    ("n_types_shared", "sharing", "identifier types that it shares", 0.0),
    ("sum_bits_shared", "sharing", "rarity of all that it shares, bits", 0.0),
    (
        "nearest_signup_days",
        "timing",
        "days between its signup and the nearest of an account that shares a value",
        -1.0,
    ),
    ("share_joined_7d", "timing", "share of the accounts on its shared values that came within 7 days of it", 0.0),
    ("first_seen_days", "timing", "days from its signup to its first use of a shared value, earliest", -1.0),
    ("new_device_days", "timing", "days from its signup to its latest new device", -1.0),
)

FEATURES = tuple(
    Feature(name.format(label), meaning.format(label.replace("_", " ")), family, missing)
    for label in IDENTIFIERS
    for name, family, meaning, missing in _PER_TYPE
) + tuple(Feature(name, meaning, family, missing) for name, family, meaning, missing in _OVERALL)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    links = _timed(rows)
    parts = [_per_type(links.filter(pl.col("identifier_type") == label), label) for label in IDENTIFIERS]
    return on_accounts(rows.accounts, [*parts, _overall(links)], FEATURES)


def _timed(rows: Rows) -> pl.DataFrame:
    """Links on shared identifiers that are no hub, with the counts of who came when; own and hub links beside them, without counts."""
    links = rows.links.with_columns(pl.col("identifier_type").cast(_TYPES), shared=is_shared())
    shared = links.filter("shared")
    start = 0
    if shared.height:
        start = min(int(seconds_of(shared[name], 0).min()) for name in ("first_seen", "signup_time"))
    group = shared["identifier"].to_numpy().astype(np.int64)
    first, last, signup = (seconds_of(shared[name], start) for name in ("first_seen", "last_seen", "signup_time"))
    comers = shared.group_by("identifier", "identity").agg(pl.col("first_seen").min())
    came_group = comers["identifier"].to_numpy().astype(np.int64)
    came = seconds_of(comers["first_seen"], start)
    own_came = seconds_of(
        shared.select("identifier", "identity").join(
            comers, on=["identifier", "identity"], how="left", maintain_order="left"
        )["first_seen"],
        start,
    )
    within = count_near(came_group, came, [days * DAY for days in _CAME_DAYS], group, first)
    columns = {
        f"came_{days}d": counts - (np.abs(own_came - first) <= days * DAY)
        for days, counts in zip(_CAME_DAYS, within, strict=True)
    }
    columns["signed_up"] = count_near(group, signup, [7 * DAY])[0] - 1
    started = count_within(group, first, np.zeros_like(first), last)
    ended = count_within(group, last, np.zeros_like(first), first - 1)
    columns["overlap"] = started - ended - 1
    place = np.flatnonzero(links["shared"].to_numpy())
    timed = []
    for name, values in columns.items():
        spread = np.zeros(links.height, dtype=np.int64)
        spread[place] = values
        timed.append(pl.when("shared").then(pl.Series(spread)).alias(name))
    return links.with_columns(timed)


def _per_type(links: pl.DataFrame, label: str) -> pl.DataFrame:
    shared = pl.col("shared")
    others = pl.when(pl.col("is_hub")).then(0).otherwise(pl.col("n_accounts") - 1)
    identities = pl.when(pl.col("is_hub")).then(0).otherwise(pl.col("n_identities") - 1)
    return links.group_by("account").agg(
        pl.len().alias(f"n_{label}"),
        shared.sum().alias(f"n_shared_{label}"),
        pl.col("is_hub").sum().alias(f"n_hub_{label}"),
        others.max().alias(f"max_accounts_{label}"),
        (others.sum() / pl.len()).alias(f"mean_accounts_{label}"),
        identities.max().alias(f"max_identities_{label}"),
        pl.col("weight").filter(shared).max().alias(f"max_bits_{label}"),
        pl.col("came_7d").max().alias(f"joined_7d_{label}"),
        pl.col("signed_up").max().alias(f"signed_up_7d_{label}"),
        pl.col("overlap").max().alias(f"overlap_{label}"),
        (pl.col("n_accounts") - 1 - pl.col("overlap")).max().alias(f"sequential_{label}"),
    )


def _overall(links: pl.DataFrame) -> pl.DataFrame:
    shared = links.filter("shared").sort("identifier", "signup_time")
    gap = days_between(pl.col("signup_time"), pl.col("signup_time").shift(1)).over("identifier")
    shared = shared.with_columns(before=gap).with_columns(after=pl.col("before").shift(-1).over("identifier"))
    delay = days_between(pl.col("first_seen"), pl.col("signup_time"))

    overall = shared.group_by("account").agg(
        joined_1d=pl.col("came_1d").sum(),
        joined_7d=pl.col("came_7d").sum(),
        joined_14d=pl.col("came_14d").sum(),
        n_types_joined_7d=pl.col("identifier_type").filter(pl.col("came_7d") > 0).n_unique(),
        n_types_shared=pl.col("identifier_type").n_unique(),
        sum_bits_shared=exact_sum(pl.col("weight")),
        nearest_signup_days=pl.min_horizontal("before", "after").min(),
        share_joined_7d=pl.col("came_7d").sum() / (pl.col("n_accounts") - 1).sum(),
        first_seen_days=delay.min().clip(lower_bound=0.0),
    )
    devices = (
        links.filter(pl.col("identifier_type") == "device")
        .group_by("account")
        .agg(new_device_days=delay.max().clip(lower_bound=0.0))
    )
    return overall.join(devices, on="account", how="full", coalesce=True)
