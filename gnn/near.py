"""What a first model says of the accounts around an account: scores of neighbours, never their labels.

A ring's members are suspicious together, so a second model gains by what a first one, which saw the declared features alone,
says of those that evidence or a shared identifier joins to an account.

References:
    J. Gao, J. Li et al., GADBench, NeurIPS 2023: trees over aggregated neighbours as the bar for graph networks;
    W. Cohen, V. Carvalho, Stacked sequential learning, IJCAI 2005: a second model over out-of-fold predictions around.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit

from gnn.drawing import Draw, stands_for
from gnn.feature_types import FIXED, Feature
from gnn.features_neighbours import pair_means
from gnn.windows import seconds_since_first
from graph.snapshot import Snapshot, is_shared

__all__ = ["NEAR", "NEAR_NAMES", "Look", "look_around", "median_logit"]

_STEPS = (3, 14)  # days between signups


class Look(Protocol):
    """From a first model's log odds to what is near each account; see `look_around`."""

    def __call__(self, logits: NDArray[np.float64], rest: float | None = None) -> NDArray[np.float32]: ...


_WORDS = (
    ("pairs", "the accounts that evidence joins to it, weighted by bits"),
    ("shared", "the accounts on its identifiers, rare ones weighing more"),
)
NEAR: tuple[Feature, ...] = (
    *(
        Feature(f"{way}_{name}", f"{meaning} {who}", "neighbours")
        for way, who in _WORDS
        for name, meaning in (
            ("logit_mean", "first model's log odds, mean over"),
            ("score_mean", "first model's probability, mean over"),
            ("logit_max", "first model's log odds, highest among"),
            ("score_mean_2", "the same mean over the neighbours' neighbours by"),
        )
    ),
    *(
        Feature(
            f"{way}_step_{days}d_{name}",
            f"first model's probability, {meaning} the accounts on {who} that signed up within {days} days of it",
            "neighbours",
        )
        for way, who in (("shared", "a shared identifier"), ("hub", "a hub"))
        for days in _STEPS
        for name, meaning in (("sum", "highest sum over"), ("mean", "highest mean over it and"))
    ),
    Feature("cluster_score_mean", "first model's probability, mean over the others of its cluster", "neighbours"),
    Feature("cluster_score_sum", "first model's probability, sum over the others of its cluster", "neighbours"),
)
NEAR_NAMES: tuple[str, ...] = tuple(feature.name for feature in NEAR)


def look_around(snapshot: Snapshot, draw: Draw | None = None) -> Look:
    """Readies the graph once for any number of first models.

    Args:
        snapshot: the graph as of the cut-off.
        draw: who of it was drawn from a world; None for a whole world. What is near the others is not all there.

    Returns:
        A function from a first model's log odds, float64 [n], to the features `NEAR` of all accounts, float32
        [n, len(NEAR)], in account order. Who has no neighbour gets the median of the log odds (of who was drawn), or
        `rest` where these accounts are another part of a world, and probabilities of 0.
    """
    is_drawn = np.ones(snapshot.accounts.height, dtype=np.bool_) if draw is None else draw.is_drawn
    by_pairs, by_shared, in_step = _pairs(snapshot), _shared(snapshot), _in_step(snapshot, is_drawn)
    cluster = snapshot.clusters["cluster"].to_numpy()
    others = np.maximum(np.bincount(cluster)[cluster] - 1, 1)

    def look(logits: NDArray[np.float64], rest: float | None = None) -> NDArray[np.float32]:
        logits = np.round(logits, 6)
        scores = expit(logits)
        rest = median_logit(logits[is_drawn]) if rest is None else rest
        columns = []
        for mean, highest in (by_pairs, by_shared):
            one, alone = mean(scores)
            columns += [np.where(alone, rest, mean(logits)[0]), one, highest(logits, rest), mean(one)[0]]
        columns += in_step(scores)
        together = np.bincount(cluster, weights=scores)[cluster] - scores
        columns += [together / others, together]
        # sums in another order differ in their last bits; rounded, no tree can split on that noise
        return (np.round(np.stack(columns, axis=1), 5) + 0.0).astype(np.float32)

    return look


def median_logit(logits: NDArray[np.float64]) -> float:
    """What who has no neighbour hears: the median of a first model's log odds."""
    return float(np.median(np.round(logits, 6))) if len(logits) else 0.0


_Mean = Callable[[NDArray[np.float64]], tuple[NDArray[np.float64], NDArray[np.bool_]]]
_Highest = Callable[[NDArray[np.float64], float], NDArray[np.float64]]


def _pairs(snapshot: Snapshot) -> tuple[_Mean, _Highest]:
    """Over pairs: the weighted mean, with who has no pair; and the highest."""
    n = snapshot.accounts.height
    a, b = (snapshot.pairs[name].to_numpy() for name in ("account_a", "account_b"))
    row, column = np.r_[a, b], np.r_[b, a]
    means = pair_means(snapshot)
    alone = np.asarray(means.sum(axis=1)).ravel() == 0

    def mean(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        return means @ values, alone

    def highest(values: NDArray[np.float64], rest: float) -> NDArray[np.float64]:
        found = np.full(n, -np.inf)
        np.maximum.at(found, row, values[column])
        return np.where(np.isfinite(found), found, rest)

    return mean, highest


def _shared(snapshot: Snapshot) -> tuple[_Mean, _Highest]:
    """The same over shared identifiers that are no hub, each by the square of its bits; never through a matrix of accounts."""
    shared = snapshot.identifiers.filter(is_shared())
    links = snapshot.links.select("account", "identifier").join(
        shared.select("identifier", "weight", "n_accounts", column=pl.int_range(pl.len())), on="identifier"
    )
    account, column = links["account"].to_numpy(), links["column"].to_numpy()
    square, holders = links["weight"].to_numpy() ** 2, links["n_accounts"].to_numpy().astype(np.float64)
    n, m = snapshot.accounts.height, shared.height
    total = np.bincount(account, weights=square, minlength=n)

    def mean(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        sums = np.bincount(column, weights=values[account], minlength=m)
        others = square * (sums[column] - values[account]) / np.maximum(holders - 1, 1)
        return np.bincount(account, weights=others, minlength=n) / np.maximum(total, 1e-12), total == 0

    def highest(values: NDArray[np.float64], rest: float) -> NDArray[np.float64]:
        own = values[account]
        first, second = np.full(m, -np.inf), np.full(m, -np.inf)
        np.maximum.at(first, column, own)
        at_top = own == first[column]
        np.maximum.at(second, column[~at_top], own[~at_top])
        tied = np.bincount(column[at_top], minlength=m) > 1
        beside = np.where(at_top & ~tied[column], second[column], first[column])
        found = np.full(n, -np.inf)
        np.maximum.at(found, account, beside)
        return np.where(np.isfinite(found), found, rest)

    return mean, highest


def _in_step(
    snapshot: Snapshot, is_drawn: NDArray[np.bool_]
) -> Callable[[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Over those on one identifier that signed up within days of an account: the highest sum and mean, hubs apart.

    A hub ties nobody, but who came to it together may be one wave; only a window of days is read of it.
    """
    n = snapshot.accounts.height
    several = snapshot.identifiers.filter(pl.col("n_accounts") > 1).select("identifier", "is_hub")
    counts = snapshot.identifiers["n_accounts"].to_numpy()
    links = (
        snapshot.links.select("account", "identifier")
        .join(several, on="identifier")
        .join(snapshot.accounts.select("account", "signup_time"), on="account")
        .sort("identifier", "signup_time", "account")
    )
    account, is_hub = links["account"].to_numpy(), links["is_hub"].to_numpy()
    second = seconds_since_first(links["signup_time"])
    span = int(second.max(initial=0)) + max(_STEPS) * 86400 + 1
    key = links["identifier"].to_numpy().astype(np.int64) * span + second
    windows = [
        (np.searchsorted(key, key - days * 86400), np.searchsorted(key, key + days * 86400, side="right"))
        for days in _STEPS
    ]

    # in fixed point no order of rows changes a bit
    weight = np.round(stands_for(account, links["identifier"].to_numpy(), counts, is_drawn) * FIXED) / FIXED
    held = np.concatenate([[0.0], np.cumsum(weight)])
    sizes = [held[end] - held[first] for first, end in windows]

    def gather(scores: NDArray[np.float64]) -> list[NDArray[np.float64]]:
        own = np.round(scores[account] * weight * FIXED).astype(np.int64)
        before = np.concatenate([[0], np.cumsum(own)])
        columns = []
        for rows in (~is_hub, is_hub):
            for (first, end), size in zip(windows, sizes, strict=True):
                others = (before[end] - before[first] - own) / FIXED
                for value in (others, others / size):
                    most = np.zeros(n)
                    np.maximum.at(most, account[rows], value[rows])
                    columns.append(most)
        return columns

    return gather
