"""Training on earlier cut-offs, validated later in time and on groups of accounts that training did not see.

The order of things:

1. Label the accounts of each cut-off by what is known now (`gnn.examples`), and part them by component or cluster into folds
   (`gnn.folds`).
2. For each fold, each member trains on the other folds at all cut-offs but the last, and is looked at on its fold at the
   last: later in time, no group in common.
3. On what was looked at: choose rounds, calibrate, choose how to blend, and refuse what learnt nothing (`gnn.choice`).
4. Train each member anew for that many rounds on all folds and cut-offs, with several seeds; choose which model scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.choice import Choice, choose, is_plausible, prefer
from gnn.controls import measure_controls
from gnn.cutoffs import CutOff, Labelled, plan_cutoffs
from gnn.folds import Arrangement, arrange, split
from gnn.model import NotTrained, TrainedModel
from gnn.model_types import FittedModel, Trace
from gnn.registry import BLEND, MEMBERS, MODELS
from gnn.train_config import Progress, TrainConfig, silent
from graph.errors import InputError

__all__ = ["CutOff", "NotTrained", "TrainConfig", "TrainedModel", "plan_cutoffs", "train_model"]


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
        The model, or why there is none: no cut-off, too few accounts of a class, or nothing learnt.

    Raises:
        InputError: `config.model` is no model of the registry.
    """
    if config.model not in ("auto", *MODELS):
        raise InputError(f"`model` must be auto or one of {', '.join(MODELS)}; got `{config.model}`.")
    if not cutoffs:
        return NotTrained("no earlier cut-off: the history is shorter than two days")
    arranged = arrange(cutoffs, outcomes, as_of, config, seed)
    if isinstance(arranged, str):
        return NotTrained(arranged)
    choice = _validate(arranged, config, seed, n_threads, progress)
    if not set(MODELS) - set(choice.faults):
        return NotTrained("validation refused all models: " + _in_words(choice.faults))
    first = np.sort(arranged.fold[-1]) == 0
    controls: list[dict[str, Any]] = []
    if config.with_controls:
        measured = {name: value[first] for name, value in choice.logits.items()}
        parts, fold, judged = arranged.parts, arranged.fold, arranged.judged
        controls = measure_controls(
            parts, fold, judged, measured, choice.rounds, as_of, config, seed, n_threads, progress
        )
    model = TrainedModel(
        members=_final(arranged.parts, choice.rounds, config, seed, n_threads, progress),
        calibrations=choice.calibrations,
        blend_weight=choice.blend_weight,
        default=BLEND,
        rounds=choice.rounds,
        config=config,
        seed=seed,
        as_of=as_of,
        cutoffs=tuple(part.cutoff.snapshot.as_of for part in arranged.parts),
        validation=_words(arranged, choice),
        metrics=choice.metrics,
        controls=tuple(controls),
    )
    return _decide(model, arranged.parts[-1], choice, n_threads, progress)


def _validate(arranged: Arrangement, config: TrainConfig, seed: int, n_threads: int, progress: Progress) -> Choice:
    """Trains every member on each fold's training side, and chooses by what it says of the fold."""
    order = np.argsort(arranged.fold[-1], kind="stable")
    traces = {
        name: _out_of_fold(name, arranged.parts, arranged.fold, config, seed, n_threads, progress) for name in MEMBERS
    }
    choice = choose(arranged.parts[-1].target[order], arranged.judged[order], traces, config.capacity)
    progress("validation AUPRC: " + ", ".join(f"{name} {choice.metrics[name].auprc:.3f}" for name in MODELS))
    return choice


def _decide(
    model: TrainedModel, last: Labelled, choice: Choice, n_threads: int, progress: Progress
) -> TrainedModel | NotTrained:
    """The model with the one that scores; none whose final scores are far from the rate of the examples it learnt from."""
    logits = {name: model.member_logits(name, last.cutoff, n_threads)[last.account] for name in model.members}
    faults = dict(choice.faults)
    for name in MODELS:
        score = model.combine(logits, name)
        if name not in faults and not is_plausible(score, last.target):
            faults[name] = (
                f"its mean score, {score.mean():.3f}, is far from the observed rate, {last.target.mean():.3f}"
            )
    sound = [name for name in MODELS if name not in faults]
    if not sound:
        return NotTrained("validation refused all models: " + _in_words(faults))
    if faults:
        progress("left out: " + _in_words(faults))
    return replace(model, default=prefer(choice.looked, sound, model.config.model))


def _words(arranged: Arrangement, choice: Choice) -> str:
    """How validation was set apart, what was chosen on it, and, where it differs, the quality on all that it was chosen on."""
    if arranged.judged.all():
        return f"{arranged.words}; rounds, blend and calibration were chosen on the same accounts"
    n, n_positive = len(arranged.judged), int(arranged.parts[-1].target.sum())
    quality = ", ".join(f"{name} {value:.3f}" for name, value in choice.looked.items())
    return (
        f"{arranged.words}; rounds, blend and calibration were chosen on the same accounts and those with an outcome then: "
        f"{n} accounts, {n_positive} positive, AUPRC {quality}"
    )


def _in_words(faults: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items())


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
