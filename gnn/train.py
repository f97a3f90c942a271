"""Training on earlier cut-offs, validated later in time and on groups of accounts that training did not see.

The order of things:

1. Label the accounts of each cut-off by what is known now (`gnn.examples`), and part them by component or cluster into folds
   (`gnn.folds`).
2. A first look leaves out doubtful negatives, and says what is near whom (`gnn.first_look`). For each fold, each member
   trains on the other folds at all cut-offs but the last, and is looked at on its fold at the last: later in time, no group
   in common.
3. On what was looked at: choose rounds, calibrate, choose how to blend, and refuse what learnt nothing (`gnn.choice`).
4. Train each member anew for that many rounds on all folds, all cut-offs and tonight, with several seeds; carry the
   calibration over to what these say; choose which model scores. The networks start from those of the model before, if
   there is one, and their embeddings are mapped onto its (`gnn.alignment`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.alignment import EmbeddingSpace, Predecessor, continue_space
from gnn.calibration import before_silence, match_calibration
from gnn.choice import Choice, choose, is_plausible, prefer
from gnn.controls import measure_controls
from gnn.cutoffs import CutOff, Labelled, plan_cutoffs
from gnn.first_look import FirstLook, can_look, look_first
from gnn.folds import Arrangement, arrange, split
from gnn.model import NotTrained, OutOfFold, TrainedModel, blend_logits
from gnn.model_types import FittedModel, Trace
from gnn.registry import BLEND, MEMBERS, MODELS
from gnn.sage_model import Sage, infer_all
from gnn.train_config import Progress, TrainConfig, silent
from gnn.workers import ALONE, Workers
from graph.errors import InputError

__all__ = [
    "CutOff",
    "NotTrained",
    "TrainConfig",
    "TrainedModel",
    "continues",
    "fold_sides",
    "plan_cutoffs",
    "train_model",
]


def train_model(
    cutoffs: Sequence[CutOff],
    outcomes: pl.DataFrame,
    as_of: datetime,
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress = silent,
    tonight: CutOff | None = None,
    former: TrainedModel | None = None,
    workers: Workers = ALONE,
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
        tonight: the graph and features as of now; its accounts join the final training, once all has been chosen without them.
        former: a model of an earlier training, whose embeddings this one's are to go on from. The final networks start from its
            weights; nothing that is validated does, for it saw outcomes of all groups.
        workers: who trains the network beside this one; each calls this alike, and has the same model in the end.

    Returns:
        The model, or why there is none: no cut-off, too few accounts of a class, or nothing learnt.

    Raises:
        InputError: `config.model` is no model of the registry, or `former` was not trained earlier.
    """
    if config.model not in ("auto", *MODELS):
        raise InputError(f"`model` must be auto or one of {', '.join(MODELS)}; got `{config.model}`.")
    if former is not None and former.as_of >= as_of:
        raise InputError(
            f"`former` must have been trained as of an earlier day than {as_of:%Y-%m-%d}; got {former.version}, as of "
            f"{former.as_of:%Y-%m-%d}. Give an earlier one, or none."
        )
    if not cutoffs:
        return NotTrained("no earlier cut-off: the history is shorter than two days")
    arranged = arrange(cutoffs, outcomes, as_of, config, seed, tonight)
    if isinstance(arranged, str):
        return NotTrained(arranged)
    choice, blind = _validate(arranged, config, seed, n_threads, progress, workers)
    if not set(MODELS) - set(choice.faults):
        return NotTrained("validation refused all models: " + _in_words(choice.faults))
    controls: list[dict[str, Any]] = []
    if config.with_controls:
        controls = measure_controls(arranged, choice.logits, choice.rounds, as_of, config, seed, n_threads, progress)
    if former is not None and not continues(former):
        former = None
    first, members = _final(arranged, choice.rounds, config, seed, n_threads, progress, former, workers)
    model = TrainedModel(
        members=members,
        first=first,
        calibrations=choice.calibrations,
        blend_weight=choice.blend_weight,
        embedding=_place(members["sage"], tonight or cutoffs[-1], former, seed, n_threads),
        default=BLEND,
        rounds=choice.rounds,
        config=config,
        seed=seed,
        as_of=as_of,
        cutoffs=tuple(part.cutoff.snapshot.as_of for part in arranged.parts),
        validation=_words(arranged, choice),
        metrics=choice.metrics,
        controls=tuple(controls),
        found_share=choice.outcomes[BLEND].found_share,
        silence=choice.outcomes[BLEND].silence,
        out_of_fold=_out_of_fold(arranged, choice),
    )
    model = _calibrate(model, arranged, choice, blind, n_threads)
    return _decide(model, arranged.parts[-1], choice, n_threads, progress)


def _validate(
    arranged: Arrangement, config: TrainConfig, seed: int, n_threads: int, progress: Progress, workers: Workers
) -> tuple[Choice, dict[str, NDArray[np.float64]]]:
    """Trains every member on each fold's training side, and chooses by what it says of the fold.

    Returns:
        What was chosen; and what each member so trained says of the accounts of now (`_now`), each by the model that is blind to its
        fold: float64 [k].
    """
    order = np.argsort(arranged.fold[-1], kind="stable")
    now, _ = _now(arranged)
    found: dict[str, list[Trace]] = {name: [] for name in MEMBERS}
    told: dict[str, list[NDArray[np.float32]]] = {name: [] for name in MEMBERS}
    for number in range(config.n_folds):  # one fold after the other, for each holds all features of all cut-offs
        train, valid, first = fold_sides(arranged, number, config, seed, n_threads, progress)
        ahead = replace(now, cutoff=first.add_to(now.cutoff, n_threads))
        for name, kind in MEMBERS.items():
            progress(f"{name}: fold {number + 1} of {config.n_folds}")
            trace = kind.fit(train, [valid, ahead], None, config, seed, n_threads, progress, None, workers).trace
            assert trace is not None
            n = len(valid.account)
            found[name].append(Trace(trace.rounds, trace.logits[:, :n]))
            told[name].append(trace.logits[:, n:].astype(np.float32))  # all rounds of all accounts: half as large
    traces = {
        name: Trace(parts[0].rounds, np.concatenate([part.logits for part in parts], axis=1))
        for name, parts in found.items()
    }
    last = arranged.parts[-1]
    looked = Labelled(last.cutoff, *(column[order] for column in last.columns()))
    choice = choose(looked, arranged.judged[order], traces, config.capacity, config.found_share)
    progress("validation AUPRC: " + ", ".join(f"{name} {choice.metrics[name].auprc:.3f}" for name in MODELS))
    blind = {}
    for name, trace in traces.items():
        said = np.stack([each[trace.rounds.index(choice.rounds[name])] for each in told[name]])
        blind[name] = said[arranged.now_fold[now.account], np.arange(len(now.account))].astype(np.float64)
    return choice, blind


def _now(arranged: Arrangement) -> tuple[Labelled, NDArray[np.bool_]]:
    """All accounts of tonight (of the last cut-off, where tonight is not given) that may be examples, and who of them has no outcome: bool [k]."""
    part = arranged.tonight[0] if arranged.tonight else arranged.parts[-1]
    account = np.flatnonzero(part.cutoff.is_drawn)
    is_open = np.ones(len(part.cutoff.is_drawn), dtype=np.bool_)
    is_open[part.account[part.confirmed]] = False
    nothing = np.zeros(len(account), dtype=np.bool_)
    return Labelled(part.cutoff, account, nothing.astype(np.int8), nothing, nothing, nothing), is_open[account]


def fold_sides(
    arranged: Arrangement, number: int, config: TrainConfig, seed: int, n_threads: int, progress: Progress
) -> tuple[list[Labelled], Labelled, FirstLook]:
    """What is trained on and what is looked at for one fold, both after a first look, if the examples suffice for one; and that look."""
    train, valid = split(arranged.parts, arranged.fold, number)
    if not _can_look(arranged, config):
        return _unlooked(train, n_threads), _unlooked([valid], n_threads)[0], FirstLook(())
    own = [fold[(fold != number) & ~part.unclear] for part, fold in zip(arranged.parts, arranged.fold, strict=True)]
    # by the other folds alone: what is looked at must not choose what is learnt from
    first, ready = look_first(train, own[: len(train)], number, config, seed, n_threads, progress)
    return ready, replace(valid, cutoff=first.add_to(valid.cutoff, n_threads)), first


def _can_look(arranged: Arrangement, config: TrainConfig) -> bool:
    """One answer for validation and the final training: what scores must be what was validated."""
    latest = max(0, len(arranged.parts) - 2)  # of those that validation trains on
    return can_look(arranged.parts[latest].target, arranged.fold[latest], config.n_folds)


def _unlooked(parts: list[Labelled], n_threads: int) -> list[Labelled]:
    return [replace(part, cutoff=FirstLook(()).add_to(part.cutoff, n_threads)) for part in parts]


def _calibrate(
    model: TrainedModel,
    arranged: Arrangement,
    choice: Choice,
    blind: Mapping[str, NDArray[np.float64]],
    n_threads: int,
) -> TrainedModel:
    """Carries the calibrations over from models that did not see an account's group to the final ones, which did.

    By all accounts of now without outcome, the young ones too: they are whom the model will score, while the others' outcomes were
    learnt and will not be there for new ones. That no outcome has come speaks for an account, and a score says so.
    """
    now, is_open = _now(arranged)
    seen = model.look(now.cutoff, n_threads)
    logits = {name: model.member_logits(name, seen, n_threads)[now.account] for name in model.members}
    told = {**blind, BLEND: blend_logits(blind, choice.calibrations, choice.blend_weight)}
    said = {name: choice.outcomes[name].of_open(value[is_open]) for name, value in told.items()}
    calibrations = {name: match_calibration(said[name], logits[name][is_open]) for name in model.members}
    blend = blend_logits(logits, calibrations, choice.blend_weight)
    calibrations[BLEND] = match_calibration(said[BLEND], blend[is_open])
    return replace(model, calibrations=calibrations)


def _out_of_fold(arranged: Arrangement, choice: Choice) -> OutOfFold:
    """Calibrated as validation has it, in the order of folds."""
    last = arranged.parts[-1].columns()
    order = np.argsort(arranged.fold[-1], kind="stable")
    account, target, _, _, unclear = (column[order] for column in last)
    scores = {name: choice.calibrations[name].apply(choice.logits[name]) for name in MODELS}
    return OutOfFold(account, target, unclear, scores)


def _decide(
    model: TrainedModel,
    last: Labelled,
    choice: Choice,
    n_threads: int,
    progress: Progress,
) -> TrainedModel | NotTrained:
    """The model with the one that scores; none whose final scores are far from the rate of the examples it learnt from."""
    faults = dict(choice.faults)
    seen = model.look(last.cutoff, n_threads)
    logits = {name: model.member_logits(name, seen, n_threads)[last.account] for name in model.members}
    clear = ~last.unclear
    target = last.target[clear]
    for name in MODELS:
        if name in faults:
            continue
        if model.calibrations[name].is_at_bound:
            faults[name] = "its final scores could not be calibrated"
            continue
        told = choice.outcomes[name]
        score = before_silence(model.combine(logits, name)[clear], told.silence)
        if not is_plausible(score, target, told.found_share):
            faults[name] = f"its mean score, {score.mean():.3f}, is far from the observed rate, {target.mean():.3f}"
    sound = [name for name in MODELS if name not in faults]
    if not sound:
        return NotTrained("validation refused all models: " + _in_words(faults))
    if faults:
        progress("left out: " + _in_words(faults))
    default = prefer(choice.looked, sound, model.config.model)
    told = choice.outcomes[default]
    return replace(model, default=default, found_share=told.found_share, silence=told.silence)


def _words(arranged: Arrangement, choice: Choice) -> str:
    """How validation was set apart, what was chosen on it, and, where it differs, the quality on all that it was chosen on."""
    clear = ~arranged.parts[-1].unclear
    if arranged.judged[clear].all():
        return f"{arranged.words}; rounds, blend and calibration were chosen on the same accounts"
    n, n_positive = int(clear.sum()), int(arranged.parts[-1].target.sum())
    quality = ", ".join(f"{name} {value:.3f}" for name, value in choice.looked.items())
    return (
        f"{arranged.words}; rounds, blend and calibration were chosen on the same accounts and those with an outcome then: "
        f"{n} accounts, {n_positive} positive, AUPRC {quality}"
    )


def _in_words(faults: Mapping[str, str]) -> str:
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items())


def _final(
    arranged: Arrangement,
    rounds: Mapping[str, int],
    config: TrainConfig,
    seed: int,
    n_threads: int,
    progress: Progress,
    former: TrainedModel | None,
    workers: Workers,
) -> tuple[FirstLook, dict[str, tuple[FittedModel, ...]]]:
    """The first look and the members that score. Each network goes on from the former model's of its turn, if there is one."""
    pairs = [*zip(arranged.parts, arranged.fold, strict=True), *([arranged.tonight] if arranged.tonight else [])]
    clear = [(part.of(~part.unclear), fold[~part.unclear]) for part, fold in pairs]
    parts = [part for part, _ in clear]
    if _can_look(arranged, config):
        first, parts = look_first(parts, [fold for _, fold in clear], None, config, seed, n_threads, progress)
    else:
        first, parts = FirstLook(()), _unlooked(parts, n_threads)
    members: dict[str, tuple[FittedModel, ...]] = {}
    for name, kind in MEMBERS.items():
        models = []
        for turn in range(config.n_seeds):
            progress(f"{name}: final training, seed {turn + 1} of {config.n_seeds}")
            before = () if former is None else former.members[name]
            start = before[turn] if turn < len(before) else None
            fitted = kind.fit(parts, (), rounds[name], config, seed + 1000 * turn, n_threads, progress, start, workers)
            models.append(fitted.model)
        members[name] = tuple(models)
    return first, members


def continues(model: TrainedModel) -> bool:
    """Whether another training can go on from the model's networks: they are this program's, and none diverged."""
    return all(isinstance(network, Sage) and network.continues for network in model.members["sage"])


def _place(
    networks: Sequence[FittedModel], cutoff: CutOff, former: TrainedModel | None, seed: int, n_threads: int
) -> EmbeddingSpace:
    """The space of the networks' embeddings, by what they and the former model's say of one graph."""

    def infer(models: Sequence[FittedModel]) -> list[tuple[NDArray[np.float64], NDArray[np.float32]]]:
        return infer_all([model for model in models if isinstance(model, Sage)], cutoff, n_threads)

    before = None
    if former is not None:
        told = infer(former.members["sage"])
        vectors = former.embedding.alignment.apply([hidden for _, hidden in told])
        logit = np.mean([logits for logits, _ in told], axis=0)
        before = Predecessor(former.version, former.embedding.version, former.embedding.n_retrainings, vectors, logit)
    files = {f"{turn}/{path}": own for turn, model in enumerate(networks) for path, own in model.to_files().items()}
    return continue_space([hidden for _, hidden in infer(networks)], files, before, seed)
