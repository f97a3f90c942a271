"""Drift between two nights: how far the distributions of features, scores and embeddings have moved.

All by the population stability index over bins that part the earlier night evenly: below .1 nothing to speak of, above .25 moved.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.features import FEATURE_NAMES
from graph.errors import InputError

__all__ = [
    "DRIFTED",
    "MOVED_SHARE",
    "Drift",
    "EmbeddingDrift",
    "Spread",
    "measure_drift",
    "measure_embedding_drift",
    "measure_input_drift",
    "moved_share",
    "spread_of",
    "stability_index",
]

DRIFTED = 0.25  # the usual mark of the population stability index: above it a distribution has moved
MOVED_SHARE = 0.10  # of the features or dimensions: with more of them above it, a night has
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


def measure_drift(before: pl.DataFrame, inputs: Mapping[str, NDArray[np.float64]], score: NDArray[np.float64]) -> Drift:
    """A night against an earlier one.

    Args:
        before: `gnn.features.build_features` of it and `score`, of as many accounts as speak for all.
        inputs: the same features now, float64 [k] each.
        score: the same model's scores now, float64 [n].
    """
    spreads = {name: spread_of(before[name].to_numpy().astype(np.float64)) for name in FEATURE_NAMES}
    found = measure_input_drift(spreads, inputs)
    scores, moved = stability_index(before["score"].to_numpy(), score), moved_share(found.values())
    return Drift(scores, found, moved, scores > DRIFTED or moved > MOVED_SHARE)


def moved_share(indices: Collection[float]) -> float:
    """The share of stability indices above `DRIFTED`; 0 of none."""
    return sum(index > DRIFTED for index in indices) / max(len(indices), 1)


@dataclass(frozen=True)
class Spread:
    """How values are spread: what a later night needs to be held against it, without any account's value.

    Attributes:
        edges: between the bins, ascending; a bin holds values up to its upper edge.
        shares: of the values in each bin, one more than edges; empty where there was no value.
    """

    edges: tuple[float, ...]
    shares: tuple[float, ...]

    def index(self, values: NDArray[np.float64]) -> float:
        """Stability index of other values against these; 0 where either has none.

        sum over bins of (q - p) ln(q / p), with p the shares here and q there; a share is at least 1e-4.
        """
        if not self.shares or not len(values):
            return 0.0
        p, q = (np.maximum(shares, _FLOOR) for shares in (self.shares, _shares(values, np.array(self.edges))))
        return float(((q - p) * np.log(q / p)).sum())

    def to_dict(self) -> dict[str, Any]:
        """JSON values."""
        return {"edges": list(self.edges), "shares": list(self.shares)}

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Spread":
        """What `to_dict` gave."""
        return cls(tuple(found["edges"]), tuple(found["shares"]))


def spread_of(values: NDArray[np.float64], n_bins: int = 10) -> Spread:
    """The spread of values, float64 [n], over at most `n_bins` bins that part them evenly."""
    if not len(values):
        return Spread((), ())
    edges = np.unique(np.quantile(values, np.linspace(0, 1, n_bins + 1)[1:-1]))
    return Spread(tuple(edges.tolist()), tuple(_shares(values, edges).tolist()))


def stability_index(before: NDArray[np.float64], now: NDArray[np.float64], n_bins: int = 10) -> float:
    """Population stability index over bins that part `before` evenly; 0 for equal distributions, 0 where one is empty."""
    return spread_of(before, n_bins).index(now)


def measure_input_drift(before: Mapping[str, Spread], now: Mapping[str, NDArray[np.float64]]) -> dict[str, float]:
    """Stability index of each feature that both nights have, the highest first.

    Args:
        before: feature to its spread on the earlier night.
        now: feature to its values, float64 [n].
    """
    found = {name: before[name].index(values) for name, values in now.items() if name in before}
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


@dataclass(frozen=True)
class EmbeddingDrift:
    """What moved of the embeddings.

    Attributes:
        norm: stability index of their lengths.
        dimensions: stability index of each dimension.
        moved_share: share of the dimensions whose index is above `DRIFTED`.
    """

    norm: float
    dimensions: tuple[float, ...]
    moved_share: float


def measure_embedding_drift(
    before: NDArray[np.float32], now: NDArray[np.float32], version_before: str, version_now: str
) -> EmbeddingDrift:
    """Compares two nights' embeddings of one version.

    Args:
        before, now: float32 [n, d] and [m, d], of whichever accounts there were.
        version_before, version_now: their `embedding_version`.

    Raises:
        InputError: they are of two versions, whose dimensions mean nothing to each other.
    """
    if version_before != version_now:
        raise InputError(
            f"`embedding_version` must be the same on both nights; got `{version_before}` and `{version_now}`. "
            "Compare nights that one version embedded, or embed the earlier one anew."
        )
    wide = before.astype(np.float64), now.astype(np.float64)
    norms = [np.linalg.norm(values, axis=1) for values in wide]
    found = tuple(stability_index(one, other) for one, other in zip(wide[0].T, wide[1].T, strict=True))
    return EmbeddingDrift(stability_index(norms[0], norms[1]), found, moved_share(found))


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1)
    shares: NDArray[np.float64] = counts / len(values)
    return shares
