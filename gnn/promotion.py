"""Challenger against champion: whether a model that was just trained takes the place of the one that scores.

Judged on accounts whose answer neither has seen: at the training's last cut-off, those in whose group no outcome was known
when the champion was trained. There the champion had to find what it had learnt as unknown or honest, as every night has to;
the challenger's scores are out-of-fold, by models that did not see the group. What is left of an advantage is the challenger's, so a
refusal is sure. The challenger's rounds, blend and calibration were chosen on its out-of-fold scores of these very accounts, the
champion's on its own of another day: few numbers, but another kindness to the challenger.

References:
    B. Efron, R. Tibshirani, An Introduction to the Bootstrap, 1993; groups, not accounts, are drawn, for members of a ring are
    found together.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.examples import latest_outcomes
from gnn.metrics import Metrics, auprc, precision_at
from gnn.model import OutOfFold

__all__ = ["Comparison", "Judged", "compare_models", "judge_accounts", "refuse_collapse"]

LEAST_POSITIVES = 10  # with fewer, in fewer groups than half of that, neither can be told to be worse
_N_BLOCKS = 500
_N_DRAWS = 1_000
_INTERVAL = (0.025, 0.975)
_N_BINS = 10
_LEAST_GAP = 0.01  # a difference in calibration error that nobody would notice is none
_COLLAPSE = 0.5
_DEPTH = 20  # capacities down the ranking that a draw can reach


@dataclass(frozen=True)
class Judged:
    """The accounts that two models are compared on.

    Attributes:
        rows: bool [k], which of the out-of-fold accounts.
        group: int64 [k], the group of each of them all.
    """

    rows: NDArray[np.bool_]
    group: NDArray[np.int64]


@dataclass(frozen=True)
class Comparison:
    """What was found.

    Attributes:
        is_promoted: the challenger takes over.
        why: in words.
        n, n_positive, n_groups: accounts judged, positives among them, groups of these.
        measures: measure to its value for `champion` and `challenger`, and the 95 % interval of the challenger's less the
            champion's (`low`, `high`); empty where too few positives are judged.
    """

    is_promoted: bool
    why: str
    n: int = 0
    n_positive: int = 0
    n_groups: int = 0
    measures: Mapping[str, Mapping[str, float]] | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


def judge_accounts(
    out_of_fold: OutOfFold,
    account_ids: pl.Series,
    groups: pl.DataFrame,
    outcomes: pl.DataFrame,
    champion_as_of: datetime,
) -> Judged:
    """Who is judged: accounts that are clear by now, in groups without any outcome known when the champion was trained.

    Args:
        out_of_fold: the validation accounts of the challenger's training, k of them.
        account_ids: of the last cut-off's snapshot, by account.
        groups: account_id, group of the accounts as of now (`gnn.folds.group_accounts`).
        outcomes: the outcomes event table.
        champion_as_of: when the champion was trained, exclusive.
    """
    seen = latest_outcomes(outcomes, champion_as_of).select("account_id", is_seen=pl.lit(True))
    with_groups = groups.join(seen, on="account_id", how="left", maintain_order="left").select(
        "account_id", "group", is_seen=pl.col("is_seen").fill_null(False).any().over("group")
    )
    rows = (
        account_ids.gather(out_of_fold.account)
        .to_frame("account_id")
        .join(with_groups, on="account_id", how="left", maintain_order="left")
    )
    return Judged(~rows["is_seen"].to_numpy() & ~out_of_fold.unclear, rows["group"].to_numpy().astype(np.int64))


def compare_models(
    target: NDArray[np.int8],
    champion: NDArray[np.float64],
    challenger: NDArray[np.float64],
    group: NDArray[np.int64],
    capacity: int,
    seed: int,
) -> Comparison:
    """Whether the challenger is no worse, at capacity and in calibration, beyond what chance does.

    Args:
        target: int8 [k], 1 for a confirmed synthetic account.
        champion, challenger: float64 [k], their probabilities.
        group: int64 [k]; the groups are drawn, each with all its accounts.
        capacity: cases that the team can review.
        seed: of the bootstrap.
    """
    n_positive, n_groups = int(target.sum()), len(np.unique(group[target == 1]))
    counts = len(target), n_positive, n_groups
    if n_positive < LEAST_POSITIVES or n_groups < LEAST_POSITIVES // 2:
        why = (
            f"nothing could be compared: {n_positive} positive(s) in {n_groups} group(s) have come to light since where no "
            f"outcome was known; at least {LEAST_POSITIVES} in {LEAST_POSITIVES // 2} are needed. The newer model scores"
        )
        return Comparison(True, why, *counts)
    random = np.random.default_rng(seed)
    number, place = np.unique(group, return_inverse=True)
    block = random.integers(0, _N_BLOCKS, len(number))[place]
    draws = random.multinomial(_N_BLOCKS, np.full(_N_BLOCKS, 1 / _N_BLOCKS), _N_DRAWS)
    capacity = min(capacity, len(target))
    both = (champion, challenger)
    drawn = {
        "precision_at_capacity": [_drawn_precision(target, score, block, draws, capacity) for score in both],
        "calibration_error": [_drawn_errors(target, score, block, draws) for score in both],
    }
    told = {
        "precision_at_capacity": [precision_at(target, score, capacity) for score in both],
        "calibration_error": [_error(target, score) for score in both],
    }
    measures = {"auprc": {"champion": auprc(target, champion), "challenger": auprc(target, challenger)}}
    for name, (before, after) in drawn.items():
        low, high = (float(np.quantile(after - before, share)) for share in _INTERVAL)
        old, new = told[name]
        measures[name] = {"champion": old, "challenger": new, "low": low, "high": high}
    precision, error = measures["precision_at_capacity"], measures["calibration_error"]
    faults = []
    if precision["high"] < 0:
        faults.append(f"it is worse at capacity {capacity}: {_in_words(precision)}")
    if error["low"] > 0 and error["challenger"] - error["champion"] > _LEAST_GAP:
        faults.append(f"it is worse calibrated: error {_in_words(error)}")
    on = f"on {counts[0]:,} accounts, {n_positive} positive, whose groups had no outcome when the champion was trained"
    if faults:
        return Comparison(False, f"{'; '.join(faults)} ({on})", *counts, measures)
    why = f"it is no worse: precision at {capacity} {_in_words(precision)}, calibration error {_in_words(error)} ({on})"
    return Comparison(True, why, *counts, measures)


def refuse_collapse(comparison: Comparison, champion: Metrics, challenger: Metrics) -> Comparison:
    """Refuses where nothing could be compared and the challenger's own validation has collapsed: a feed may have broken.

    Two validations of two days are no fair comparison, so only a gross loss counts: under half of the champion's average precision, as it
    is and in multiples of the prevalence.

    Args:
        comparison: as `compare_models` gives it; passes as it is where something was compared.
        champion, challenger: quality of the one that scores and of the one that would, each on its own validation.
    """
    if comparison.measures is not None or not comparison.is_promoted:
        return comparison
    lifts = [each.auprc / max(each.prevalence, 1e-12) for each in (champion, challenger)]
    if challenger.auprc >= _COLLAPSE * champion.auprc or lifts[1] >= _COLLAPSE * lifts[0]:
        return comparison
    why = (
        f"too few positives have come to light to compare the two, and its own validation AUPRC, {challenger.auprc:.3f} "
        f"({lifts[1]:.1f} times the prevalence), is under half of the champion's on its own, {champion.auprc:.3f} ({lifts[0]:.1f} times)"
    )
    return replace(comparison, is_promoted=False, why=why)


def _in_words(found: Mapping[str, float]) -> str:
    return f"{found['challenger']:.3f} against {found['champion']:.3f} (difference {found['low']:+.3f} to {found['high']:+.3f})"


def _drawn_precision(
    target: NDArray[np.int8],
    score: NDArray[np.float64],
    block: NDArray[np.int64],
    draws: NDArray[np.int64],
    capacity: int,
) -> NDArray[np.float64]:
    """Precision at capacity of each draw, float64 [draws]: down the ranking until so many accounts, counted as often as drawn."""
    top = np.argsort(-score, kind="stable")[: _DEPTH * capacity]
    times = draws[:, block[top]]
    before = np.cumsum(times, axis=1) - times
    taken = np.clip(capacity - before, 0, times)
    found: NDArray[np.float64] = (taken * target[top]).sum(axis=1) / np.maximum(taken.sum(axis=1), 1)
    return found


def _drawn_errors(
    target: NDArray[np.int8], score: NDArray[np.float64], block: NDArray[np.int64], draws: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Calibration error of each draw, float64 [draws], over the bins of the whole."""
    key = block * _N_BINS + _bins(score)
    n, expected, found = (
        np.bincount(key, weights=weight, minlength=_N_BLOCKS * _N_BINS).reshape(_N_BLOCKS, _N_BINS)
        for weight in (None, score, target)
    )
    return _gap(draws @ n, draws @ expected, draws @ found)


def _error(target: NDArray[np.int8], score: NDArray[np.float64]) -> float:
    n, expected, found = (
        np.bincount(_bins(score), weights=weight, minlength=_N_BINS)[None, :] for weight in (None, score, target)
    )
    return float(_gap(n, expected, found)[0])


def _bins(score: NDArray[np.float64]) -> NDArray[np.int64]:
    """Bins of equal count, int64 [k]."""
    rank = np.empty(len(score), dtype=np.int64)
    rank[np.argsort(score, kind="stable")] = np.arange(len(score))
    return rank * _N_BINS // max(len(score), 1)


def _gap(n: NDArray[Any], expected: NDArray[Any], found: NDArray[Any]) -> NDArray[np.float64]:
    """Mean gap over bins, of rows of sums; scores scaled down, never up, to the number found: most positives are not found yet."""
    scale = np.minimum(1.0, found.sum(axis=1) / np.maximum(expected.sum(axis=1), 1e-12))
    gap: NDArray[np.float64] = np.abs(expected * scale[:, None] - found).sum(axis=1) / np.maximum(n.sum(axis=1), 1)
    return gap
