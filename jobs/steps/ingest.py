"""Ingest: event files become clean tables as of the night, cut into partitions by account; bad rows go to quarantine.

work/events/<table>/<partition>.parquet     raw values, so in the restricted zone
work/marks/<table>/<partition>.parquet      by which the next night sees which accounts changed (`graph.marks`)
out/quarantine/<table>.parquet              ids, times and the reason; no other value
work/remembered.parquet                     what households share, by investigators' verdicts (`jobs.desk.dispositions`)
out/labels.parquet                          the latest outcome known of each account

Investigators' verdicts, kept in the lake's desk, join the outcomes of the event files before these are cleaned.
"""

from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import Field

from gnn.examples import latest_outcomes
from graph.accounts import HISTORY_TABLES
from graph.cleaning import clean_table, signup_times
from graph.errors import GateError, InputError
from graph.events import EventSource, open_events, scan_table
from graph.lake import as_of_of, write_table
from graph.marks import build_marks
from graph.partitions import account_key, write_partitions
from graph.ready import load_compiled
from graph.schema import TABLES
from jobs.desk.dispositions import mark_of_dispositions, read_dispositions, remembered_evidence, to_outcomes
from jobs.night import NightContext, NightPlan, StepConfig, StepResult
from jobs.tasks import cores_for, map_tasks, start_ahead

__all__ = ["REMEMBERED", "Config", "check", "depends_on", "run"]

READS: tuple[str, ...] = ()
EVENTS, MARKS = "events", "marks"
REMEMBERED = "remembered.parquet"


class Config(StepConfig):
    """Settings of ingest."""

    quarantine_share: float = Field(0.01, ge=0, le=1, description="the run fails above this share of rejected rows")


def check(plan: NightPlan, config: Config) -> None:
    """Whether there is a signup before the cut-off, before the night begins.

    Raises:
        InputError: `signups` is empty, or the as-of lies before the first of them.
    """
    scan = scan_table(open_events(plan.events, was_read=True), "signups")  # the chain read it
    known = scan.select((pl.col("known_time") < as_of_of(plan.date)).any()).collect().item()
    if not known:
        raise InputError(_no_signup(scan, as_of_of(plan.date), 0))


def depends_on(plan: NightPlan) -> str:
    """What the desk says as of the night: a verdict written since a run was stopped counts when it goes on."""
    return mark_of_dispositions(read_dispositions(plan.lake), plan.as_of)


def run(night: NightContext, config: Config) -> StepResult:
    """Reads the tables; refuses the night where too much is rejected."""
    source = open_events(night.events, was_read=True)
    (night.out / "quarantine").mkdir(parents=True, exist_ok=True)
    rest = [name for name in TABLES if name != "signups"]
    tables = ["signups", *rest]
    arguments = (source, night.as_of, night.work, night.out, night.n_partitions)
    dispositions = read_dispositions(night.lake)
    verdicts = to_outcomes(dispositions, night.as_of)
    remembered_evidence(dispositions, night.as_of).write_parquet(night.work / REMEMBERED)
    counts = map_tasks(_ingest_table, [("signups", *arguments)], progress=night.progress, label="ingest signups")
    if wanted := cores_for(counts[0]["n_rows"]):
        start_ahead(load_compiled, **wanted)
    counts += map_tasks(
        _ingest_table, [(name, *arguments, verdicts) for name in rest], progress=night.progress, label="ingest"
    )
    by_table = dict(zip(tables, counts, strict=True))
    _refuse_bad_share(by_table, config.quarantine_share)
    n_labels = _write_labels(night)
    return StepResult(
        rows={"labels": n_labels}
        | {f"events.{name}": count["n_rows"] for name, count in zip(tables, counts, strict=True)},
        outputs=["quarantine", "labels.parquet"],
        intermediates=[EVENTS, MARKS, REMEMBERED],
        restricted_state=[MARKS],
        facts={"tables": by_table, "warnings": list(source.warnings), "n_verdicts": verdicts.height},
    )


def _ingest_table(
    table: str,
    source: EventSource,
    as_of: datetime,
    work: Path,
    out: Path,
    n_partitions: int,
    verdicts: pl.DataFrame | None = None,
) -> dict[str, Any]:
    """One table, in a task; gives its counts. `verdicts` are the desk's outcomes."""
    signups = None if table == "signups" else signup_times(pl.read_parquet(work / EVENTS / "signups" / "*.parquet"))
    scan = scan_table(source, table)
    if table == "outcomes" and verdicts is not None:
        scan = pl.concat([scan, verdicts.lazy()])
    try:
        clean = clean_table(scan, table, as_of, signups)
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"`--events` must hold readable files; table `{table}` cannot be read: {first_line}") from None
    if table == "signups" and clean.rows.is_empty():
        raise InputError(_no_signup(scan, as_of, clean.rejected.height))
    write_partitions(clean.rows, work / EVENTS / table, n_partitions, account_key(pl.col("account_id")))
    if table in HISTORY_TABLES:
        write_partitions(build_marks(clean.rows), work / MARKS / table, n_partitions, pl.col("account"))
    clean.rejected.write_parquet(out / "quarantine" / f"{table}.parquet")
    times = clean.rows["event_time"]
    return {
        "n_read": clean.n_read,
        "n_rows": clean.rows.height,
        "n_rejected": clean.rejected.height,
        "n_repeated": clean.n_repeated,
        "n_nulled": clean.n_nulled,
        "reasons": dict(clean.rejected["reason"].value_counts().sort("reason").iter_rows()),
        "first_event": None if times.is_empty() else str(times.min()),
        "last_event": None if times.is_empty() else str(times.max()),
    }


def _no_signup(scan: pl.LazyFrame, as_of: datetime, n_rejected: int) -> str:
    n_rows, first = scan.select(pl.len(), pl.col("known_time").min()).collect().row(0)
    if not n_rows:
        return "`signups` must hold at least one row; got none. Put the accounts' signups into `signups/`."
    if n_rejected:
        return (
            f"`signups` must hold at least one row that keeps the contract; got {n_rejected:,} that do not. "
            "Look for empty required columns and for known_time before event_time."
        )
    return f"`--as-of` must lie after the first known signup ({first}); got {as_of:%Y-%m-%d}. Choose a later date."


def _refuse_bad_share(counts: dict[str, dict[str, Any]], limit: float) -> None:
    n_read = sum(count["n_read"] for count in counts.values())
    n_rejected = sum(count["n_rejected"] for count in counts.values())
    if n_rejected <= limit * n_read:
        return
    worst = ", ".join(
        f"{n:,} {reason} in `{table}`" for table, count in counts.items() for reason, n in count["reasons"].items() if n
    )
    raise GateError(
        f"`ingest.quarantine_share` must be at most {limit:.2%}; got {n_rejected / n_read:.2%} ({n_rejected:,} of {n_read:,} rows): "
        f"{worst}. Mend the events, or raise the limit."
    )


def _write_labels(night: NightContext) -> int:
    """The outcome that stands for each account as of the night."""
    outcomes = pl.read_parquet(night.work / EVENTS / "outcomes" / "*.parquet")
    labels = latest_outcomes(outcomes, night.as_of)
    write_table(labels, night.out, "labels")
    return labels.height


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("ingest")
