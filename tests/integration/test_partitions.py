"""The night's partitioned steps on a real Ray give what the whole chain gives in one process, however the work is cut."""

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from gnn import features_sharing
from graph import blocks, identity_codes
from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.lake import as_of_of
from graph.partitions import read_partitioned_events
from graph.snapshot import SNAPSHOT_SCHEMAS, Snapshot, read_snapshot
from jobs.night import NightContext
from jobs.settings import Settings
from jobs.simulate import simulate
from jobs.steps import features, links, load_step
from jobs.steps.ingest import PIECE_BYTES

pytestmark = pytest.mark.usefixtures("one_ray")

DAY = date(2026, 6, 30)
KEY = "00" * 16
STEPS = ("ingest", "links", "pairs", "clusters")


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(tmp_path_factory.mktemp("world"), n_accounts=1_500, n_days=120, seed=5, until=DAY).events


def run_steps(
    events: Path,
    lake: Path,
    n_partitions: int,
    day: date = DAY,
    state: Path | None = None,
    only: tuple[str, ...] = STEPS,
    **settings: float,
) -> NightContext:
    night = NightContext(
        events,
        lake,
        day,
        lake / "out",
        lake / "work",
        KEY,
        Settings(n_partitions=n_partitions, seed=0),
        state=state,
        restricted_state=state,
    )
    night.out.mkdir(parents=True)
    night.work.mkdir(exist_ok=True)
    for name in only:
        step = load_step(name)
        night = replace(night, results={**night.results, name: step.run(night, step.Config(**settings))})
    return night


def test_partitions_change_nothing(events: Path, tmp_path: Path) -> None:
    few, many = (run_steps(events, tmp_path / str(n), n) for n in (1, 5))
    known = read_events(events, as_of_of(DAY))
    whole = build_snapshot(known, as_of_of(DAY), KEY, seed=0)
    for night in (few, many):
        cut: Snapshot = read_snapshot(night.work / "snapshot", night.as_of)
        for name in SNAPSHOT_SCHEMAS:
            assert getattr(cut, name).equals(getattr(whole, name)), name
    tables = sorted(path.name for path in few.out.glob("*.parquet"))
    assert {"links.parquet", "pairs.parquet", "clusters.parquet", "lineage.parquet", "identities.parquet"} <= set(
        tables
    )
    for name in tables:
        assert (few.out / name).read_bytes() == (many.out / name).read_bytes(), name
    assert pl.read_parquet(few.out / "clusters.parquet").height == 1_500


def test_a_night_after_a_night_gives_the_same_bytes(events: Path, tmp_path: Path) -> None:
    first = run_steps(events, tmp_path / "first", 3, date(2026, 6, 20))
    after = run_steps(events, tmp_path / "after", 3, state=first.work)
    alone = run_steps(events, tmp_path / "alone", 3)
    names = sorted(path.relative_to(alone.out) for path in alone.out.rglob("*") if path.is_file())
    assert Path("identity_weights.json") in names
    for name in names:
        assert (after.out / name).read_bytes() == (alone.out / name).read_bytes(), name


@pytest.mark.parametrize("has_state", [False, True])
def test_a_world_too_large_for_two_things_at_once_has_the_same_bytes(
    events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_state: bool
) -> None:
    """Links after people and not beside them, features by columns, rows and pairs in small blocks."""
    state = run_steps(events, tmp_path / "first", 3, date(2026, 6, 20)).work if has_state else None
    whole = run_steps(events, tmp_path / "whole", 3, state=state, only=(*STEPS, "features"))
    made = [*whole.out.glob("*.parquet"), *(whole.work / "snapshot").glob("*.parquet"), whole.work / "features.parquet"]
    expected = {path: path.read_bytes() for path in made}
    monkeypatch.setattr(blocks, "_BLOCK", 1_000)
    monkeypatch.setattr(identity_codes, "_AT_ONCE", 5_000)
    monkeypatch.setattr(features_sharing, "_AT_ONCE", 400)
    monkeypatch.setattr(links, "BESIDE", 0)
    for path in (whole.work / "snapshot/links.parquet", whole.out / "links.parquet", whole.work / "features.parquet"):
        path.unlink()
    links._number(whole.work, whole.out, state, state, KEY, 3)
    features._build_by_columns(whole.work, whole.as_of)
    assert {path: path.read_bytes() for path in made} == expected


def _spoil(events: Path, folder: Path) -> Path:
    """Logins that other accounts have again (known before and after), that come twice, and that cannot be."""
    shutil.copytree(events, folder)
    logins = pl.concat(pl.read_parquet(path) for path in sorted((folder / "logins").glob("*.parquet")))
    other = pl.col("account_id").reverse()
    hour = pl.duration(hours=1)
    known = pl.col("known_time") if "known_time" in logins.columns else pl.col("event_time")
    rows = [
        logins[:300].with_columns(account_id=other, known_time=known + hour),
        logins[300:600].with_columns(account_id=other, known_time=known, event_time=pl.col("event_time") - hour),
        logins[600:700].with_columns(known_time=known),
        logins[700:730].with_columns(pl.lit(None, pl.String).alias("account_id"), known_time=known),
        logins[730:760].with_columns(pl.lit("nobody").alias("account_id"), known_time=known),
    ]
    pl.concat(rows, how="diagonal").write_parquet(folder / "logins" / "more.parquet")
    return folder


def test_bad_and_repeated_rows_are_the_same_however_they_are_cut(
    events: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoilt = _spoil(events, tmp_path / "spoilt")
    whole = read_events(spoilt, as_of_of(DAY))
    told, quarantines = [], []
    for n_partitions, piece in ((1, PIECE_BYTES), (4, PIECE_BYTES), (7, 1)):
        lake = tmp_path / str(n_partitions)
        (left := lake / "work/events/logins").mkdir(parents=True)
        whole["logins"].write_parquet(left / "99.parquet")  # by a run with more partitions, that was stopped
        monkeypatch.setattr("jobs.steps.ingest.PIECE_BYTES", piece)
        night = run_steps(spoilt, lake, n_partitions, only=("ingest",), quarantine_share=0.1)
        found = read_partitioned_events(night.work / "events", whole)
        for name, rows in whole.items():
            assert found[name].equals(rows), name
        told.append(night.results["ingest"].facts["tables"])
        quarantines.append({path.name: path.read_bytes() for path in (night.out / "quarantine").iterdir()})
        assert not (night.work / "raw").exists()
    assert told[0] == told[1] == told[2]
    assert quarantines[0] == quarantines[1] == quarantines[2]
    logins = told[0]["logins"]
    assert logins["n_repeated"] > 400
    assert logins["reasons"] == {"before_signup": logins["n_rejected"] - 60, "no_signup": 30, "null_key": 30}
