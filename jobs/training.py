"""One training as one task: the leakage gate, the training itself, and the challenger against the champion."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gnn.train_config import TrainConfig
from graph.errors import GateError, InputError
from graph.partitions import read_partitioned_events
from graph.schema import TABLES
from graph.snapshot import Snapshot, read_snapshot
from jobs.models import list_models, write_reference
from jobs.promotions import champion_of
from jobs.train_workers import this_worker

if TYPE_CHECKING:  # torch loads in the task, not with the settings
    from gnn.cutoffs import CutOff
    from gnn.drawing import Draw
    from gnn.folds import Arrangement
    from gnn.gate import Gate
    from gnn.model import TrainedModel
    from gnn.train_config import Progress

__all__ = ["GATE_ACCOUNTS", "Trained", "Training", "cutoff_folder", "train_and_compare"]

GATE_ACCOUNTS = 10_000


@dataclass(frozen=True)
class Training:
    """What a training is told; picklable.

    Attributes:
        work: the night's intermediate files: events, snapshot, features, and train/<cut-off>/{snapshot/,features.parquet}.
        models: LAKE/models.
        cutoffs: earlier cut-offs, earliest first.
        as_of: the night's cut-off.
        config: settings of the training.
        n_drawn: of a larger world whole groups of so many accounts at most are trained on (`gnn.drawing`); None trains on all.
        champion: version of the model that scores until now, if there is one that this program can use.
        inputs: fingerprints of what is read here, for the model's folder.
        key: of the identifiers' hashes.
        seed, n_threads: of all that is drawn; of LightGBM and torch.
        notes: a file for lines of progress.
    """

    work: Path
    models: Path
    cutoffs: Sequence[datetime]
    as_of: datetime
    config: TrainConfig
    n_drawn: int | None
    champion: str | None
    inputs: Mapping[str, Any]
    key: str
    seed: int
    n_threads: int
    notes: Path


@dataclass(frozen=True)
class Trained:
    """What a training left.

    Attributes:
        version: the model, in its folder; None where none could be trained.
        reason: why not.
        comparison: `gnn.promotion.Comparison` as JSON values; None without a model.
    """

    version: str | None
    reason: str = ""
    comparison: Mapping[str, Any] | None = None


def cutoff_folder(work: Path, cutoff: datetime) -> Path:
    """Where snapshot and features of an earlier cut-off lie."""
    return work / "train" / cutoff.date().isoformat()


def train_and_compare(training: Training) -> Trained:
    """Gate, training, comparison, by each of the workers; the first writes LAKE/models/<version>/ where the gate passed and a model came to be.

    Raises:
        GateError: something leaked; nothing is trained and nothing written.
    """
    from gnn.folds import arrange
    from gnn.model_files import save_model
    from gnn.promotion import Comparison
    from gnn.train import NotTrained, continues, train_model

    workers = this_worker()

    def note(line: str) -> None:
        if workers.number:  # the first speaks for all
            return
        with training.notes.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    work, as_of = training.work, training.as_of
    drawn = None if training.n_drawn is None else _draw(training, training.n_drawn)

    def untrained(reason: str) -> Trained:
        return Trained(None, reason if tonight.draw is None else f"{reason}; {_of_how_many(tonight.draw)}")

    seen = [_read(cutoff_folder(work, cutoff), cutoff, drawn) for cutoff in training.cutoffs]
    tonight = _read(work, as_of, drawn)
    if tonight.draw is not None:
        note(
            f"drawn: {int(tonight.is_drawn.sum()):,} of {tonight.draw.n_world:,} accounts, {len(tonight.is_drawn):,} with those around them"
        )
    outcomes = read_partitioned_events(work / "events", ("outcomes",))["outcomes"]
    gate = None
    if seen:
        arranged = arrange(seen, outcomes, as_of, training.config, training.seed, tonight)
        if isinstance(arranged, str):
            return untrained(arranged)
        gate = _gate(training, seen, tonight, arranged, note)
        del arranged
    champion, why = _champion(training)
    former = champion if champion is not None and champion.as_of < as_of else None
    trained = train_model(
        seen, outcomes, as_of, training.config, training.seed, training.n_threads, note, tonight, former, workers
    )
    if isinstance(trained, NotTrained):
        return untrained(trained.reason)
    if workers.number:  # the first writes for all
        return Trained(trained.version)
    training.models.mkdir(parents=True, exist_ok=True)
    folder = save_model(trained, training.models, gate, training.inputs)
    if champion is None:
        comparison = Comparison(True, why).to_dict()
    elif not continues(trained):  # its trees may be sound, but nobody could use its embeddings
        comparison = Comparison(False, "a network of its final training diverged").to_dict()
    else:
        comparison = _compare(training, trained, champion, seen[-1], tonight, outcomes)
    if not comparison["is_promoted"]:  # it scores no night, so no step after this one keeps what drift is held against
        _keep_reference(folder, trained, tonight, training.n_threads)
    return Trained(trained.version, comparison=comparison)


def _of_how_many(draw: "Draw") -> str:
    return f"{int(draw.is_drawn.sum()):,} of {draw.n_world:,} accounts were drawn: raise `train.draw_accounts`"


def _draw(training: Training, n_most: int) -> tuple[pl.Series, str]:
    """Ids of the accounts that are trained on, the same draw for every cut-off; and the kind of groups they were drawn in."""
    from gnn.drawing import draw_accounts
    from gnn.folds import group_accounts

    snapshot = read_snapshot(training.work / "snapshot", training.as_of, with_hashes=False)
    groups, kind = group_accounts(snapshot, training.config.n_folds)
    return draw_accounts(groups, n_most, training.seed), kind


def _read(folder: Path, cutoff: datetime, drawn: tuple[pl.Series, str] | None) -> "CutOff":
    """A cut-off's snapshot and features; the part of them that a draw reads, if there is one."""
    from gnn.cutoffs import CutOff
    from gnn.drawing import cut_out

    features = folder / "features.parquet"
    if drawn is None:
        return CutOff(read_snapshot(folder / "snapshot", cutoff), pl.read_parquet(features))
    snapshot, number, draw = cut_out(read_snapshot(folder / "snapshot", cutoff, with_hashes=False), *drawn)
    own = pl.Series("account", number, dtype=pl.Int32)
    rows = pl.scan_parquet(features).filter(pl.col("account").is_in(own.implode())).collect()
    return CutOff(snapshot, rows.with_columns(snapshot.accounts["account"]), draw=draw)


def _whole_snapshots(training: Training, held: "Sequence[CutOff]") -> Iterator[Snapshot]:
    """Of all cut-offs: those that are held where they are whole, else read anew, one in memory at a time."""
    for cutoff in held:
        day = cutoff.snapshot.as_of
        folder = training.work if day == training.as_of else cutoff_folder(training.work, day)
        yield cutoff.snapshot if cutoff.draw is None else read_snapshot(folder / "snapshot", day, with_hashes=False)


def _gate(
    training: Training, seen: "Sequence[CutOff]", tonight: "CutOff", arranged: "Arrangement", note: "Progress"
) -> "Gate":
    """The gate's result; it passed.

    Raises:
        GateError: it did not.
    """
    from gnn.gate import Gate, check_edges
    from gnn.gate_data import build_frames, check_later_data, frames_of, sample_accounts
    from gnn.gate_labels import check_shuffled
    from gnn.gate_sampler import check_sampler

    note("leakage gate: later data")
    last = seen[-1]
    sample = sample_accounts(tonight.snapshot, GATE_ACCOUNTS, training.seed)
    is_all = tonight.draw is None and len(sample) == tonight.snapshot.accounts.height
    events = read_partitioned_events(training.work / "events", TABLES, account_ids=None if is_all else sample)
    later = check_later_data(
        events,
        last.snapshot.as_of,
        partial(build_frames, cutoff=last.snapshot.as_of, key=training.key, seed=training.seed),
        training.seed,
        frames_of(last.snapshot, last.features) if is_all else None,
    )
    edges = check_edges(_whole_snapshots(training, [*seen, tonight]))
    drawn = check_sampler(tonight.snapshot, last.snapshot.as_of, training.seed)
    note("leakage gate: shuffled labels")
    shuffled = check_shuffled(arranged, training.config, training.seed, training.n_threads)
    gate = Gate((later, edges, drawn, shuffled))
    if not gate.passed:
        raise _refusal(gate.faults, training.models, training.as_of)
    note("leakage gate: passed")
    return gate


def _refusal(faults: Sequence[str], models: Path, as_of: datetime) -> GateError:
    champion = champion_of(models, as_of, or_equal=False)
    passed = [model for model in list_models(models) if model.passed and model.fits and model.as_of < as_of]
    if champion is not None and champion in passed:
        rest = f"until then `--model {champion.version}`, the champion, scores the night."
    elif passed:
        rest = f"until then `--model {passed[-1].version}`, the newest earlier model that passed, scores the night."
    else:
        rest = "no earlier model of this lake has passed it."
    return GateError(
        f"`train` must pass the leakage gate; got {'. '.join(faults)}. Nothing was trained. Mend what leaks; {rest}"
    )


def _champion(training: Training) -> "tuple[TrainedModel | None, str]":
    """The model that scores until now, from which embeddings go on and which the new one must not fall behind; or why none."""
    from gnn.model_files import load_model

    if training.champion is None:
        return None, "there is no champion that this program can use"
    try:
        return load_model(training.models / training.champion), ""
    except InputError as error:
        return None, f"the champion cannot be used: {error}"


def _compare(
    training: Training,
    trained: "TrainedModel",
    champion: "TrainedModel",
    last: "CutOff",
    tonight: "CutOff",
    outcomes: pl.DataFrame,
) -> dict[str, Any]:
    """The challenger against the champion, as JSON values."""
    from gnn.calibration import before_silence
    from gnn.folds import group_accounts
    from gnn.promotion import compare_models, judge_accounts, refuse_collapse

    found = trained.out_of_fold
    assert found is not None  # it was just trained
    kind = None if tonight.draw is None else tonight.draw.kind
    groups, _ = group_accounts(tonight.snapshot, training.config.n_folds, kind)
    judged = judge_accounts(found, last.snapshot.accounts["account_id"], groups, outcomes, champion.as_of)
    rows = judged.rows
    # the judged have outcomes by now, so none of the two may say what silence says
    score = before_silence(champion.probabilities(last, training.n_threads)[found.account], champion.silence)
    comparison = compare_models(
        found.target[rows],
        score[rows],
        found.scores[trained.default][rows],
        judged.group[rows],
        training.config.capacity,
        training.seed,
    )
    quality = champion.metrics[champion.default], trained.metrics[trained.default]
    return refuse_collapse(comparison, *quality).to_dict()


def _keep_reference(folder: Path, trained: "TrainedModel", tonight: "CutOff", n_threads: int) -> None:
    from gnn.score import score_accounts

    scored = score_accounts(trained, tonight.features, tonight.snapshot, n_threads, tonight.draw)
    rows = tonight.features.with_columns(score=pl.Series(scored.score))
    write_reference(folder, rows.filter(pl.Series(tonight.is_drawn)))
