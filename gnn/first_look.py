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
from scipy.special import logit as logit_of

from gnn.cutoffs import CutOff, Labelled
from gnn.features import FEATURE_NAMES
from gnn.near import NEAR_NAMES, look_around
from gnn.train_config import Progress, TrainConfig
from gnn.trees import Trees

__all__ = ["FirstLook", "can_look", "look_first"]

_LEAST_POSITIVES = 3  # on a training side; with fewer nobody's score says anything
_LEAST_NEGATIVES = 10
_MARGIN = 1.5  # log odds above the rate of positives, below which high scores are no sign


@dataclass(frozen=True)
class FirstLook:
    """The blind models together.

    Attributes:
        models: one a fold; none where the examples did not suffice, then all accounts look alike.
    """

    models: tuple[Trees, ...]

    def logits(self, cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """Mean log odds of all accounts, float64 [n]."""
        return Trees.sum_logits(self.models, cutoff, n_threads) / max(len(self.models), 1)

    def add_to(self, cutoff: CutOff, n_threads: int, logits: NDArray[np.float64] | None = None) -> CutOff:
        """The cut-off with what is near each account; `logits` are its own, if they have been asked for."""
        logits = self.logits(cutoff, n_threads) if logits is None else logits
        return replace(cutoff, near=look_around(cutoff.snapshot, cutoff.draw)(logits))


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
        `config.doubt`, and well above the rate of positives. What is near an example is told by the model that is blind to
        its fold; the rows of other accounts are not filled.
    """
    numbers = [number for number in range(config.n_folds) if number != aside]
    models = []
    for number in numbers:
        train = [part.of(own != number) for part, own in zip(parts, fold, strict=True)]
        fitted = Trees.fit_columns(FEATURE_NAMES, train, (), config.tree_rounds, config, seed, n_threads, progress)
        assert isinstance(fitted.model, Trees)
        models.append(fitted.model)
    ready, n_doubtful = [], 0
    for part, own in zip(parts, fold, strict=True):
        near = np.zeros((part.cutoff.features.height, len(NEAR_NAMES)), dtype=np.float32)
        logits = np.zeros(len(part.account))
        look = look_around(part.cutoff.snapshot, part.cutoff.draw)
        for number, model in zip(numbers, models, strict=True):
            here = own == number
            blind = model.logits(part.cutoff, n_threads)
            logits[here] = blind[part.account[here]]
            # of whoever is near, too, by the model that is blind to this account: else its neighbours' scores tell its label
            near[part.account[here]] = look(blind)[part.account[here]]
        keep = _is_sure(part, logits, config)
        n_doubtful += int((~keep).sum())
        ready.append(replace(part, cutoff=replace(part.cutoff, near=near)).of(keep))
    progress(f"left out as doubtful: {n_doubtful} examples without outcome")
    return FirstLook(tuple(models)), ready


def can_look(target: NDArray[np.int8], fold: NDArray[np.int64], n_folds: int) -> bool:
    """Whether enough positives are left to train on beside any two folds, and so in a first look within validation."""
    held = np.bincount(fold, weights=target, minlength=n_folds)
    rest = held.sum() - held[:, None] - held[None, :]
    np.fill_diagonal(rest, np.inf)
    return bool(n_folds > 2 and rest.min() >= _LEAST_POSITIVES)


def _is_sure(part: Labelled, logits: NDArray[np.float64], config: TrainConfig) -> NDArray[np.bool_]:
    """Bool [k]: who is no doubtful negative. All are sure where positives are so many that doubt would leave few negatives."""
    positive = (part.target == 1) | part.confirmed
    rate = float(np.clip(part.target.mean(), 1e-6, 1 - 1e-6)) if len(part.target) else 0.5
    most = max(logit_of(config.doubt), logit_of(rate) + _MARGIN)
    sure = positive | (logits <= most)
    n_left = int((sure & (part.target == 0)).sum())
    return sure if n_left >= max(_LEAST_NEGATIVES, int(part.target.sum())) else np.ones_like(sure)
