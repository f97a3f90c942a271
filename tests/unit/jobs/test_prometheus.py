"""The Prometheus textfile is parsed by Prometheus's own parser."""

from datetime import UTC, datetime

from prometheus_client.parser import text_string_to_metric_families

from jobs.night import StepResult
from jobs.prometheus import RunMetrics, write_metrics


def read(path):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(path.read_text())
        for sample in family.samples
    }


def test_a_run_is_told_with_rows_rejections_and_facts(tmp_path):
    results = {
        "ingest": StepResult({"labels": 3}, facts={"tables": {"signups": {"n_read": 10, "n_rejected": 2}}}),
        "clusters": StepResult({"clusters": 4}, facts={"largest_share": 0.25, "alarms": ["text"]}),
    }
    as_of = datetime(2026, 6, 30, tzinfo=UTC)
    run = RunMetrics(as_of, datetime(2026, 6, 30, 3, tzinfo=UTC), 0, {"ingest": 1.5}, 2**30, results)
    path = tmp_path / "folder" / "ringlight.prom"
    write_metrics(run, path)
    found = read(path)
    assert found["ringlight_as_of_timestamp_seconds", ()] == as_of.timestamp()
    assert found["ringlight_success", ()] == 1
    assert found["ringlight_step_seconds", (("step", "ingest"),)] == 1.5
    assert found["ringlight_rows", (("output", "clusters"), ("step", "clusters"))] == 4
    assert found["ringlight_event_rows", (("kind", "rejected"), ("table", "signups"))] == 2
    assert found["ringlight_clusters_largest_share", ()] == 0.25
    assert [entry.name for entry in path.parent.iterdir()] == ["ringlight.prom"]


def test_a_failure_is_told_too_and_replaces_the_last_success(tmp_path):
    as_of = datetime(2026, 6, 30, tzinfo=UTC)
    path = tmp_path / "ringlight.prom"
    write_metrics(RunMetrics(as_of, as_of, 0, {"ingest": 1.0}), path)
    write_metrics(RunMetrics(as_of, as_of, 3), path)
    found = read(path)
    assert found["ringlight_exit_code", ()] == 3
    assert found["ringlight_success", ()] == 0
    assert ("ringlight_step_seconds", (("step", "ingest"),)) not in found
