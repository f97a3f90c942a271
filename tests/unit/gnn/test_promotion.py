"""Challenger against champion: refused only where it is surely worse, on accounts whose answer neither has seen."""

from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from gnn.examples import BENIGN, SYNTHETIC
from gnn.metrics import expected_calibration_error, measure, precision_at
from gnn.model import OutOfFold
from gnn.promotion import compare_models, judge_accounts, refuse_collapse

N, N_RINGS, RING = 4000, 12, 4


def _world(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Target and group: rings of four, the rest alone."""
    target = np.zeros(N, dtype=np.int8)
    target[: N_RINGS * RING] = 1
    group = np.r_[np.repeat(np.arange(N_RINGS), RING), np.arange(N_RINGS, N - N_RINGS * RING + N_RINGS)]
    order = np.random.default_rng(seed).permutation(N)
    return target[order], group[order]


def _scores(target: np.ndarray, skill: float, seed: int) -> np.ndarray:
    """Calibrated by construction: the true log odds where a positive's evidence is normal about `skill`, a negative's about 0."""
    random = np.random.default_rng(seed)
    evidence = random.normal(skill * target, 1.0)
    rate = target.mean()
    logit = np.log(rate / (1 - rate)) + skill * evidence - skill**2 / 2
    return 1 / (1 + np.exp(-logit))


def test_a_much_worse_challenger_is_refused_at_capacity() -> None:
    target, group = _world()
    found = compare_models(target, _scores(target, 4, 1), _scores(target, 1, 2), group, 50, 0)
    assert not found.is_promoted
    assert "worse at capacity 50" in found.why
    assert found.measures is not None
    assert found.measures["precision_at_capacity"]["high"] < 0
    assert (found.n, found.n_positive, found.n_groups) == (N, N_RINGS * RING, N_RINGS)


@pytest.mark.parametrize("seed", range(6))
def test_as_good_a_challenger_is_promoted_and_so_is_a_better_one(seed: int) -> None:
    target, group = _world(seed)
    champion = _scores(target, 3, 10 + seed)
    assert compare_models(target, champion, _scores(target, 3, 20 + seed), group, 50, seed).is_promoted
    assert compare_models(target, champion, _scores(target, 5, 20 + seed), group, 50, seed).is_promoted
    assert compare_models(target, champion, champion, group, 50, seed).is_promoted


def test_scores_far_too_low_are_refused_and_a_common_factor_is_not() -> None:
    target, group = _world()
    few = target == 0
    few[np.flatnonzero(few)[400:]] = False
    keep = few | (target == 1)  # one in ten is positive: miscalibration shows
    target, group, score = target[keep], group[keep], _scores(target, 5, 1)[keep]
    score = np.clip(score * target.sum() / score.sum(), 0, 1)
    found = compare_models(target, score, score / 20, group, 50, 0)
    assert not found.is_promoted
    assert "worse calibrated" in found.why
    assert compare_models(target, score / 1.5, score, group, 50, 0).is_promoted  # rings nobody found look the same
    flat = compare_models(target, score, np.round(score) * 0.2 + 0.1 + score * 1e-6, group, 50, 0)
    assert "worse calibrated" in flat.why


def test_too_few_positives_compare_nothing_and_promote() -> None:
    target, group = _world()
    worse = _scores(target, 0, 2)
    target[np.flatnonzero(target)[9:]] = 0
    found = compare_models(target, _scores(target, 4, 1), worse, group, 50, 0)
    assert found.is_promoted
    assert "nothing could be compared: 9 positive(s)" in found.why
    assert found.measures is None
    one_ring = (group == 0).astype(np.int8)
    one_ring[np.flatnonzero(group > N_RINGS)[:8]] = 1
    assert compare_models(one_ring, worse, worse, np.minimum(group, 3), 50, 0).measures is None
    assert compare_models(target[:0], worse[:0], worse[:0], group[:0], 50, 0).is_promoted


def test_told_values_are_the_metrics_and_the_interval_holds_the_difference() -> None:
    target, group = _world()
    champion, challenger = _scores(target, 2, 1), _scores(target, 2.5, 2)
    found = compare_models(target, champion, challenger, group, 50, 0).measures
    assert found is not None
    precision = found["precision_at_capacity"]
    assert precision["champion"] == pytest.approx(precision_at(target, champion, 50))
    assert precision["low"] <= precision["challenger"] - precision["champion"] <= precision["high"]
    error, scale = found["calibration_error"], min(1.0, target.sum() / champion.sum())
    assert error["champion"] == pytest.approx(expected_calibration_error(target, champion * scale), abs=1e-6)
    again = compare_models(target, champion, challenger, group, 50, 0).measures
    assert again == found


def test_who_is_judged_had_no_outcome_in_the_group_when_the_champion_was_trained() -> None:
    day = [datetime(2026, 3, number, tzinfo=UTC) for number in range(1, 10)]
    outcomes = pl.DataFrame(
        {
            "account_id": ["a1", "b1", "c1", "z"],
            "event_time": [day[0], day[6], day[1], day[0]],
            "known_time": [day[2], day[6], day[7], day[1]],
            "outcome": [SYNTHETIC, SYNTHETIC, BENIGN, SYNTHETIC],
            "source": ["x"] * 4,
        }
    )
    ids = pl.Series("account_id", ["a1", "a2", "b1", "b2", "c1", "d1"])
    groups = pl.DataFrame({"account_id": [*ids, "z", "a3"], "group": [0, 0, 1, 1, 2, 3, 3, 0]})
    account = np.array([5, 3, 1, 0, 2, 4])  # in another order than the snapshot's
    unclear = np.array([False, True, False, False, False, False])
    out_of_fold = OutOfFold(account, np.zeros(6, dtype=np.int8), unclear, {})
    found = judge_accounts(out_of_fold, ids, groups, outcomes, day[4])
    # a1, a2: a1 was known; b2: unclear; b1, c1: known since; d1: of the group of z, whose outcome was known
    assert ids.gather(account[found.rows]).to_list() == ["b1", "c1"]
    assert found.group.tolist() == [3, 1, 0, 0, 1, 2]
    late = judge_accounts(out_of_fold, ids, groups, outcomes, day[8])
    assert not late.rows.any()


def test_where_nothing_can_be_compared_a_collapse_is_refused_and_a_little_worse_is_not() -> None:
    target = np.zeros(2000, np.int8)
    target[:40] = 1
    good, fair, lost = (measure(target, _scores(target, strength, 3), 50) for strength in (3, 2.5, 0.2))
    few = compare_models(target[:0], np.zeros(0), np.zeros(0), np.zeros(0, np.int64), 50, 0)
    assert few.is_promoted
    assert refuse_collapse(few, good, fair) == few
    refused = refuse_collapse(few, good, lost)
    assert not refused.is_promoted
    assert "under half of the champion's" in refused.why
    group = np.arange(2000)
    compared = compare_models(target, _scores(target, 3, 3), _scores(target, 3, 4), group, 50, 0)
    assert refuse_collapse(compared, good, lost) == compared
