"""Ingest: event files become clean tables as of the night, cut into partitions by account; bad rows go to quarantine.

work/events/<table>/<partition>.parquet     raw values, so in the restricted zone
work/marks/<table>/<partition>.parquet      by which the next night sees which accounts changed (`graph.marks`)
out/quarantine/<table>.parquet              ids, times and the reason; no other value
work/remembered.parquet                     what households share, by investigators' verdicts (`jobs.desk.dispositions`)
out/labels.parquet                          the latest outcome known of each account

Investigators' verdicts, kept in the lake's desk, join the outcomes of the event files before these are cleaned.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from pydantic import Field

from gnn.examples import latest_outcomes
from graph.accounts import HISTORY_TABLES
from graph.cleaning import QUARANTINE_SCHEMA, clean_table, first_of_each, is_known, signup_times, standing_rows
from graph.errors import GateError, InputError
from graph.events import EventSource, open_events, scan_table
from graph.lake import as_of_of, write_table
from graph.marks import build_marks
from graph.partitions import part_rows, scan_parted
from graph.ready import load_compiled
from graph.repeated import are_digested, digest_ids, repeated_digests
from graph.schema import TABLES
from jobs.desk.dispositions import mark_of_dispositions, read_dispositions, remembered_evidence, to_outcomes
from jobs.files import delete
from jobs.night import NightContext, NightPlan, StepConfig, StepResult
from jobs.tasks import cores_for, map_tasks, start_ahead

__all__ = ["REMEMBERED", "Config", "check", "depends_on", "run"]

READS: tuple[str, ...] = ()
EVENTS, MARKS, RAW, REJECTED = "events", "marks", "raw", "rejected"
PIECE_BYTES = 64 * 1024**2  # of event files that one task reads
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
    dispositions = read_dispositions(night.lake)
    verdicts = to_outcomes(dispositions, night.as_of)
    remembered_evidence(dispositions, night.as_of).write_parquet(night.work / REMEMBERED)
    for name in (EVENTS, MARKS, RAW, REJECTED):  # what a run that was stopped left, perhaps in other partitions
        delete(night.work / name)
    _part(night, source, verdicts)
    by_table = {"signups": _clean(night, ["signups"])["signups"]}
    n_accounts, n_rejected = by_table["signups"]["n_rows"], by_table["signups"]["n_rejected"]
    if not n_accounts:
        raise InputError(_no_signup(scan_table(source, "signups"), night.as_of, n_rejected))
    if wanted := cores_for(n_accounts):
        start_ahead(load_compiled, **wanted)
    by_table |= _clean(night, [name for name in TABLES if name != "signups"])
    delete(night.work / RAW)
    _refuse_bad_share(by_table, config.quarantine_share)
    n_labels = _write_labels(night)
    return StepResult(
        rows={"labels": n_labels} | {f"events.{name}": count["n_rows"] for name, count in by_table.items()},
        outputs=["quarantine", "labels.parquet"],
        intermediates=[EVENTS, MARKS, REMEMBERED],
        restricted_state=[MARKS],
        facts={"tables": by_table, "warnings": list(source.warnings), "n_verdicts": verdicts.height},
    )


def _part(night: NightContext, source: EventSource, verdicts: pl.DataFrame) -> None:
    """Cuts the rows known by now into work/raw/<table>/<partition>/<piece>.parquet; of verdicts, too."""
    part_rows(verdicts.lazy(), night.work / RAW / "outcomes", "verdicts", night.n_partitions)
    pieces = [
        (replace(source, files={name: files}), name, str(number), night.as_of, night.work / RAW, night.n_partitions)
        for name in TABLES
        for number, files in enumerate(_pieces(source.files[name]))
    ]
    map_tasks(_part_files, pieces, progress=night.progress, label="ingest: read")


def _pieces(files: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Files that one task reads, in their order: few enough for many tasks to share a table, and enough to be worth one."""
    held: list[Path] = []
    n_bytes = 0
    for path in files:
        held.append(path)
        n_bytes += path.stat().st_size
        if n_bytes >= PIECE_BYTES:
            yield tuple(held)
            held, n_bytes = [], 0
    if held:
        yield tuple(held)


def _part_files(source: EventSource, table: str, name: str, as_of: datetime, raw: Path, n_partitions: int) -> None:
    try:
        part_rows(scan_table(source, table).filter(is_known(as_of)), raw / table, name, n_partitions)
    except (pl.exceptions.PolarsError, OSError) as error:
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise InputError(f"`--events` must hold readable files; table `{table}` cannot be read: {first_line}") from None


def _clean(night: NightContext, tables: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Cleans tables partition by partition; gives each one's counts."""
    parts = range(night.n_partitions)
    at = (night.as_of, night.work)
    places = [(name, part) for name in tables for part in parts]
    label = "ingest: clean signups" if list(tables) == ["signups"] else "ingest: clean"
    told = map_tasks(_clean_part, [(*place, *at) for place in places], progress=night.progress, label=label)
    counts = dict(zip(places, told, strict=True))
    lost = map_tasks(_lost_copies, [(name, *at, night.n_partitions) for name in tables])
    again = [(*place, *at, ids) for name, found in zip(tables, lost, strict=True) for place, ids in found.items()]
    counts |= {each[:2]: count for each, count in zip(again, map_tasks(_clean_part, again), strict=True)}
    return {
        name: _sum_up([counts[name, part] for part in parts], night.work / REJECTED / name, night.out, name)
        for name in tables
    }


def _clean_part(table: str, part: int, as_of: datetime, work: Path, without: pl.Series | None = None) -> dict[str, Any]:
    """One partition of one table, in a task; gives its counts."""
    clean = clean_table(_scan_raw(work, table, part), table, as_of, _signups(work, table, part), without)
    marks = {MARKS: build_marks(clean.rows)} if table in HISTORY_TABLES else {}
    for name, frame in {EVENTS: clean.rows, REJECTED: clean.rejected, **marks}.items():
        (work / name / table).mkdir(parents=True, exist_ok=True)
        frame.write_parquet(work / name / table / f"{part}.parquet", compression="lz4")
    (work / RAW / table).mkdir(parents=True, exist_ok=True)
    np.save(work / RAW / table / f"ids-{part}.npy", digest_ids(clean.rows["event_id"]))
    times = clean.rows["event_time"]
    return {
        "n_read": clean.n_read,
        "n_rows": clean.rows.height,
        "n_rejected": clean.rejected.height,
        "n_repeated": clean.n_repeated,
        "n_nulled": clean.n_nulled,
        "reasons": dict(clean.rejected["reason"].value_counts().iter_rows()),
        "first_event": times.min(),
        "last_event": times.max(),
    }


def _lost_copies(table: str, as_of: datetime, work: Path, n_partitions: int) -> dict[tuple[str, int], pl.Series]:
    """Where a copy of an event stands that has another's id, which was known first in another partition: table and partition to ids."""
    parts = range(n_partitions)
    repeated = repeated_digests([np.load(work / RAW / table / f"ids-{part}.npy", mmap_mode="r") for part in parts])
    if not repeated.size:
        return {}
    copies = [
        standing_rows(_scan_raw(work, table, part), table, as_of, _signups(work, table, part))
        .filter(pl.col("event_id").map_batches(lambda ids: are_digested(ids, repeated), return_dtype=pl.Boolean))
        .collect()
        for part in parts
    ]
    kept = first_of_each(pl.concat(copies)).select("event_id", "account_id")
    lost = [rows.join(kept, on=["event_id", "account_id"], how="anti")["event_id"] for rows in copies]
    return {(table, part): ids.unique() for part, ids in enumerate(lost) if ids.len()}


def _scan_raw(work: Path, table: str, part: int) -> pl.LazyFrame:
    return scan_parted(work / RAW / table, part, {column.name: column.dtype for column in TABLES[table].columns})


def _signups(work: Path, table: str, part: int) -> pl.DataFrame | None:
    """When the accounts of a partition signed up; None for signups themselves."""
    if table == "signups":
        return None
    return signup_times(pl.read_parquet(work / EVENTS / "signups" / f"{part}.parquet"))


def _sum_up(counts: Sequence[dict[str, Any]], rejected: Path, out: Path, table: str) -> dict[str, Any]:
    """A table's counts of those of its partitions; and its quarantine, as one file."""
    (out / "quarantine").mkdir(parents=True, exist_ok=True)
    rows = pl.read_parquet(rejected / "*.parquet").sort(list(QUARANTINE_SCHEMA))
    rows.write_parquet(out / "quarantine" / f"{table}.parquet")
    delete(rejected)
    first = [count["first_event"] for count in counts if count["first_event"] is not None]
    last = [count["last_event"] for count in counts if count["last_event"] is not None]
    return (
        {name: sum(count[name] for count in counts) for name in ("n_read", "n_rows", "n_rejected", "n_repeated")}
        | {
            name: dict(sorted(sum((Counter(count[name]) for count in counts), Counter()).items()))
            for name in ("n_nulled", "reasons")
        }
        | {"first_event": str(min(first)) if first else None, "last_event": str(max(last)) if last else None}
    )


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
