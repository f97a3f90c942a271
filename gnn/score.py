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
        first: float64 [n], the first look's log odds.
        near: float32 [n, len(NEAR_NAMES)], what is near each account by them.
        sage: float64 [n], the networks' mean log odds.
    """

    score: NDArray[np.float64]
    embedding: NDArray[np.float32]
    first: NDArray[np.float64]
    near: NDArray[np.float32]
    sage: NDArray[np.float64]

    @property
    def vectors(self) -> pl.Series:
        """The embeddings as the lake's tables have them: list of float32, in the order of accounts."""
        width = self.embedding.shape[1]
        return pl.Series(self.embedding, dtype=pl.Array(pl.Float32, width)).cast(pl.List(pl.Float32))

    def to_frame(self) -> pl.DataFrame:
        """All of it by account: account i32, then one column an attribute; `from_frame` reads it back."""
        matrix = {name: getattr(self, name) for name in ("embedding", "near")}
        columns = {name: pl.Series(each, dtype=pl.Array(pl.Float32, each.shape[1])) for name, each in matrix.items()}
        frame = pl.DataFrame({name: getattr(self, name) for name in ("score", "first", "sage")} | columns)
        return frame.select(pl.int_range(pl.len(), dtype=pl.Int32).alias("account"), pl.all())

    @classmethod
    def from_frame(cls, frame: pl.DataFrame) -> "Scored":
        """What `to_frame` gave."""
        return cls(**{name: frame[name].to_numpy() for name in frame.columns if name != "account"})


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
    sage = np.mean([logit for logit, _ in inferred], axis=0)  # the embedding's pass, not made twice
    embedding = model.embedding.alignment.apply([hidden for _, hidden in inferred])
    del inferred
    first = model.first.logits(cutoff, n_threads)
    cutoff = model.first.add_to(cutoff, n_threads, first)
    assert cutoff.near is not None  # it was just added
    logits = {"sage": sage}
    if model.default != "sage":
        logits["trees"] = model.member_logits("trees", cutoff, n_threads)
    return Scored(model.combine(logits, model.default), embedding, first, cutoff.near, sage)
