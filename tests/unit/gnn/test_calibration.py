"""Calibration where most synthetic accounts were never found."""

import numpy as np
import pytest
from scipy.special import expit

from gnn.calibration import before_silence, fit_calibration, fit_outcomes, match_calibration
from gnn.metrics import expected_calibration_error


def test_calibration_recovers_known_odds() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-2, 2, 20_000)
    target = (random.random(20_000) < 1 / (1 + np.exp(-(0.5 * logit - 1)))).astype(np.int8)
    found = fit_calibration(target, logit)
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.offset == pytest.approx(-1, abs=0.1)
    assert expected_calibration_error(target, found.apply(logit)) < 0.02


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
    # of those without outcome some of the synthetic are gone: each of the rest is one the less probably
    is_open, heard = ~synthetic & ~benign, min(share, 0.5)
    told = found.of_open(0.5 * logit - 2)
    if heard == share:  # where more are found, scores stay the higher: accounts of new rings must not be let go
        assert told[is_open].sum() == pytest.approx(truth[is_open].sum(), rel=0.1)
    assert score[is_open].sum() > 1.1 * truth[is_open].sum()
    np.testing.assert_allclose(before_silence(told, found.silence), score, rtol=1e-9)
    among_honest = 0.002 + benign.sum() / (~truth).sum()  # wrongly confirmed, or cleared
    assert found.silence == pytest.approx(max(np.log((1 - share) / (1 - among_honest)), np.log(0.5)), abs=0.06)
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


@pytest.mark.parametrize(("strength", "seed"), [(0.3, 1), (0.3, 15), (0.6, 1), (1.0, 1)])
def test_scores_that_tell_little_do_not_make_everybody_synthetic(strength: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    synthetic = random.random(3_000) < 0.03
    logit = random.normal(size=3_000) + strength * synthetic
    found = fit_outcomes(synthetic, np.zeros(3_000, dtype=np.bool_), logit, None)
    score = found.calibration.apply(logit)
    assert score.mean() < 0.12
    assert (score > 0.3).mean() < 0.08


def test_a_gross_logit_spoils_nothing() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-6, 3, 20_000)
    synthetic = random.random(len(logit)) < 0.4 * expit(logit)
    nobody = np.zeros(len(logit), dtype=np.bool_)
    before = fit_outcomes(synthetic, nobody, logit, 0.4).calibration
    logit[0] = -1e5
    after = fit_outcomes(synthetic, nobody, logit, 0.4).calibration
    assert (after.slope, after.offset) == pytest.approx((before.slope, before.offset), rel=0.02, abs=0.02)


@pytest.mark.parametrize("scale", [0.1, 1.0, 15.0])
def test_the_scale_of_logits_does_not_matter_until_it_is_absurd(scale: float) -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-6, 3, 20_000)
    truth = random.random(len(logit)) < expit(logit)
    synthetic, nobody = truth & (random.random(len(logit)) < 0.4), np.zeros(len(logit), dtype=np.bool_)
    found = fit_outcomes(synthetic, nobody, scale * logit, 0.4).calibration
    assert found.apply(scale * logit).sum() == pytest.approx(truth.sum(), rel=0.1)
    assert not found.is_at_bound
    assert fit_outcomes(synthetic, nobody, 50 * logit, 0.4).calibration.is_at_bound


def test_one_in_a_thousand_is_not_taken_for_one_in_twenty() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-14, 4, 200_000)
    truth = random.random(len(logit)) < expit(logit)
    assert 0.0005 < truth.mean() < 0.005
    synthetic, nobody = truth & (random.random(len(logit)) < 0.4), np.zeros(len(logit), dtype=np.bool_)
    score = fit_outcomes(synthetic, nobody, logit, 0.4).calibration.apply(logit)
    assert score.sum() == pytest.approx(truth.sum(), rel=0.1)


def test_many_cleared_accounts_where_many_are_synthetic_leave_their_number() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(-1, 3, 20_000)
    truth, draw = random.random(len(logit)) < expit(logit), random.random(len(logit))
    found = fit_outcomes(truth & (draw < 0.4), ~truth & (draw > 0.5), logit, 0.4)
    assert 0.35 < truth.mean() < 0.42
    assert found.calibration.apply(logit).sum() == pytest.approx(truth.sum(), rel=0.05)
    assert (
        found.silence == 0
    )  # of the honest more are known: who is too new for an outcome must not be suspected for that
    assert fit_outcomes(truth & (draw < 0.4), ~truth & (draw > 0.8), logit, 0.4).silence == pytest.approx(
        np.log(0.6 / 0.8), abs=0.06
    )


@pytest.mark.parametrize("strength", [0.1, 0.5, 1.0, 2.0])
def test_where_every_outcome_is_known_no_more_are_expected_than_there_are(strength: float) -> None:
    """Also by scores that tell little, by which some may be confirmed by mistake: no more can be cleared than are honest."""
    random = np.random.default_rng(0)
    synthetic = random.random(5_000) < 0.13
    logit = random.normal(size=len(synthetic)) + strength * synthetic
    found = fit_outcomes(synthetic, ~synthetic, logit, None)
    share = found.calibration.apply(logit).sum() / synthetic.sum()
    assert share < 1.1
    assert share > 0.9 or strength < 1
