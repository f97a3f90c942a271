"""Drift between two nights of a lake: what is compared, what is not, and when it alarms."""

import json
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnn.features import FEATURE_NAMES
from graph.lake import Night, write_table
from jobs import drift
from jobs.drift import drift_alarms, drift_since, read_inputs, write_distributions

DAY = date(2026, 3, 31)
N = 25_000


@pytest.fixture
def nights(made_night: Callable[..., Night], tmp_path: Path) -> tuple[Night, Night]:
    """Two equal nights, one day after the other."""
    return made_night(tmp_path), made_night(tmp_path, DAY + timedelta(days=1))


def features(path: Path, shift: float = 0.0) -> Path:
    """A features file of 25,000 accounts, every feature moved by so many deviations."""
    random = np.random.default_rng(0)
    values = {name: random.normal(size=N).astype(np.float32) + np.float32(shift) for name in FEATURE_NAMES}
    pl.DataFrame({"account": range(N), **values}).write_parquet(path)
    return path


def test_equal_nights_have_not_moved(nights: tuple[Night, Night], tmp_path: Path) -> None:
    before, now = nights
    inputs = read_inputs(features(tmp_path / "features.parquet"))
    assert {len(values) for values in inputs.values()} == {N // 2}
    write_distributions(inputs, before.folder)
    found = drift_since(before, now.folder, now.date, inputs)
    assert found["since"] == DAY.isoformat()
    assert found["inputs"]["n_features"] == len(FEATURE_NAMES)
    for index in (
        found["inputs"]["highest"][0]["index"],
        found["scores"]["index"],
        found["embeddings"]["norm"],
        found["embeddings"]["highest_dimension"],
    ):
        assert index == pytest.approx(0, abs=1e-6)
    assert found["not_compared"] is None
    assert drift_alarms(found) == []
    told = json.loads((before.folder / "distributions.json").read_text())
    assert all(len(each["shares"]) == len(each["edges"]) + 1 == 10 for each in told.values())


def test_what_moved_is_told_and_alarms(nights: tuple[Night, Night], tmp_path: Path) -> None:
    before, now = nights
    write_distributions(read_inputs(features(tmp_path / "before.parquet")), before.folder)
    scores = now.read("scores").with_columns(score=1 - pl.col("score"))
    write_table(scores, now.folder, "scores")
    moved = read_inputs(features(tmp_path / "now.parquet", 1.0))
    found = drift_since(before, now.folder, now.date, moved)
    assert found["inputs"]["moved_share"] == 1
    inputs, own = drift_alarms(found)
    assert "100% of the features" in inputs
    assert own.startswith("scores of one model have moved since 2026-03-31")
    write_table(scores.with_columns(model_version=pl.lit("m2")), now.folder, "scores")
    other = drift_since(before, now.folder, now.date, moved)
    assert other["scores"]["index"] == found["scores"]["index"]
    assert len(drift_alarms(other)) == 1  # another model may score otherwise


def test_embeddings_of_two_versions_and_nights_without_any_are_not_compared(
    made_night: Callable[..., Night], nights: tuple[Night, Night], tmp_path: Path
) -> None:
    other = made_night(tmp_path / "other", DAY + timedelta(days=1), embedding_version="e2")
    none = made_night(tmp_path / "none", DAY + timedelta(days=1), with_model=False)
    found = drift_since(nights[0], other.folder, other.date, {})
    assert found["inputs"] is None
    assert found["embeddings"] is None
    assert found["not_compared"] == "their versions differ (e1, e2)"
    (alarm,) = (each for each in drift_alarms(found) if "embeddings" in each)
    assert "2026-03-31: their versions differ (e1, e2)" in alarm
    assert "fitted anew" in alarm
    found = drift_since(nights[0], none.folder, none.date, {})
    assert (found["scores"], found["embeddings"], found["not_compared"]) == (None, None, None)
    assert drift_alarms(found) == []


def test_embeddings_of_nights_of_which_nobody_is_drawn_have_not_moved(
    nights: tuple[Night, Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "account_key", lambda _: pl.lit(1, pl.UInt64))
    monkeypatch.setattr(drift, "_VECTORS", 1)
    found = drift_since(nights[0], nights[1].folder, nights[1].date, {})
    assert found["embeddings"] == {"norm": 0, "highest_dimension": 0, "moved_share": 0}
