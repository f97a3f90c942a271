"""Score: the night's model over all accounts.

work/scored.parquet (`gnn.score.Scored.to_frame`), of which the step `rings` publishes the scores with rank and ring;
out/embeddings.parquet;
LAKE/models/<version>/reference.parquet on the night of a training: features and scores that later nights are held against
"""

from datetime import datetime
from pathlib import Path

import polars as pl
from pydantic import Field

from graph.lake import NIGHT_TABLES, write_table
from graph.snapshot import read_frame, read_snapshot
from jobs.models import write_reference
from jobs.night import NightContext, StepConfig, StepResult
from jobs.steps.train import asked_file
from jobs.tasks import run_task

__all__ = ["SCORED", "Config", "run"]

READS = ("links", "pairs", "clusters", "features", "train")
SCORED = "scored.parquet"


class Config(StepConfig):
    """Settings of scoring."""

    n_threads: int = Field(2, ge=1, description="threads of scoring; part of what makes equal runs equal")


def run(night: NightContext, config: Config) -> StepResult:
    """Scores and embeddings; both empty, with their schema, where there is no model."""
    versions = night.results["train"].models
    if not versions:
        write_table(pl.DataFrame(schema=NIGHT_TABLES["embeddings"]), night.out, "embeddings")
        n_accounts = 0
    else:
        asked = asked_file(versions[0])
        is_asked = asked in night.results["train"].intermediates and _threads_of_train(night) == config.n_threads
        n_accounts = run_task(
            _score,
            night.work,
            night.out,
            night.lake / "models" / versions[0],
            night.as_of,
            config.n_threads,
            night.work / asked if is_asked else None,
            n_cpus=config.n_threads,
            label="scoring",
        )
    intermediates = [SCORED] if versions else []
    return StepResult(rows={"accounts scored": n_accounts}, outputs=["embeddings.parquet"], intermediates=intermediates)


def _threads_of_train(night: NightContext) -> int:
    n_threads: int = getattr(night.settings.of_step("train"), "n_threads")  # noqa: B009  (a step's settings are untyped here)
    return n_threads


def _score(work: Path, out: Path, model_folder: Path, as_of: datetime, n_threads: int, asked: Path | None) -> int:
    from gnn.model_files import load_model
    from gnn.score import Scored, score_accounts

    model = load_model(model_folder)
    if asked is not None:
        scored = Scored.from_frame(pl.read_parquet(asked))
    else:
        features = pl.read_parquet(work / "features.parquet")
        snapshot = read_snapshot(work / "snapshot", as_of, with_hashes=False)
        scored = score_accounts(model, features, snapshot, n_threads)
        if model.as_of == as_of:
            write_reference(model_folder, features.with_columns(score=pl.Series(scored.score)))
    scored.to_frame().write_parquet(work / SCORED, compression="lz4")
    embeddings = read_frame(work / "snapshot", "accounts").select(
        "account_id",
        embedding=scored.vectors,
        embedding_version=pl.lit(model.embedding.version),
    )
    write_table(embeddings.sort("account_id"), out, "embeddings")
    return embeddings.height


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("score")
