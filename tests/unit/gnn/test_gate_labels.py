"""Shuffled labels: a sound parting into folds finds chance, one that lets a group into both sides does not."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

import gnn.train
from gnn.cutoffs import CutOff
from gnn.folds import Arrangement, arrange
from gnn.gate_labels import _deal, average_precision, check_shuffled
from gnn.train_config import TrainConfig
from graph.snapshot import Events

CONFIG = TrainConfig(label_delay_days=10, capacity=10)


@pytest.fixture(scope="module")
def arranged(cutoffs: list[CutOff], world: Events, as_of: datetime) -> Arrangement:
    found = arrange(cutoffs, world["outcomes"], as_of, CONFIG, 3)
    assert isinstance(found, Arrangement)
    return found


@pytest.mark.parametrize("seed", range(3))
def test_sound_folds_find_chance(arranged: Arrangement, seed: int) -> None:
    found = check_shuffled(arranged, CONFIG, seed, 1)
    assert found.fault == ""
    assert found.facts["auprc"] <= found.facts["limit"] < 1
    assert found.facts["n_positive"] >= 3


def test_the_same_seed_finds_the_same(arranged: Arrangement) -> None:
    assert check_shuffled(arranged, CONFIG, 1, 1) == check_shuffled(arranged, CONFIG, 1, 1)


def test_a_training_side_that_holds_the_looked_at_accounts_is_found_out(
    arranged: Arrangement, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The parting into folds is forgotten: the fold that is looked at is among what is trained on."""

    def leaky(parts: list, fold: list, number: int) -> tuple:
        return [part.of(~part.unclear) for part in parts], parts[-1].of(fold[-1] == number)

    monkeypatch.setattr(gnn.train, "split", leaky)
    monkeypatch.setattr(gnn.train, "_can_look", lambda arranged, config: False)
    found = check_shuffled(arranged, CONFIG, 1, 1)
    assert "2 times in a row" in found.fault
    assert found.facts["auprc"] > found.facts["limit"]


def test_average_precision_is_scikit_learns() -> None:
    random = np.random.default_rng(0)
    target = random.random(50) < 0.3
    ranking = -np.arange(50.0)
    assert average_precision(np.flatnonzero(target)) == pytest.approx(average_precision_score(target, ranking))
    assert average_precision(np.zeros(0, dtype=np.int64)) == 0


def test_unclear_accounts_are_left_out(arranged: Arrangement) -> None:
    """Whether an account is unclear follows from the true labels, so it may not stand among shuffled ones."""
    last = arranged.parts[-1]
    unclear = np.arange(len(last.account)) % 2 == 0
    parts = [*arranged.parts[:-1], replace(last, unclear=unclear)]
    whole, half = (check_shuffled(replace(arranged, parts=each), CONFIG, 1, 1) for each in (arranged.parts, parts))
    assert half.facts["n"] < whole.facts["n"]


@pytest.mark.parametrize("size", [[6] * 5, [9, 7, 8], [30], [1, 50]])
def test_something_is_dealt_where_only_large_groups_are(size: list[int]) -> None:
    dealt = _deal(np.array(size), 0.1, np.random.default_rng(0))
    assert dealt.any()
    assert min(size) in np.array(size)[dealt]


def test_a_share_is_dealt_as_before_and_none_of_nothing() -> None:
    size = np.array([1] * 80 + [2] * 10 + [60])
    dealt = _deal(size, 0.2, np.random.default_rng(0))
    assert 16 <= size[dealt].sum() <= 32
    assert not dealt[-1]
    assert len(_deal(np.zeros(0, dtype=np.int64), 0.1, np.random.default_rng(0))) == 0


def test_a_world_of_one_group_a_fold_says_that_nothing_could_be_dealt(arranged: Arrangement) -> None:
    one_each = replace(arranged, group=[fold.astype(np.int64) for fold in arranged.fold])
    assert check_shuffled(one_each, CONFIG, 1, 1).facts["why_not"] == "nothing could be dealt"
    assert "why_not" not in check_shuffled(arranged, CONFIG, 1, 1).facts
