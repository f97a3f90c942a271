"""The first look: who is doubtful, and what is near whom, against plain loops."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy.special import expit

from gnn.cutoffs import CutOff, Labelled
from gnn.first_look import FirstLook, look_first
from gnn.near import NEAR_NAMES, build_near
from gnn.train_config import TrainConfig, silent
from graph.snapshot import Events, Snapshot

CONFIG = TrainConfig(n_folds=2, tree_rounds=150, label_delay_days=10)


@pytest.fixture(scope="module")
def part(cutoffs: list[CutOff]) -> Labelled:
    """Of each ring three accounts are confirmed; the fourth counts as a negative, though it is none."""
    confirmed = _is_ring(cutoffs[-1]) & ~_is_hidden(cutoffs[-1])
    n = len(confirmed)
    nobody = np.zeros(n, dtype=bool)
    return Labelled(cutoffs[-1], np.arange(n), confirmed.astype(np.int8), nobody, confirmed, nobody)


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
    assert kept[hidden].mean() < 0.2


def test_a_confirmed_honest_account_is_never_doubtful(part: Labelled) -> None:
    everyone = Labelled(part.cutoff, part.account, part.target, part.known, np.ones_like(part.known), part.unclear)
    _, (ready,) = look_first([everyone], [_fold_of_ring(part)], None, CONFIG, 0, 1, silent)
    assert len(ready.account) == len(part.account)


def test_too_few_positives_leave_everybody_and_nothing_near(part: Labelled) -> None:
    one = np.zeros_like(part.target)
    one[np.flatnonzero(part.target)[0]] = 1
    few = Labelled(part.cutoff, part.account, one, part.known, part.confirmed, part.unclear)
    first, (ready,) = look_first([few], [_fold_of_ring(part)], None, CONFIG, 0, 1, silent)
    assert first == FirstLook(())
    assert len(ready.account) == len(part.account)
    assert ready.cutoff.near is not None
    assert np.ptp(ready.cutoff.near[:, NEAR_NAMES.index("pairs_logit_mean")]) == 0


def test_what_is_near_is_what_loops_find(cutoffs: list[CutOff]) -> None:
    snapshot = cutoffs[-1].snapshot
    n = snapshot.accounts.height
    logits = np.round(np.random.default_rng(1).normal(size=n), 6)
    found = dict(zip(NEAR_NAMES, build_near(snapshot, logits).T, strict=True))
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
            highest = max((logits[other] for other in near), default=rest)
            assert found[f"{way}_score_mean"][account] == pytest.approx(mean, abs=1e-4)
            assert found[f"{way}_logit_max"][account] == pytest.approx(highest, abs=1e-4)
    cluster = snapshot.clusters["cluster"].to_numpy()
    for account in range(n):
        others = scores[(cluster == cluster[account]) & (np.arange(n) != account)]
        assert found["cluster_score_sum"][account] == pytest.approx(others.sum(), abs=1e-4)


def test_an_empty_world_has_nothing_near(
    build_events: Callable[[dict[str, list[dict[str, Any]]]], Events],
    build_graph: Callable[[Events, datetime], Snapshot],
    as_of: datetime,
) -> None:
    found = build_near(build_graph(build_events({}), as_of), np.zeros(0))
    assert found.shape == (0, len(NEAR_NAMES))
