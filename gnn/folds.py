"""Parting examples so that validation is later in time and shares no cluster with training."""

import numpy as np
from numpy.typing import NDArray

from gnn.cutoffs import Labelled

__all__ = ["deal_folds", "split"]


def deal_folds(group: NDArray[np.int64], target: NDArray[np.int8], n_folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each account: clusters stay whole, and positives are spread evenly, largest clusters first."""
    numbers, place = np.unique(group, return_inverse=True)
    positives = np.bincount(place, weights=target).astype(np.int64)
    fold = np.random.default_rng(seed).integers(0, n_folds, len(numbers))
    filled = np.zeros(n_folds, dtype=np.int64)
    for cluster in np.lexsort((numbers, -positives)):
        if positives[cluster] == 0:
            break
        fold[cluster] = int(np.argmin(filled))
        filled[fold[cluster]] += positives[cluster]
    return fold[place]


def split(parts: list[Labelled], fold: list[NDArray[np.int64]], number: int) -> tuple[list[Labelled], Labelled]:
    """Training examples outside the fold at the earlier cut-offs, and validation ones inside it at the last."""
    valid = parts[-1].of(fold[-1] == number)
    earlier = list(zip(parts, fold, strict=True))[: max(1, len(parts) - 1)]
    return [part.of(own != number) for part, own in earlier], valid
