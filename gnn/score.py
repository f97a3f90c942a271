"""Scores and embeddings of all accounts of a snapshot, layer by layer over the whole graph."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.cutoffs import CutOff
from gnn.drawing import Draw
from gnn.model import TrainedModel
from gnn.sage_model import Sage, infer_all
from graph.snapshot import Snapshot

__all__ = ["Scored", "score_accounts"]


@dataclass(frozen=True)
class Scored:
    """What a model says of each account.

    Attributes:
        score: float64 [n], calibrated probability, in the order of accounts.
        embedding: float32 [n, 64], the mean of the networks' aligned hidden states; comparable within one
            `TrainedModel.embedding.version`.
    """

    score: NDArray[np.float64]
    embedding: NDArray[np.float32]

    @property
    def vectors(self) -> pl.Series:
        """The embeddings as the lake's tables have them: list of float32, in the order of accounts."""
        width = self.embedding.shape[1]
        return pl.Series(self.embedding, dtype=pl.Array(pl.Float32, width)).cast(pl.List(pl.Float32))


def score_accounts(
    model: TrainedModel, features: pl.DataFrame, snapshot: Snapshot, n_threads: int = 1, draw: Draw | None = None
) -> Scored:
    """Scores every account of the snapshot.

    Args:
        model: trained, or loaded by `gnn.model_files.load_model`.
        features: `gnn.features.build_features` of the same snapshot.
        snapshot: the graph as of the night.
        n_threads: for LightGBM and torch.
        draw: where the snapshot is a part of a world, who was drawn; the others' scores mean nothing.
    """
    cutoff = CutOff(snapshot, features, draw=draw)
    networks = [member for member in model.members["sage"] if isinstance(member, Sage)]
    inferred = infer_all(networks, cutoff, n_threads)
    logits = {"sage": np.mean([logit for logit, _ in inferred], axis=0)}  # the embedding's pass, not made twice
    if model.default != "sage":
        logits["trees"] = model.member_logits("trees", cutoff, n_threads)
    embedding = model.embedding.alignment.apply([hidden for _, hidden in inferred])
    return Scored(model.combine(logits, model.default), embedding)
