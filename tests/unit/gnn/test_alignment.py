"""Embedding spaces: kept across rotations, left where trainings disagree, and what a warm start computes."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ortho_group

from gnn.alignment import (
    LEAST_COSINE,
    Alignment,
    EmbeddingSpace,
    Predecessor,
    align,
    continue_space,
    measure_agreement,
)
from gnn.cutoffs import CutOff, Labelled
from gnn.model import TrainedModel
from gnn.model_files import load_model, model_card, save_model
from gnn.near import NEAR_NAMES
from gnn.sage_model import Sage
from gnn.score import score_accounts
from gnn.tensors import Standardiser
from gnn.train import TrainConfig, train_model
from gnn.train_config import silent
from gnn.warm_start import carry_weights
from graph.errors import InputError
from graph.snapshot import Events

N, D = 400, 64
CONFIG = TrainConfig(
    label_delay_days=10,
    n_folds=3,
    n_seeds=1,
    sage_epochs=8,
    sage_every=4,
    tree_rounds=10,
    tree_every=10,
    capacity=10,
    with_controls=False,
)


@pytest.fixture(scope="module")
def states() -> np.ndarray:
    random = np.random.default_rng(0)
    return (random.normal(size=(N, 8)) @ random.normal(size=(8, D)) + 5.0).astype(np.float32)


def _turned(states: np.ndarray, seed: int, noise: float = 0.0) -> np.ndarray:
    """The same states along other axes, about another point, with noise."""
    random = np.random.default_rng(seed)
    turned = states @ ortho_group.rvs(D, random_state=seed) + random.normal(size=D)
    return np.asarray(turned + noise * random.normal(size=states.shape), dtype=np.float32)


def _before(states: np.ndarray) -> Predecessor:
    return Predecessor("m1", "e1", 2, states, np.arange(N, dtype=np.float64))


def test_states_along_other_axes_come_back(states: np.ndarray) -> None:
    hidden = [_turned(states, seed) for seed in (1, 2)]
    found = align(hidden, states)
    np.testing.assert_allclose(found.apply(hidden), states, atol=1e-3)
    for rotation in found.rotation:
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(D), atol=1e-9)
    with pytest.raises(ValueError, match="2 networks"):
        found.apply(hidden[:1])


def test_a_mean_of_networks_holds_less_noise_than_one(states: np.ndarray) -> None:
    hidden = [_turned(states, seed, noise=1.0) for seed in (1, 2, 3)]
    one, three = align(hidden[:1], states).apply(hidden[:1]), align(hidden, states).apply(hidden)
    assert np.linalg.norm(three - states) < 0.8 * np.linalg.norm(one - states)


def test_a_retraining_keeps_the_version_where_it_agrees(states: np.ndarray) -> None:
    hidden = [_turned(states, 1, noise=0.2)]
    kept = continue_space(hidden, {"sage.npz": b"new"}, _before(states), seed=0)
    assert (kept.version, kept.former, kept.n_retrainings) == ("e1", "m1", 3)
    assert kept.agreement is not None
    assert kept.agreement.cosine > 0.95
    assert 0.5 < kept.agreement.kept_neighbours < 1
    assert kept.agreement.norm_ratio == pytest.approx(1, abs=0.1)
    assert kept.agreement.n_accounts == N
    again = continue_space(hidden, {"sage.npz": b"new"}, _before(states), seed=0)
    assert again.to_file() == kept.to_file()


def test_a_training_that_disagrees_begins_a_version_of_its_own(states: np.ndarray) -> None:
    hidden = [np.random.default_rng(9).normal(size=(N, D)).astype(np.float32)]
    begun = continue_space(hidden, {"sage.npz": b"new"}, _before(states), seed=0)
    assert begun.agreement is not None
    assert begun.agreement.cosine < LEAST_COSINE
    assert begun.agreement.kept_neighbours < 0.2
    assert (begun.version != "e1", begun.former, begun.n_retrainings) == (True, "m1", 0)
    first = continue_space(hidden, {"sage.npz": b"new"}, None, seed=0)
    assert first.version == begun.version
    assert continue_space(hidden, {"sage.npz": b"other"}, None, seed=0).version != first.version
    np.testing.assert_allclose(first.alignment.apply(hidden).mean(axis=0), 0, atol=1e-5)


def test_agreement_among_all_alone_does_not_keep_a_version(states: np.ndarray) -> None:
    now = states.copy()
    risky = slice(N - N // 20, N)  # those with the highest logits
    now[risky] = 2 * states.mean(axis=0) - states[risky]
    found = measure_agreement(_before(states), now, seed=0)
    assert found.cosine > LEAST_COSINE
    assert found.risky_cosine < 0
    assert not found.keeps_version


def test_a_space_reads_back(states: np.ndarray) -> None:
    kept = continue_space([_turned(states, 1)], {"sage.npz": b"new"}, _before(states), seed=0)
    name, content = kept.to_file()
    loaded = EmbeddingSpace.from_file({name: content}, kept.describe())
    assert loaded.describe() == kept.describe()
    np.testing.assert_array_equal(loaded.alignment.rotation, kept.alignment.rotation)


def _part(cutoff: CutOff) -> Labelled:
    accounts = cutoff.snapshot.accounts
    is_ring = accounts["account_id"].str.starts_with("r").to_numpy()
    none = np.zeros(accounts.height, dtype=bool)
    return Labelled(cutoff, np.arange(accounts.height), is_ring.astype(np.int8), none, ~none, none)


@pytest.fixture(scope="module")
def looked(cutoffs: list[CutOff]) -> CutOff:
    return replace(cutoffs[-1], near=np.zeros((cutoffs[-1].features.height, len(NEAR_NAMES)), dtype=np.float32))


def test_a_network_computes_the_same_under_another_standardiser(looked: CutOff) -> None:
    model = Sage.fit([_part(looked)], (), 3, CONFIG, 1, 1, silent).model
    assert isinstance(model, Sage)
    random = np.random.default_rng(0)
    scale = model.standardiser.scale
    moved = Standardiser(
        model.standardiser.centre + (0.3 * scale * random.normal(size=len(scale))).astype(np.float32),
        (scale * random.uniform(1.0, 1.5, len(scale))).astype(np.float32),
    )
    other = Sage(carry_weights(model.weights, model.standardiser, moved), moved)
    # the clip at six scales is all that differs, and few values are so far
    close = np.abs(other.logits(looked, 1) - model.logits(looked, 1)) < 1e-3
    assert close.mean() > 0.9
    naive = Sage(model.weights, moved)
    assert (np.abs(naive.logits(looked, 1) - model.logits(looked, 1)) < 1e-3).mean() < 0.1


def test_an_input_unlike_before_begins_at_zero() -> None:
    before = Standardiser(np.zeros(3, np.float32), np.ones(3, np.float32))
    after = Standardiser(np.array([0, 0, 9], np.float32), np.array([1, 100, 1], np.float32))
    weights = {"project.weight": np.ones((2, 3), np.float32), "project.bias": np.zeros(2, np.float32)}
    carried = carry_weights(weights, before, after)
    np.testing.assert_array_equal(carried["project.weight"], [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(carried["project.bias"], [0, 0])


def test_a_warm_start_begins_where_the_former_ended(looked: CutOff) -> None:
    part = _part(looked)
    long = Sage.fit([part], (), 20, CONFIG, 1, 1, silent).model
    warm = Sage.fit([part], (), 1, CONFIG, 2, 1, silent, long).model
    cold = Sage.fit([part], (), 1, CONFIG, 2, 1, silent).model
    apart = {
        name: np.abs(model.logits(looked, 1) - long.logits(looked, 1)).mean()
        for name, model in {"w": warm, "c": cold}.items()
    }
    assert apart["w"] < 0.5 * apart["c"]
    assert isinstance(long, Sage)
    foreign = Sage({**long.weights, "project.bias": np.zeros(3, np.float32)}, long.standardiser)
    assert not foreign.continues
    unlike = Sage.fit([part], (), 1, CONFIG, 2, 1, silent, foreign).model
    assert unlike.to_files() == cold.to_files()


@pytest.fixture(scope="module")
def trained(cutoffs: list[CutOff], world: Events, as_of: datetime) -> tuple[TrainedModel, TrainedModel]:
    """A model of the second cut-off's day, and the one after it that goes on from it."""
    former = train_model(cutoffs[:2], world["outcomes"], cutoffs[2].snapshot.as_of, CONFIG, 3, 1, tonight=cutoffs[2])
    assert isinstance(former, TrainedModel)
    later = train_model(cutoffs, world["outcomes"], as_of, CONFIG, 4, 1, former=former)
    assert isinstance(later, TrainedModel)
    return former, later


def test_a_retrained_model_keeps_what_its_embeddings_mean(
    trained: tuple[TrainedModel, TrainedModel], cutoffs: list[CutOff]
) -> None:
    former, later = trained
    assert later.version != former.version
    assert later.embedding.version == former.embedding.version
    assert (later.embedding.former, later.embedding.n_retrainings) == (former.version, 1)
    last = cutoffs[-1]
    old, new = (score_accounts(model, last.features, last.snapshot).embedding for model in trained)
    assert later.embedding.agreement is not None
    before = Predecessor("", "", 0, old, score_accounts(former, last.features, last.snapshot).score)
    assert measure_agreement(before, new, 0).cosine == pytest.approx(later.embedding.agreement.cosine, abs=1e-3)


def test_validation_hears_nothing_of_the_former_model(
    trained: tuple[TrainedModel, TrainedModel], cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    _, later = trained
    alone = train_model(cutoffs, world["outcomes"], as_of, CONFIG, 4, 1)
    assert isinstance(alone, TrainedModel)
    assert alone.metrics == later.metrics
    assert alone.rounds == later.rounds
    assert [tree.to_files() for tree in alone.members["trees"]] == [tree.to_files() for tree in later.members["trees"]]
    assert alone.embedding.version != later.embedding.version


def test_a_model_of_the_same_day_is_no_former_one(
    trained: tuple[TrainedModel, TrainedModel], cutoffs: list[CutOff], world: Events, as_of: datetime
) -> None:
    with pytest.raises(InputError, match="earlier day"):
        train_model(cutoffs, world["outcomes"], as_of, CONFIG, 4, 1, former=trained[1])


def test_a_retrained_models_folder_reads_back(trained: tuple[TrainedModel, TrainedModel], tmp_path: Path) -> None:
    folder = save_model(trained[1], tmp_path)
    loaded = load_model(folder)
    assert loaded.embedding.describe() == trained[1].embedding.describe()
    assert "kept from model" in model_card(loaded)
    (folder / "embedding.npz").write_bytes(b"nothing")
    with pytest.raises(InputError, match="damaged"):
        load_model(folder)


def test_networks_are_averaged_in_their_own_maps() -> None:
    swap = np.array([[0.0, 1.0], [1.0, 0.0]])
    found = Alignment(np.array([[1.0, 0.0], [0.0, 0.0]]), np.stack([np.eye(2), swap]), np.array([10.0, 0.0]))
    out = found.apply([np.array([[3.0, 4.0]], np.float32), np.array([[6.0, 2.0]], np.float32)])
    np.testing.assert_allclose(out, [[12.0, 5.0]])
    assert out.dtype == np.float32
