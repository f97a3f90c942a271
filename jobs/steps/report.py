"""Report: what the night found, for people and programs, and how far it moved from the night before.

out/report.html, out/report.json, out/distributions.json
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from jobs.night import NightContext, StepConfig, StepResult

__all__ = ["Config", "run"]

READS = ("ingest", "links", "pairs", "clusters", "features", "train", "score", "rings")


class Config(StepConfig):
    """The report has no settings of its own."""


def run(night: NightContext, config: Config) -> StepResult:
    """Writes the report from the night's tables and what the steps before left as facts."""
    from jobs.report import build_report, write_report  # networkx and jinja2 load here, not with the settings

    facts, outputs = _facts(night), ["report.html", "report.json"]
    alarms: list[str] = []
    features = night.work / "features.parquet"
    if features.is_file():
        from jobs.drift import DISTRIBUTIONS_FILE, drift_alarms, drift_since, read_inputs, write_distributions

        inputs = read_inputs(features)
        write_distributions(inputs, night.out)
        outputs.append(DISTRIBUTIONS_FILE)
        if night.previous is not None:
            facts["drift"] = drift_since(night.previous, night.out, night.date, inputs)
            is_told = any(each.get("tells_version") for each in _facts_by_step(night))
            alarms = drift_alarms(facts["drift"], tells_version=not is_told)
            facts["alarms"] += alarms
    for alarm in alarms:
        night.progress.say(f"  alarm: {alarm}")
    report = build_report(night.out, facts)
    write_report(report, night.out)
    told = {"alarms": alarms} if alarms else {}
    return StepResult(rows={"rings shown": report["rings"]["n_listed"]}, outputs=outputs, facts=told)


def _facts(night: NightContext) -> dict[str, Any]:
    """The steps' facts as `jobs.report.build_report` takes them; what a step did not leave is left out."""
    by_step = list(_facts_by_step(night))

    def gathered(name: str) -> list[str]:
        return [each for facts in by_step for each in facts.get(name, [])]

    merged: Mapping[str, Any] = {name: value for facts in by_step for name, value in facts.items()}
    return {name: merged.get(name) for name in ("model", "no_model", "promotion", "threshold")} | {
        "tables": merged.get("tables", {}),
        "as_of": night.date.isoformat(),
        "capacity": night.settings.capacity,
        "seed": night.seed,
        "warnings": gathered("warnings"),
        "alarms": gathered("alarms"),
    }


def _facts_by_step(night: NightContext) -> Iterator[Mapping[str, Any]]:
    """In the order of `READS`; a step that runs alone finds them in the manifest that the chain left."""
    if night.results:
        yield from (night.results[name].facts for name in READS if name in night.results)
        return
    manifest = night.out / "manifest.json"
    steps = json.loads(manifest.read_text(encoding="utf-8"))["steps"] if manifest.is_file() else {}
    yield from (steps[name]["facts"] for name in READS if name in steps)


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("report")
