"""Metrics on cases that can be worked out by hand, and drift."""

import numpy as np
import pytest
from scipy.special import expit

from gnn.calibration import fit_calibration, fit_outcomes, match_calibration
from gnn.drift import DRIFTED, stability_index
from gnn.metrics import expected_calibration_error, measure, precision_at


def test_precision_at_capacity_counts_ties_by_their_share() -> None:
    target = np.array([1, 0, 1, 0, 0], dtype=np.int8)
    score = np.array([0.9, 0.8, 0.5, 0.5, 0.1])
    assert precision_at(target, score, 1) == 1
    assert precision_at(target, score, 2) == 0.5
    assert precision_at(target, score, 3) == pytest.approx(1.5 / 3)
    assert precision_at(target, score, 99) == pytest.approx(2 / 5)
    assert precision_at(target[:0], score[:0], 5) == 0


def test_calibration_error_is_the_gap_between_said_and_seen() -> None:
    target = np.array([0] * 50 + [1] * 50, dtype=np.int8)
    assert expected_calibration_error(target, target.astype(float)) == 0
    assert expected_calibration_error(target, np.full(100, 0.5), n_bins=1) == 0
    assert expected_calibration_error(target, 1 - target.astype(float)) == 1


def test_a_constant_score_has_no_skill() -> None:
    target = (np.arange(1000) % 50 == 0).astype(np.int8)
    found = measure(target, np.full(1000, 0.02), 10)
    assert found.brier_skill == pytest.approx(0)
    assert found.auprc == pytest.approx(found.prevalence)
    assert found.auroc == pytest.approx(0.5)


def test_one_class_gives_no_error() -> None:
    found = measure(np.zeros(5, dtype=np.int8), np.linspace(0, 1, 5), 3)
    assert found.auprc == 0
    assert np.isnan(found.auroc)


def test_calibration_recovers_known_odds() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-2, 2, 20_000)
    target = (random.random(20_000) < 1 / (1 + np.exp(-(0.5 * logit - 1)))).astype(np.int8)
    found = fit_calibration(target, logit)
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.offset == pytest.approx(-1, abs=0.1)
    assert expected_calibration_error(target, found.apply(logit)) < 0.02


def test_stability_index_sees_a_shift_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    before = random.normal(size=5000)
    assert stability_index(before, before) == 0
    assert stability_index(before, random.normal(size=5000)) < 0.02
    assert stability_index(before, before + 1) > DRIFTED
    assert stability_index(np.zeros(10), np.zeros(10)) == 0
    assert stability_index(before, np.array([])) == 0


@pytest.mark.parametrize("share", [0.3, 0.4, 0.7])
def test_calibration_finds_the_synthetic_accounts_that_nobody_confirmed(share: float) -> None:
    """So many are confirmed, a few honest ones wrongly, and one in fifty is cleared: scores must mean what is true."""
    random = np.random.default_rng(0)
    logit = random.normal(-6, 3, 40_000)
    truth = random.random(len(logit)) < expit(logit)
    draw = random.random(len(logit))
    synthetic, benign = np.where(truth, draw < share, draw < 0.002), ~truth & (draw > 0.98)
    found = fit_outcomes(synthetic, benign, 0.5 * logit - 2, share)
    score = found.calibration.apply(0.5 * logit - 2)
    assert score.sum() == pytest.approx(truth.sum(), rel=0.1)
    assert expected_calibration_error(truth[score > 0.05].astype(np.int8), score[score > 0.05]) < 0.05
    assert found.found_share == pytest.approx(share, abs=0.05)
    # the absence of an outcome taken for innocence tells of little more than those
    naive = fit_calibration(synthetic.astype(np.int8), 0.5 * logit - 2).apply(0.5 * logit - 2)
    assert naive.sum() < (share + 0.2) * truth.sum()


@pytest.mark.parametrize("share", [0.03, 0.05, 0.3, 0.7])
def test_calibration_finds_how_many_come_to_be_confirmed(share: float) -> None:
    """Where nobody tells it: a desk that confirms one in thirty, and one that confirms most."""
    random = np.random.default_rng(0)
    logit = random.normal(-8, 4, 200_000)
    truth = random.random(len(logit)) < expit(logit)
    draw = random.random(len(logit))
    synthetic, benign = np.where(truth, draw < share, draw < share / 400), ~truth & (draw > 0.98)
    found = fit_outcomes(synthetic, benign, 0.5 * logit - 2, None)
    assert found.calibration.apply(0.5 * logit - 2).sum() == pytest.approx(truth.sum(), rel=0.25)
    assert found.found_share == pytest.approx(share, rel=0.25)


def test_what_a_desk_knows_of_itself_holds_against_outcomes() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-8, 4, 40_000)
    synthetic = random.random(len(logit)) < 0.3 * expit(logit)
    nobody = np.zeros(len(logit), dtype=np.bool_)
    assert fit_outcomes(synthetic, nobody, logit, 0.6).found_share == pytest.approx(0.6, abs=0.12)
    assert fit_outcomes(synthetic, nobody, logit, None).found_share < 0.4


def test_few_outcomes_leave_the_share_near_what_is_usual() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-8, 4, 3_000)
    synthetic = random.random(len(logit)) < 0.3 * expit(logit)
    few = np.flatnonzero(synthetic)[::5]
    synthetic[:] = False
    synthetic[few] = True
    assert 2 < len(few) < 12
    found = fit_outcomes(synthetic, np.zeros(len(logit), dtype=np.bool_), logit, None)
    assert 0.06 < found.found_share < 0.5


def test_a_matched_calibration_tells_of_as_many() -> None:
    random = np.random.default_rng(1)
    told = expit(random.normal(-4, 2, 5000))
    other = 3 * random.normal(-1, 2, 5000)
    found = match_calibration(told, other)
    assert found.slope > 0
    assert found.apply(other).sum() == pytest.approx(told.sum(), rel=1e-3)


@pytest.mark.parametrize("which", [0, 1])
def test_outcomes_of_one_kind_pass_logits_as_they_are(which: int) -> None:
    everybody = np.full(10, bool(which))
    found = fit_outcomes(everybody, ~everybody, np.linspace(-1, 1, 10), 0.4)
    assert (found.calibration.slope, found.calibration.offset) == (1.0, 0.0)
