"""What a training can be told; everything else follows from the data."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

__all__ = ["MODEL_FORMAT", "Progress", "TrainConfig", "silent"]

MODEL_FORMAT = 3  # of what a model's folder says; one of another format cannot score, and is trained anew

Progress = Callable[[str], None]


def silent(_message: str) -> None:
    """Progress that goes nowhere."""


@dataclass(frozen=True)
class TrainConfig:
    """Settings of a training; part of the model's version.

    Attributes:
        model: `auto` (what validation says), or a name of `gnn.registry.MODELS`.
        label_delay_days: an account is an example of an earlier cut-off only if it is at least this old by now; None for the age by
            which outcomes have come so far (`gnn.examples.label_delay`).
        min_positives: with fewer confirmed positives at the earlier cut-offs nothing is trained.
        capacity: cases that the team can review; precision is measured there.
        found_share: share of the synthetic accounts that come to be confirmed, about; None where calibration is to find it.
        n_folds: parts by cluster; each is validated by a model that did not see its clusters.
        n_seeds: models that are averaged for the final scores.
        doubt: an account without outcome is no negative if models that did not see its group give it more than this
            probability of being confirmed.
        sage_accounts: the network trains on the latest training cut-offs that have no more accounts than this together, and
            on the last one in any case; the trees train on all.
        sage_full_accounts: a step of the network is all examples while their graphs have no more accounts than this together;
            larger ones are learnt from in mini-batches of drawn neighbourhoods.
        sage_around: of a world that a draw stands for (`gnn.drawing`), so many of the accounts that were not drawn are heard by each
            identifier of those that were.
        sage_seeds, sage_batch: examples drawn for a step then, and how many of them are worked on at once.
        sage_near, sage_far: neighbours of a kind that are drawn in the first round around a seed, and in the second; -1 for all.
        sage_bf16: train in bf16 where there is a GPU; scores are always made in fp32.
        sage_epochs, sage_every: epochs at most, and how often validation looks.
        sage_learning_rate, sage_decay, sage_dropout: of Adam, and of the network.
        sage_positive_weight: the positives' share of the loss, in parts of the negatives' (1 = balanced).
        tree_rounds, tree_every: boosting rounds at most, and how often validation looks.
        tree_leaves, tree_learning_rate: of LightGBM.
        tree_negatives, tree_least_negatives: negatives that LightGBM is given, drawn at random: so many a positive, but at
            least so many in all.
        with_controls: train the controls that every report carries.
    """

    model: str = "auto"
    label_delay_days: float | None = None
    min_positives: int = 10
    capacity: int = 50
    found_share: float | None = None
    n_folds: int = 3
    n_seeds: int = 3
    doubt: float = 0.3
    sage_accounts: int = 2_000_000
    sage_full_accounts: int = 2_000_000
    sage_around: int = 2
    sage_seeds: int = 32_768
    sage_batch: int = 4_096
    sage_near: int = 10
    sage_far: int = 5
    sage_bf16: bool = False
    sage_epochs: int = 60
    sage_every: int = 10
    sage_learning_rate: float = 0.01
    sage_decay: float = 1e-4
    sage_dropout: float = 0.2
    sage_positive_weight: float = 0.25
    tree_rounds: int = 250
    tree_every: int = 50
    tree_leaves: int = 7
    tree_learning_rate: float = 0.05
    tree_negatives: int = 40
    tree_least_negatives: int = 20_000
    with_controls: bool = True

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for the model's files."""
        return asdict(self)
