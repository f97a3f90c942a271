"""Score: the night's model over all accounts.

work/scores.parquet (account, score), which the step `rings` publishes with rank and ring; out/embeddings.parquet;
LAKE/models/<version>/reference.parquet on the night of a training: features and scores that later nights are held against
"""

from datetime import datetime
from pathlib import Path

import polars as pl
from pydantic import Field

from graph.lake import NIGHT_TABLES, write_table
from graph.snapshot import read_snapshot
from jobs.models import write_reference
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import run_task

__all__ = ["SCORES", "Config", "run"]

READS = ("links", "pairs", "clusters", "features", "train")
SCORES = "scores.parquet"


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
        n_accounts = run_task(
            _score,
            night.work,
            night.out,
            night.lake / "models" / versions[0],
            night.as_of,
            config.n_threads,
            n_cpus=config.n_threads,
            label="scoring",
        )
    intermediates = [SCORES] if versions else []
    return StepResult(rows={"accounts scored": n_accounts}, outputs=["embeddings.parquet"], intermediates=intermediates)


def _score(work: Path, out: Path, model_folder: Path, as_of: datetime, n_threads: int) -> int:
    from gnn.model_files import load_model
    from gnn.score import score_accounts

    model = load_model(model_folder)
    snapshot = read_snapshot(work / "snapshot", as_of)
    features = pl.read_parquet(work / "features.parquet")
    scored = score_accounts(model, features, snapshot, n_threads)
    accounts = snapshot.accounts.select("account", "account_id")
    accounts.select("account", score=pl.Series(scored.score)).write_parquet(work / SCORES, compression="lz4")
    if model.as_of == as_of:
        write_reference(model_folder, features.with_columns(score=pl.Series(scored.score)))
    embeddings = accounts.select(
        "account_id",
        embedding=scored.vectors,
        embedding_version=pl.lit(model.embedding.version),
    )
    write_table(embeddings.sort("account_id"), out, "embeddings")
    return accounts.height


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("score")
