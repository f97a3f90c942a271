"""Training examples as they were: accounts at an earlier cut-off, with labels known by now.

An example's features and edges come from its cut-off alone; only its target is from later. Labels are late and few, so only accounts
that are old enough for a label to have come are examples, whatever their label: were the few of the others that have one taken, to be young would
tell the label. One without an outcome is a negative only if no confirmed account shares its cluster.
Who looks like a ring all the same is left out later, by out-of-fold scores (`gnn.first_look`).
"""

from datetime import datetime, timedelta

import polars as pl

from graph.schema import known_time
from graph.snapshot import Snapshot

__all__ = ["BENIGN", "SYNTHETIC", "build_examples", "label_delay", "latest_outcomes"]

SYNTHETIC, BENIGN = "confirmed_synthetic", "confirmed_benign"
_LEAST_DELAY = 30.0  # days
_MOST_LOST = 0.2  # of the confirmed synthetic accounts those that may be too young to be examples


def latest_outcomes(outcomes: pl.DataFrame, as_of: datetime) -> pl.DataFrame:
    """The outcome that stands for each account: account_id, outcome, known_time, source; the latest known before `as_of`.

    Of two that became known at once the later event stands, then the synthetic one.
    """
    return (
        outcomes.with_columns(known_time())
        .filter(pl.col("known_time") < as_of)
        .sort("account_id", "known_time", "event_time", "outcome", "source")
        .group_by("account_id", maintain_order=True)
        .agg(pl.col("outcome", "known_time", "source").last())
    )


def build_examples(
    snapshot: Snapshot, outcomes: pl.DataFrame, as_of: datetime, label_delay_days: float
) -> pl.DataFrame:
    """Examples at the snapshot's cut-off, labelled by what is known at `as_of`.

    Args:
        snapshot: the graph as of an earlier cut-off.
        outcomes: the outcomes event table.
        as_of: when the training happens; exclusive.
        label_delay_days: an account is an example only if it signed up this long before `as_of`.

    Returns:
        account i32 (the snapshot's number), target i8 (1 synthetic, 0 not), is_confirmed bool (the label is an outcome, not
        the absence of one), was_known bool (an outcome was known at the cut-off already), is_unclear bool (no outcome, in a
        cluster with a confirmed positive: no example, but counted where scores are calibrated), sorted by account.
    """
    labels = latest_outcomes(outcomes, as_of).select("account_id", "outcome")
    before = latest_outcomes(outcomes, snapshot.as_of).select("account_id", was_known=pl.lit(True))
    accounts = (
        snapshot.accounts.select("account", "account_id", "signup_time")
        .join(snapshot.clusters.select("account", "cluster"), on="account", maintain_order="left")
        .join(labels, on="account_id", how="left", maintain_order="left")
        .join(before, on="account_id", how="left", maintain_order="left")
    )
    positive = pl.col("outcome") == SYNTHETIC
    old_enough = pl.col("signup_time") <= as_of - timedelta(days=label_delay_days)
    near_positive = positive.fill_null(False).any().over("cluster")
    has_outcome = pl.col("outcome").is_not_null()
    return (
        accounts.with_columns(near_positive=near_positive)
        .filter(old_enough)
        .select(
            "account",
            target=positive.fill_null(False).cast(pl.Int8),
            is_confirmed=has_outcome,
            was_known=pl.col("was_known").fill_null(False),
            is_unclear=~has_outcome & pl.col("near_positive"),
        )
        .sort("account")
    )


def label_delay(snapshot: Snapshot, outcomes: pl.DataFrame, as_of: datetime) -> float:
    """Days after its signup by which a synthetic account's outcome has come, if one does: the median of those that came.

    Younger accounts without outcome would teach a model that young ones are honest. At least 30 days, also where no outcome came; and
    at most so many that four of five confirmed accounts are older: where outcomes come years after, most examples would be lost.
    """
    confirmed = latest_outcomes(outcomes, as_of).filter(pl.col("outcome") == SYNTHETIC)
    known = snapshot.accounts.join(confirmed, on="account_id").select(
        delay=pl.col("known_time") - pl.col("signup_time"), age=as_of - pl.col("signup_time")
    )
    delay, age = (
        known.select(pl.all().dt.total_seconds() / 86_400)
        .select(pl.col("delay").median(), pl.col("age").quantile(_MOST_LOST, "lower"))
        .row(0)
    )
    return _LEAST_DELAY if delay is None else max(_LEAST_DELAY, min(delay, age))
