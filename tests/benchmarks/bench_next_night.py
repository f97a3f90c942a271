"""What does the linkage of a night cost after the night before, and what anew?

    python tests/benchmarks/bench_next_night.py [ACCOUNTS] [--world DIR] [--seed N] [--days-between N] [--runs N]

A made world of ACCOUNTS (default 100,000; 10 events each, seed 3), as of 2026-06-29 and 2026-06-30, by the steps ingest, links, pairs and clusters
on a local Ray. The second night is run from the first one's state and anew (`--full`), one after the other in each of `--runs` (default 3) rounds.
Prints wall and CPU-seconds by step (this process and all that it started), the update's share of the full night's links, pairs and clusters, medians
over the rounds, and whether both nights have the same bytes. With `--world` the made world is kept in DIR and used again.
"""

import argparse
import hashlib
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import psutil

from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.night import SilentProgress
from jobs.settings import Settings, read_settings
from jobs.simulate import simulate
from jobs.steps import STEPS
from jobs.tasks import connected

LAST = date(2026, 6, 30)
LINKAGE = ("links", "pairs", "clusters")
BAR = 0.15


def cpu_seconds() -> float:
    """Of this process and all that it started and that still run: Ray's workers stay."""
    me, total = psutil.Process(), 0.0
    for process in [me, *me.children(recursive=True)]:
        try:
            spent = process.cpu_times()
        except psutil.Error:
            continue
        total += spent.user + spent.system
    return total


@dataclass
class Clock:
    """Wall and CPU-seconds by step."""

    wall: dict[str, float] = field(default_factory=dict)
    cpu: dict[str, float] = field(default_factory=dict)
    last: tuple[float, float] = (0.0, 0.0)

    def begin(self) -> None:
        self.last = time.monotonic(), cpu_seconds()

    def take(self, step: str) -> None:
        now = time.monotonic(), cpu_seconds()
        self.wall[step], self.cpu[step] = (new - old for new, old in zip(now, self.last, strict=True))
        self.last = now


def run(world: Path, lake: Path, day: date, settings: Settings, is_full: bool = False) -> Clock:
    clock = Clock()
    request = NightRequest(
        events=world / "events", lake=lake, date=day, settings=settings, progress=SilentProgress(),
        session=lambda: connected(None, os.cpu_count() or 2, settings.memory_bytes), random_hex=secrets.token_hex,
        key="5a" * 32, without=frozenset(STEPS) - {"ingest", *LINKAGE}, force=True, is_full=is_full, after_step=clock.take,
    )  # fmt: skip
    clock.begin()
    run_night(request, NightOutcome())
    return clock


def digest(folder: Path) -> str:
    """Of the tables of a night, and not of what its manifest says of the run."""
    digests = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.rglob("*.parquet"))]
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def tell(label: str, clock: Clock) -> None:
    parts = "  ".join(f"{step} {clock.wall[step]:6.1f} s {clock.cpu[step]:6.1f} CPU-s" for step in ("ingest", *LINKAGE))
    print(f"{label:<9}{parts}", flush=True)


def measure(world: Path, settings: Settings, n_runs: int, days_between: int) -> None:
    """Prints what `n_runs` rounds took."""
    shares: dict[str, list[float]] = {"wall": [], "cpu": []}
    with tempfile.TemporaryDirectory() as folder:
        lake = Path(folder) / "lake"
        with connected(None, os.cpu_count() or 2, settings.memory_bytes):
            tell("first", run(world, lake, LAST - timedelta(days=days_between), settings))
            for _ in range(n_runs):
                clocks, digests = {}, {}
                for label in ("updated", "anew"):
                    clocks[label] = run(world, lake, LAST, settings, is_full=label == "anew")
                    digests[label] = digest(lake / "nights" / LAST.isoformat())
                    tell(label, clocks[label])
                for name, found in shares.items():
                    spent = {
                        label: sum(getattr(clock, name)[step] for step in LINKAGE) for label, clock in clocks.items()
                    }
                    found.append(spent["updated"] / spent["anew"])
                    print(f"  {name}: {spent['updated']:.1f} of {spent['anew']:.1f} s, {found[-1]:.3f}", flush=True)
                print(
                    f"  the same bytes: {digests['updated'] == digests['anew']}; load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )
    wall, cpu = (statistics.median(shares[name]) for name in ("wall", "cpu"))
    print(f"median of {n_runs}: wall {wall:.3f}, CPU {cpu:.3f} of the full night's linkage (bar {BAR})")


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("accounts", type=int, nargs="?", default=100_000)
    parser.add_argument("--world", type=Path)
    parser.add_argument("--seed", type=int, default=3)
    parser.add_argument("--days-between", type=int, default=1)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args(arguments)
    settings = read_settings({}, {}, Path("none.toml"))
    with tempfile.TemporaryDirectory() as folder:
        world = (given.world or Path(folder) / "world").absolute()  # a task need not run in this folder
        if not (world / "events").is_dir():
            simulate(world, n_accounts=given.accounts, n_days=180, seed=given.seed, until=LAST, events_per_account=10.0)
        events = pl.scan_parquet(world / "events/*/*.parquet", missing_columns="insert", extra_columns="ignore")
        edge = pl.datetime(LAST.year, LAST.month, LAST.day, time_zone="UTC") - pl.duration(days=given.days_between)
        n, n_new = events.select(pl.len(), (pl.col("known_time") >= edge).sum()).collect().row(0)
        print(f"{given.accounts:,} accounts, {n:,} events, {n_new / n:.2%} of them new in the second night", flush=True)
        measure(world, settings, given.runs, given.days_between)


if __name__ == "__main__":
    main()
