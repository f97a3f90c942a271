"""Pairs: evidence by partition of identifiers, then summed by partition of accounts.

What the night before found stands where neither identifier nor pair was touched since (`graph.update`).

work/evidence/<identifier partition>/<account partition>.parquet, and beside it in again/ the pairs to look at again
work/pairs/<account partition>.parquet (those pairs, as they are now)
work/snapshot/pairs.parquet, work/dirty.parquet (accounts whose pairs changed), out/pairs.parquet
"""

from pathlib import Path

import polars as pl

from graph.lake import write_table
from graph.pairs import EVIDENCE_SCHEMA, build_evidence, merge_evidence, name_pairs
from graph.snapshot import SNAPSHOT_SCHEMAS
from graph.update import carry_evidence, carry_pairs
from jobs.night import NightContext, StepConfig, StepResult
from jobs.steps.links import cores_for, read_change
from jobs.tasks import map_tasks, run_task

__all__ = ["Config", "run"]

READS = ("links",)
PAIR = ["account_a", "account_b"]


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
        _gather, night.work, night.out, night.state, **cores_for(night.results["links"].rows["accounts"])
    )
    return StepResult(
        rows={"pairs": n_pairs},
        outputs=["pairs.parquet"],
        intermediates=["evidence", "again", "pairs", "dirty.parquet", "snapshot/pairs.parquet"],
        state=["evidence", "snapshot/pairs.parquet"],
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
        folder = work / name / str(part)
        folder.mkdir(parents=True, exist_ok=True)
        for receiver in range(n_partitions):
            own = rows.filter(pl.col("account_a") % n_partitions == receiver)
            own.write_parquet(folder / f"{receiver}.parquet", compression="lz4")


def _merge_partition(part: int, work: Path) -> None:
    again = pl.read_parquet(work / "again" / "*" / f"{part}.parquet").unique()
    evidence = pl.read_parquet(work / "evidence" / "*" / f"{part}.parquet").join(again, on=PAIR, how="semi")
    pairs = merge_evidence(evidence, pl.read_parquet(work / "joining.parquet"))
    pairs.write_parquet(work / "pairs" / f"{part}.parquet", compression="lz4")


def _gather(work: Path, out: Path, state: Path | None) -> int:
    before = pl.DataFrame(schema=SNAPSHOT_SCHEMAS["pairs"])
    if state is not None:
        before = pl.read_parquet(state / "snapshot/pairs.parquet").rechunk()
    again = pl.read_parquet(work / "again/*/*.parquet").unique()
    pairs, dirty = carry_pairs(before, again, pl.read_parquet(work / "pairs/*.parquet"), read_change(work))
    pairs.write_parquet(work / "snapshot/pairs.parquet", compression="lz4")
    dirty.to_frame("account").write_parquet(work / "dirty.parquet", compression="lz4")
    accounts = pl.read_parquet(work / "snapshot/accounts.parquet")
    given = pl.scan_parquet(work / "records/*.parquet").select("account", "first", "birth_date").drop_nulls().collect()
    named = name_pairs(pairs, accounts.with_columns(is_named=accounts["account_id"].is_in(given["account"].implode())))
    write_table(named, out, "pairs")
    return pairs.height


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("pairs")
