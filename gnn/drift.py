"""Drift between two nights: how far the distributions of features and scores have moved."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.features import FEATURE_NAMES

__all__ = ["DRIFTED", "Drift", "measure_drift", "stability_index"]

DRIFTED = 0.25  # the usual mark of the population stability index: above it a distribution has moved
_SHARE = 0.10
_FLOOR = 1e-4


@dataclass(frozen=True)
class Drift:
    """What moved from one night to another.

    Attributes:
        score: stability index of the scores.
        features: feature name to its stability index, highest first.
        moved_share: share of the features whose index is above `DRIFTED`.
        has_drifted: the scores moved, or a tenth of the features did: reason enough to train anew.
    """

    score: float
    features: dict[str, float]
    moved_share: float
    has_drifted: bool


def measure_drift(
    before: pl.DataFrame, now: pl.DataFrame, score_before: NDArray[np.float64], score_now: NDArray[np.float64]
) -> Drift:
    """Compares two nights' features (`gnn.features.build_features`) and scores of one model, float64 [n] each."""
    found = {
        name: stability_index(before[name].to_numpy().astype(np.float64), now[name].to_numpy().astype(np.float64))
        for name in FEATURE_NAMES
    }
    score = stability_index(score_before, score_now)
    moved = sum(value > DRIFTED for value in found.values()) / len(found)
    order = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return Drift(score, dict(order), moved, score > DRIFTED or moved > _SHARE)


def stability_index(before: NDArray[np.float64], now: NDArray[np.float64], n_bins: int = 10) -> float:
    """Population stability index over bins that part `before` evenly; 0 for equal distributions, 0 where one is empty.

    sum over bins of (q - p) ln(q / p), with p and q the shares of `before` and `now`; symmetric in what moved where.
    """
    if not len(before) or not len(now):
        return 0.0
    edges = np.unique(np.quantile(before, np.linspace(0, 1, n_bins + 1)[1:-1]))
    shares = []
    for values in (before, now):
        counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
        shares.append(np.maximum(counts / len(values), _FLOOR))
    return float(((shares[1] - shares[0]) * np.log(shares[1] / shares[0])).sum())
