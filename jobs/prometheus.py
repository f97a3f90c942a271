"""The Prometheus textfile of the last run, for node_exporter's textfile collector. Written after failures, too."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

from jobs.night import StepResult

__all__ = ["METRICS_FILE", "RunMetrics", "write_metrics"]

METRICS_FILE = "metrics.prom"


@dataclass
class RunMetrics:
    """What one run of the night tells its monitoring.

    Attributes:
        as_of: the night's cut-off.
        ended: when the run ended.
        exit_code: as the command line ends.
        seconds: by step.
        peak_bytes: peak memory of the run.
        results: what each finished step left.
    """

    as_of: datetime
    ended: datetime
    exit_code: int
    seconds: Mapping[str, float] = field(default_factory=dict)
    peak_bytes: int = 0
    results: Mapping[str, StepResult] = field(default_factory=dict)


def write_metrics(run: RunMetrics, path: Path) -> None:
    """Writes the textfile in one piece (beside it, then renamed).

    A step's facts that are numbers become gauges `ringlight_<step>_<fact>`; row counts `ringlight_rows{step, output}`.
    """
    registry = CollectorRegistry()

    def gauge(name: str, meaning: str, value: float) -> None:
        Gauge(f"ringlight_{name}", meaning, registry=registry).set(value)

    gauge("as_of_timestamp_seconds", "cut-off of the last run", run.as_of.timestamp())
    gauge("run_end_timestamp_seconds", "when the last run ended", run.ended.timestamp())
    gauge("exit_code", "how the last run ended: 0 done, 1 fault, 2 input, 3 store, 4 gate, 5 lake held", run.exit_code)
    gauge("success", "1 when the last run ended well", float(run.exit_code == 0))
    gauge("peak_memory_bytes", "peak memory of the last run", run.peak_bytes)
    seconds = Gauge("ringlight_step_seconds", "duration of each step", ["step"], registry=registry)
    for step, value in run.seconds.items():
        seconds.labels(step=step).set(value)
    rows = Gauge("ringlight_rows", "rows of each output", ["step", "output"], registry=registry)
    for step, result in run.results.items():
        for output, count in result.rows.items():
            rows.labels(step=step, output=output).set(count)
        for fact, value in result.facts.items():
            if isinstance(value, int | float):  # True and False become 1 and 0
                gauge(f"{step}_{fact}", f"{fact.replace('_', ' ')} of step {step}", float(value))
    ingested = Gauge(
        "ringlight_event_rows", "event rows by table and what became of them", ["table", "kind"], registry=registry
    )
    for table, counts in _event_counts(run.results).items():
        for kind in ("read", "rejected", "repeated"):
            ingested.labels(table=table, kind=kind).set(counts.get(f"n_{kind}", 0))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_to_textfile(str(path), registry)


def _event_counts(results: Mapping[str, StepResult]) -> Mapping[str, Mapping[str, float]]:
    tables: Mapping[str, Mapping[str, float]] = results["ingest"].facts.get("tables", {}) if "ingest" in results else {}
    return tables
