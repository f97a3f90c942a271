"""Measures of a ranking and of a grouping, each with an interval where it is an estimate.

Used where results are judged (`jobs.evaluate`, `jobs.downstream`, the report); none of it takes part in a score.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import t as student

__all__ = [
    "CALIBRATED_FROM",
    "Ranking",
    "auprc_with_interval",
    "auroc_with_interval",
    "bootstrap",
    "calibration_above",
    "groups_of",
    "mean_interval",
    "pairwise_agreement",
    "precision_at",
    "wilson_interval",
]

FloatArray = NDArray[np.float64]

N_RESAMPLES = 200
CALIBRATED_FROM = 0.05  # a score; calibration is looked at above it
_Z95 = 1.959963984540054


@dataclass(frozen=True)
class Ranking:
    """Scores and truths of n accounts, sorted once so that each resample costs only two running sums.

    Attributes:
        order: i64 of n, the accounts by falling score.
        is_positive: f64 of n, 0 or 1, in that order.
        ends: i64, the last position of each run of equal scores: tied accounts have no order among them.
    """

    order: NDArray[np.int64]
    is_positive: FloatArray
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, is_positive: NDArray[Any], score: NDArray[Any]) -> "Ranking":
        """The ranking of `score` (n,), higher first, against `is_positive` (n,) of 0 and 1."""
        order = np.argsort(-score, kind="stable")
        falling = score[order]
        ends = np.flatnonzero(np.append(falling[1:] != falling[:-1], True))
        return cls(order, is_positive[order].astype(np.float64), ends)

    def _counts(self, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
        falling = weight[self.order]
        hits = np.cumsum(falling * self.is_positive)[self.ends]
        return hits, np.cumsum(falling)[self.ends] - hits

    def auprc(self, weight: FloatArray) -> float:
        """Average precision, the step-wise area under the precision-recall curve; nan without a positive.

        Args:
            weight: f64 of n, how often each account counts, in the order in which the accounts were given.
        """
        hits, misses = self._counts(weight)
        if hits[-1] == 0:
            return float("nan")
        flagged = hits + misses
        precision = np.divide(hits, flagged, out=np.zeros_like(hits), where=flagged > 0)
        return float(np.sum(np.diff(hits, prepend=0.0) * precision) / hits[-1])

    def auroc(self, weight: FloatArray) -> float:
        """The chance that a positive outranks a negative, ties counting half; nan without one of either."""
        hits, misses = self._counts(weight)
        if hits[-1] == 0 or misses[-1] == 0:
            return float("nan")
        middle = hits - 0.5 * np.diff(hits, prepend=0.0)
        return float(np.sum(np.diff(misses, prepend=0.0) * middle) / (hits[-1] * misses[-1]))


def bootstrap(
    measure: Callable[[FloatArray], float],
    n: int,
    seed: int,
    group: NDArray[np.int64] | None = None,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, float] | None:
    """A measure with its 95 % interval, by resampling the n accounts, or whole groups of them, with replacement.

    Args:
        measure: takes how often each account was drawn (f64 of n) and gives a number, or nan where it is not defined.
        seed: of the resampling.
        group: i64 of n, from 0 on without a gap: accounts that are found or missed together, such as a ring's, are drawn together.
            Drawn one by one they would make the interval too narrow. None draws accounts.

    Returns:
        `value`, `low`, `high`; None where the measure is not defined on the accounts as they are.
    """
    value = measure(np.ones(n))
    if np.isnan(value):
        return None
    random = np.random.default_rng(seed)
    drawn = group if group is not None else np.arange(n)
    n_groups = int(drawn.max()) + 1 if n else 0
    times = (np.bincount(random.integers(0, n_groups, n_groups), minlength=n_groups) for _ in range(n_resamples))
    draws = [measure(each[drawn].astype(np.float64)) for each in times]
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return {"value": value, "low": float(low), "high": float(high)}


def auprc_with_interval(
    is_positive: NDArray[Any], score: NDArray[Any], seed: int, group: NDArray[np.int64] | None = None
) -> dict[str, float] | None:
    """Average precision with its bootstrap interval over groups; None without a positive."""
    ranking = Ranking.of(is_positive, score)
    return bootstrap(ranking.auprc, len(score), seed, group) if len(score) else None


def auroc_with_interval(
    is_positive: NDArray[Any], score: NDArray[Any], seed: int, group: NDArray[np.int64] | None = None
) -> dict[str, float] | None:
    """Area under the ROC curve with its bootstrap interval over groups; None without both classes."""
    ranking = Ranking.of(is_positive, score)
    return bootstrap(ranking.auroc, len(score), seed, group) if len(score) else None


def calibration_above(
    is_positive: NDArray[Any], score: NDArray[Any], above: float, seed: int, group: NDArray[np.int64] | None = None
) -> dict[str, Any] | None:
    """Whether scores mean what they say, over accounts scored above `above`: the others' share is near nothing, and would make any
    calibration look good.

    Args:
        is_positive, score: of n accounts.
        above: exclusive.
        seed, group: as `bootstrap` takes them.

    Returns:
        `above`, `n_accounts`, `expected_positives`, `actual_positives`, `ratio` (of the former to the latter, with its interval; None without
        a positive), `ece`, `brier_skill` (None where all are of one kind); None where no score lies above.
    """
    from gnn.metrics import expected_calibration_error  # not for the report, which would wait for scikit-learn

    chosen = score > above
    target, told = is_positive[chosen].astype(np.int8), score[chosen]
    if not len(target):
        return None
    prevalence = float(target.mean())
    flat = prevalence * (1 - prevalence)
    own = None if group is None else np.unique(group[chosen], return_inverse=True)[1]
    return {
        "above": above,
        "n_accounts": len(target),
        "expected_positives": float(told.sum()),
        "actual_positives": int(target.sum()),
        "ratio": bootstrap(partial(_ratio, told, target), len(target), seed, own),
        "ece": expected_calibration_error(target, told),
        "brier_skill": 1 - float(np.mean((told - target) ** 2)) / flat if flat else None,
    }


def _ratio(told: FloatArray, target: NDArray[np.int8], weight: FloatArray) -> float:
    found = float(weight @ target)
    return float(weight @ told) / found if found else float("nan")


def groups_of(names: pl.Series) -> NDArray[np.int64]:
    """Groups as `bootstrap` takes them, i64 of n: who has the same name; each that has none alone."""
    alone = pl.Series(range(names.len()), dtype=pl.String)
    own = pl.select(pl.when(names.is_null()).then("a" + alone).otherwise("g" + names.cast(pl.String))).to_series()
    return own.rank("dense").to_numpy().astype(np.int64) - 1


def mean_interval(values: Sequence[float]) -> dict[str, float]:
    """The mean of a few runs that differ by their seed, with its 95 % interval by Student's t; of one run, that alone."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return {"value": mean, "low": mean, "high": mean}
    half = float(student.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return {"value": mean, "low": mean - half, "high": mean + half}


def wilson_interval(n_hits: int, n: int) -> dict[str, float] | None:
    """A share with its 95 % interval by Wilson (1927), which stays in [0, 1] for few and for none; None for n = 0."""
    if n == 0:
        return None
    share, z2 = n_hits / n, _Z95**2
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z95 / (1 + z2 / n) * float(np.sqrt(share * (1 - share) / n + z2 / (4 * n * n)))
    return {"value": share, "low": max(0.0, centre - half), "high": min(1.0, centre + half)}


def precision_at(is_positive_by_rank: Sequence[bool] | NDArray[Any], k: int) -> dict[str, float] | None:
    """The share of positives among the first k, with k and its Wilson interval; None where there is nobody."""
    first = np.asarray(is_positive_by_rank)[:k]
    n_hits = int(first.sum())
    interval = wilson_interval(n_hits, len(first))
    return None if interval is None else {"k": len(first), "n_hits": n_hits, **interval}


def pairwise_agreement(frame: pl.DataFrame, found: str, planted: str, touching: bool = False) -> dict[str, float | int]:
    """How well one grouping gives another, counted in pairs of accounts.

    Args:
        frame: one row an account; a null is in no group.
        found: column of the groups to be judged.
        planted: column of the groups that are true.
        touching: judge only found pairs with at least one account of a planted group (for groups that hold more kinds of
            accounts than those that were planted).

    Returns:
        `n_found_pairs`, `n_planted_pairs`, `n_shared_pairs`, `precision`, `recall`, `f1` (0 where not defined).
    """
    cells = frame.drop_nulls([found, planted]).group_by(found, planted).len()
    n_shared = _pairs(cells["len"])
    n_planted = _pairs(frame.drop_nulls(planted).group_by(planted).len()["len"])
    sizes = frame.drop_nulls(found).group_by(found).agg(n=pl.len(), n_outside=pl.col(planted).is_null().sum())
    n_found = _pairs(sizes["n"]) - (_pairs(sizes["n_outside"]) if touching else 0)
    precision = n_shared / n_found if n_found else 0.0
    recall = n_shared / n_planted if n_planted else 0.0
    return {
        "n_found_pairs": n_found,
        "n_planted_pairs": n_planted,
        "n_shared_pairs": n_shared,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / (precision + recall) if n_shared else 0.0,
    }


def _pairs(sizes: pl.Series) -> int:
    n = sizes.cast(pl.Int64)
    return int((n * (n - 1) // 2).sum())
