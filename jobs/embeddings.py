"""Embeddings of past dates by one model, each from what was known at its date: no night is read or touched."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path

from graph.embeddings import Backfill, may_write_backfill, read_backfill, write_backfill
from graph.errors import InputError
from graph.lake import as_of_of
from jobs.key import lake_key
from jobs.lock import hold_lake
from jobs.manifest import refuse_other_key
from jobs.models import list_models, refuse_unknown
from jobs.night import Progress

__all__ = ["backfill"]


def backfill(
    events: Path,
    lake: Path,
    version: str,
    days: list[date],
    *,
    seed: int,
    n_threads: int,
    environment: Mapping[str, str],
    progress: Progress,
    with_hindsight: bool = False,
) -> list[Path]:
    """Writes the embeddings of each day by the model `version`; what it wrote before is left, and what has less hindsight.

    It holds the lake. One process holds one day's events and graph at a time.

    Args:
        seed: of the clusters' refinement; the night's, so that a date gets what its night had.
        environment: may hold RINGLIGHT_KEY.

    Returns:
        the files that were written now.

    Raises:
        InputError: the model is not there, or is later than a day and `with_hindsight` is not said; the events do not keep the
            contract; or the key of the lake's nights is not there, and none is made here.
        LakeHeldError: another run holds the lake.
    """
    _refuse_hindsight(lake, version, days, with_hindsight)
    with hold_lake(lake, None, "backfill of embeddings"):
        given = environment.get("RINGLIGHT_KEY")
        key = lake_key(lake, given, None, progress.say)
        refuse_other_key(lake, key, is_given=given is not None)
        return _write(events, lake, version, days, key, seed, n_threads, progress)


def _write(
    events: Path,
    lake: Path,
    version: str,
    days: list[date],
    key: str,
    seed: int,
    n_threads: int,
    progress: Progress,
) -> list[Path]:
    from gnn.features import build_features
    from gnn.model_files import load_model
    from gnn.score import score_accounts
    from graph.build import build_snapshot
    from graph.cleaning import read_events

    model = load_model(lake / "models" / version)
    written = []
    for day in progress.track(days, "embeddings", len(days)):
        facts = Backfill.of(day, model.embedding.version, version, model.as_of)
        if read_backfill(lake, model.embedding.version, day) == facts:
            continue
        if not may_write_backfill(lake, facts):
            progress.say(f"  {day} is left: what lies there is by a model with less hindsight")
            continue
        known = read_events(events, as_of_of(day))
        if known["signups"].is_empty():
            raise InputError(
                f"`--from` must be a date by which accounts are known; got {day}, before the first signup."
            )
        snapshot = build_snapshot(known, as_of_of(day), key, seed)
        scored = score_accounts(model, build_features(known, snapshot), snapshot, n_threads)
        frame = snapshot.accounts.select("account_id", embedding=scored.vectors)
        written.append(write_backfill(lake, facts, frame))
    return written


def _refuse_hindsight(lake: Path, version: str, days: list[date], is_wanted: bool) -> None:
    known = {model.version: model for model in list_models(lake / "models")}
    refuse_unknown("--model", version, known)
    begins = known[version].as_of.date()
    early = [day for day in days if day < begins]
    if early and not is_wanted:
        raise InputError(
            f"`--from` must be {begins} or later, when the model {version} had learnt no outcome of later days; got {early[0]}. Name "
            "an earlier model, or say `--with-hindsight`, which the files will tell."
        )
