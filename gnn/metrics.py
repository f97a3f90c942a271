"""How good scores are against known outcomes, with the prevalence that any such number needs beside it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

__all__ = ["Metrics", "auprc", "expected_calibration_error", "measure", "precision_at"]


@dataclass(frozen=True)
class Metrics:
    """Quality of scores on a set of accounts.

    Attributes:
        n: accounts.
        n_positive: positives among them.
        prevalence: their share.
        auprc: average precision; a constant score reaches the prevalence.
        auroc: area under the ROC curve; nan with one class only.
        capacity: k of precision_at_capacity.
        precision_at_capacity: share of positives among the k highest scores.
        ece: expected calibration error, 10 bins of equal count.
        brier_skill: 1 less the Brier score over that of the constant prevalence.
    """

    n: int
    n_positive: int
    prevalence: float
    auprc: float
    auroc: float
    capacity: int
    precision_at_capacity: float
    ece: float
    brier_skill: float


def measure(target: NDArray[np.int8], score: NDArray[np.float64], capacity: int) -> Metrics:
    """All metrics of `score` (any monotone value; the calibration terms want probabilities) against 0/1 `target`."""
    prevalence = float(target.mean()) if len(target) else 0.0
    both = 0 < prevalence < 1
    brier = float(np.mean((score - target) ** 2)) if len(target) else 0.0
    flat = prevalence * (1 - prevalence)
    return Metrics(
        n=len(target),
        n_positive=int(target.sum()),
        prevalence=prevalence,
        auprc=auprc(target, score),
        auroc=float(roc_auc_score(target, score)) if both else float("nan"),
        capacity=min(capacity, len(target)),
        precision_at_capacity=precision_at(target, score, capacity),
        ece=expected_calibration_error(target, score),
        brier_skill=1 - brier / flat if flat else float("nan"),
    )


def auprc(target: NDArray[np.int8], score: NDArray[np.float64]) -> float:
    """Average precision; 0 without a positive."""
    return float(average_precision_score(target, score)) if target.any() else 0.0


def precision_at(target: NDArray[np.int8], score: NDArray[np.float64], capacity: int) -> float:
    """Share of positives among the `capacity` highest scores; scores that tie at the edge count by their own share."""
    k = min(capacity, len(target))
    if k == 0:
        return 0.0
    edge = np.sort(score)[-k]
    above, tied = score > edge, score == edge
    return float((target[above].sum() + target[tied].mean() * (k - above.sum())) / k)


def expected_calibration_error(target: NDArray[np.int8], score: NDArray[np.float64], n_bins: int = 10) -> float:
    """Mean gap between score and share of positives over bins of equal count, weighted by count."""
    if not len(target):
        return 0.0
    order = np.argsort(score, kind="stable")
    gaps = [
        abs(float(score[part].mean()) - float(target[part].mean())) * len(part)
        for part in np.array_split(order, min(n_bins, len(target)))
    ]
    return sum(gaps) / len(target)
