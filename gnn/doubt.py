"""Doubtful negatives: accounts without an outcome that look like a ring to models that did not see their group.

Most accounts of a ring are never confirmed, so some of those that count as negatives are hidden positives, and a model that
learns from them learns to overlook them. They are left out of training: neither target can be said of them. Validation keeps
them, as mistakes, since there they cannot be told from false alarms.

References:
    C. Northcutt, L. Jiang, I. Chuang, Confident learning: estimating uncertainty in dataset labels, JAIR 2021: prune by
    out-of-sample probabilities.
"""

import numpy as np
from numpy.typing import NDArray

from gnn.cutoffs import Labelled
from gnn.train_config import Progress, TrainConfig
from gnn.trees import Trees

__all__ = ["without_doubtful"]

_LEAST_POSITIVES = 3  # on a training side; with fewer nobody's score says anything


def without_doubtful(
    parts: list[Labelled],
    fold: list[NDArray[np.int64]],
    aside: int | None,
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress,
) -> list[Labelled]:
    """The parts without the negatives whose out-of-fold probability of being confirmed is above `config.doubt`.

    Args:
        parts: examples of each cut-off.
        fold: of each part int64 [k], the fold of each example; the accounts of one group are in one fold.
        aside: a fold that has no example in the parts, if there is one.

    Returns:
        The kept examples; all of them where a fold's training side has too few positives.
    """
    logits = [np.zeros(len(part.account)) for part in parts]
    for number in (number for number in range(config.n_folds) if number != aside):
        train = [part.of(own != number) for part, own in zip(parts, fold, strict=True)]
        if sum(int(part.target.sum()) for part in train) < _LEAST_POSITIVES:
            return parts
        model = Trees.fit(train, None, None, config, seed, n_threads, progress).model
        assert isinstance(model, Trees)
        for part, own, found in zip(parts, fold, logits, strict=True):
            here = own == number
            found[here] = model.predict(part.cutoff.values[part.account[here]], n_threads)
    least = np.log(config.doubt / (1 - config.doubt))
    kept = [(part.target == 1) | part.confirmed | (found <= least) for part, found in zip(parts, logits, strict=True)]
    progress(f"left out as doubtful: {sum(int((~keep).sum()) for keep in kept)} examples without outcome")
    return [part.of(keep) for part, keep in zip(parts, kept, strict=True)]
