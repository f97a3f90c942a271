"""What every model of the registry offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gnn.cutoffs import CutOff, Labelled
from gnn.train_config import Progress, TrainConfig
from gnn.workers import ALONE, Workers

__all__ = ["Fitted", "FittedModel", "ModelKind", "Trace"]


@dataclass(frozen=True)
class Trace:
    """Logits of the validation accounts as training went on.

    Attributes:
        rounds: epochs or boosting rounds, ascending.
        logits: float64 [len(rounds), k].
    """

    rounds: tuple[int, ...]
    logits: NDArray[np.float64]


class FittedModel(Protocol):
    """A trained model."""

    def logits(self, cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """Uncalibrated log odds of all accounts of a snapshot, float64 [n]."""
        ...

    def to_files(self) -> dict[str, bytes]:
        """File name to content; the same training gives the same bytes."""
        ...


@dataclass(frozen=True)
class Fitted:
    """What a training returns: the model, and its trace where validation accounts were given."""

    model: FittedModel
    trace: Trace | None


class ModelKind(Protocol):
    """A class of the registry; its instances are `FittedModel`."""

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
        former: FittedModel | None = None,
        workers: Workers = ALONE,
    ) -> Fitted:
        """Trains for `rounds`, or for the configuration's maximum; `valid` is only looked at, never learnt from: the
        trace has its accounts, part by part.

        Args:
            former: a model of an earlier training, to start from where the kind can. It saw the outcomes of then, so it must not
                be given where anything is validated.
            workers: who trains beside this one; each calls this alike, and has the same model in the end.
        """
        ...

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> FittedModel:
        """The model that `to_files` wrote."""
        ...

    @classmethod
    def sum_logits(cls, models: Sequence[FittedModel], cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """The sum of the log odds of all accounts by models of this kind, float64 [n]: what several read alike is made once."""
        ...
