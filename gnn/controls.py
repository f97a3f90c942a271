"""The controls beside every reported quality: how well one does without the graph, without the network, without the edges."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.calibration import fit_calibration
from gnn.choice import without_diverged
from gnn.cutoffs import CutOff
from gnn.features import FEATURES, GRAPHLESS
from gnn.folds import Arrangement, split
from gnn.metrics import measure
from gnn.sage_model import Sage
from gnn.train_config import Progress, TrainConfig
from gnn.trees import Trees

__all__ = ["measure_controls", "shuffle_edges"]


def measure_controls(
    arranged: Arrangement,
    logits: Mapping[str, NDArray[np.float64]],
    rounds: Mapping[str, int],
    as_of: datetime,
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Quality of the models and of their controls on the judged accounts of the first fold, all on the same ones.

    Args:
        arranged: the examples and their folds.
        logits: model name to its logits on the last cut-off's accounts, in the order of folds, from models that did not see
            their groups.
        rounds: epochs and boosting rounds that validation chose for `sage` and `trees`.

    Returns:
        One row each: control, meaning, as_of, n, n_positive, prevalence, auprc, auroc, capacity, precision_at_capacity.
        The calibration terms are left out: a control is not calibrated apart.
    """
    parts, fold = arranged.parts, arranged.fold
    train, valid = split(parts, fold, 0)
    n_first = len(valid.account)  # the first fold's accounts come first
    progress("controls: LightGBM without the graph")
    plain = Trees.fit_columns(GRAPHLESS, train, [valid], rounds["trees"], config, seed, n_threads, progress)
    progress("controls: GraphSAGE on shuffled edges")
    shuffled = [replace(part, cutoff=shuffle_edges(part.cutoff, seed + place)) for place, part in enumerate(parts)]
    train_shuffled, valid_shuffled = split(shuffled, fold, 0)
    lost = Sage.fit(train_shuffled, [valid_shuffled], rounds["sage"], config, seed, n_threads, progress)
    assert plain.trace is not None
    assert lost.trace is not None
    rows = (
        ("trees_without_graph", "LightGBM on account behaviour alone", plain.trace.logits[-1]),
        ("trees", "LightGBM with graph features", logits["trees"][:n_first]),
        (
            "sage_shuffled",
            "GraphSAGE on shuffled edges and shuffled graph features",
            without_diverged(lost.trace).logits[-1],
        ),
        ("sage", "GraphSAGE", logits["sage"][:n_first]),
        ("blend", "GraphSAGE and LightGBM blended", logits["blend"][:n_first]),
    )
    keep = arranged.judged[fold[-1] == 0]
    return [_row(name, meaning, valid.target[keep], value[keep], as_of, config) for name, meaning, value in rows]


def shuffle_edges(cutoff: CutOff, seed: int) -> CutOff:
    """The cut-off with its links and all that was computed from them dealt to other accounts at random.

    Each identifier keeps how many accounts it has, each account's behaviour stays its own; the accounts' ends of the links
    are permuted within each identifier type, and the graph features move as one row from account to account.
    """
    random = np.random.default_rng(seed)
    snapshot, n = cutoff.snapshot, cutoff.features.height
    kinds = snapshot.links.select("identifier").join(
        snapshot.identifiers.select("identifier", "identifier_type"), on="identifier", maintain_order="left"
    )["identifier_type"]
    account = snapshot.links["account"].to_numpy().copy()
    for kind in kinds.unique().sort():
        rows = np.flatnonzero((kinds == kind).to_numpy())
        account[rows] = account[random.permutation(rows)]
    links = (
        snapshot.links.with_columns(pl.Series("account", account))
        .unique(["account", "identifier"], keep="first", maintain_order=True)
        .sort("account", "identifier")
    )
    moved = [feature.name for feature in FEATURES if feature.family != "account"]
    features = cutoff.features.with_columns(cutoff.features.select(moved)[random.permutation(n)])
    return CutOff(replace(snapshot, links=links), features, draw=cutoff.draw)


def _row(
    name: str,
    meaning: str,
    target: NDArray[np.int8],
    logit: NDArray[np.float64],
    as_of: datetime,
    config: TrainConfig,
) -> dict[str, Any]:
    metrics = measure(target, fit_calibration(target, logit).apply(logit), config.capacity)
    return {
        "control": name,
        "meaning": meaning,
        "as_of": as_of.isoformat(),
        "n": metrics.n,
        "n_positive": metrics.n_positive,
        "prevalence": metrics.prevalence,
        "auprc": metrics.auprc,
        "auroc": metrics.auroc,
        "capacity": metrics.capacity,
        "precision_at_capacity": metrics.precision_at_capacity,
    }
