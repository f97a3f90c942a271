"""The first look: who is doubtful, and what is near whom, against plain loops."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from gnn.cutoffs import CutOff, Labelled
from gnn.features import build_features
from gnn.first_look import FirstLook, can_look, look_first
from gnn.near import NEAR_NAMES, look_around
from gnn.train_config import TrainConfig, silent
from gnn.trees import sample_negatives
from graph.snapshot import Events, Snapshot

CONFIG = TrainConfig(n_folds=2, tree_rounds=150, label_delay_days=10)


@pytest.fixture(scope="module")
def part(
    world_rows: Callable[..., dict[str, list[dict[str, Any]]]],
    build_events: Callable[[dict[str, list[dict[str, Any]]]], Events],
    build_graph: Callable[[Events, datetime], Snapshot],
    as_of: datetime,
) -> Labelled:
    """Of each ring three accounts are confirmed; the fourth counts as a negative, though it is none."""
    events = build_events(world_rows(n_honest=500))
    snapshot = build_graph(events, as_of)
    cutoff = CutOff(snapshot, build_features(events, snapshot))
    confirmed = _is_ring(cutoff) & ~_is_hidden(cutoff)
    n = len(confirmed)
    nobody = np.zeros(n, dtype=bool)
    return Labelled(cutoff, np.arange(n), confirmed.astype(np.int8), nobody, confirmed, nobody)


def _is_ring(cutoff: CutOff) -> np.ndarray:
    return cutoff.snapshot.accounts["account_id"].str.starts_with("r").to_numpy()


def _is_hidden(cutoff: CutOff) -> np.ndarray:
    """One of each ring, another one in each: no place in the order of signups gives it away."""
    names = cutoff.snapshot.accounts.select(
        ring=pl.col("account_id").str.extract(r"^r(\d+)m").cast(pl.Int64),
        member=pl.col("account_id").str.extract(r"m(\d+)$").cast(pl.Int64),
    )
    return names.select((pl.col("ring") // 2 % 4 == pl.col("member")).fill_null(False)).to_series().to_numpy()


def _fold_of_ring(part: Labelled) -> np.ndarray:
    names = part.cutoff.snapshot.accounts["account_id"]
    return (names.str.extract(r"^\D(\d+)").cast(pl.Int64) % 2).to_numpy()


def test_hidden_members_are_left_out_and_honest_accounts_stay(part: Labelled) -> None:
    first, (ready,) = look_first([part], [_fold_of_ring(part)], None, CONFIG, 0, 1, silent)
    assert len(first.models) == CONFIG.n_folds
    names = part.cutoff.snapshot.accounts["account_id"]
    hidden = _is_hidden(part.cutoff)
    kept = np.isin(part.account, ready.account)
    assert kept[part.target == 1].all()
    assert kept[names.str.starts_with("h").to_numpy()].mean() > 0.95
    assert kept[hidden].mean() < 0.5


def test_a_confirmed_honest_account_is_never_doubtful(part: Labelled) -> None:
    everyone = Labelled(part.cutoff, part.account, part.target, part.known, np.ones_like(part.known), part.unclear)
    _, (ready,) = look_first([everyone], [_fold_of_ring(part)], None, CONFIG, 0, 1, silent)
    assert len(ready.account) == len(part.account)


def test_a_label_does_not_reach_what_is_near_it(part: Labelled) -> None:
    """One account of each ring is labelled by the toss of a coin, the others are no examples: nothing around it may tell."""
    names = part.cutoff.snapshot.accounts["account_id"]
    is_one = names.str.contains("^r.*m0$").to_numpy()
    gaps = []
    for seed in range(6):
        toss = np.zeros_like(part.target)
        toss[is_one] = np.random.default_rng(seed).permutation(is_one.sum()) % 2
        honest = names.str.starts_with("h").to_numpy()
        some = Labelled(part.cutoff, part.account, toss, part.known, is_one, part.unclear).of(is_one | honest)
        fold = _fold_of_ring(part)[is_one | honest]
        _, (ready,) = look_first([some], [fold], None, CONFIG, seed, 1, silent)
        assert ready.cutoff.near is not None
        near = ready.cutoff.near[:, NEAR_NAMES.index("cluster_score_mean")]
        gaps.append(near[is_one & (toss == 1)].mean() - near[is_one & (toss == 0)].mean())
    assert np.mean(gaps) < 0.02


def test_without_a_first_look_all_look_alike(part: Labelled) -> None:
    near = FirstLook(()).add_to(part.cutoff, 1).near
    assert near is not None
    assert np.ptp(near[:, NEAR_NAMES.index("pairs_logit_mean")]) == 0


def test_a_first_look_needs_positives_beside_any_two_folds() -> None:
    target, fold = np.ones(9, dtype=np.int8), np.arange(9) % 3
    assert can_look(target, fold, 3)
    assert not can_look(target, np.minimum(fold, 1), 3)
    assert not can_look(target, fold % 2, 2)


def test_where_positives_are_many_doubt_leaves_the_negatives(part: Labelled) -> None:
    """Half are positive, at random: scores about a half say nothing of anybody."""
    random = np.random.default_rng(0)
    target = (random.random(len(part.account)) < 0.5).astype(np.int8)
    even = Labelled(part.cutoff, part.account, target, part.known, target == 1, part.unclear)
    _, (ready,) = look_first([even], [_fold_of_ring(part)], None, CONFIG, 0, 1, silent)
    assert (ready.target == 0).sum() > 0.8 * (target == 0).sum()


def test_a_sample_of_negatives_keeps_the_rate(part: Labelled) -> None:
    config = replace(CONFIG, tree_negatives=1, tree_least_negatives=30)
    n, n_positive = (part.target == 0).sum(), (part.target == 1).sum()
    parts, weight = sample_negatives([part], config, 0)
    left = (parts[0].target == 0).sum()
    assert left < n
    assert (parts[0].target == 1).sum() == n_positive
    assert left * weight == pytest.approx(n)


def test_what_is_near_is_what_loops_find(cutoffs: list[CutOff]) -> None:
    snapshot = cutoffs[-1].snapshot
    n = snapshot.accounts.height
    logits = np.round(np.random.default_rng(1).normal(size=n), 6)
    found = dict(zip(NEAR_NAMES, look_around(snapshot)(logits).T, strict=True))
    scores, rest = expit(logits), float(np.median(logits))
    around: dict[str, list[dict[int, float]]] = {way: [{} for _ in range(n)] for way in ("pairs", "shared")}

    def meet(way: str, a: int, b: int, weight: float) -> None:
        around[way][a][b] = around[way][a].get(b, 0.0) + weight

    for a, b, bits in snapshot.pairs.select("account_a", "account_b", "weight_bits").iter_rows():
        meet("pairs", a, b, bits)
        meet("pairs", b, a, bits)
    shared = snapshot.identifiers.filter((pl.col("n_accounts") > 1) & ~pl.col("is_hub"))
    holders: dict[int, list[int]] = {}
    for account, identifier in snapshot.links.select("account", "identifier").iter_rows():
        holders.setdefault(identifier, []).append(account)
    for identifier, weight in shared.select("identifier", "weight").iter_rows():
        own = holders[identifier]
        for a in own:
            for b in own:
                if a != b:
                    meet("shared", a, b, weight**2 / (len(own) - 1))
    assert sum(map(len, around["pairs"])) > 0
    assert sum(map(len, around["shared"])) > 0
    for way, neighbours in around.items():
        for account, near in enumerate(neighbours):
            total = sum(near.values())
            mean = sum(scores[other] * weight for other, weight in near.items()) / total if near else 0.0
            odds = sum(logits[other] * weight for other, weight in near.items()) / total if near else rest
            highest = max((logits[other] for other in near), default=rest)
            assert found[f"{way}_score_mean"][account] == pytest.approx(mean, abs=1e-4)
            assert found[f"{way}_logit_mean"][account] == pytest.approx(odds, abs=1e-4)
            assert found[f"{way}_logit_max"][account] == pytest.approx(highest, abs=1e-4)
    cluster = snapshot.clusters["cluster"].to_numpy()
    for account in range(n):
        others = scores[(cluster == cluster[account]) & (np.arange(n) != account)]
        assert found["cluster_score_sum"][account] == pytest.approx(others.sum(), abs=1e-4)
        assert found["cluster_score_mean"][account] == pytest.approx(others.mean() if len(others) else 0, abs=1e-4)


def test_who_signed_up_in_step_is_what_loops_find(cutoffs: list[CutOff]) -> None:
    snapshot = cutoffs[-1].snapshot
    signup = snapshot.accounts["signup_time"].to_list()
    scores = expit(np.round(np.random.default_rng(2).normal(size=len(signup)), 6))
    found = dict(zip(NEAR_NAMES, look_around(snapshot)(np.log(scores / (1 - scores))).T, strict=True))
    links = snapshot.links.join(snapshot.identifiers.filter(pl.col("n_accounts") > 1), on="identifier")
    expected = {name: np.zeros(len(signup)) for name in NEAR_NAMES if "_step_" in name}
    for (_, is_hub), rows in links.group_by("identifier", "is_hub"):
        own = rows["account"].to_list()
        for days in (3, 14):
            for account in own:
                near = [b for b in own if b != account and abs(signup[b] - signup[account]) <= timedelta(days=days)]
                total = sum(scores[b] for b in near)
                for name, value in (("sum", total), ("mean", total / (len(near) + 1))):
                    column = expected[f"{'hub' if is_hub else 'shared'}_step_{days}d_{name}"]
                    column[account] = max(column[account], value)
    assert any(column.any() for column in expected.values())
    for name, column in expected.items():
        np.testing.assert_allclose(found[name], column, atol=1e-4)


def test_an_empty_world_has_nothing_near(
    build_events: Callable[[dict[str, list[dict[str, Any]]]], Events],
    build_graph: Callable[[Events, datetime], Snapshot],
    as_of: datetime,
) -> None:
    found = look_around(build_graph(build_events({}), as_of))(np.zeros(0))
    assert found.shape == (0, len(NEAR_NAMES))
