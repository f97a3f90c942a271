"""Features: what the model and the reasons read of every account, as of the night.

work/features.parquet
"""

from datetime import datetime
from pathlib import Path

from graph.partitions import scan_partitioned_events
from graph.schema import TABLES
from graph.snapshot import read_snapshot
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import cores_for, run_task

__all__ = ["Config", "run"]

READS = ("ingest", "links", "pairs", "clusters")


class Config(StepConfig):
    """Features have no settings of their own; they are declared in `gnn.features`."""


def run(night: NightContext, config: Config) -> StepResult:
    """The features of all accounts."""
    cores = cores_for(night.results["links"].rows["accounts"])
    n_rows, n_columns = run_task(_build, night.work, night.as_of, progress=night.progress, label="features", **cores)
    return StepResult(
        rows={"features": n_rows}, intermediates=["features.parquet"], facts={"n_features": n_columns - 1}
    )


def _build(work: Path, as_of: datetime) -> tuple[int, int]:
    from gnn.features import build_features

    snapshot = read_snapshot(work / "snapshot", as_of, with_hashes=False)
    features = build_features(scan_partitioned_events(work / "events", TABLES), snapshot)
    features.write_parquet(work / "features.parquet", compression="lz4")
    return features.shape


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("features")
