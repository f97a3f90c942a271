"""From logits to probabilities by a strictly increasing map, so that ranks stay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

__all__ = ["Calibration", "fit_calibration"]

_SLOPES, _OFFSETS = (0.05, 50.0), (-50.0, 50.0)


@dataclass(frozen=True)
class Calibration:
    """probability = sigmoid(slope * logit + offset), with a positive slope.

    References:
        J. Platt, Probabilistic outputs for support vector machines, 1999; with his smoothed targets.
    """

    slope: float
    offset: float

    @property
    def is_at_bound(self) -> bool:
        """Whether slope or offset lies at the edge of what the fit may find: then the logits hold no fit."""
        pairs = ((self.slope, _SLOPES), (self.offset, _OFFSETS))
        return any(not low < value < high or min(value - low, high - value) < 1e-6 for value, (low, high) in pairs)

    def apply(self, logit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities, float64, in (0, 1); a higher logit never gets a lower one."""
        value = self.slope * np.asarray(logit, dtype=np.float64) + self.offset
        return np.exp(-np.logaddexp(0.0, -np.clip(value, -500, 500)))


def fit_calibration(target: NDArray[np.int8], logit: NDArray[np.float64]) -> Calibration:
    """Fits slope and offset by maximum likelihood; with one class only, the logits pass as they are."""
    positive, negative = float((target == 1).sum()), float((target == 0).sum())
    if positive == 0 or negative == 0:
        return Calibration(1.0, 0.0)
    smooth = np.where(target == 1, (positive + 1) / (positive + 2), 1 / (negative + 2))

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = point[0] * logit + point[1]
        residual = np.exp(-np.logaddexp(0.0, -value)) - smooth
        total = float((np.logaddexp(0.0, value) - smooth * value).sum())
        return total, np.array([float((residual * logit).sum()), float(residual.sum())])

    start = np.array([1.0, np.log(positive / negative) - float(np.median(logit))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[_SLOPES, _OFFSETS])
    return Calibration(float(found.x[0]), float(found.x[1]))
