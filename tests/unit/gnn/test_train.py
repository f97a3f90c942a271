"""Training on the made world: it learns, it repeats, it refuses what it cannot do, and its files read back."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from gnn.choice import Choice, choose
from gnn.cutoffs import CutOff, plan_cutoffs
from gnn.examples import SYNTHETIC
from gnn.features import FEATURE_NAMES, build_features
from gnn.folds import Arrangement, arrange, deal_folds, group_accounts
from gnn.gate import Check, Gate
from gnn.metrics import auprc, measure
from gnn.model import NotTrained, TrainedModel
from gnn.model_files import load_model, model_card, save_model
from gnn.model_types import Fitted, Trace
from gnn.sage_model import Sage
from gnn.score import score_accounts
from gnn.train import TrainConfig, train_model
from graph.errors import InputError
from graph.snapshot import Events, Snapshot

Rows = dict[str, list[dict[str, Any]]]
BuildEvents = Callable[[Rows], Events]
BuildGraph = Callable[[Events, datetime], Snapshot]

CONFIG = TrainConfig(label_delay_days=10, n_folds=3, n_seeds=1, sage_epochs=20, tree_rounds=50, capacity=10)


@pytest.fixture(scope="module")
def model(cutoffs: list[CutOff], world: Events, as_of: datetime) -> TrainedModel:
    trained = train_model(cutoffs, world["outcomes"], as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(trained, TrainedModel)
    return trained


def _is_ring(cutoff: CutOff) -> np.ndarray:
    return cutoff.snapshot.accounts["account_id"].str.starts_with("r").to_numpy()


@pytest.mark.parametrize("name", ["trees", "sage", "blend"])
def test_finds_ring_accounts_whose_outcome_is_not_known(
    model: TrainedModel, cutoffs: list[CutOff], world: Events, as_of: datetime, name: str
) -> None:
    last = cutoffs[-1]
    known = world["outcomes"]["account_id"].to_list()
    unknown = ~last.snapshot.accounts["account_id"].is_in(known).to_numpy()
    score = model.probabilities(last, 1, name)[unknown]
    assert auprc(_is_ring(last)[unknown].astype(np.int8), score) > 0.8


def test_scores_are_probabilities_and_embeddings_have_64_floats(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    scored = score_accounts(model, last.features, last.snapshot)
    n = last.snapshot.accounts.height
    assert scored.score.shape == (n,)
    assert ((scored.score > 0) & (scored.score < 1)).all()
    assert scored.embedding.shape == (n, 64)
    assert scored.embedding.dtype == np.float32
    np.testing.assert_allclose(scored.score, model.probabilities(last, 1), rtol=1e-12)


def test_the_version_follows_what_decides_a_score(model: TrainedModel) -> None:
    assert replace(model, blend_weight=0.31).version != model.version
    assert replace(model, metrics={}, controls=()).version == model.version


def test_controls_stand_on_the_same_accounts_and_shuffled_edges_lose(model: TrainedModel) -> None:
    rows = {row["control"]: row for row in model.controls}
    assert {"trees_without_graph", "trees", "sage_shuffled", "sage", "blend"} == set(rows)
    assert len({(row["n"], row["n_positive"], row["as_of"]) for row in rows.values()}) == 1
    assert rows["sage_shuffled"]["auprc"] < rows["sage"]["auprc"]


def test_scores_say_what_silence_says_and_are_plausible_without_it(
    cutoffs: list[CutOff], world: Events, as_of: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were all the synthetic found, an account without outcome would be none, and the model a sound one still."""

    def deaf(*given: Any) -> Choice:
        found = choose(*given)
        return replace(found, outcomes={name: replace(told, silence=-20.0) for name, told in found.outcomes.items()})

    monkeypatch.setattr("gnn.train.choose", deaf)
    found = train_model(cutoffs, world["outcomes"], as_of, CONFIG, 3, 1)
    assert isinstance(found, TrainedModel), found
    assert found.silence == -20
    assert found.probabilities(cutoffs[-1], 1).max() < 0.01


def test_networks_that_diverge_once_validation_is_over_leave_the_trees(
    cutoffs: list[CutOff], world: Events, as_of: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of the shuffled control and of the final training: the night goes on, and says what it left out."""
    fit = Sage.fit

    def diverges(train: Any, valid: Any, rounds: int | None, *rest: Any) -> Fitted:
        found = fit(train, valid, rounds, *rest)
        if rounds is None:  # validation chooses the rounds, so it gives none
            return found
        lost = {name: np.full_like(value, np.nan) for name, value in found.model.weights.items()}
        trace = found.trace and Trace(found.trace.rounds, np.full_like(found.trace.logits, np.nan))
        return Fitted(replace(found.model, weights=lost), trace)

    monkeypatch.setattr(Sage, "fit", diverges)
    told: list[str] = []
    found = train_model(cutoffs, world["outcomes"], as_of, CONFIG, 3, 1, told.append)
    assert isinstance(found, TrainedModel)
    assert found.default == "trees"
    assert any(line.startswith("left out: sage: ") and "blend: " in line for line in told)
    scored = score_accounts(found, cutoffs[-1].features, cutoffs[-1].snapshot)
    assert np.isfinite(scored.score).all()
    assert (scored.embedding == 0).all()

    monkeypatch.undo()
    after = train_model(cutoffs, world["outcomes"], as_of + timedelta(days=1), CONFIG, 3, 1, former=found)
    assert isinstance(after, TrainedModel)
    # nothing goes on from what diverged
    assert np.isfinite(after.probabilities(cutoffs[-1], 1, "sage")).all()
    assert after.embedding.former is None


@pytest.mark.parametrize(
    ("keep", "reason"),
    [
        (pl.lit(False), "0 confirmed synthetic"),
        (pl.col("account_id").str.starts_with("r1m"), "confirmed synthetic account"),
    ],
)
def test_too_few_labels_give_a_reason_and_no_model(
    cutoffs: list[CutOff], world: Events, as_of: datetime, keep: pl.Expr, reason: str
) -> None:
    found = train_model(cutoffs, world["outcomes"].filter(keep), as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(found, NotTrained)
    assert reason in found.reason


def test_quality_is_quoted_on_accounts_without_an_outcome_at_the_cut_off(
    model: TrainedModel, cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    last = cutoffs[-1].snapshot
    early = (pl.col("account_id").str.slice(1).str.extract(r"^(\d+)").cast(pl.Int64) % 2) == 0
    known = pl.when(early).then(last.as_of - timedelta(days=1)).otherwise(last.as_of)
    outcomes = world["outcomes"].with_columns(known_time=known)
    found = arrange(cutoffs, outcomes, as_of, CONFIG, seed=3)
    assert isinstance(found, Arrangement)
    then = outcomes.filter(pl.col("known_time") < last.as_of)["account_id"].to_list()
    names = last.accounts["account_id"].gather(found.parts[-1].account)
    assert (found.judged == (~names.is_in(then).to_numpy() & ~found.parts[-1].unclear)).all()
    assert 0 < found.judged.sum() < len(names)
    assert "no outcome known then" in found.words
    # the made world's own outcomes come early: too few are open at the last cut-off
    assert "some outcomes known then" in model.validation
    assert "chosen on the same accounts" in model.validation
    assert "chosen on the very accounts" in model_card(model)


def test_who_is_too_young_for_an_example_is_in_the_fold_of_its_group(
    cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    found = arrange(cutoffs[:-1], world["outcomes"], as_of, replace(CONFIG, label_delay_days=25), 3, cutoffs[-1])
    assert isinstance(found, Arrangement)
    assert found.tonight is not None
    part, fold = found.tonight
    assert 0 < len(part.account) < len(found.now_fold)
    assert (found.now_fold[part.account] == fold).all()
    groups, _ = group_accounts(cutoffs[-1].snapshot, CONFIG.n_folds)
    folds = groups.sort("account").with_columns(fold=pl.Series(found.now_fold)).group_by("group")
    assert folds.agg(pl.col("fold").n_unique())["fold"].to_list() == [1] * groups["group"].n_unique()


def test_where_old_accounts_have_too_few_positives_young_ones_of_either_label_are_examples(
    cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    # the last rings sign up 20 days before the end, so that after 55 days hardly anybody is known
    found = arrange(cutoffs[:-1], world["outcomes"], as_of, replace(CONFIG, label_delay_days=55), 3, cutoffs[-1])
    assert isinstance(found, Arrangement)
    assert "accounts from 28 days on" in found.words
    last = found.parts[-1]
    signup = last.cutoff.snapshot.accounts["signup_time"].gather(last.account)
    assert (signup <= as_of - timedelta(days=27.5)).all()
    assert {0, 1} == set(last.target.tolist())
    usual = arrange(cutoffs[:-1], world["outcomes"], as_of, replace(CONFIG, label_delay_days=25), 3, cutoffs[-1])
    assert isinstance(usual, Arrangement)
    assert "days on" not in usual.words


def _days(events: Events, days: list[datetime], build_graph: BuildGraph) -> list[CutOff]:
    snapshots = [build_graph(events, day) for day in days]
    return [CutOff(snapshot, build_features(events, snapshot)) for snapshot in snapshots]


def test_positives_of_the_last_days_alone_train_on_the_last_cut_off(
    world_rows: Callable[[], Rows], build_events: BuildEvents, build_graph: BuildGraph, as_of: datetime
) -> None:
    """All rings sign up after the second-to-last cut-off: the earlier ones hold honest accounts alone."""
    rows = world_rows()
    signed_up = {row["account_id"]: row["event_time"] for row in rows["signups"]}
    for table, own in rows.items():
        for row in own:
            if row["account_id"].startswith("r"):
                signup = signed_up[row["account_id"]]
                moved = as_of - timedelta(days=14) + (signup - min(signed_up.values())) / 15
                row["event_time"] = (
                    as_of - timedelta(days=1) if table == "outcomes" else row["event_time"] - signup + moved
                )
    events = build_events(rows)
    days = _days(events, [as_of - timedelta(days=n) for n in (25, 15, 8)], build_graph)
    trained = train_model(days, events["outcomes"], as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(trained, TrainedModel)
    assert trained.cutoffs == (as_of - timedelta(days=8),)
    assert trained.validation.startswith("same cut-off")
    assert trained.probabilities(days[-1], 1)[~_is_ring(days[-1])].mean() < 0.25


def test_cut_offs_before_the_launch_are_no_history(
    world_rows: Callable[[], Rows], build_events: BuildEvents, build_graph: BuildGraph, as_of: datetime
) -> None:
    """Two test accounts of the year before: a cut-off that sees nobody else teaches nothing."""
    rows = world_rows()
    for name in ("t1", "t2"):
        rows["signups"].append({"account_id": name, "event_time": as_of - timedelta(days=400), "channel": "app"})
    events = build_events(rows)
    days = _days(events, [as_of - timedelta(days=n) for n in (200, 8)], build_graph)
    trained = train_model(days, events["outcomes"], as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(trained, TrainedModel)
    assert trained.cutoffs == (as_of - timedelta(days=8),)


def test_no_cut_off_and_labels_in_one_cluster_give_a_reason(
    cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    assert isinstance(train_model([], world["outcomes"], as_of, CONFIG, seed=3, n_threads=1), NotTrained)
    one = world["outcomes"].filter(pl.col("account_id").str.starts_with("r1m"))
    found = train_model(cutoffs, one, as_of, replace(CONFIG, min_positives=1), seed=3, n_threads=1)
    assert isinstance(found, NotTrained)
    assert "cluster" in found.reason


def test_the_same_training_gives_the_same_bytes_whatever_becomes_known_later(
    model: TrainedModel, cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    late = world["outcomes"].with_columns(
        pl.lit(as_of).alias("known_time"), pl.lit("confirmed_benign").alias("outcome")
    )
    outcomes = pl.concat([world["outcomes"], late]).reverse()
    again = train_model(cutoffs, outcomes, as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(again, TrainedModel)
    assert again.files() == model.files()
    assert again.controls == model.controls


def test_an_unknown_model_is_refused_with_the_list(cutoffs: list[CutOff], world: Events, as_of: datetime) -> None:
    with pytest.raises(InputError, match="trees, sage, blend"):
        train_model(cutoffs, world["outcomes"], as_of, replace(CONFIG, model="oracle"), seed=3, n_threads=1)


def test_a_models_folder_reads_back_and_scores_the_same(
    model: TrainedModel, cutoffs: list[CutOff], tmp_path: Path
) -> None:
    folder = save_model(model, tmp_path)
    assert folder.name == model.version
    assert not [path for path in folder.rglob("*") if path.suffix in (".pkl", ".pt")]
    loaded = load_model(folder)
    np.testing.assert_array_equal(loaded.probabilities(cutoffs[-1], 1), model.probabilities(cutoffs[-1], 1))
    assert loaded.metrics == model.metrics
    assert list(loaded.controls) == [dict(row) for row in model.controls]
    assert model_card(loaded) == (folder / "card.md").read_text()
    assert save_model(loaded, tmp_path) == folder


def test_a_models_folder_tells_what_the_gate_said_and_what_was_read(model: TrainedModel, tmp_path: Path) -> None:
    gate = Gate((Check("later edges", "7 links of 2 snapshots", "", {"n_links": 7}),))
    inputs = {"events": {"signups": {"n_rows": 1234, "sha256": "ab" * 32}}}
    folder = save_model(model, tmp_path, gate, inputs)
    assert json.loads((folder / "gate.json").read_text()) == gate.to_dict()
    assert json.loads((folder / "inputs.json").read_text()) == inputs
    card = (folder / "card.md").read_text()
    for told in (
        "Leakage gate: passed",
        "later edges: 7 links of 2 snapshots.",
        "| signups | 1,234 | `abababababababab` |",
    ):
        assert told in card
    assert load_model(folder).version == model.version


def test_out_of_fold_scores_are_of_the_validation_accounts_and_by_models_that_did_not_see_them(
    model: TrainedModel, cutoffs: list[CutOff]
) -> None:
    found = model.out_of_fold
    assert found is not None
    assert len(np.unique(found.account)) == len(found.account)
    ring = _is_ring(cutoffs[-1])[found.account]
    assert (found.target[~ring] == 0).all()
    for name, score in found.scores.items():
        assert score.shape == found.account.shape
        assert ((score >= 0) & (score <= 1)).all()
        own = auprc(found.target[~found.unclear], score[~found.unclear])
        assert own == pytest.approx(model.metrics[name].auprc, abs=1e-9)
        again = measure(found.target[~found.unclear], score[~found.unclear], CONFIG.capacity)
        assert again.brier_skill == pytest.approx(model.metrics[name].brier_skill, abs=1e-9)  # both without silence
    final = model.probabilities(cutoffs[-1], 1, "trees")[found.account]
    assert not np.allclose(final, found.scores["trees"])


def test_a_folder_with_other_features_is_refused_by_name(model: TrainedModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path)
    text = (folder / "model.json").read_text()
    (folder / "model.json").write_text(text.replace(f'"{FEATURE_NAMES[0]}"', '"shoe_size"'))
    with pytest.raises(InputError, match="shoe_size"):
        load_model(folder)


def test_a_damaged_or_missing_folder_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path)
    (folder / "trees-0" / "trees.txt").write_bytes(b"0 1\nnothing")
    with pytest.raises(InputError, match="damaged"):
        load_model(folder)
    with pytest.raises(InputError, match=model.version):
        load_model(tmp_path / "none")


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("model.json", b"{"),
        ("model.json", b"[]"),
        ("model.json", b"{}"),
        ("model.json", b"\xff\xfe"),
        ("metrics.json", b"[1]"),
        ("metrics.json", b'{"metrics": 3}'),
        ("sage-0/sage.npz", b""),
        ("sage-0/sage.npz", b"PK\x03\x04torn"),
        ("sage-0/sage.npz", b"nothing"),
        ("trees-0/trees.txt", b""),
        ("trees-0/trees.txt", b"\xff"),
    ],
)
def test_whatever_is_damaged_is_one_refusal(model: TrainedModel, tmp_path: Path, path: str, content: bytes) -> None:
    folder = save_model(model, tmp_path)
    (folder / path).write_bytes(content)
    with pytest.raises(InputError, match="damaged"):
        load_model(folder)


def test_a_torn_network_and_a_file_in_place_of_a_folder_are_refused(model: TrainedModel, tmp_path: Path) -> None:
    folder = save_model(model, tmp_path)
    network = folder / "sage-0" / "sage.npz"
    network.write_bytes(network.read_bytes()[:-200])
    with pytest.raises(InputError, match="damaged"):
        load_model(folder)
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="damaged"):
        load_model(tmp_path / "file")


def test_folds_keep_clusters_whole_and_spread_positives() -> None:
    random = np.random.default_rng(0)
    group = random.integers(0, 60, 400)
    target = (group < 12).astype(np.int8)
    fold = deal_folds(group, target, 3, seed=1)
    assert all(len(set(fold[group == number].tolist())) == 1 for number in range(60))
    counts = np.bincount(fold[target == 1], minlength=3)
    assert counts.min() > 0.6 * counts.max()


@pytest.mark.parametrize(("days", "least"), [(180, 4), (240, 4), (20, 3), (2, 1), (0, 0), (2000, 4)])
def test_cut_offs_lie_within_any_history(days: int, least: int, as_of: datetime) -> None:
    first = as_of - timedelta(days=days, hours=1)
    planned = plan_cutoffs(first, as_of)
    assert len(planned) >= least
    assert planned == sorted(planned)
    assert all(first < cutoff < as_of for cutoff in planned)


def test_labels_are_the_made_worlds(world: Events) -> None:
    assert set(world["outcomes"]["outcome"]) == {SYNTHETIC}
