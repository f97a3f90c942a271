"""A first look by models that are blind to one fold each: whose missing outcome is doubtful, and what is near whom.

Most accounts of a ring are never confirmed, so some of those that count as negatives are hidden positives, and a model that
learns from them learns to overlook them. Those that look like a ring to a model that did not see their group are left out:
neither target can be said of them. Validation keeps them, as mistakes, since there they cannot be told from false alarms.
The same scores, gathered over each account's neighbours (`gnn.near`), are inputs of the second look.

References:
    C. Northcutt, L. Jiang, I. Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 2021: prune by
    out-of-sample probabilities.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from gnn.cutoffs import CutOff, Labelled
from gnn.features import FEATURE_NAMES
from gnn.near import build_near
from gnn.train_config import Progress, TrainConfig
from gnn.trees import Trees

__all__ = ["FirstLook", "look_first"]

_LEAST_POSITIVES = 3  # on a training side; with fewer nobody's score says anything


@dataclass(frozen=True)
class FirstLook:
    """The blind models together.

    Attributes:
        models: one a fold; none where the examples did not suffice, then all accounts look alike.
    """

    models: tuple[Trees, ...]

    def logits(self, cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """Mean log odds of all accounts, float64 [n]."""
        total = np.zeros(cutoff.features.height)
        for model in self.models:
            total += model.predict(cutoff.values, n_threads)
        return total / max(len(self.models), 1)

    def add_to(self, cutoff: CutOff, n_threads: int) -> CutOff:
        """The cut-off with what is near each account."""
        return replace(cutoff, near=build_near(cutoff.snapshot, self.logits(cutoff, n_threads)))


def look_first(
    parts: list[Labelled],
    fold: list[NDArray[np.int64]],
    aside: int | None,
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress,
) -> tuple[FirstLook, list[Labelled]]:
    """Trains the blind models, and readies the examples for the second look.

    Args:
        parts: examples of each cut-off.
        fold: of each part int64 [k], the fold of each example; the accounts of one group are in one fold.
        aside: a fold that has no example in the parts, if there is one.

    Returns:
        The models, and the parts without those negatives whose out-of-fold probability of being confirmed is above
        `config.doubt`; what is near is told by models that did not see the neighbour's group, if it is an example.
    """
    numbers = [number for number in range(config.n_folds) if number != aside]
    models = []
    for number in numbers:
        train = [part.of(own != number) for part, own in zip(parts, fold, strict=True)]
        if sum(int(part.target.sum()) for part in train) < _LEAST_POSITIVES:
            nobody = FirstLook(())
            return nobody, [replace(part, cutoff=nobody.add_to(part.cutoff, n_threads)) for part in parts]
        model = Trees.fit_columns(FEATURE_NAMES, train, None, config.tree_rounds, config, seed, n_threads, progress)
        models.append(model.model)
    first = FirstLook(tuple(model for model in models if isinstance(model, Trees)))
    least = float(np.log(config.doubt / (1 - config.doubt)))
    ready, n_doubtful = [], 0
    for part, own in zip(parts, fold, strict=True):
        each = np.stack([model.predict(part.cutoff.values, n_threads) for model in first.models])
        logits = each.mean(axis=0)
        logits[part.account] = each[np.searchsorted(numbers, own), part.account]
        keep = part.confirmed | (part.target == 1) | (logits[part.account] <= least)
        n_doubtful += int((~keep).sum())
        cutoff = replace(part.cutoff, near=build_near(part.cutoff.snapshot, logits))
        ready.append(replace(part, cutoff=cutoff).of(keep))
    progress(f"left out as doubtful: {n_doubtful} examples without outcome")
    return first, ready
