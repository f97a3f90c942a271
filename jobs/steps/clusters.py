"""Clusters: components, refined, with ids that carry over from the night before, and what became of each.

work/snapshot/clusters.parquet, work/cluster_names.parquet (account, cluster, cluster_id)
out/clusters.parquet, out/lineage.parquet
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from graph.lake import Night, write_table
from graph.lineage import build_lineage, name_clusters
from graph.snapshot import SNAPSHOT_SCHEMAS
from graph.update import update_clusters
from jobs.night import NightContext, StepConfig, StepResult
from jobs.steps.links import read_change
from jobs.tasks import cores_for, run_task

__all__ = ["Config", "run"]

READS = ("links", "pairs")
SMALLEST_WORLD = 1_000  # below, one household may be a large share


class Config(StepConfig):
    """Settings of clusters."""

    largest_share: float = Field(
        0.02, gt=0, le=1, description="an alarm sounds when one cluster holds more of the accounts"
    )


def run(night: NightContext, config: Config) -> StepResult:
    """The clusters of all accounts; an alarm, but no refusal, where one is too large."""
    facts = run_task(
        _cluster,
        night.work,
        night.out,
        night.previous,
        night.state,
        night.as_of,
        night.key,
        night.seed,
        **cores_for(night.results["links"].rows["accounts"]),
    )
    alarms = []
    if facts["n_accounts"] >= SMALLEST_WORLD and facts["largest_share"] > config.largest_share:
        alarms.append(
            f"the largest cluster holds {facts['largest_share']:.1%} of the accounts, more than {config.largest_share:.1%}: "
            "a hub is not capped; see RUNBOOK.md"
        )
        night.progress.say(f"alarm: {alarms[0]}")
    return StepResult(
        rows={"clusters": facts["n_clusters"], "lineage": facts["n_lineage"]},
        outputs=["clusters.parquet", "lineage.parquet"],
        intermediates=["snapshot/clusters.parquet", "cluster_names.parquet"],
        state=["snapshot/clusters.parquet"],
        facts=facts | {"alarms": alarms},
    )


def _cluster(
    work: Path, out: Path, previous: Night | None, state: Path | None, as_of: datetime, key: str, seed: int
) -> dict[str, Any]:
    accounts = pl.read_parquet(work / "snapshot/accounts.parquet")
    pairs = pl.read_parquet(work / "snapshot/pairs.parquet", columns=["account_a", "account_b", "weight_bits", "ties"])
    old = pl.DataFrame(schema=SNAPSHOT_SCHEMAS["clusters"])
    if state is not None:
        old = pl.read_parquet(state / "snapshot/clusters.parquet")
    dirty = pl.read_parquet(work / "dirty.parquet")["account"]
    clusters = update_clusters(pairs, old, dirty, read_change(work), seed)
    clusters.write_parquet(work / "snapshot/clusters.parquet", compression="lz4")
    before = previous.read("clusters") if previous else None
    named = name_clusters(clusters, accounts, before, as_of, key)
    named.select("account", "cluster", "cluster_id").write_parquet(work / "cluster_names.parquet", compression="lz4")
    lineage = build_lineage(named, before)
    write_table(named.sort("account_id"), out, "clusters")
    write_table(lineage, out, "lineage")
    sizes = named.group_by("cluster").len()["len"]
    largest = max(sizes.to_list())
    return {
        "n_accounts": accounts.height,
        "n_clusters": sizes.len(),
        "n_components": clusters["component"].n_unique(),
        "n_loners": int((sizes == 1).sum()),
        "largest_cluster": largest,
        "largest_share": round(largest / accounts.height, 6),
        "n_lineage": lineage.height,
        "lineage": dict(lineage["event"].value_counts().sort("event").iter_rows()),
    }


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("clusters")
