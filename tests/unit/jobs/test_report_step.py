import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gnn.features import FEATURE_NAMES
from graph.lake import Night
from jobs.night import NightContext, SilentProgress, StepResult
from jobs.settings import Settings
from jobs.steps.report import Config, run

FACTS: dict[str, dict[str, Any]] = {
    "ingest": {"tables": {"signups": {"n_read": 125, "n_rows": 122}}, "warnings": ["one", "two"]},
    "clusters": {"n_clusters": 43, "alarms": ["the largest cluster holds 57.4% of the accounts"]},
    "train": {"no_model": "no outcome is known at the cut-off"},
}


@pytest.fixture
def context(made_night: Callable[..., Night], tmp_path: Path) -> NightContext:
    night = made_night(tmp_path / "lake", with_model=False)
    return NightContext(
        events=tmp_path / "events",
        lake=tmp_path / "lake",
        date=night.date,
        out=night.folder,
        work=tmp_path / "work",
        key="00",
        settings=Settings(capacity=7),
        results={name: StepResult(facts=facts) for name, facts in FACTS.items()},
    )


def test_the_report_gathers_what_the_steps_left(context: NightContext) -> None:
    result = run(context, Config())
    assert sorted(result.outputs) == ["report.html", "report.json"]
    report = json.loads((context.out / "report.json").read_text())
    assert report["capacity"] == 7
    assert report["alarms"] == FACTS["clusters"]["alarms"]
    assert report["warnings"] == ["one", "two"]
    assert report["input"][0]["n_read"] == 125
    assert "no outcome is known at the cut-off" in report["no_model"]


def test_alone_it_finds_the_facts_in_the_manifest(context: NightContext) -> None:
    run(context, Config())
    together = (context.out / "report.json").read_bytes()
    steps = {name: {"facts": facts} for name, facts in FACTS.items()}
    (context.out / "manifest.json").write_text(json.dumps({"steps": steps}))
    run(replace(context, results={}), Config())
    assert (context.out / "report.json").read_bytes() == together


def test_the_model_and_the_threshold_are_those_that_the_steps_name(
    made_night: Callable[..., Night], context: NightContext, tmp_path: Path
) -> None:
    night = made_night(tmp_path / "scored")
    quality = {"n": 10, "n_positive": 1, "prevalence": 0.1, "auprc": 0.5}
    model = {"version": "m1", "default": "trees", "metrics": {"trees": quality, "sage": quality}, "controls": []}
    results = {"train": StepResult(facts={"model": model}), "rings": StepResult(facts={"threshold": 0.4})}
    run(replace(context, out=night.folder, results=results), Config())
    report = json.loads((night.folder / "report.json").read_text())
    assert [row["is_scoring"] for row in report["model"]["quality"]] == [True, False]
    assert report["scores"]["n_above_threshold"] == 78
    assert report["no_model"] is None


class _Heard(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def test_what_moved_is_said_and_left_for_metrics_and_manifest(
    made_night: Callable[..., Night], context: NightContext, tmp_path: Path
) -> None:
    previous = made_night(tmp_path / "before", context.date - timedelta(days=1))
    night = made_night(tmp_path / "scored", embedding_version="e2")
    context.work.mkdir()
    pl.DataFrame({"account": [0], **{name: [0.0] for name in FEATURE_NAMES}}).write_parquet(
        context.work / "features.parquet"
    )
    heard = _Heard()
    result = run(replace(context, out=night.folder, previous=previous, progress=heard), Config())
    (alarm,) = result.facts["alarms"]
    assert "their versions differ (e1, e2)" in alarm
    assert heard.lines == [f"  alarm: {alarm}"]
    assert json.loads((night.folder / "report.json").read_text())["alarms"] == [*FACTS["clusters"]["alarms"], alarm]
    told = context.results | {"train": StepResult(facts=FACTS["train"] | {"tells_version": True})}
    assert run(replace(context, out=night.folder, previous=previous, results=told), Config()).facts == {}
