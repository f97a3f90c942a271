"""Boosted trees asked of many rows: to the bit what LightGBM says."""

import lightgbm
import numpy as np
import pytest

from gnn.forest import read_forest
from gnn.trees import Trees


def grown(n_leaves: int, rounds: int, seed: int = 0, n: int = 3_000) -> tuple[lightgbm.Booster, np.ndarray]:
    """Trees on noise with ties, zeros and wide ranges, and rows that they did not see."""
    random = np.random.default_rng(seed)
    values = random.standard_normal((n, 9)).astype(np.float32)
    values[:, 1] = np.round(values[:, 1] * 2)
    values[:, 2] = np.where(values[:, 2] > 0, 0, values[:, 2] * 1e6)
    values[:, 3] *= 1e-30
    target = (values[:, 0] + np.abs(values[:, 1]) + random.standard_normal(n) > 1).astype(int)
    parameters = {"objective": "binary", "num_leaves": n_leaves, "min_data_in_leaf": 5, "verbose": -1, "num_threads": 1}
    looked = np.concatenate([values, random.permuted(values, axis=0)])
    return lightgbm.train(parameters, lightgbm.Dataset(values, target), rounds), looked


@pytest.mark.parametrize(("n_leaves", "rounds"), [(2, 1), (7, 60), (32, 20)])
@pytest.mark.parametrize("n_threads", [1, 3])
def test_sums_are_those_of_lightgbm_to_the_bit(n_leaves: int, rounds: int, n_threads: int) -> None:
    booster, values = grown(n_leaves, rounds)
    forest = read_forest(booster.model_to_string(), range(9))
    steps = sorted({1, rounds // 2, rounds} - {0})
    told = [booster.predict(values, raw_score=True, num_iteration=step) for step in steps]
    assert np.ptp(told[-1]) > 0
    np.testing.assert_array_equal(forest.sums(values, n_threads, steps), np.array(told))


def test_values_at_a_threshold_go_where_lightgbm_sends_them() -> None:
    booster, _ = grown(7, 40)
    forest = read_forest(booster.model_to_string(), range(9))
    at = np.zeros((3 * len(forest.threshold), 9), dtype=np.float32)
    for place, threshold in enumerate(forest.threshold):
        column = forest.used[forest.column[place]]
        for step, value in enumerate((threshold, np.nextafter(threshold, np.float32(np.inf)), -threshold)):
            at[3 * place + step, column] = value
    np.testing.assert_array_equal(forest.sums(at, 1)[0], booster.predict(at, raw_score=True))


def test_columns_are_chosen() -> None:
    booster, values = grown(7, 10)
    wide = np.concatenate([np.full((len(values), 2), 7, dtype=np.float32), values[:, ::-1]], axis=1)
    forest = read_forest(booster.model_to_string(), [10 - number for number in range(9)])
    np.testing.assert_array_equal(forest.sums(wide, 2)[0], booster.predict(values, raw_score=True))
    assert forest.sums(wide[:0], 2).shape == (1, 0)


def test_steps_beyond_the_last_tree_equal_it() -> None:
    booster, values = grown(7, 10)
    forest = read_forest(booster.model_to_string(), range(9))
    told = forest.sums(values, 1, (5, 10, 20, 30))
    np.testing.assert_array_equal(told[1], told[3])
    assert (told[0] != told[1]).any()


def test_a_tree_without_a_split_adds_its_leaf() -> None:
    flat = np.zeros((100, 2), dtype=np.float32)
    parameters = {"objective": "binary", "verbose": -1}
    booster = lightgbm.train(parameters, lightgbm.Dataset(flat, np.arange(100) % 4 == 0), 3)
    said = Trees(booster.model_to_string(), (0, 1)).predict(flat, 1)
    np.testing.assert_array_equal(said, booster.predict(flat, raw_score=True))


def test_what_cannot_be_asked_so_is_refused() -> None:
    booster, _ = grown(64, 1)
    with pytest.raises(ValueError, match="at most 32 leaves"):
        read_forest(booster.model_to_string(), range(9))
