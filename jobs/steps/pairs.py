"""Pairs: evidence by partition of identifiers, then summed by partition of accounts.

work/evidence/<identifier partition>/<account partition>.parquet
work/pairs/<account partition>.parquet
work/snapshot/pairs.parquet, out/pairs.parquet
"""

from pathlib import Path

import polars as pl

from graph.lake import write_table
from graph.pairs import build_evidence, merge_evidence
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import map_tasks, run_task

__all__ = ["Config", "run"]

READS = ("links",)


class Config(StepConfig):
    """Pairs have no settings of their own; rules stand in `graph.rules`."""


def run(night: NightContext, config: Config) -> StepResult:
    """The pairs that evidence joins."""
    parts = range(night.n_partitions)
    (night.work / "pairs").mkdir(parents=True, exist_ok=True)
    tasks = [(part, night.work, night.n_partitions) for part in parts]
    map_tasks(_evidence_partition, tasks, progress=night.progress, label="evidence")
    map_tasks(_merge_partition, [(part, night.work) for part in parts], progress=night.progress, label="pairs")
    n_pairs = run_task(_gather, night.work, night.out)
    return StepResult(
        rows={"pairs": n_pairs},
        outputs=["pairs.parquet"],
        intermediates=["evidence", "pairs", "snapshot/pairs.parquet"],
    )


def _evidence_partition(part: int, work: Path, n_partitions: int) -> None:
    mine = pl.col("identifier") % n_partitions == part
    identifiers = pl.scan_parquet(work / "snapshot/identifiers.parquet").filter(mine).collect()
    links = pl.scan_parquet(work / "snapshot/links.parquet").filter(mine).collect()
    evidence = build_evidence(links, identifiers)
    folder = work / "evidence" / str(part)
    folder.mkdir(parents=True, exist_ok=True)
    for receiver in range(n_partitions):
        rows = evidence.filter(pl.col("account_a") % n_partitions == receiver)
        rows.write_parquet(folder / f"{receiver}.parquet", compression="lz4")


def _merge_partition(part: int, work: Path) -> None:
    evidence = pl.read_parquet(work / "evidence" / "*" / f"{part}.parquet")
    identifiers = pl.read_parquet(work / "snapshot/identifiers.parquet")
    merge_evidence(evidence, identifiers).write_parquet(work / "pairs" / f"{part}.parquet", compression="lz4")


def _gather(work: Path, out: Path) -> int:
    pairs = pl.read_parquet(work / "pairs" / "*.parquet").sort("account_a", "account_b")
    pairs.write_parquet(work / "snapshot/pairs.parquet", compression="lz4")
    names = pl.read_parquet(work / "snapshot/accounts.parquet", columns=["account", "account_id"])
    named = (
        pairs.join(names, left_on="account_a", right_on="account", maintain_order="left")
        .join(names, left_on="account_b", right_on="account", suffix="_b", maintain_order="left")
        .select("weight_bits", "evidence", account_a="account_id", account_b="account_id_b")
    )
    write_table(named.sort("account_a", "account_b"), out, "pairs")
    return pairs.height


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("pairs")
