import itertools

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from jobs.metrics import (
    Ranking,
    auprc_with_interval,
    auroc_with_interval,
    groups_of,
    pairwise_agreement,
    precision_at,
    wilson_interval,
)


@pytest.mark.parametrize("decimals", [1, 6])  # one decimal: many ties
def test_areas_equal_scikit_learns_weighted_ones(decimals: int) -> None:
    random = np.random.default_rng(3)
    truth = random.integers(0, 2, 300)
    score = np.round(random.uniform(size=300) + 0.3 * truth, decimals)
    weight = random.integers(0, 4, 300).astype(float)
    ranking = Ranking.of(truth, score)
    assert ranking.auprc(weight) == pytest.approx(average_precision_score(truth, score, sample_weight=weight))
    assert ranking.auroc(weight) == pytest.approx(roc_auc_score(truth, score, sample_weight=weight))


def test_the_interval_narrows_with_more_accounts_and_holds_the_value() -> None:
    random = np.random.default_rng(1)
    widths = []
    for n in (200, 5000):
        truth = random.integers(0, 2, n)
        area = auprc_with_interval(truth, random.normal(size=n) + truth, seed=5)
        assert area is not None
        assert area["low"] < area["value"] < area["high"]
        widths.append(area["high"] - area["low"])
    assert widths[1] < widths[0] / 3


def test_accounts_that_are_found_together_are_drawn_together() -> None:
    random = np.random.default_rng(1)
    names = pl.Series([f"r{ring}" for ring in range(20) for _ in range(15)] + [None] * 3000)
    truth = names.is_not_null().to_numpy().astype(int)
    luck = np.repeat(random.normal(size=20), 15)  # one a ring
    score = random.normal(size=3300) + np.r_[2 + 2 * luck, np.zeros(3000)]
    group = groups_of(names)
    assert len(np.unique(group)) == group.max() + 1 == 3020
    assert (group[:15] == group[0]).all()
    alone, together = (auprc_with_interval(truth, score, 0, each) for each in (None, group))
    assert alone is not None
    assert together is not None
    assert alone["value"] == together["value"]
    assert together["high"] - together["low"] > 1.5 * (alone["high"] - alone["low"])


def test_what_is_not_defined_is_none() -> None:
    assert auprc_with_interval(np.zeros(5), np.arange(5), 0) is None
    assert auroc_with_interval(np.ones(5), np.arange(5), 0) is None
    assert auprc_with_interval(np.zeros(0), np.zeros(0), 0) is None
    assert wilson_interval(0, 0) is None
    assert precision_at(np.zeros(0, bool), 10) is None


def test_wilson_stays_within_zero_and_one_and_agrees_with_a_published_value() -> None:
    assert wilson_interval(0, 10) == pytest.approx({"value": 0.0, "low": 0.0, "high": 0.2775}, abs=1e-4)
    middle = wilson_interval(81, 263)  # Newcombe (1998), table I: 0.2553 to 0.3662
    assert middle is not None
    assert (middle["low"], middle["high"]) == pytest.approx((0.2553, 0.3662), abs=1e-4)


def test_precision_at_more_than_there_are_counts_those_there_are() -> None:
    found = precision_at(np.array([True, False, True]), 50)
    assert found is not None
    assert (found["k"], found["n_hits"]) == (3, 2)


@pytest.mark.parametrize("touching", [False, True])
def test_pairs_equal_those_counted_one_by_one(touching: bool) -> None:
    random = np.random.default_rng(2)
    found = [None if g == 0 else f"c{g}" for g in random.integers(0, 5, 60)]
    planted = [None if g < 2 else f"r{g}" for g in random.integers(0, 6, 60)]
    frame = pl.DataFrame({"found": found, "planted": planted})
    pairs = list(itertools.combinations(zip(found, planted, strict=True), 2))
    n_found = sum(a[0] is not None and a[0] == b[0] and (not touching or bool(a[1] or b[1])) for a, b in pairs)
    n_planted = sum(a[1] is not None and a[1] == b[1] for a, b in pairs)
    n_shared = sum(None not in a and a == b for a, b in pairs)
    agreement = pairwise_agreement(frame, "found", "planted", touching)
    assert agreement["precision"] == pytest.approx(n_shared / n_found)
    assert agreement["recall"] == pytest.approx(n_shared / n_planted)
    assert agreement["n_shared_pairs"] == n_shared


def test_no_pairs_at_all_is_zero_not_an_error() -> None:
    frame = pl.DataFrame({"found": [None, None], "planted": ["a", "b"]}, schema_overrides={"found": pl.String})
    assert pairwise_agreement(frame, "found", "planted")["f1"] == 0.0
