"""Training on earlier cut-offs, validated later in time and on clusters that training did not see.

The order of things:

1. Label the accounts of each cut-off by what is known now (`gnn.examples`).
2. Part the accounts by cluster. For each part, each member trains on the other parts at all cut-offs but the last, and is
   looked at on its part at the last: later in time, no cluster in common.
3. On what was looked at: choose rounds, calibrate, choose how to blend and which model scores.
4. Train each member anew for that many rounds on all parts and cut-offs, with several seeds.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.calibration import Calibration, fit_calibration
from gnn.controls import measure_controls
from gnn.cutoffs import CutOff, Labelled, plan_cutoffs
from gnn.examples import build_examples
from gnn.folds import deal_folds, split
from gnn.metrics import Metrics, auprc, measure
from gnn.model import NotTrained, TrainedModel, blend_logits
from gnn.model_types import FittedModel, Trace
from gnn.registry import BLEND, MEMBERS, MODELS
from gnn.train_config import Progress, TrainConfig, silent
from graph.errors import InputError

__all__ = ["CutOff", "NotTrained", "TrainConfig", "TrainedModel", "plan_cutoffs", "train_model"]

_BLENDS = (0.5, 0.65, 0.8)
_NOISE = 0.03  # smaller differences of AUPRC say nothing with so few positives; among equals the blend wanders least


def train_model(
    cutoffs: Sequence[CutOff],
    outcomes: pl.DataFrame,
    as_of: datetime,
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress = silent,
) -> TrainedModel | NotTrained:
    """Trains all members of the registry and chooses the one that scores.

    Args:
        cutoffs: earlier cut-offs, earliest first (see `plan_cutoffs`).
        outcomes: the outcomes event table; those known before `as_of` are labels.
        as_of: now, exclusive.
        config: settings.
        seed: of weights, bagging and the parting into folds.
        n_threads: for LightGBM and torch; part of what makes runs repeat to the bit.
        progress: called with one line now and then.

    Returns:
        The model, or why there is none: no cut-off, or too few confirmed accounts on either side.

    Raises:
        InputError: `config.model` is no model of the registry.
    """
    if config.model not in ("auto", *MODELS):
        raise InputError(f"`model` must be auto or one of {', '.join(MODELS)}; got `{config.model}`.")
    if not cutoffs:
        return NotTrained("no earlier cut-off: the history is shorter than two days")
    parts, groups = _label(cutoffs, outcomes, as_of, config)
    if reason := _too_few(parts[-1], groups[-1], config):
        return NotTrained(reason)
    folds = deal_folds(groups[-1], parts[-1].target, config.n_folds, seed)
    of_group = dict(zip(groups[-1].tolist(), folds.tolist(), strict=True))
    fold = [np.array([of_group[group] for group in numbers.tolist()], dtype=np.int64) for numbers in groups]

    rounds, logits = {}, {}
    order = np.argsort(fold[-1], kind="stable")
    target = parts[-1].target[order]
    for name in MEMBERS:
        trace = _out_of_fold(name, parts, fold, config, seed, n_threads, progress)
        rounds[name], logits[name] = _best(target, trace)
    calibrations = {name: fit_calibration(target, value) for name, value in logits.items()}
    blend_weight, logits[BLEND] = _blend(target, logits, calibrations)
    calibrations[BLEND] = fit_calibration(target, logits[BLEND])
    metrics = {name: measure(target, calibrations[name].apply(logits[name]), config.capacity) for name in MODELS}
    default = _choose(metrics) if config.model == "auto" else config.model
    progress("validation AUPRC: " + ", ".join(f"{name} {metrics[name].auprc:.3f}" for name in MODELS))

    first = np.sort(fold[-1]) == 0
    measured = {name: value[first] for name, value in logits.items()}
    controls = (
        measure_controls(parts, fold, measured, rounds, as_of, config, seed, n_threads, progress)
        if config.with_controls
        else ()
    )
    return TrainedModel(
        members=_final(parts, rounds, config, seed, n_threads, progress),
        calibrations=calibrations,
        blend_weight=blend_weight,
        default=default,
        rounds=rounds,
        config=config,
        seed=seed,
        as_of=as_of,
        cutoffs=tuple(cutoff.snapshot.as_of for cutoff in cutoffs),
        validation="later in time, other clusters"
        if len(parts) > 1
        else "other clusters, same cut-off: the history is short",
        metrics=metrics,
        controls=tuple(controls),
    )


def _label(
    cutoffs: Sequence[CutOff], outcomes: pl.DataFrame, as_of: datetime, config: TrainConfig
) -> tuple[list[Labelled], list[NDArray[np.int64]]]:
    """Each cut-off's examples, and their clusters as of the last cut-off, by which accounts are parted."""
    last = cutoffs[-1].snapshot
    latest = build_examples(last, outcomes, as_of, config.label_delay_days)
    home = (
        last.accounts.select("account", "account_id")
        .join(last.clusters.select("account", "cluster"), on="account")
        .join(latest.select("account"), on="account", how="semi")
        .select("account_id", "cluster")
    )
    parts, groups = [], []
    for cutoff in cutoffs:
        names = cutoff.snapshot.accounts.select("account", "account_id")
        examples = (
            build_examples(cutoff.snapshot, outcomes, as_of, config.label_delay_days)
            .join(names, on="account", maintain_order="left")
            .join(home, on="account_id", maintain_order="left")
        )
        parts.append(Labelled(cutoff, examples["account"].to_numpy().astype(np.int64), examples["target"].to_numpy()))
        groups.append(examples["cluster"].to_numpy().astype(np.int64))
    return parts, groups


def _too_few(part: Labelled, group: NDArray[np.int64], config: TrainConfig) -> str | None:
    positive = part.target == 1
    n_positive, n_groups = int(positive.sum()), len(np.unique(group[positive]))
    if n_positive < config.min_positives:
        return f"{n_positive} confirmed synthetic account(s) at the earlier cut-offs; at least {config.min_positives} are needed"
    if n_groups < config.n_folds:
        return f"the confirmed synthetic accounts lie in {n_groups} cluster(s); at least {config.n_folds} are needed"
    if len(positive) - n_positive < config.min_positives:
        return (
            f"{len(positive) - n_positive} account(s) that count as honest; at least {config.min_positives} are needed"
        )
    return None


def _out_of_fold(
    name: str,
    parts: list[Labelled],
    fold: list[NDArray[np.int64]],
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress,
) -> Trace:
    """The traces of all folds side by side, in the order of folds."""
    traces = []
    for number in range(config.n_folds):
        progress(f"{name}: fold {number + 1} of {config.n_folds}")
        train, valid = split(parts, fold, number)
        fitted = MEMBERS[name].fit(train, valid, None, config, seed, n_threads, progress)
        traces.append(fitted.trace)
    kept = [trace for trace in traces if trace is not None]
    return Trace(kept[0].rounds, np.concatenate([trace.logits for trace in kept], axis=1))


def _best(target: NDArray[np.int8], trace: Trace) -> tuple[int, NDArray[np.float64]]:
    """The rounds with the highest average precision, meant with that of the rounds beside, and their logits."""
    found = np.array([auprc(target, logits) for logits in trace.logits])
    beside = np.pad(found, 1, mode="edge")
    place = int(np.argmax(np.round((beside[:-2] + beside[1:-1] + beside[2:]) / 3, 6)))
    return trace.rounds[place], trace.logits[place]


def _blend(
    target: NDArray[np.int8], logits: Mapping[str, NDArray[np.float64]], calibrations: Mapping[str, Calibration]
) -> tuple[float, NDArray[np.float64]]:
    blends = [blend_logits(logits, calibrations, weight) for weight in _BLENDS]
    place = int(np.argmax([round(auprc(target, value), 6) for value in blends]))
    return _BLENDS[place], blends[place]


def _choose(metrics: Mapping[str, Metrics]) -> str:
    best = max(MODELS, key=lambda name: (round(metrics[name].auprc, 6), -MODELS.index(name)))
    return BLEND if metrics[BLEND].auprc >= metrics[best].auprc - _NOISE else best


def _final(
    parts: list[Labelled], rounds: Mapping[str, int], config: TrainConfig, seed: int, n_threads: int, progress: Progress
) -> dict[str, tuple[FittedModel, ...]]:
    members: dict[str, tuple[FittedModel, ...]] = {}
    for name, kind in MEMBERS.items():
        models = []
        for turn in range(config.n_seeds):
            progress(f"{name}: final training, seed {turn + 1} of {config.n_seeds}")
            fitted = kind.fit(parts, None, rounds[name], config, seed + 1000 * turn, n_threads, progress)
            models.append(fitted.model)
        members[name] = tuple(models)
    return members
