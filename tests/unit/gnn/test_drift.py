"""Drift: none between equal nights, some where something moved, refused between versions of embeddings."""

import numpy as np
import pytest

from gnn.drift import DRIFTED, Spread, measure_embedding_drift, measure_input_drift, spread_of, stability_index
from graph.errors import InputError


@pytest.fixture
def values() -> np.ndarray:
    return np.random.default_rng(0).normal(size=5000)


def test_the_index_is_nought_for_equal_values_and_grows_with_the_shift(values: np.ndarray) -> None:
    found = [stability_index(values, values + shift) for shift in (0.0, 0.1, 0.5, 1.0)]
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found == sorted(found)
    assert found[1] < 0.1 < DRIFTED < found[3]


def test_the_index_is_the_sum_over_bins() -> None:
    before = np.arange(100.0)
    now = np.r_[np.arange(50.0), np.arange(50.0)]
    p, q = np.full(10, 0.1), np.r_[np.full(5, 0.2), np.full(5, 1e-4)]
    assert stability_index(before, now) == pytest.approx(((q - p) * np.log(q / p)).sum(), rel=1e-6)


def test_a_spread_comes_back_from_json_and_says_the_same(values: np.ndarray) -> None:
    spread = Spread.from_dict(spread_of(values).to_dict())
    assert sum(spread.shares) == pytest.approx(1)
    assert spread.index(values + 0.3) == stability_index(values, values + 0.3)
    assert spread_of(values[:0]).index(values) == 0
    assert spread.index(values[:0]) == 0
    constant = spread_of(np.ones(10))
    assert constant.index(np.ones(3)) == pytest.approx(0)
    assert constant.index(np.full(3, 2.0)) > DRIFTED


def test_inputs_are_ordered_by_how_far_they_moved(values: np.ndarray) -> None:
    before = {name: spread_of(values) for name in ("still", "moved", "gone")}
    found = measure_input_drift(before, {"still": values, "moved": values + 1, "new": values})
    assert list(found) == ["moved", "still"]


def test_embeddings_are_compared_by_length_and_dimension() -> None:
    random = np.random.default_rng(1)
    before = random.normal(size=(4000, 8)).astype(np.float32)
    same = measure_embedding_drift(before, before[:3000], "e1", "e1")
    assert max(same.dimensions) < 0.05
    assert same.moved_share == 0
    moved = before.copy()
    moved[:, 2] += 2
    found = measure_embedding_drift(before, moved, "e1", "e1")
    assert int(np.argmax(found.dimensions)) == 2
    assert found.moved_share == pytest.approx(1 / 8)
    assert found.norm > DRIFTED
    longer = measure_embedding_drift(before, before * 3, "e1", "e1")
    assert longer.norm > max(same.norm, DRIFTED)


def test_embeddings_of_two_versions_are_not_compared() -> None:
    with pytest.raises(InputError, match="`e1` and `e2`"):
        measure_embedding_drift(np.ones((2, 4), np.float32), np.ones((2, 4), np.float32), "e1", "e2")
