"""Train: decides which model the night uses, and trains one where need be: on snapshots of earlier cut-offs, one task each.

work/train/<cut-off>/{snapshot/,features.parquet}; LAKE/models/<version>/, LAKE/models/promotions.jsonl
work/train/scored-<version>.parquet: what that model says of the night, where drift was looked for; the step `score` takes it over
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import Field

from gnn.train_config import TrainConfig
from graph.build import Comparisons, build_snapshot
from graph.errors import InputError
from graph.partitions import scan_partitioned_events
from graph.schema import TABLES
from graph.snapshot import read_frame, read_snapshot, write_snapshot
from jobs.models import (
    UNFIT,
    KnownModel,
    embedding_alarm,
    input_fingerprints,
    model_facts,
    named_model,
    newest_model,
    newest_reference,
    read_reference,
)
from jobs.night import NightContext, NightPlan, StepConfig, StepResult
from jobs.promotions import Decision, champion_of, read_decisions, record_decision
from jobs.steps.links import read_known
from jobs.tasks import cores_for, map_tasks, run_task
from jobs.train_workers import run_training
from jobs.training import Trained, Training, cutoff_folder, train_and_compare

__all__ = ["Config", "asked_file", "check", "depends_on", "run"]

READS = ("ingest", "links", "pairs", "clusters", "features")
FEW_CUTOFFS = 2


class Config(StepConfig):
    """Settings of training."""

    mode: Literal["auto", "always", "never"] = Field(
        "auto", description="auto: without a model, after interval_days, and on drift"
    )
    version: str | None = Field(None, description="score with this model of the lake, train none")
    interval_days: int = Field(7, ge=1, description="auto trains when the newest model is this old")
    on_drift: bool = Field(
        True, description="auto trains when features or scores have drifted from the last training's"
    )
    kind: str = Field("auto", description="the model that scores: auto (what validation says), trees, sage or blend")
    n_cutoffs: int = Field(4, ge=1, le=4, description="earlier cut-offs to train on, at most")
    large_world: int = Field(
        200_000,
        ge=1,
        description="a world of more accounts is large: the latest two cut-offs serve, and a draw of its accounts is trained on",
    )
    draw_accounts: int = Field(
        40_000, ge=1, description="accounts that are drawn from a large world, in whole groups, to be trained on"
    )
    label_delay_days: float | None = Field(
        None,
        ge=0,
        description="accounts from this age on that have no outcome count as honest; else the age by which outcomes came so far",
    )
    found_share: float | None = Field(
        None,
        gt=0.02,
        lt=0.98,
        description="share of ring accounts that come to be confirmed, where your desk knows it; else it is estimated",
    )
    min_positives: int = Field(10, ge=2, description="confirmed synthetic accounts that training needs")
    n_seeds: int = Field(3, ge=1, le=20, description="models that are averaged")
    n_threads: int = Field(2, ge=1, description="threads of a training; part of what makes equal runs equal")
    bf16: bool = Field(False, description="train the network in bf16 where there is a GPU; scores are made in fp32")
    sage_accounts: int = Field(
        2_000_000,
        ge=1,
        description="the network trains on the latest cut-offs with no more accounts than this together",
    )
    sage_full_accounts: int = Field(
        2_000_000, ge=0, description="with more accounts than this the network trains by mini-batches, in less memory"
    )
    n_workers: int = Field(1, ge=1, description="workers of Ray Train that share the network's training")
    with_controls: bool = Field(True, description="train the controls that every report carries")


def check(plan: NightPlan, config: Config) -> None:
    """Whether the model that is asked for is there.

    Raises:
        InputError: `version` is no model of the lake, knows too much or was trained on other features or by another version; or `never` finds none that fits.
    """
    if config.version is not None or config.mode == "never":
        _ready_model(plan.lake / "models", plan.as_of, config)


def depends_on(plan: NightPlan) -> list[str]:
    """The decisions that the night may know: one that a person made since a run was stopped counts when it goes on."""
    decisions = read_decisions(plan.lake / "models")
    return [decision.to_line() for decision in decisions if decision.as_of < plan.date]


def run(night: NightContext, config: Config) -> StepResult:
    """Names the night's model in the fact `model`, or in `no_model` why there is none."""
    models = night.lake / "models"
    for left in night.work.glob(asked_file("*")):  # by a run that was stopped, perhaps of other features
        left.unlink()
    known, why = _choose(night, config, models)
    if known is not None:
        night.progress.say(f"  uses model {known.version}, trained as of {known.as_of.date()}")
        facts: dict[str, Any] = {"model": model_facts(models, known.version), "trained": False}
        return StepResult(intermediates=_asked(night, known.version), models=[known.version], facts=facts)
    if reason := _too_few(night, config):
        return _without_training(night, config, models, reason)
    night.progress.say(f"  trains: {why}")
    cutoffs, intermediates = _build_cutoffs(night, config)
    champion = champion_of(models, night.as_of, or_equal=False)
    trained = _train(night, config, cutoffs, champion)
    if trained.version is None or trained.comparison is None:
        untrained = _without_training(night, config, models, trained.reason)
        return replace(untrained, intermediates=[*untrained.intermediates, *intermediates])
    version, promotion = _decide(night, models, trained.version, trained.comparison, champion)
    facts = {
        "model": model_facts(models, version),
        "trained": True,
        "why": why,
        "promotion": promotion,
    }
    if version != trained.version:
        alarm = f"the new model {trained.version} was not promoted: {promotion['why']}; the model {version} goes on"
        facts["alarms"] = [alarm]
    elif champion is not None and (moved := embedding_alarm(models, version, champion.version)):
        facts |= {"alarms": [moved], "tells_version": True}  # so that the report does not again
    for alarm in facts.get("alarms", []):
        night.progress.say(f"  alarm: {alarm}")
    intermediates = [*intermediates, *_asked(night, version)]
    return StepResult(rows={"cut-offs": len(cutoffs)}, intermediates=intermediates, models=[version], facts=facts)


def _decide(
    night: NightContext,
    models: Path,
    challenger: str,
    comparison: Mapping[str, Any],
    champion: KnownModel | None,
) -> tuple[str, dict[str, Any]]:
    """Which of the two scores, recorded in the lake; and what the report tells of it."""
    why = comparison["why"]
    if champion is None:
        why = "it is the first"
    elif not champion.fits:
        why = f"the champion {champion.version} was {UNFIT}"
    is_promoted = comparison["is_promoted"] or champion is None
    kind: Literal["promoted", "refused"] = "promoted" if is_promoted else "refused"
    record_decision(models, Decision(night.date, challenger, kind, why, "night"))
    promotion = {"challenger": challenger, "champion": champion.version if champion else None}
    version = challenger if is_promoted or champion is None else champion.version
    return version, dict(comparison) | promotion | {"why": why}


def _without_training(night: NightContext, config: Config, models: Path, reason: str) -> StepResult:
    """The champion goes on, with an alarm; where there is none, the night has no scores, and says why."""
    earlier = champion_of(models, night.as_of, or_equal=False)
    if config.mode != "auto" or earlier is None or not earlier.fits:
        night.progress.say(f"  no model: {reason}")
        return StepResult(facts={"no_model": reason, "trained": False})
    alarm = f"no new model could be trained ({reason}); the model {earlier.version} of {earlier.as_of.date()} goes on"
    night.progress.say(f"  alarm: {alarm}")
    facts = {"model": model_facts(models, earlier.version), "trained": False, "alarms": [alarm]}
    return StepResult(intermediates=_asked(night, earlier.version), models=[earlier.version], facts=facts)


def _too_few(night: NightContext, config: Config) -> str:
    """Why no training is worth its start, or nothing: earlier cut-offs cannot know more confirmed accounts than tonight."""
    labels = pl.read_parquet(night.out / "labels.parquet")
    n_confirmed = labels.filter(pl.col("outcome") == "confirmed_synthetic").height
    if n_confirmed >= config.min_positives:
        return ""
    return f"{n_confirmed} confirmed synthetic account(s) are known; at least {config.min_positives} are needed"


def _choose(night: NightContext, config: Config, models: Path) -> tuple[KnownModel | None, str]:
    """The model to use without training; or None and why one is trained.

    A model of this very cut-off is never taken over by `auto`, nor what was decided since: a night that is run again does
    what it did before.
    """
    if config.version is not None or config.mode == "never":
        return _ready_model(models, night.as_of, config), ""
    if config.mode == "always":
        return None, "--train always"
    champion, newest = (look(models, night.as_of, or_equal=False) for look in (champion_of, newest_model))
    if champion is None or newest is None:
        return None, "the lake has no earlier model"
    if not champion.fits:
        return None, f"the model {champion.version} was {UNFIT}"
    age = night.as_of - newest.as_of  # of the last training, whatever became of its model
    if age >= timedelta(days=config.interval_days):
        return None, f"the newest model is {age.days} days old"
    # from the last training, too: after a refusal or rollback the champion's own would tell the same drift every night
    held = newest_reference(models, night.as_of) if config.on_drift else None
    if held is not None:
        drifted = run_task(
            _drift, night.work, models / held.version, night.as_of, config.n_threads, n_cpus=config.n_threads
        )
        if drifted:
            return None, drifted
    return champion, ""


def _ready_model(models: Path, as_of: datetime, config: Config) -> KnownModel:
    """The model that `version` names, or the champion for `never`."""
    name = "--train never" if config.version is None else "--model"
    known = (
        champion_of(models, as_of, or_equal=True)
        if config.version is None
        else named_model(models, config.version, as_of)
    )
    if known is None:
        raise InputError(
            f"`--train never` must find a model as of {as_of.date()} or before in the lake; got none. "
            "Say `--train auto`, which trains one."
        )
    if not known.fits:
        raise InputError(
            f"`{name}` must use a model on this program's features; got `{known.version}`, {UNFIT}. "
            "Train a new one: `--train always`."
        )
    return known


def asked_file(version: str) -> str:
    """Where a model's answers lie in the work folder, if it was asked here; `gnn.score.Scored.to_frame`."""
    return f"train/scored-{version}.parquet"


def _asked(night: NightContext, version: str) -> list[str]:
    name = asked_file(version)
    return [name] if (night.work / name).is_file() else []


def _drift(work: Path, folder: Path, as_of: datetime, n_threads: int) -> str:
    """In words, how far tonight lies from the night of the training; empty where it does not. Keeps what the model says of tonight."""
    from gnn.drift import measure_drift
    from gnn.model_files import load_model
    from gnn.score import score_accounts
    from jobs.drift import read_inputs

    before = read_reference(folder)
    if before is None:
        return ""
    features, kept = work / "features.parquet", work / asked_file(folder.name)
    snapshot = read_snapshot(work / "snapshot", as_of, with_hashes=False)
    now = score_accounts(load_model(folder), pl.read_parquet(features), snapshot, n_threads)
    kept.parent.mkdir(parents=True, exist_ok=True)
    now.to_frame().write_parquet(kept, compression="lz4")
    drift = measure_drift(before, read_inputs(features), now.score)
    if not drift.has_drifted:
        return ""
    return f"drift: stability index of the scores {drift.score:.2f}, {drift.moved_share:.0%} of the features moved"


def _n_accounts(night: NightContext) -> int:
    return night.results["links"].rows["accounts"]


def _is_large(night: NightContext, config: Config) -> bool:
    return _n_accounts(night) > config.large_world


def _build_cutoffs(night: NightContext, config: Config) -> tuple[list[datetime], list[str]]:
    """Snapshots and features of the earlier cut-offs, in parallel; the cut-offs and what was written."""
    from gnn.cutoffs import plan_cutoffs

    first = pl.scan_parquet(night.work / "events/signups/*.parquet").select(pl.col("known_time").min())
    n_cutoffs = min(config.n_cutoffs, FEW_CUTOFFS) if _is_large(night, config) else config.n_cutoffs
    cutoffs = plan_cutoffs(first.collect().item(), night.as_of, n_cutoffs)
    tasks = [(night.work, night.n_partitions, cutoff, night.key, night.seed) for cutoff in cutoffs]
    # of a large world one after the other, each on all cores: what two hold at once would be the most of the whole night
    map_tasks(_build_cutoff, tasks, progress=night.progress, label="cut-offs", **cores_for(_n_accounts(night)))
    return cutoffs, [cutoff_folder(Path(), cutoff).as_posix() for cutoff in cutoffs]


def _build_cutoff(work: Path, n_partitions: int, cutoff: datetime, key: str, seed: int) -> None:
    from gnn.features import build_features

    events = scan_partitioned_events(work / "events", TABLES)
    parts = [scan_partitioned_events(work / "events", TABLES, partition) for partition in range(n_partitions)]
    compared = Comparisons(read_known(work), read_frame(work / "snapshot", "accounts"))
    snapshot = build_snapshot(events, cutoff, key, seed, parts, compared)
    del compared
    folder = cutoff_folder(work, cutoff)
    write_snapshot(snapshot, folder / "snapshot")
    build_features(events, snapshot).write_parquet(folder / "features.parquet", compression="lz4")


def _train(night: NightContext, config: Config, cutoffs: list[datetime], champion: KnownModel | None) -> Trained:
    """One training as one task; its lines of progress come through a file beside it."""
    notes = night.work / "train" / "progress.txt"
    notes.parent.mkdir(parents=True, exist_ok=True)
    notes.unlink(missing_ok=True)
    told = 0

    def tell() -> None:
        nonlocal told
        lines = notes.read_text(encoding="utf-8").splitlines() if notes.exists() else []
        for line in lines[told:]:
            night.progress.say(f"  {line}")
        told = len(lines)

    training = Training(
        work=night.work,
        models=night.lake / "models",
        cutoffs=cutoffs,
        as_of=night.as_of,
        config=TrainConfig(
            model=config.kind,
            label_delay_days=config.label_delay_days,
            min_positives=config.min_positives,
            capacity=night.settings.capacity,
            found_share=config.found_share,
            n_seeds=config.n_seeds,
            with_controls=config.with_controls,
            sage_bf16=config.bf16,
            sage_accounts=config.sage_accounts,
            sage_full_accounts=config.sage_full_accounts,
        ),
        n_drawn=config.draw_accounts if _is_large(night, config) else None,
        champion=champion.version if champion and champion.fits else None,
        inputs=input_fingerprints(night.out, night.work, cutoffs),
        key=night.key,
        seed=night.seed,
        n_threads=config.n_threads,
        notes=notes,
    )
    # its worker scores next: each new one takes some ten seconds to import torch and PyG
    trained = run_training(
        train_and_compare,
        training,
        n_workers=config.n_workers,
        n_cpus=config.n_threads,
        label="training",
        poll=tell,
    )
    notes.unlink(missing_ok=True)
    return trained


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("train")
