import io
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from graph.embeddings import Backfill, write_backfill
from graph.errors import InputError
from graph.lake import EMBEDDING_DIM, NIGHT_TABLES, night_folder, write_table
from jobs.downstream import Example, measure_lift, run
from jobs.downstream_features import build_account_features, read_account_tables, reversed_within

FIT, MEASURE = date(2026, 3, 1), date(2026, 4, 1)
N = 300


def _noon(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, 12, tzinfo=UTC)


def _events(folder: Path, bad: np.ndarray, last_day: date = date(2026, 5, 1)) -> None:
    """Accounts that pay every ten days; from March on the bad ones' payments are reversed."""
    accounts = [f"a{i:03d}" for i in range(N)]
    opened = datetime(2026, 1, 1, tzinfo=UTC)
    signups = {"event_id": accounts, "event_time": [opened] * N, "account_id": accounts, "channel": ["web"] * N}
    days = [datetime(2026, 1, 5, tzinfo=UTC) + timedelta(days=10 * i) for i in range(12)] + [_noon(last_day)]
    rows = [
        {
            "event_id": f"{account}-{i}",
            "event_time": day,
            "account_id": account,
            "amount_minor": 100 + i,
            "currency": "EUR",
            "status": "reversed" if is_bad and day >= _noon(FIT) else "settled",
        }
        for account, is_bad in zip(accounts, bad, strict=True)
        for i, day in enumerate(days)
        if day <= _noon(last_day)
    ]
    logins = [
        {"event_id": a, "event_time": opened + timedelta(days=1), "account_id": a, "device_id": f"d{a}"}
        for a in accounts
    ]
    for name, table in (("signups", signups), ("payments", rows), ("logins", logins)):
        (folder / name).mkdir(parents=True)
        pl.DataFrame(table).write_parquet(folder / name / "part.parquet")


def _night(lake: Path, day: date, bad: np.ndarray, version: str = "e1") -> None:
    folder = night_folder(lake, day)
    folder.mkdir(parents=True)
    vectors = np.random.default_rng(day.month).normal(size=(N, EMBEDDING_DIM)) + 2.0 * bad[:, None]
    table = {
        "account_id": [f"a{i:03d}" for i in range(N)],
        "embedding": vectors.astype(np.float32).tolist(),
        "embedding_version": [version] * N,
    }
    write_table(pl.DataFrame(table, schema=NIGHT_TABLES["embeddings"]), folder, "embeddings")
    clusters = {"account_id": table["account_id"], "cluster_id": [f"c{i // 2:03d}" for i in range(N)]}
    write_table(pl.DataFrame(clusters, schema=NIGHT_TABLES["clusters"]), folder, "clusters")


@pytest.fixture(scope="module")
def bad() -> np.ndarray:
    return np.random.default_rng(0).uniform(size=N) < 0.2


@pytest.fixture(scope="module")
def events(bad: np.ndarray, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world") / "events"
    _events(folder, bad)
    return folder


def test_embeddings_that_know_add_and_the_result_is_printed_and_written(
    events: Path, bad: np.ndarray, tmp_path: Path
) -> None:
    _night(tmp_path, FIT, bad)
    _night(tmp_path, MEASURE, bad)
    page, out = io.StringIO(), tmp_path / "out.json"
    result = run(events, tmp_path, FIT, MEASURE, out, n_threads=1, console=Console(file=page, width=140))
    assert result["fitted_on"]["n_positives"] == result["measured_on"]["n_positives"] == bad.sum()
    assert result["auprc"]["embeddings"]["value"] > 0.95
    assert len(result["auprc"]["features"]["by_seed"]) == 5
    lift = result["lift"]
    assert lift["over_seeds"]["low"] <= lift["value"] <= lift["over_seeds"]["high"]
    assert len(lift["by_seed"]) == 5
    assert lift["over_seeds"]["value"] == pytest.approx(lift["value"])
    assert json.loads(out.read_text()) == json.loads(json.dumps(result))
    assert f"prevalence {bad.mean():.2%}" in " ".join(page.getvalue().split())


def _examples(signal_in_embeddings: float) -> tuple[Example, Example]:
    examples = []
    for seed in (1, 2):
        random = np.random.default_rng(seed)
        truth = random.uniform(size=2000) < 0.1
        features = random.normal(size=(2000, 5)) + 0.7 * truth[:, None]
        vectors = random.normal(size=(2000, EMBEDDING_DIM)) + signal_in_embeddings * truth[:, None]
        examples.append(Example(features, vectors.astype(np.float32), truth, "e1"))
    return examples[0], examples[1]


def test_the_lift_is_told_from_nothing_by_its_interval() -> None:
    useful = measure_lift(*_examples(0.5), seeds=(0, 1), n_threads=1)
    useless = measure_lift(*_examples(0.0), seeds=(0, 1), n_threads=1)
    assert useful["lift"]["low"] > 0.1
    assert useless["lift"]["low"] < 0.0
    assert useless["auprc"]["embeddings"]["value"] < 0.2  # prevalence .1


def test_features_are_those_known_at_the_night_alone(events: Path, bad: np.ndarray) -> None:
    as_of = datetime(2026, 3, 1, tzinfo=UTC)
    accounts = pl.DataFrame({"account_id": ["a007", "a001", "never"]})
    features = build_account_features(read_account_tables(events, as_of), accounts, as_of)
    assert features["account_id"].to_list() == ["a007", "a001", "never"]
    assert features["n_payments"].to_list() == [6, 6, 0]  # 5 January to 24 February
    assert features["n_payments_recent"].to_list() == [3, 3, 0]
    assert features["n_reversed"].sum() == 0
    assert features["age_days"].to_list() == [59.0, 59.0, None]
    assert features["amount_sum"][0] == sum(range(100, 106))


def test_a_reversal_counts_within_its_days_alone(events: Path, bad: np.ndarray) -> None:
    accounts = pl.DataFrame({"account_id": [f"a{i:03d}" for i in range(N)]})
    before = reversed_within(events, accounts, datetime(2026, 1, 20, tzinfo=UTC), 30)
    after = reversed_within(events, accounts, datetime(2026, 2, 15, tzinfo=UTC), 30)
    assert not before.any()
    assert after.to_list() == bad.tolist()


def test_two_versions_are_refused(events: Path, bad: np.ndarray, tmp_path: Path) -> None:
    _night(tmp_path, FIT, bad, "e1")
    _night(tmp_path, MEASURE, bad, "e2")
    with pytest.raises(
        InputError, match=r"must be nights of one embedding version; 2026-03-01 has e1, 2026-04-01 has e2"
    ):
        run(events, tmp_path, FIT, MEASURE)


def test_a_night_embedded_with_hindsight_is_refused_by_what_the_command_has(
    events: Path, bad: np.ndarray, tmp_path: Path
) -> None:
    _night(tmp_path, FIT, bad, "e1")
    _night(tmp_path, MEASURE, bad, "e2")
    facts = Backfill.of(FIT, "e2", "m2", datetime(2026, 3, 20, tzinfo=UTC))
    write_backfill(tmp_path, facts, pl.DataFrame({"account_id": ["a"], "embedding": [[1.0] * EMBEDDING_DIM]}))
    with pytest.raises(InputError, match=r"got 2026-03-01, whose embeddings .*Choose a later `--fit`") as refused:
        run(events, tmp_path, FIT, MEASURE)
    assert "with_hindsight" not in str(refused.value)


def test_a_night_without_embeddings_is_refused(events: Path, bad: np.ndarray, tmp_path: Path) -> None:
    _night(tmp_path, FIT, bad)
    write_table(pl.DataFrame(schema=NIGHT_TABLES["embeddings"]), night_folder(tmp_path, FIT), "embeddings")
    _night(tmp_path, MEASURE, bad)
    with pytest.raises(InputError, match="The night 2026-03-01 must have embeddings"):
        run(events, tmp_path, FIT, MEASURE)


def test_nights_too_close_are_refused(events: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="must lie 30 days or more after"):
        run(events, tmp_path, FIT, date(2026, 3, 20))


def test_outcomes_that_are_not_known_yet_are_refused(bad: np.ndarray, tmp_path: Path) -> None:
    _events(tmp_path / "events", bad, last_day=date(2026, 4, 20))
    lake = tmp_path / "lake"
    _night(lake, FIT, bad)
    _night(lake, MEASURE, bad)
    with pytest.raises(InputError, match=r"payments of the 30 days from 2026-04-01 on; got them until 2026-04-20"):
        run(tmp_path / "events", lake, FIT, MEASURE)


def test_a_world_without_reversals_is_refused(tmp_path: Path) -> None:
    none = np.zeros(N, bool)
    _events(tmp_path / "events", none)
    lake = tmp_path / "lake"
    _night(lake, FIT, none)
    _night(lake, MEASURE, none)
    with pytest.raises(
        InputError, match=r"`--fit` must be a night that some, not all, accounts follow .* got 0 of 300"
    ):
        run(tmp_path / "events", lake, FIT, MEASURE)
