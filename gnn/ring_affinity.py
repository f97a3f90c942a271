"""How far two suspected accounts look like one actor's, learnt anew each night from those that are joined.

What one actor's accounts have in common beside identifiers differs from world to world: they come within an hour, first log in
after as many, hold as many prepaid cards. No rule could name it. So trees learn it from the suspected accounts themselves: pairs within a
group that links hold together against pairs of different groups. Many of the latter are one actor's as well, which makes all log
odds too low alike, and changes no order.

References:
    C. Elkan, K. Noto, Learning classifiers from only positive and unlabeled data, KDD 2008: what unlabelled positives do to a score.
"""

from concurrent.futures import ThreadPoolExecutor

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.features import GRAPHLESS
from gnn.forest import Forest, read_forest

__all__ = ["LOWEST", "directions", "learn_affinity", "neighbours_in_time", "rank_behaviour"]

LOWEST = -6.0  # log odds; what is less likely counts as this, and so does who came at quite another time
_WINDOW = 200  # of those who came next: whom a suspected account is compared with
_N_SAMPLED = 100_000  # accounts, among which a behaviour has its rank
_N_TRAINED, _N_AT_ONCE = 200_000, 500_000  # pairs
_LEAST = 20  # pairs of each kind, to learn from
_ROUNDS, _N_MODELS = 80, 4
_PARAMETERS = {
    "objective": "binary",
    "learning_rate": 0.05,
    "num_leaves": 5,  # there are many pairs, but few actors
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 1,
    "max_bin": 63,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
_BEHAVIOUR = [name for name in GRAPHLESS if name != "age_days"]  # how far apart they came is given by itself


def rank_behaviour(features: pl.DataFrame, accounts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where these accounts' behaviour lies among all accounts': float32 [k, f], 0 to 1, one column a feature that reads no graph."""
    step = max(1, features.height // _N_SAMPLED)
    columns = []
    for name in _BEHAVIOUR:
        values = features[name].to_numpy()
        among, own = np.sort(values[::step]), values[accounts]
        between = np.searchsorted(among, own) + np.searchsorted(among, own, side="right")
        columns.append((between / (2 * max(len(among), 1))).astype(np.float32))
    return np.stack(columns, axis=1)


def directions(vectors: NDArray[np.float32], accounts: NDArray[np.int64]) -> NDArray[np.float32]:
    """Where these accounts' embeddings point from the middle of all: float32 [k, d], of length 1."""
    apart = vectors[accounts] - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    points: NDArray[np.float32] = apart / np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-9)
    return points


def neighbours_in_time(second: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Each pair of accounts of whom one came at most 200 places after the other: int64 [m] twice, the earlier one first.

    Args:
        second: int64 [k], when each came.
    """
    order = np.argsort(second, kind="stable")
    steps = range(1, min(_WINDOW, len(order) - 1) + 1)
    left = [order[:-step] for step in steps]
    right = [order[step:] for step in steps]
    none = np.zeros(0, dtype=np.int64)
    return np.concatenate([none, *left]), np.concatenate([none, *right])


def learn_affinity(
    second: NDArray[np.int64],
    ranks: NDArray[np.float32],
    points: NDArray[np.float32],
    group: NDArray[np.int32],
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    seed: int,
    n_threads: int = 1,
) -> NDArray[np.float64]:
    """Log odds of being held together by links, by how far apart two accounts came, and how alike they and what is around them are.

    Args:
        second: int64 [k], when each came.
        ranks: float32 [k, f], see `rank_behaviour`.
        points: float32 [k, d], see `directions`.
        group: int32 [k], whom links hold together.
        left, right: int64 [m], the pairs.
        seed: of what each of the averaged models draws.
        n_threads: models that are trained at once; they change nothing.

    Returns:
        float64 [m], within -6 and 6; all -6 where the pairs do not suffice to learn from.
    """

    def describe(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        one, two = left[rows], right[rows]
        apart = np.abs(second[one] - second[two]).astype(np.float32) / 86400
        alike = np.einsum("ij,ij->i", points[one], points[two])
        return np.concatenate([apart[:, None], np.abs(ranks[one] - ranks[two]), alike[:, None]], axis=1)

    log_odds = np.full(len(left), LOWEST)
    train = np.arange(0, len(left), max(1, len(left) // _N_TRAINED))
    target = (group[left] == group[right])[train]
    if min(target.sum(), (~target).sum()) < _LEAST:
        return log_odds
    values = describe(train)
    parameters = _PARAMETERS | {"min_data_in_leaf": min(100, max(20, len(target) // 50))}
    data = lightgbm.Dataset(values, target.astype(np.float32), params=parameters, free_raw_data=False)
    data.construct()

    def train_one(number: int) -> Forest:
        model = lightgbm.train(parameters | {"seed": 100 * seed + number}, data, _ROUNDS)
        return read_forest(model.model_to_string(), range(values.shape[1]))

    with ThreadPoolExecutor(n_threads) as pool:
        forests = list(pool.map(train_one, range(_N_MODELS)))
    for start in range(0, len(left), _N_AT_ONCE):
        rows = np.arange(start, min(start + _N_AT_ONCE, len(left)))
        described = describe(rows)
        told = [forest.sums(described, n_threads)[0] for forest in forests]
        log_odds[rows] = np.clip(np.mean(told, axis=0), LOWEST, -LOWEST)
    return log_odds
