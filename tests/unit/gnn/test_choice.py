"""What validation decides, and what it refuses."""

from typing import cast

import numpy as np
import pytest

from gnn.choice import Choice, choose, is_plausible, prefer
from gnn.cutoffs import CutOff, Labelled
from gnn.model_types import Trace
from gnn.registry import MODELS

N = 400
TARGET = (np.arange(N) % 20 == 0).astype(np.int8)
EVERYBODY = np.ones(N, dtype=bool)


def _trace(strength: float, seed: int = 0) -> Trace:
    noise = np.random.default_rng(seed).normal(size=N)
    return Trace((10, 20), np.stack([noise, noise + strength * TARGET]))


def _choose(traces: dict[str, Trace], judged: np.ndarray = EVERYBODY) -> Choice:
    """Accounts without a positive target have no outcome; the cut-off is not looked at."""
    nobody = np.zeros(N, dtype=bool)
    part = Labelled(cast("CutOff", None), np.arange(N), TARGET, nobody, TARGET == 1, nobody)
    return choose(part, judged, traces, 20, 0.4)


CONSTANT = Trace((10, 20), np.full((2, N), 3.0))


def test_sound_members_are_blended_and_later_rounds_taken_where_they_are_better() -> None:
    found = _choose({"trees": _trace(4), "sage": _trace(4, 1)})
    assert not found.faults
    assert set(found.metrics) == set(MODELS)
    assert found.rounds == {"trees": 20, "sage": 20}
    assert prefer(found.looked, list(MODELS), "auto") == "blend"
    assert prefer(found.looked, list(MODELS), "sage") == "sage"


DIVERGED = Trace((10, 20), np.where(np.arange(N) == 7, np.nan, np.stack([_trace(4).logits[1]] * 2)))


@pytest.mark.parametrize("bad", [CONSTANT, DIVERGED, _trace(-6)])
def test_a_member_that_learnt_nothing_leaves_the_other_one(bad: Trace) -> None:
    found = _choose({"trees": bad, "sage": _trace(4)})
    assert set(found.faults) == {"trees", "blend"}
    assert prefer(found.looked, ["sage"], "trees") == "sage"


def test_rounds_before_a_training_diverged_are_taken() -> None:
    late = Trace((10, 20, 30, 40), np.concatenate([_trace(4).logits[[1, 1]], DIVERGED.logits]))
    found = _choose({"trees": late, "sage": _trace(4, 1)})
    assert not found.faults and found.rounds["trees"] == 10


def test_two_such_members_leave_no_model() -> None:
    assert set(_choose({"trees": CONSTANT, "sage": CONSTANT}).faults) == set(MODELS)


def test_quality_is_of_the_judged_alone() -> None:
    judged = np.arange(N) >= 200
    found = _choose({"trees": _trace(4), "sage": _trace(4, 1)}, judged)
    assert {metrics.n for metrics in found.metrics.values()} == {200}
    assert {metrics.n_positive for metrics in found.metrics.values()} == {10}


@pytest.mark.parametrize(
    ("score", "is_right"), [(0.05, True), (0.2, True), (0.97, False), (0.3, False), (0.002, False)]
)
def test_scores_must_lie_about_the_observed_rate(score: float, is_right: bool) -> None:
    assert is_plausible(np.full(N, score), TARGET) == is_right


def test_a_small_share_of_found_accounts_vouches_for_no_model() -> None:
    assert is_plausible(np.full(N, 0.4), TARGET, 0.1)
    assert not is_plausible(np.full(N, 0.999), TARGET, 0.02)
    assert not is_plausible(np.full(N, 0.6), TARGET, 0.02)
    mostly = (np.arange(N) % 5 < 3).astype(np.int8)  # where most are synthetic and found, most may be expected
    assert is_plausible(np.full(N, 0.86), mostly, 0.7)
