"""A training as the night runs it, in this process: gate, model's folder, challenger against champion."""

import importlib.util
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import polars as pl
import pytest

import gnn.promotion
import jobs.steps.score
import jobs.steps.train
from gnn import features_account
from gnn.calibration import before_silence
from gnn.cutoffs import INPUT_NAMES, CutOff
from gnn.features import FEATURE_NAMES, build_features
from gnn.model_files import load_model
from gnn.promotion import Comparison
from gnn.score import Scored
from gnn.train_config import MODEL_FORMAT, TrainConfig
from graph.build import build_snapshot
from graph.errors import GateError, InputError
from graph.partitions import account_key, write_partitions
from graph.snapshot import read_snapshot, write_snapshot
from jobs.models import list_models, read_reference, write_reference
from jobs.night import NightContext, NightPlan, StepResult
from jobs.promotions import Decision, read_decisions, record_decision
from jobs.settings import Settings
from jobs.steps.score import SCORED
from jobs.steps.train import Config, _choose, _decide, asked_file, check, depends_on
from jobs.training import Trained, Training, _refusal, cutoff_folder, train_and_compare

KEY = "k" * 32
CONFIG = TrainConfig(
    label_delay_days=10,
    n_seeds=1,
    sage_epochs=4,
    sage_every=4,
    tree_rounds=20,
    tree_every=20,
    capacity=10,
    with_controls=False,
)


def _made_world() -> ModuleType:
    """The made world of the tests of `gnn`."""
    spec = importlib.util.spec_from_file_location("made_world", Path(__file__).parents[1] / "gnn" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> Training:
    """What a first night would train on."""
    made = _made_world()
    events, as_of = made.events_of(made.made_rows()), made.START + timedelta(days=60)
    events = {name: frame.sort("event_time", "event_id") for name, frame in events.items()}
    work = tmp_path_factory.mktemp("work")
    cutoffs = [as_of - timedelta(days=days) for days in (8,)]
    for name, frame in events.items():
        write_partitions(frame, work / "events" / name, 2, account_key(pl.col("account_id")))
    for day in (*cutoffs, as_of):
        folder = work if day == as_of else cutoff_folder(work, day)
        snapshot = build_snapshot(events, day, KEY, 1)
        write_snapshot(snapshot, folder / "snapshot")
        build_features(events, snapshot).write_parquet(folder / "features.parquet")
    return Training(
        work=work,
        models=work / "models",
        cutoffs=cutoffs,
        as_of=as_of,
        config=CONFIG,
        n_drawn=None,
        champion=None,
        inputs={"events": {"signups": {"n_rows": 184, "sha256": "0" * 64}}},
        key=KEY,
        seed=1,
        n_threads=1,
        notes=work / "notes.txt",
    )


@pytest.fixture(scope="module")
def first(training: Training) -> Trained:
    return train_and_compare(training)


def test_the_first_model_passed_the_gate_and_is_promoted(training: Training, first: Trained) -> None:
    assert first.comparison is not None
    assert first.comparison["is_promoted"]
    (model,) = list_models(training.models)
    assert (model.version, model.passed) == (first.version, True)
    gate = json.loads((training.models / model.version / "gate.json").read_text())
    assert [check["name"] for check in gate["checks"]] == [
        "later data",
        "later edges",
        "sampled edges",
        "shuffled labels",
    ]
    later, edges, sampled, shuffled = (check["facts"] for check in gate["checks"])
    assert later["n_later_events"] > 0
    assert edges["n_links"] > 0
    assert sampled["n_edges"] > 0
    assert shuffled["n_positive"] > 0
    assert json.loads((training.models / model.version / "inputs.json").read_text()) == training.inputs


def test_a_challenger_is_held_against_the_champion_by_what_neither_saw(
    training: Training, first: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No outcome was known when the champion was trained, as it is told here; the comparison itself is told to refuse."""
    given: dict[str, np.ndarray] = {}

    def refuse(
        target: np.ndarray, champion: np.ndarray, challenger: np.ndarray, group: np.ndarray, *_: int
    ) -> Comparison:
        given.update(target=target, champion=champion, challenger=challenger, group=group)
        return Comparison(False, "it is worse", len(target))

    monkeypatch.setattr(gnn.promotion, "compare_models", refuse)
    monkeypatch.setattr(gnn.promotion, "latest_outcomes", lambda outcomes, as_of: outcomes.clear())
    second = train_and_compare(replace(training, champion=first.version, seed=2))
    assert second.comparison == Comparison(False, "it is worse", len(given["target"])).to_dict()
    assert 0 < given["target"].sum() < len(given["target"])
    assert len({len(values) for values in given.values()}) == 1
    assert not np.allclose(given["champion"], given["challenger"])
    champion = load_model(training.models / str(first.version))
    assert champion.silence < -0.05
    folder = cutoff_folder(training.work, training.cutoffs[-1])
    features = pl.read_parquet(folder / "features.parquet")
    last = CutOff(read_snapshot(folder / "snapshot", training.cutoffs[-1]), features)
    told = before_silence(champion.probabilities(last, 1), champion.silence)
    # the judged have outcomes by now, so the champion must not say what silence says
    assert np.abs(given["champion"][:, None] - told[None, :]).min(axis=1).max() < 1e-9
    assert second.version not in (None, first.version)
    assert second.version is not None
    assert read_reference(training.models / second.version) is not None  # it may be promoted by hand later


def test_a_challenger_whose_network_diverged_is_refused(
    training: Training, first: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnn.train.continues", lambda model: model.version == first.version)
    second = train_and_compare(replace(training, champion=first.version, seed=3))
    assert second.comparison is not None
    assert not second.comparison["is_promoted"]
    assert second.comparison["why"] == "a network of its final training diverged"


def test_of_a_large_world_a_draw_is_trained_on_and_the_card_says_so(training: Training, first: Trained) -> None:
    drawn = train_and_compare(replace(training, n_drawn=150, champion=first.version, seed=4))
    assert drawn.version is not None
    assert drawn.version != first.version
    notes = training.notes.read_text().splitlines()
    n_drawn, n_world = next(re.findall(r"[\d,]+", line)[:2] for line in notes if line.startswith("drawn: "))
    assert 100 < int(n_drawn) <= 150
    assert int(n_world) == 184
    folder = training.models / drawn.version
    assert f"on {n_drawn} accounts drawn from {n_world} in whole" in (folder / "card.md").read_text()
    edges = json.loads((folder / "gate.json").read_text())["checks"][1]["facts"]
    whole = json.loads((training.models / str(first.version) / "gate.json").read_text())["checks"][1]["facts"]
    assert edges == whole  # links of the whole world are looked at
    reference = read_reference(folder)
    assert drawn.comparison is not None
    assert drawn.comparison["is_promoted"] or (reference is not None and reference.height == int(n_drawn))


def test_a_leak_trains_nothing_and_says_what_leaks(
    training: Training, first: Trained, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = features_account.build

    def leaky(rows):
        built = honest(rows)
        future = pl.scan_parquet(training.work / "events/logins/*.parquet").select(pl.len()).collect().item()
        return built.with_columns(n_logins=pl.col("n_logins") + pl.lit(future, pl.Float32))

    before = sorted(path.name for path in training.models.iterdir())
    monkeypatch.setattr(features_account, "build", leaky)
    with pytest.raises(GateError, match="`train` must pass the leakage gate; got later data: ") as refused:
        train_and_compare(training)
    assert "`features.n_logins`" in str(refused.value)
    assert "no earlier model of this lake has passed it" in str(refused.value)  # those there are of this very as-of
    assert sorted(path.name for path in training.models.iterdir()) == before


def test_the_refusal_names_the_champion_before_else_the_newest_that_passed(tmp_path: Path) -> None:
    """`weak` was refused, `late` is of the night itself."""
    as_of = datetime(2026, 6, 20, tzinfo=UTC)
    for version, day in (("first", 1), ("champion", 8), ("weak", 15), ("late", 20)):
        _folder(tmp_path, version, day)
    for version, day, kind in (("first", 1, "promoted"), ("champion", 8, "promoted"), ("weak", 15, "refused")):
        record_decision(tmp_path, Decision(date(2026, 6, day), version, kind, "why", "night"))
    assert "`--model champion`, the champion, scores" in str(_refusal(["a"], tmp_path, as_of))
    (tmp_path / "champion/gate.json").unlink()
    assert "`--model weak`, the newest earlier model that passed" in str(_refusal(["a"], tmp_path, as_of))
    _folder(tmp_path, "weak", 15, ["shoe_size"])
    assert "`--model first`, the newest earlier model that passed" in str(_refusal(["a"], tmp_path, as_of))


def _folder(models: Path, version: str, day: int, features: Sequence[str] = INPUT_NAMES) -> Path:
    folder = models / version
    folder.mkdir(parents=True, exist_ok=True)
    described = {
        "as_of": datetime(2026, 6, day, tzinfo=UTC).isoformat(),
        "features": list(features),
        "format": MODEL_FORMAT,
    }
    (folder / "model.json").write_text(json.dumps(described))
    (folder / "gate.json").write_text('{"passed": true}')
    return folder


@pytest.mark.parametrize("config", [Config(version="old"), Config(mode="never")])
def test_a_model_of_other_features_is_refused_before_the_night(config: Config, tmp_path: Path) -> None:
    _folder(tmp_path / "models", "old", 15, ["shoe_size"])
    with pytest.raises(
        InputError,
        match=r"got `old`, trained on other features or by another version of Ringlight\. Train a new one: `--train always`",
    ):
        check(NightPlan(tmp_path, tmp_path, date(2026, 6, 20), Settings()), config)


@pytest.mark.parametrize(
    ("changed", "chosen"), [({}, "old"), ({"format": MODEL_FORMAT - 1}, None), ({"features": []}, None)]
)
def test_auto_trains_anew_where_the_champion_is_of_another_program(
    changed: dict[str, object], chosen: str | None, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    described = _folder(models, "old", 15) / "model.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | changed))
    record_decision(models, Decision(date(2026, 6, 15), "old", "promoted", "why", "night"))
    model, why = _choose(_night(tmp_path, date(2026, 6, 18)), Config(on_drift=False), models)
    assert (model and model.version) == chosen
    assert ("by another version of Ringlight" in why) == (chosen is None)


def test_a_night_rests_on_the_decisions_before_it_alone(tmp_path: Path) -> None:
    plan = NightPlan(tmp_path, tmp_path, date(2026, 6, 20), Settings())
    assert depends_on(plan) == []
    before = Decision(date(2026, 6, 19), "a", "rolled_back", "households", "person")
    for decision in (before, replace(before, as_of=plan.date)):
        record_decision(tmp_path / "models", decision)
    assert depends_on(plan) == [before.to_line()]


def test_after_a_refusal_the_same_drift_trains_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    now = pl.DataFrame({name: random.normal(size=500) for name in FEATURE_NAMES})
    score = pl.Series("score", random.uniform(size=500))
    now.write_parquet(tmp_path / "features.parquet")
    models = tmp_path / "models"
    write_reference(_folder(models, "champion", 15), now.select(pl.all() + 9).with_columns(score, account=0))
    record_decision(models, Decision(date(2026, 6, 15), "champion", "promoted", "why", "night"))
    monkeypatch.setattr("jobs.steps.train.run_task", lambda function, *arguments, n_cpus: function(*arguments))
    monkeypatch.setattr("jobs.steps.train.read_snapshot", lambda *_, with_hashes: None)
    monkeypatch.setattr("gnn.model_files.load_model", lambda folder: None)
    width = np.zeros((500, 1), dtype=np.float32)
    said = Scored(score.to_numpy(), width, score.to_numpy(), width, score.to_numpy())
    monkeypatch.setattr("gnn.score.score_accounts", lambda *_: said)

    def choose(day: int) -> tuple[str | None, str]:
        found, why = _choose(_night(tmp_path, date(2026, 6, day)), Config(), models)
        return found and found.version, why

    version, why = choose(18)
    assert version is None
    assert why.startswith("drift: ")
    write_reference(_folder(models, "weak", 18), now.with_columns(score, account=0))
    record_decision(models, Decision(date(2026, 6, 18), "weak", "refused", "it is worse", "night"))
    assert choose(19) == ("champion", "")
    kept = Scored.from_frame(pl.read_parquet(tmp_path / asked_file("weak")))
    assert np.array_equal(kept.score, said.score)
    assert np.array_equal(kept.near, said.near)
    assert choose(18) == (version, why)  # the night run again


def test_what_drift_was_looked_for_with_is_what_scores(training: Training, first: Trained, tmp_path: Path) -> None:
    folder, work = training.models / str(first.version), training.work
    features = pl.read_parquet(work / "features.parquet")
    write_reference(folder, features.with_columns(score=pl.lit(0.5)))
    assert jobs.steps.train._drift(work, folder, training.as_of, 1).startswith("drift: ")
    asked = work / asked_file(str(first.version))
    written = []
    for name, given in (("anew", None), ("asked", asked)):
        (tmp_path / name).mkdir()
        n_accounts = jobs.steps.score._score(work, tmp_path / name, folder, training.as_of, 1, given)
        assert n_accounts == features.height
        written.append([(tmp_path / name / "embeddings.parquet").read_bytes(), (work / SCORED).read_bytes()])
    assert written[0] == written[1]
    asked.unlink()


@pytest.mark.parametrize(
    ("threads", "version", "is_taken"), [(2, "champion", True), (1, "champion", False), (2, "other", False)]
)
def test_scores_are_taken_over_of_the_same_model_and_threads_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, threads: int, version: str, is_taken: bool
) -> None:
    given = []
    monkeypatch.setattr("jobs.steps.score.run_task", lambda _, *arguments, **__: given.append(arguments[-1]) or 7)
    result = StepResult(intermediates=[asked_file(version)], models=["champion"])
    night = replace(_night(tmp_path, date(2026, 6, 18)), results={"train": result})
    assert jobs.steps.score.run(night, jobs.steps.score.Config(n_threads=threads)).rows == {"accounts scored": 7}
    assert given == [tmp_path / asked_file("champion") if is_taken else None]


def test_what_a_stopped_run_asked_is_not_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    champion = SimpleNamespace(version="champion", as_of=datetime(2026, 6, 15, tzinfo=UTC))
    monkeypatch.setattr("jobs.steps.train._choose", lambda *_: (champion, ""))
    monkeypatch.setattr("jobs.steps.train.model_facts", lambda *_: {})
    left = tmp_path / asked_file("champion")
    left.parent.mkdir()
    left.write_bytes(b"of other features")
    assert jobs.steps.train.run(_night(tmp_path, date(2026, 6, 18)), Config()).intermediates == []
    assert not left.exists()


def _night(folder: Path, day: date) -> NightContext:
    return NightContext(events=folder, lake=folder, date=day, out=folder, work=folder, key=KEY, settings=Settings())


def test_a_refused_challenger_is_recorded_and_the_champion_scores_on(training: Training, tmp_path: Path) -> None:
    night = _night(tmp_path, training.as_of.date())
    champion = list_models(training.models)[0]
    refused = Comparison(False, "it is worse", 40, 12, 5).to_dict()
    version, told = _decide(night, tmp_path, "new", refused, champion)
    assert version == champion.version
    assert (told["challenger"], told["champion"], told["why"]) == ("new", champion.version, "it is worse")
    version, told = _decide(night, tmp_path, "new", refused | {"is_promoted": True}, replace(champion, fits=False))
    assert version == "new"
    assert "other features" in told["why"]
    assert _decide(night, tmp_path, "new", refused, None)[1]["why"] == "it is the first"
    assert [decision.kind for decision in read_decisions(tmp_path)] == ["refused", "promoted", "promoted"]
