"""From events to links: ours through Ray beside polars' streaming engine and duckdb, on the same clean events, in one run.

    python tests/benchmarks/bench_links.py [ACCOUNTS] [ROUNDS]          default: 100000 3
    python tests/benchmarks/bench_links.py --work FOLDER [ROUNDS]       on the events of a night that is under way (its folder in restricted/work)

Ours is the step's own work on partitions, by tasks of a Ray that runs already: links, and the submissions' records, which the peers do
not make. `polars` is the plain way in polars: normalise and hash every row, then group, streaming. `duckdb` groups raw values and hashes these by
SHA-256, without normal forms. Each is run in turn, by a process of its own. Prints medians of CPU-microseconds an event,
and records them in RESULTS.md; exit code 1 where ours takes more than 2.5, or more than twice polars'.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import polars as pl
from results import machine, record, table

from graph.accounts import HISTORY_TABLES
from graph.normalise import normalise
from graph.schema import IDENTIFIERS
from graph.sightings import keyed_hash
from jobs.usage import UsageWatch

KEY = "5a" * 32
LAST = date(2026, 6, 30)
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
MOST_MICROSECONDS, MOST_TIMES = 2.5, 2.0
FOLDERS = ("changed", "grown", "records", "fresh", "links")


def by_us(work: Path, out: Path) -> int:
    from graph.ready import load_compiled
    from jobs.steps.links import _link_partition, hash_parts
    from jobs.tasks import connected, map_tasks

    for folder in FOLDERS:
        (out / folder).mkdir()
    (out / "events").symlink_to(work / "events")
    parts = range(len(list((work / "events/signups").glob("*.parquet"))))
    with UsageWatch() as watch, connected(None, os.cpu_count() or 2):
        map_tasks(load_compiled, [()] * 2)  # Ray's own start, and that of its workers, is no event's
        watch.take()
        start = time.monotonic()
        map_tasks(_link_partition, [(part, out, None, AS_OF, KEY, hash_parts(len(parts))) for part in parts])
        wall, usage = time.monotonic() - start, watch.take()
    (out / "own.json").write_text(json.dumps({"cpu": usage.cpu_seconds, "wall": wall, "gib": usage.peak_bytes / 2**30}))
    return int(pl.scan_parquet(out / "links/*/[0-9]*.parquet").select(pl.len()).collect().item())


def by_polars(work: Path, out: Path) -> int:
    parts = []
    for kind in IDENTIFIERS.values():
        value = normalise(kind.normaliser, *(pl.col(name) for name in kind.columns))
        rows = pl.scan_parquet(work / "events" / kind.table / "*.parquet").select(
            "account_id", "event_time", identifier=keyed_hash(value, kind.label, KEY)
        )
        parts.append(
            rows.drop_nulls("identifier")
            .group_by("account_id", "identifier")
            .agg(first=pl.col("event_time").min(), last=pl.col("event_time").max(), n=pl.len())
            .with_columns(identifier_type=pl.lit(kind.label))
        )
    pl.concat(parts).sink_parquet(out / "links.parquet", compression="lz4", engine="streaming")
    return int(pl.scan_parquet(out / "links.parquet").select(pl.len()).collect().item())


def by_duckdb(work: Path, out: Path) -> int:
    parts = []
    for kind in IDENTIFIERS.values():
        value = " || chr(31) || ".join(f"coalesce(cast({name} AS varchar), '')" for name in kind.columns)
        parts.append(
            f"SELECT account_id, '{kind.label}' AS identifier_type, sha256('{KEY}' || value) AS identifier, first, last, n FROM ("
            f"SELECT account_id, {value} AS value, min(event_time) AS first, max(event_time) AS last, count(*) AS n "
            f"FROM read_parquet('{work}/events/{kind.table}/*.parquet') WHERE {kind.columns[0]} IS NOT NULL GROUP BY ALL)"
        )
    duckdb.sql(f"COPY ({' UNION ALL '.join(parts)}) TO '{out}/links.parquet' (FORMAT parquet, COMPRESSION lz4)")
    return int(duckdb.sql(f"SELECT count(*) FROM '{out}/links.parquet'").fetchall()[0][0])


PEERS = {"ringlight": by_us, "polars": by_polars, "duckdb": by_duckdb}


def alone(name: str, work: Path) -> None:
    """One peer, in this process."""
    with tempfile.TemporaryDirectory(dir=work) as out, UsageWatch() as watch:
        start = time.monotonic()
        n_links = PEERS[name](work, Path(out))
        wall, usage = time.monotonic() - start, watch.take()
        told = {"cpu": usage.cpu_seconds, "wall": wall, "gib": usage.peak_bytes / 2**30}
        if (own := Path(out) / "own.json").exists():
            told = json.loads(own.read_text())
    print(json.dumps(told | {"n_links": n_links}))


def measure(work: Path, rounds: int, command: str) -> int:
    where = machine()
    n_events = sum(
        pl.scan_parquet(work / "events" / name / "*.parquet").select(pl.len()).collect().item()
        for name in HISTORY_TABLES
    )
    found: dict[str, list[dict[str, float]]] = {name: [] for name in PEERS}
    for _ in range(rounds):
        for name in PEERS:
            asked = [sys.executable, __file__, "--alone", name, "--work", str(work)]
            done = subprocess.run(asked, check=True, capture_output=True, text=True)
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    median = {
        name: {field: statistics.median(each[field] for each in runs) for field in runs[0]}
        for name, runs in found.items()
    }
    ours = median["ringlight"]["cpu"]
    rows = [
        [
            name,
            f"{each['cpu']:.1f}",
            f"{each['cpu'] / n_events * 1e6:.2f}",
            f"{each['wall']:.1f}",
            f"{each['gib']:.2f}",
            f"{each['n_links']:,.0f}",
            f"{each['cpu'] / ours:.2f}",
        ]
        for name, each in median.items()
    ]
    body = f"{n_events:,} events, medians of {rounds}.\n\n" + table(
        ["", "CPU-s", "µs an event", "wall s", "GiB", "links", "times ours"], rows
    )
    print(body)
    record("Events to links", command, where, body)
    micro, times = ours / n_events * 1e6, ours / median["polars"]["cpu"]
    for told, value, most in (
        ("microseconds an event", micro, MOST_MICROSECONDS),
        ("times polars'", times, MOST_TIMES),
    ):
        if value > most:
            print(f"missed: {value:.2f} {told}, at most {most}")
    return int(micro > MOST_MICROSECONDS or times > MOST_TIMES)


def made(folder: Path, n_accounts: int) -> Path:
    """The work of a night whose first step has been done."""
    from jobs.simulate import simulate

    os.environ["RINGLIGHT_KEY"] = KEY
    events = simulate(folder / "world", n_accounts=n_accounts, n_days=180, seed=3, until=LAST).events
    flags = ["--events", str(events), "--lake", str(folder / "lake"), "--as-of", LAST.isoformat()]
    subprocess.run([sys.executable, "-m", "jobs.steps.ingest", *flags], check=True, stderr=subprocess.DEVNULL)
    return folder / "lake/restricted/work" / LAST.isoformat()


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--alone", choices=PEERS, help=argparse.SUPPRESS)
    parser.add_argument("counts", type=int, nargs="*")
    given = parser.parse_args()
    if given.alone:
        alone(given.alone, given.work)
        return 0
    if given.work:
        rounds = given.counts[0] if given.counts else 3
        return measure(given.work, rounds, f"bench_links.py --work FOLDER {rounds}")
    n_accounts, rounds = [*given.counts, *(100_000, 3)[len(given.counts) :]]
    with tempfile.TemporaryDirectory() as folder:
        return measure(made(Path(folder), n_accounts), rounds, f"bench_links.py {n_accounts} {rounds}")


if __name__ == "__main__":
    sys.exit(main())
