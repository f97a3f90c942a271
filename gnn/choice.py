"""What validation decides: rounds, calibration, blend and the model that scores; and whether any model may."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gnn.calibration import Calibration, Outcomes, fit_outcomes
from gnn.cutoffs import Labelled
from gnn.metrics import Metrics, auprc, measure
from gnn.model import blend_logits
from gnn.model_types import Trace
from gnn.registry import BLEND, MEMBERS, MODELS

__all__ = ["Choice", "choose", "is_plausible", "prefer", "without_diverged"]

_BLENDS = (0.5, 0.65, 0.8)
_NOISE = 0.03  # smaller differences of AUPRC say nothing with so few positives; among equals the blend wanders least
_LEAST_SPREAD = 1e-9  # of logits; below it a model says the same of everybody
_FACTOR = 5.0  # between the mean score of the examples and their observed rate


@dataclass(frozen=True)
class Choice:
    """What validation decided.

    Attributes:
        rounds: member to its rounds.
        logits: model to float64 [k], of all validation accounts.
        outcomes: model to the calibration of these logits, and how outcomes come to be known, as it has it.
        blend_weight: share of `trees` in the blend.
        looked: model to its AUPRC on all validation accounts, by which it was chosen.
        metrics: model to its quality on the judged accounts.
        faults: model to why it must not score; only models with a fault.
    """

    rounds: Mapping[str, int]
    logits: Mapping[str, NDArray[np.float64]]
    outcomes: Mapping[str, Outcomes]
    blend_weight: float
    looked: Mapping[str, float]
    metrics: Mapping[str, Metrics]
    faults: Mapping[str, str]

    @property
    def calibrations(self) -> dict[str, Calibration]:
        """Model to the map of its logits, whether an outcome has come or not."""
        return {name: found.calibration for name, found in self.outcomes.items()}


def choose(
    part: Labelled,
    judged: NDArray[np.bool_],
    traces: Mapping[str, Trace],
    capacity: int,
    found_share: float | None,
) -> Choice:
    """Chooses and calibrates on all validation accounts, whose positives are many enough for it; measures on the judged ones.

    Calibration takes accounts without outcome for what they are, of unknown kind (`gnn.calibration.fit_outcomes`), and so
    counts the unclear ones, too; all else leaves those out.

    Args:
        part: the k validation accounts.
        judged: bool [k], none of them unclear.
        traces: member to its out-of-fold trace over the same k accounts.
        capacity: cases that the team can review.
        found_share: share of the synthetic accounts that come to be confirmed, about, where it is known.
    """
    clear, target = ~part.unclear, part.target
    synthetic, benign = target == 1, part.confirmed & (target == 0)
    rounds, logits = {}, {}
    for name, trace in traces.items():
        rounds[name], logits[name] = _best(target, clear, without_diverged(trace))
    outcomes = {name: fit_outcomes(synthetic, benign, value, found_share) for name, value in logits.items()}
    straight = {name: found.calibration for name, found in outcomes.items()}
    blends = [blend_logits(logits, straight, weight) for weight in _BLENDS]
    place = int(np.argmax([round(auprc(target[clear], value[clear]), 6) for value in blends]))
    logits[BLEND] = blends[place]
    outcomes[BLEND] = fit_outcomes(synthetic, benign, logits[BLEND], found_share)
    metrics = {
        name: measure(target[judged], outcomes[name].calibration.apply(logits[name][judged]), capacity)
        for name in MODELS
    }
    looked = {name: auprc(target[clear], logits[name][clear]) for name in MODELS}
    faults: dict[str, str] = {}
    for name in MODELS:
        fault = _fault(
            logits[name], outcomes[name].calibration, metrics[name], looked[name], float(target[clear].mean())
        )
        of_member = [member for member in MEMBERS if member in faults] if name == BLEND else []
        if fault or of_member:
            faults[name] = fault or f"its member {of_member[0]} must not score"
    return Choice(rounds, logits, outcomes, _BLENDS[place], looked, metrics, faults)


def prefer(looked: Mapping[str, float], sound: list[str], wish: str) -> str:
    """The model that scores, of those that are sound: the one wished for, or what validation says."""
    if wish in sound:
        return wish
    best = max(sound, key=lambda name: (round(looked[name], 6), -MODELS.index(name)))
    return BLEND if BLEND in sound and looked[BLEND] >= looked[best] - _NOISE else best


def is_plausible(score: NDArray[np.float64], target: NDArray[np.int8], found_share: float = 1.0) -> bool:
    """Whether the mean score of examples lies within a factor of 5 of their rate, had all of them been found.

    And no higher than halfway from there to one, where a share below a half does not count: a model's own small share must not vouch
    for its high scores.
    """
    mean, observed = float(score.mean()), float(target.mean())
    rate, sure = min(observed / found_share, 1.0), min(observed / max(found_share, 0.5), 1.0)
    return rate / _FACTOR <= mean <= rate * _FACTOR and mean <= (1 + sure) / 2


def without_diverged(trace: Trace) -> Trace:
    """Rounds whose logits are not all finite say the same of everybody: they lose to any that learnt, and a model of them alone is at fault."""
    return Trace(trace.rounds, np.where(np.isfinite(trace.logits).all(axis=1, keepdims=True), trace.logits, 0.0))


def _best(target: NDArray[np.int8], clear: NDArray[np.bool_], trace: Trace) -> tuple[int, NDArray[np.float64]]:
    """The rounds with the highest average precision, meant with that of the rounds beside, and their logits."""
    found = np.array([auprc(target[clear], logits[clear]) for logits in trace.logits])
    beside = np.pad(found, 1, mode="edge")
    place = int(np.argmax(np.round((beside[:-2] + beside[1:-1] + beside[2:]) / 3, 6)))
    return trace.rounds[place], trace.logits[place]


def _fault(logits: NDArray[np.float64], calibration: Calibration, metrics: Metrics, looked: float, rate: float) -> str:
    """Why a model must not score, or nothing."""
    if not np.isfinite(logits).all() or np.ptp(logits) < _LEAST_SPREAD:
        return "it says the same of every validation account"
    if calibration.is_at_bound:
        return "its scores could not be calibrated"
    for found, chance in ((looked, rate), (metrics.auprc, metrics.prevalence)):
        if found <= chance:
            return f"its validation AUPRC, {found:.4f}, is not above the prevalence, {chance:.4f}"
    return ""
