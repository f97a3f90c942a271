"""Features: what the model and the reasons read of every account, as of the night.

work/features.parquet
"""

import tempfile
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl

from graph.blocks import ROW_GROUP, sink_blocks
from graph.partitions import scan_partitioned_events
from graph.schema import TABLES
from graph.snapshot import read_snapshot
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import BESIDE, cores_for, run_task

__all__ = ["Config", "run"]

READS = ("ingest", "links", "pairs", "clusters")
FEATURES = "features.parquet"


class Config(StepConfig):
    """Features have no settings of their own; they are declared in `gnn.features`."""


def run(night: NightContext, config: Config) -> StepResult:
    """The features of all accounts."""
    n_accounts = night.results["links"].rows["accounts"]
    build = _build if n_accounts <= BESIDE else _build_by_columns
    cores = cores_for(n_accounts)
    n_rows, n_columns = run_task(build, night.work, night.as_of, progress=night.progress, label="features", **cores)
    return StepResult(rows={"features": n_rows}, intermediates=[FEATURES], facts={"n_features": n_columns - 1})


def _build(work: Path, as_of: datetime) -> tuple[int, int]:
    from gnn.features import build_features

    snapshot = read_snapshot(work / "snapshot", as_of, with_hashes=False)
    features = build_features(scan_partitioned_events(work / "events", TABLES), snapshot)
    features.write_parquet(work / FEATURES, compression="lz4", row_group_size=ROW_GROUP)
    return features.shape


def _build_by_columns(work: Path, as_of: datetime) -> tuple[int, int]:
    """The same, the same bytes: columns go to files as they are made, and rows of these are put together block by block."""
    from gnn.feature_types import TYPES
    from gnn.features import FEATURE_NAMES, build_parts

    snapshot = read_snapshot(work / "snapshot", as_of, with_hashes=False)
    kinds = snapshot.identifiers["identifier_type"].cast(TYPES)  # a byte each, not sixteen
    snapshot = replace(snapshot, identifiers=snapshot.identifiers.with_columns(kinds))
    n_accounts, files = snapshot.accounts.height, []
    with tempfile.TemporaryDirectory(prefix="features", dir=work) as folder:
        for number, part in enumerate(build_parts(scan_partitioned_events(work / "events", TABLES), snapshot)):
            files.append(Path(folder) / f"{number}.parquet")
            part.write_parquet(files[-1], compression="lz4", row_group_size=ROW_GROUP)
            del part  # before the next is made
        del snapshot

        def make(begin: int, end: int) -> pl.DataFrame:
            account = pl.DataFrame({"account": np.arange(begin, end, dtype=np.int32)})
            parts = [pl.scan_parquet(file).slice(begin, end - begin).collect() for file in files]
            return pl.concat([account, *parts], how="horizontal").select("account", *FEATURE_NAMES)

        schema = {"account": pl.Int32(), **dict.fromkeys(FEATURE_NAMES, pl.Float32())}
        sink_blocks(make, n_accounts, schema, work / FEATURES, "lz4")
    return n_accounts, len(schema)


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("features")
