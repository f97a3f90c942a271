"""Rings of suspected accounts, within a cluster or over several, ranked, and the reasons of every account at or above the threshold.

out/scores.parquet, out/rings.parquet, out/amounts.parquet, out/reasons.parquet; all empty, with their schema, where there is no model
"""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import Field

from graph.lake import NIGHT_TABLES, write_table
from graph.partitions import read_partitioned_events, scan_partitioned_events
from graph.schema import TABLES as EVENT_TABLES
from graph.sightings import keyed_hash
from graph.snapshot import read_snapshot
from jobs.night import NightContext, StepConfig, StepResult
from jobs.steps.ingest import REMEMBERED
from jobs.steps.score import SCORED
from jobs.tasks import run_task

if TYPE_CHECKING:
    from gnn.rings import Rings

__all__ = ["Config", "run"]

READS = ("ingest", "links", "pairs", "clusters", "features", "train", "score")
TABLES = ("scores", "rings", "amounts", "reasons")


class Config(StepConfig):
    """Settings of rings."""

    threshold: float = Field(0.3, gt=0, lt=1, description="an account is suspected from this probability on")
    min_members: int = Field(2, ge=1, description="suspected accounts that make a ring")
    n_reasons: int = Field(5, ge=1, description="reasons an account, at most, beside what links explain")
    n_counterfactuals: int = Field(
        30, ge=0, description="members of the queue's rings of whom is said without which links they were not suspected"
    )
    n_threads: int = Field(2, ge=1, description="threads; part of what makes equal runs equal")


@dataclass(frozen=True)
class _Place:
    """Where the task finds and leaves things."""

    work: Path
    out: Path
    model: Path
    as_of: datetime
    capacity: int
    seed: int
    key: str = field(repr=False)


def run(night: NightContext, config: Config) -> StepResult:
    """Rings, with the threshold among the facts."""
    versions = night.results["train"].models
    if not versions:
        for table in TABLES:
            write_table(pl.DataFrame(schema=NIGHT_TABLES[table]), night.out, table)
        rows = dict.fromkeys(TABLES, 0)
    else:
        model = night.lake / "models" / versions[0]
        place = _Place(night.work, night.out, model, night.as_of, night.settings.capacity, night.seed, night.key)
        rows = run_task(_ring, place, config, n_cpus=config.n_threads, label="rings")
    outputs = [f"{table}.parquet" for table in TABLES]
    return StepResult(rows=rows, outputs=outputs, facts={"threshold": config.threshold, "n_rings": rows["rings"]})


def _ring(place: _Place, config: Config) -> dict[str, int]:
    from gnn.examples import SYNTHETIC, latest_outcomes
    from gnn.model_files import load_model
    from gnn.reasons import build_counterfactuals, build_reasons, look_at
    from gnn.ring_amounts import sum_amounts
    from gnn.ring_groups import build_transfers
    from gnn.rings import build_rings
    from gnn.score import Scored

    model = load_model(place.model)
    snapshot = read_snapshot(place.work / "snapshot", place.as_of)
    features = pl.read_parquet(place.work / "features.parquet")
    scored = Scored.from_frame(pl.read_parquet(place.work / SCORED))
    scores = scored.score
    flagged = np.flatnonzero(scores >= config.threshold)
    # what takes most memory comes before what is read beside it
    looked = look_at(model, features, snapshot, flagged, config.n_threads, scored) if len(flagged) else None
    outcomes = read_partitioned_events(place.work / "events", ("outcomes",))["outcomes"]
    labels = latest_outcomes(outcomes, place.as_of)
    payments = scan_partitioned_events(place.work / "events", ("payments",))["payments"].collect()
    transfers = build_transfers(payments, snapshot)
    rings = build_rings(
        snapshot,
        features,
        scored.embedding,
        scores,
        labels,
        transfers,
        config.threshold,
        min_members=config.min_members,
        seed=place.seed,
        remembered=pl.read_parquet(place.work / REMEMBERED),
        n_threads=config.n_threads,
    )
    del scored  # embeddings of all accounts
    reasons = build_reasons(
        model,
        features,
        snapshot,
        scores,
        config.threshold,
        limit=config.n_reasons,
        n_threads=config.n_threads,
        looked=looked,
    )
    accounts = snapshot.accounts.select("account", "account_id")
    confirmed = labels.filter(pl.col("outcome") == SYNTHETIC).join(accounts, on="account_id")["account"]
    explained = _queue(rings, scores, confirmed, place.capacity, config.n_counterfactuals)
    if len(explained):
        events = _events(place.work, payments, accounts["account_id"][explained])
        counterfactuals = build_counterfactuals(
            model,
            features,
            snapshot,
            events,
            scores,
            explained,
            config.threshold,
            key=place.key,
            seed=place.seed,
            n_threads=config.n_threads,
            looked=looked,
        )
        reasons = pl.concat([reasons, counterfactuals])
    names = pl.read_parquet(place.work / "cluster_names.parquet").select("cluster", ring_id="cluster_id").unique()
    told = accounts.with_columns(score=pl.Series(scores))
    ranked = _rank(told, rings.members.join(names, on="cluster"), place.key, model.version)
    tables = {
        "scores": ranked,
        "amounts": sum_amounts(payments, ranked, place.as_of),
        "rings": rings.rings.join(names, on="cluster", maintain_order="left"),
        "reasons": reasons.join(accounts, on="account", maintain_order="left").sort(
            "account_id", "contribution", "code", descending=[False, True, False]
        ),
    }
    for name, table in tables.items():
        write_table(table, place.out, name)
    return {name: table.height for name, table in tables.items()}


def _events(work: Path, payments: pl.DataFrame, account_ids: pl.Series) -> dict[str, pl.DataFrame]:
    """All payments, for medians and who else pays; of the other tables what `gnn.around` reads: these accounts' own rows."""
    others = [table for table in EVENT_TABLES if table not in ("payments", "outcomes")]
    return {"payments": payments, **read_partitioned_events(work / "events", others, account_ids=account_ids)}


def _queue(
    rings: "Rings", scores: NDArray[np.float64], confirmed: pl.Series, capacity: int, limit: int
) -> NDArray[np.int64]:
    """At most `limit` members of the rings that the team can review, ring by ring, the riskiest first: int64 [k].

    Args:
        confirmed: accounts, by number, that are known to be synthetic and need no explanation.
    """
    place = rings.rings.head(capacity).select("cluster", place=pl.int_range(pl.len()))
    members = rings.members.join(place, on="cluster")
    members = (
        members.with_columns(score=pl.Series(scores[members["account"].to_numpy()], dtype=pl.Float64))
        .filter(~pl.col("account").is_in(confirmed.implode()))
        .sort("place", pl.col("score").round(9), "account", descending=[False, True, False])
    )
    return members["account"].head(limit).to_numpy().astype(np.int64)


def _rank(scored: pl.DataFrame, members: pl.DataFrame, key: str, version: str) -> pl.DataFrame:
    """scores.parquet: rank 1 is the riskiest; a keyed hash, not an id, parts equal scores."""
    ranked = (
        scored.with_columns(tie=keyed_hash(pl.col("account_id"), "rank", key))
        .sort("score", "tie", descending=[True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64), model_version=pl.lit(version))
    )
    return ranked.join(members.select("account", "ring_id"), on="account", how="left").sort("account_id")


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("rings")
