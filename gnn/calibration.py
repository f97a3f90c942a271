"""From logits to probabilities by a strictly increasing map, so that ranks stay."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit
from scipy.special import logit as logit_of

__all__ = ["Calibration", "Outcomes", "before_silence", "fit_calibration", "fit_outcomes", "match_calibration"]

_SLOPES, _OFFSETS = (0.05, 50.0), (-50.0, 50.0)
_FOUND_SHARE = 0.3  # of the synthetic accounts those that come to be confirmed, about
_FOUND_SPREAD, _KNOWN_SPREAD = 1.0, 0.1  # of that share, in log odds; where a desk knows its own
_FOUND_BOUNDS = (-3.89, 4.0)  # in log odds: at least one in fifty is found, or scores would promise anything
_MOST_SILENCE = float(np.log(0.5))
# a larger share of synthetic accounts is believed the less, the further it lies above, in log odds
_COMMON, _COMMON_SPREAD = 0.05, 0.7
_SLOPE_SPREAD = 0.7
_N_TOP, _N_BINS = 1000, 1000  # accounts with the highest logits, each a bin of its own, and bins for all others
_FLOOR = 1e-12


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


@dataclass(frozen=True)
class Outcomes:
    """How outcomes come to be known, as the calibration found it.

    Attributes:
        calibration: from logits to the probability of being synthetic, found or not.
        found_share: share of the synthetic accounts that have been confirmed.
        silence: what it adds to an account's log odds that no outcome has come: so many of the synthetic have one. Never above zero,
            where more of the honest are cleared: accounts too new for an outcome would be suspected for that. And as if half of the
            synthetic were found at most: a desk that finds nearly all would let the accounts of new rings go.
    """

    calibration: Calibration
    found_share: float
    silence: float = 0.0

    def of_open(self, logit: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities, float64 [k], of being synthetic for accounts without outcome, of logits, float64 [k]."""
        return Calibration(self.calibration.slope, self.calibration.offset + self.silence).apply(logit)


def before_silence(probability: NDArray[np.float64], silence: float) -> NDArray[np.float64]:
    """Probabilities [k] by `Outcomes.of_open`, or a map matched to it, as they were before one looked whether an outcome has come."""
    return np.asarray(expit(logit_of(probability) - silence), dtype=np.float64)


def fit_calibration(target: NDArray[np.int8], logit: NDArray[np.float64]) -> Calibration:
    """Fits slope and offset by maximum likelihood; with one class only, the logits pass as they are."""
    positive, negative = float((target == 1).sum()), float((target == 0).sum())
    if positive == 0 or negative == 0:
        return Calibration(1.0, 0.0)
    return _fit(np.where(target == 1, (positive + 1) / (positive + 2), 1 / (negative + 2)), logit)


def fit_outcomes(
    synthetic: NDArray[np.bool_], benign: NDArray[np.bool_], logit: NDArray[np.float64], found_share: float | None
) -> Outcomes:
    """Calibrates where most synthetic accounts were never found: the missing outcomes are latent, not negative.

    With p = sigmoid(slope * logit + offset), an account is confirmed with probability c p + w (1 - p), w < c, cleared with e (1 - p),
    and has no outcome otherwise. Slope, offset, c and w are fitted by maximum likelihood, e gives as many cleared as there are. What tells the
    share c from the offset is that no account is confirmed more often than c, however high its score; where few are, it rests on a prior: a wide
    one, or a tight one around what a desk knows of itself. Logits that tell little would let a small c and a large offset pass for
    each other, so that a prior also holds that synthetic accounts are rare.

    Args:
        synthetic, benign: bool [k], the accounts' outcomes; neither where there is none.
        logit: float64 [k], of models that did not see the accounts' groups.
        found_share: what c is about, 0 to 1, where that is known.

    References:
        C. Elkan, K. Noto, Learning classifiers from only positive and unlabeled data, KDD 2008.
    """
    about, spread = (_FOUND_SHARE, _FOUND_SPREAD) if found_share is None else (found_share, _KNOWN_SPREAD)
    if not synthetic.any() or synthetic.all():
        return Outcomes(Calibration(1.0, 0.0), about)
    value, n = _binned(synthetic, benign, logit)
    n_all, n_cleared = n.sum(axis=0), float(n[1].sum())

    def cleared(p: NDArray[np.float64], wrong: float) -> float:
        """e, that gives as many cleared as there are, if so many can be: no more than all honest ones not confirmed by mistake."""
        return min(n_cleared / max(float(n_all @ (1 - p)), 1.0), 1 - wrong)

    def loss(point: NDArray[np.float64]) -> float:
        p = expit(np.exp(point[0]) * value + point[1])
        found, wrong = expit(point[2]), expit(point[2]) * expit(point[3])
        seen = found * p + wrong * (1 - p)
        clear = cleared(p, wrong) * (1 - p) + _FLOOR
        likely = np.log(np.stack([seen, clear, np.maximum(1 - seen - clear, _FLOOR)]) + _FLOOR)
        rate = float(np.clip(n_all @ p / n_all.sum(), _FLOOR, 1 - 1e-9))
        common = max(0.0, float(logit_of(rate) - logit_of(_COMMON)))
        prior = (
            ((point[2] - logit_of(about)) / spread) ** 2
            + (point[0] / _SLOPE_SPREAD) ** 2
            + (common / _COMMON_SPREAD) ** 2
        )
        return float(prior / 2 - (n * likely).sum())

    low, high = (float(np.log(edge)) for edge in _SLOPES)
    bounds = [(low, high), _OFFSETS, _FOUND_BOUNDS, (-14.0, -1.0)]
    steps = (-2, 0, 2) if found_share is None else (0,)  # under a wide prior few or most may each hold a minimum
    starts = [
        np.array([0.0, offset, logit_of(about) + step * spread, -6.0]) for offset in (-2.0, 0.0, 2.0) for step in steps
    ]
    tried = [minimize(loss, start, method="L-BFGS-B", bounds=bounds) for start in starts]
    point = min(tried, key=lambda found: round(float(found.fun), 6)).x
    calibration, found_share = Calibration(float(np.exp(point[0])), float(point[1])), float(expit(point[2]))
    wrong = found_share * float(expit(point[3]))
    known = wrong + cleared(calibration.apply(value), wrong)
    silence = float(np.log1p(-found_share) - np.log1p(-min(known, found_share)))
    return Outcomes(calibration, found_share, max(silence, _MOST_SILENCE))


def match_calibration(told: NDArray[np.float64], logit: NDArray[np.float64]) -> Calibration:
    """Gives other logits of the same accounts the distribution of probabilities that `told`, float64 [k], has, rank by rank.

    Models that saw an account say something else of it than those that did not, on another scale; what outcomes say of
    the latter holds for the former only so. The sums of probabilities are equal. Where not all logits are finite, it is at its bounds.
    """
    if not np.isfinite(logit).all():
        return Calibration(_SLOPES[0], _OFFSETS[0])
    return _fit(np.sort(told), np.sort(logit)) if len(told) else Calibration(1.0, 0.0)


def _binned(
    synthetic: NDArray[np.bool_], benign: NDArray[np.bool_], logit: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean logit of each bin, and its accounts confirmed, cleared and neither: [3, bins]; by rank, so that a gross logit spoils one."""
    n = len(logit)
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(-logit, kind="stable")] = np.arange(n)
    place = np.where(rank < _N_TOP, rank, _N_TOP + (rank - _N_TOP) * _N_BINS // max(n - _N_TOP, 1))
    total = np.bincount(place)
    mean = np.bincount(place, weights=logit) / np.maximum(total, 1)
    known = [np.bincount(place, weights=rows, minlength=len(total)) for rows in (synthetic, benign)]
    return mean[total > 0], np.stack([*known, total - known[0] - known[1]])[:, total > 0]


def _fit(target: NDArray[np.float64], logit: NDArray[np.float64]) -> Calibration:
    """Slope and offset with the least cross-entropy against targets between 0 and 1."""

    def loss(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        value = point[0] * logit + point[1]
        residual = expit(value) - target
        total = float((np.logaddexp(0.0, value) - target * value).sum())
        return total, np.array([float((residual * logit).sum()), float(residual.sum())])

    rate = float(np.clip(target.mean(), 1e-9, 1 - 1e-9))
    start = np.array([1.0, logit_of(rate) - float(np.median(logit))])
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=[_SLOPES, _OFFSETS])
    return Calibration(float(found.x[0]), float(found.x[1]))
