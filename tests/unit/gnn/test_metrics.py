"""Metrics on cases that can be worked out by hand, and drift."""

import numpy as np
import pytest

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


def test_stability_index_sees_a_shift_and_nothing_else() -> None:
    random = np.random.default_rng(0)
    before = random.normal(size=5000)
    assert stability_index(before, before) == 0
    assert stability_index(before, random.normal(size=5000)) < 0.02
    assert stability_index(before, before + 1) > DRIFTED
    assert stability_index(np.zeros(10), np.zeros(10)) == 0
    assert stability_index(before, np.array([])) == 0
