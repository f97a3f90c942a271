"""Nights on worlds by others, which lie beside the checkout: `town` with its truth, and `shop` with tables missing."""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from graph.lake import NIGHT_TABLES, read_night
from jobs.cli import main

SHARED = Path(__file__).parents[3] / "shared" / "data"
QUICK = ("--set", "train.n_seeds=1", "--set", "train.with_controls=false")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data sets do not lie beside this checkout"),
]


@pytest.fixture(autouse=True)
def plain_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RINGLIGHT_KEY", "5a" * 32)


def night_of(world: str, day: str, *more: str) -> None:
    """A night in a process of its own, so that its memory is its own, too."""
    events = str(SHARED / world / "events")
    command = [
        sys.executable,
        "-m",
        "jobs",
        "nightly",
        "--events",
        events,
        "--lake",
        "lake",
        "--as-of",
        day,
        "--no-store",
    ]
    subprocess.run([*command, *QUICK, *more], check=True)
    night = read_night(Path("lake"), date.fromisoformat(day))
    for table, schema in NIGHT_TABLES.items():
        assert night.read(table).schema == schema, table
    clusters = night.read("clusters")
    assert clusters["account_id"].n_unique() == clusters.height == night.read("scores").height
    assert clusters["cluster_id"].null_count() == 0


def test_town_finds_the_rings_that_nobody_found() -> None:
    night_of("town", "2026-06-30", "--set", "train.n_cutoffs=2")
    truth = str(SHARED / "town/truth/accounts.parquet")
    assert main(["evaluate", "--lake", "lake", "--truth", truth, "--json", "found.json"]) == 0
    found = json.loads(Path("found.json").read_text())
    assert found["scores"]["unknown_outcome"]["auprc"]["value"] >= 0.55
    timings = json.loads(Path("lake/nights/2026-06-30/timings.json").read_text())["steps"]
    assert max(step["peak_memory_bytes"] for step in timings.values()) < 4 * 2**30


def test_shop_runs_through_without_profiles_instruments_and_id_checks() -> None:
    night_of("shop", "2015-08-31", "--set", "train.n_cutoffs=1")
    scores = read_night(Path("lake"), date(2015, 8, 31)).read("scores")
    assert scores["rank"].sort().to_list() == list(range(1, scores.height + 1))
    assert scores.select(pl.col("score").is_between(0, 1).all()).item()
