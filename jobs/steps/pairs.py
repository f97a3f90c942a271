"""Pairs: evidence by partition of identifiers, then summed by partition of accounts.

What the night before found stands where neither identifier nor pair was touched since (`graph.update`).

work/evidence/<identifier partition>/<account partition>.parquet, and beside it in again/ the pairs to look at again
work/pairs/<account partition>.{pairs,pair_evidence}.parquet (those pairs, as they are now)
work/snapshot/{pairs,pair_evidence}.parquet, work/dirty.parquet (accounts whose pairs changed), out/pairs.parquet
"""

from pathlib import Path

import numpy as np
import polars as pl

from graph.lake import write_table
from graph.pairs import EVIDENCE_SCHEMA, build_evidence, merge_evidence, name_pairs
from graph.partitions import write_partitions
from graph.snapshot import read_frame
from graph.update import Pairs, carry_evidence, carry_pairs
from jobs.night import NightContext, StepConfig, StepResult
from jobs.steps.links import read_change
from jobs.tasks import cores_for, map_tasks, run_task

__all__ = ["Config", "run"]

READS = ("links",)
PAIR = ["account_a", "account_b"]
MERGED = ("pairs", "pair_evidence")
SNAPSHOT = tuple(f"snapshot/{name}.parquet" for name in MERGED)


class Config(StepConfig):
    """Pairs have no settings of their own; rules stand in `graph.rules`."""


def run(night: NightContext, config: Config) -> StepResult:
    """The pairs that evidence joins."""
    parts = range(night.n_partitions)
    (night.work / "pairs").mkdir(parents=True, exist_ok=True)
    tasks = [(part, night.work, night.state, night.n_partitions) for part in parts]
    map_tasks(_evidence_partition, tasks, progress=night.progress, label="evidence")
    map_tasks(_merge_partition, [(part, night.work) for part in parts], progress=night.progress, label="pairs")
    n_pairs = run_task(
        _gather,
        night.work,
        night.out,
        night.state,
        night.n_partitions,
        **cores_for(night.results["links"].rows["accounts"]),
    )
    return StepResult(
        rows={"pairs": n_pairs},
        outputs=["pairs.parquet"],
        intermediates=["evidence", "again", "pairs", "dirty.parquet", *SNAPSHOT],
        state=["evidence", *SNAPSHOT],
    )


def _evidence_partition(part: int, work: Path, state: Path | None, n_partitions: int) -> None:
    mine = pl.col("identifier") % n_partitions == part
    identifiers = pl.scan_parquet(work / "joining.parquet").filter(mine).collect()
    found = build_evidence(pl.read_parquet(work / "holders" / f"{part}.parquet"), identifiers)
    before = pl.DataFrame(schema=EVIDENCE_SCHEMA)
    if state is not None:
        before = pl.read_parquet(state / "evidence" / str(part) / "*.parquet")
    kept, lost = carry_evidence(before, read_change(work))
    evidence = pl.concat([kept, found])
    again = pl.concat([lost, found.select(PAIR)]).unique()
    for name, rows in (("evidence", evidence), ("again", again)):
        write_partitions(rows, work / name / str(part), n_partitions, pl.col("account_a"))


def _merge_partition(part: int, work: Path) -> None:
    again = pl.read_parquet(work / "again" / "*" / f"{part}.parquet").unique()
    evidence = pl.read_parquet(work / "evidence" / "*" / f"{part}.parquet").join(again, on=PAIR, how="semi")
    merged = merge_evidence(evidence, pl.read_parquet(work / "joining.parquet"))
    for name, rows in zip(MERGED, merged, strict=True):
        rows.write_parquet(work / "pairs" / f"{part}.{name}.parquet", compression="lz4")


def _read_merged(work: Path, n_partitions: int) -> Pairs:
    """All pairs that were looked at again; evidence counts its pairs by partition."""
    found = [
        [pl.read_parquet(work / "pairs" / f"{part}.{name}.parquet") for name in MERGED] for part in range(n_partitions)
    ]
    ends = np.cumsum([pairs.height for pairs, _ in found])
    evidence = [
        rows.with_columns(pl.col("pair") + int(end - pairs.height))
        for (pairs, rows), end in zip(found, ends, strict=True)
    ]
    return Pairs(pl.concat([pairs for pairs, _ in found], rechunk=True), pl.concat(evidence, rechunk=True))


def _gather(work: Path, out: Path, state: Path | None, n_partitions: int) -> int:
    before = Pairs(*(read_frame(None if state is None else state / "snapshot", name) for name in MERGED))
    again = pl.read_parquet(work / "again/*/*.parquet").unique()
    found, dirty = carry_pairs(before, again, _read_merged(work, n_partitions), read_change(work))
    for name, rows in zip(MERGED, (found.pairs, found.evidence), strict=True):
        rows.write_parquet(work / "snapshot" / f"{name}.parquet", compression="lz4")
    dirty.to_frame("account").write_parquet(work / "dirty.parquet", compression="lz4")
    accounts = pl.read_parquet(work / "snapshot/accounts.parquet")
    named = pl.read_parquet(work / "named.parquet")["account"]
    accounts = accounts.with_columns(is_named=pl.col("account").is_in(named.implode()))
    identifiers = pl.read_parquet(
        work / "snapshot/identifiers.parquet", columns=["identifier_type", "hash", "n_accounts"]
    )
    write_table(name_pairs(found.pairs, found.evidence, identifiers, accounts), out, "pairs")
    return found.pairs.height


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("pairs")
