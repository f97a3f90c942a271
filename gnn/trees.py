"""LightGBM on the declared features: the control that graph networks have to beat, and a part of the blend."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
from numpy.typing import NDArray

from gnn.cutoffs import INPUT_NAMES, CutOff, Labelled
from gnn.forest import Forest, read_forest
from gnn.model_types import Fitted, FittedModel, Trace
from gnn.train_config import Progress, TrainConfig
from gnn.workers import ALONE, Workers

__all__ = ["Trees", "sample_negatives"]

_ROWS = 65_536  # of which all features are in memory at once


@dataclass(frozen=True)
class Trees:
    """Boosted trees over some or all of the features.

    Attributes:
        text: the model in LightGBM's own text format.
        columns: positions in `INPUT_NAMES` that it reads.
    """

    text: str
    columns: tuple[int, ...]

    @classmethod
    def fit(
        cls,
        train: list[Labelled],
        valid: Sequence[Labelled],
        rounds: int | None,
        config: TrainConfig,
        seed: int,
        n_threads: int,
        progress: Progress,
        former: FittedModel | None = None,  # trees begin anew
        workers: Workers = ALONE,
    ) -> Fitted:
        """See `gnn.model_types.ModelKind`; each worker trains the same trees by itself."""
        return cls.fit_columns(INPUT_NAMES, train, valid, rounds, config, seed, n_threads, progress)

    @classmethod
    def fit_columns(
        cls,
        names: Sequence[str],
        train: list[Labelled],
        valid: Sequence[Labelled],
        rounds: int | None,
        config: TrainConfig,
        seed: int,
        n_threads: int,
        progress: Progress,
    ) -> Fitted:
        """As `fit`, on the named features alone."""
        columns = tuple(INPUT_NAMES.index(name) for name in names)
        train, weight = sample_negatives(train, config, seed)
        values = np.concatenate([_take(part, columns) for part in train])
        target = np.concatenate([part.target for part in train])
        progress(f"trees: {len(target)} examples, {int(target.sum())} positive")
        data = lightgbm.Dataset(
            values,
            target,
            weight=np.where(target == 1, 1.0, weight),
            params={"max_bin": 63, "verbose": -1, "num_threads": n_threads},
        )
        rounds = rounds or config.tree_rounds
        booster = lightgbm.train(_parameters(config, len(target), seed, n_threads), data, rounds)
        model = cls(booster.model_to_string(), columns)
        if not valid:
            return Fitted(model, None)
        # where nothing is left to split LightGBM stops early, and the further rounds equal its last
        steps = tuple(range(config.tree_every, rounds + 1, config.tree_every)) or (rounds,)
        forest = model.forest()
        logits = [forest.sums(part.cutoff.take(part.account), n_threads, steps) for part in valid]
        return Fitted(model, Trace(steps, np.concatenate(logits, axis=1)))

    def logits(self, cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """Log odds of all accounts, float64 [n]."""
        return self.sum_logits([self], cutoff, n_threads)

    @classmethod
    def sum_logits(cls, models: Sequence[FittedModel], cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """See `gnn.model_types.ModelKind`; each block of accounts' features is made once for all models."""
        forests, n = [model.forest() for model in models if isinstance(model, Trees)], cutoff.features.height
        total = np.zeros(n)
        for start in range(0, n, _ROWS):
            values = cutoff.take(slice(start, start + _ROWS))
            for forest in forests:
                total[start : start + _ROWS] += forest.sums(values, n_threads)[0]
        return total

    def predict(self, values: NDArray[np.float32], n_threads: int) -> NDArray[np.float64]:
        """Log odds, float64 [k], of rows of `CutOff.take`, float32 [k, F]."""
        logits: NDArray[np.float64] = self.forest().sums(values, n_threads)[0]
        return logits

    def forest(self) -> Forest:
        """The same trees, ready to be asked of many rows."""
        return read_forest(self.text, self.columns)

    def contributions(self, values: NDArray[np.float32], n_threads: int) -> NDArray[np.float64]:
        """TreeSHAP: what each feature adds to the log odds of each account, float64 [k, F]; rows sum to logit less mean.

        Args:
            values: float32 [k, F], all of `INPUT_NAMES`.

        References:
            S. Lundberg et al., From local explanations to global understanding with explainable AI for trees, 2020.
        """
        shap = np.zeros(values.shape, dtype=np.float64)
        if len(values):
            booster = lightgbm.Booster(model_str=self.text)
            raw = booster.predict(values[:, self.columns], pred_contrib=True, num_threads=n_threads)
            shap[:, self.columns] = np.asarray(raw)[:, :-1]
        return shap

    def to_files(self) -> dict[str, bytes]:
        """One text file: the columns, then LightGBM's model."""
        return {"trees.txt": (" ".join(map(str, self.columns)) + "\n" + self.text).encode()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Trees":
        """What `to_files` wrote."""
        head, text = files["trees.txt"].decode().split("\n", 1)
        return cls(text, tuple(int(column) for column in head.split()))


def sample_negatives(train: list[Labelled], config: TrainConfig, seed: int) -> tuple[list[Labelled], float]:
    """All positives and at most so many negatives, drawn evenly, with the weight of each that keeps the rate as it was."""
    negative = [part.target == 0 for part in train]
    n = sum(int(rows.sum()) for rows in negative)
    n_positive = sum(len(part.target) for part in train) - n
    most = max(config.tree_least_negatives, config.tree_negatives * n_positive)
    if n <= max(most, 1):
        return train, 1.0
    random = np.random.default_rng(seed)
    kept = [part.of(~rows | (random.random(len(rows)) < most / n)) for part, rows in zip(train, negative, strict=True)]
    return kept, n / sum(int((part.target == 0).sum()) for part in kept)


def _take(part: Labelled, columns: tuple[int, ...]) -> NDArray[np.float32]:
    return part.cutoff.take(part.account)[:, columns]


def _parameters(config: TrainConfig, n_examples: int, seed: int, n_threads: int) -> dict[str, Any]:
    return {
        "objective": "binary",
        "learning_rate": config.tree_learning_rate,
        "num_leaves": config.tree_leaves,
        "min_data_in_leaf": min(50, max(5, n_examples // 100)),
        "feature_fraction": 0.15,
        "bagging_fraction": 0.8,
        "bagging_freq": 1,
        "lambda_l2": 5.0,
        "max_bin": 63,
        "deterministic": True,
        "force_row_wise": True,
        "seed": seed,
        "num_threads": n_threads,
        "verbose": -1,
    }
