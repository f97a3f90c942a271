"""A draw of a world: what is read of a drawn account is what the whole world says of it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from gnn.cutoffs import CutOff, Labelled
from gnn.drawing import cut_out, draw_accounts, stands_for
from gnn.examples import BENIGN, SYNTHETIC
from gnn.features import build_features
from gnn.folds import arrange, group_accounts
from gnn.model import NotTrained, TrainedModel
from gnn.near import NEAR_NAMES, look_around
from gnn.sage import mean_aggregate
from gnn.tensors import Standardiser, build_tensors
from gnn.thinning import thin
from gnn.train import train_model
from gnn.train_config import TrainConfig
from graph.snapshot import Events, Snapshot, is_shared

CONFIG = TrainConfig(label_delay_days=10, n_seeds=1, sage_epochs=20, tree_rounds=50, capacity=10, with_controls=False)
SECOND_HOP = ("pairs_score_mean_2", "shared_score_mean_2")  # reads what is near neighbours, who are there in part


@pytest.fixture(scope="module")
def events(
    world_rows: Callable[..., dict[str, list[dict[str, Any]]]],
    build_events: Callable[[dict[str, list[dict[str, Any]]]], Events],
) -> Events:
    """Three shops so large that they are hubs, and addresses of the internet that fifteen accounts of all kinds share."""
    rows = world_rows(n_honest=800, n_rings=40)
    names = {row["account_id"]: place for place, row in enumerate(rows["signups"])}
    for row in rows["logins"]:
        row["ip"] = f"81.2.69.{names[row['account_id']] % 64}"
    return build_events(rows)


@pytest.fixture(scope="module")
def whole(events: Events, build_graph: Callable[[Events, datetime], Snapshot], as_of: datetime) -> CutOff:
    """The whole world."""
    snapshot = build_graph(events, as_of)
    assert snapshot.identifiers["is_hub"].sum() == 3
    return CutOff(snapshot, build_features(events, snapshot))


def drawn_from(cutoff: CutOff, n_most: int) -> pl.Series:
    return draw_accounts(group_accounts(cutoff.snapshot, 3)[0], n_most, 5)


def part_of(cutoff: CutOff, account_ids: pl.Series) -> tuple[CutOff, np.ndarray]:
    snapshot, number, draw = cut_out(cutoff.snapshot, account_ids, group_accounts(cutoff.snapshot, 3)[1])
    features = cutoff.features[number].with_columns(snapshot.accounts["account"])
    return CutOff(snapshot, features, draw=draw), number


def labelled(cutoff: CutOff) -> Labelled:
    account = np.flatnonzero(cutoff.is_drawn)
    nobody = np.zeros(len(account), dtype=bool)
    target = cutoff.snapshot.accounts["account_id"].str.starts_with("r").to_numpy()[account].astype(np.int8)
    return Labelled(cutoff, account, target, nobody, nobody, nobody)


def test_groups_are_drawn_whole_and_by_seed(whole: CutOff) -> None:
    groups, _ = group_accounts(whole.snapshot, 3)
    drawn = draw_accounts(groups, 300, 5)
    assert 250 < len(drawn) <= 300
    assert not (set(groups.filter(groups["account_id"].is_in(drawn.implode()))["group"]) & set(
        groups.filter(~groups["account_id"].is_in(drawn.implode()))["group"]
    ))  # fmt: skip
    assert draw_accounts(groups.sample(fraction=1, shuffle=True, seed=1), 300, 5).equals(drawn)
    assert not draw_accounts(groups, 300, 6).equals(drawn)
    assert len(draw_accounts(groups, 10**6, 5)) == groups.height


def test_a_giant_group_ends_no_draw() -> None:
    n = 1_000
    group = np.r_[np.zeros(400, dtype=np.int64), np.arange(1, n - 399)]
    groups = pl.DataFrame({"account": np.arange(n), "account_id": [f"a{i}" for i in range(n)], "group": group})
    for seed in range(20):
        drawn = draw_accounts(groups, 300, seed)
        assert len(drawn) == 300
        assert not set(drawn) & {f"a{i}" for i in range(400)}


def test_a_part_holds_all_who_share_an_identifier_with_the_drawn(whole: CutOff) -> None:
    drawn = drawn_from(whole, 200)
    part, number = part_of(whole, drawn)
    snapshot = part.snapshot
    assert set(snapshot.accounts.filter(pl.Series(part.is_drawn))["account_id"]) == set(drawn)
    assert len(drawn) < snapshot.accounts.height < whole.snapshot.accounts.height
    held = snapshot.links.join(snapshot.identifiers, on="identifier").group_by("identifier").agg(
        pl.len(), pl.col("n_accounts").first(), pl.col("is_hub").first()
    )  # fmt: skip
    assert (held.filter(~pl.col("is_hub"))["len"] == held.filter(~pl.col("is_hub"))["n_accounts"]).all()
    assert (held.filter("is_hub")["len"] < held.filter("is_hub")["n_accounts"]).all()
    assert snapshot.accounts["account_id"].equals(whole.snapshot.accounts["account_id"][number])
    assert part.features.drop("account").equals(whole.features.drop("account")[number])
    for frame, column in ((snapshot.links, "account"), (snapshot.pairs, "account_b"), (snapshot.clusters, "account")):
        assert frame[column].max() < snapshot.accounts.height
    assert snapshot.pair_evidence["pair"].max() < snapshot.pairs.height
    assert snapshot.clusters["cluster"].n_unique() == snapshot.clusters["cluster"].max() + 1


def test_what_is_near_a_drawn_account_is_what_the_whole_says(whole: CutOff) -> None:
    part, number = part_of(whole, drawn_from(whole, 200))
    logits = np.random.default_rng(0).normal(-2, 2, whole.features.height)
    rows = part.is_drawn
    of_whole = dict(zip(NEAR_NAMES, look_around(whole.snapshot)(logits, -1.0)[number][rows].T, strict=True))
    of_part = dict(zip(NEAR_NAMES, look_around(part.snapshot, part.draw)(logits[number], -1.0)[rows].T, strict=True))
    for name in NEAR_NAMES:
        if name in SECOND_HOP:
            continue
        if name.startswith("hub"):  # a hub's holders are there in part, and stand for the others
            assert np.corrcoef(of_part[name], of_whole[name])[0, 1] > 0.7
            assert abs(of_part[name].mean() / of_whole[name].mean() - 1) < 0.15
        else:
            np.testing.assert_allclose(of_part[name], of_whole[name], atol=2e-5, err_msg=name)


def test_who_is_not_drawn_stands_for_the_others() -> None:
    account, identifier = np.array([0, 1, 2, 3, 0, 2]), np.array([0, 0, 0, 0, 1, 1])
    weight = stands_for(account, identifier, np.array([12, 2]), np.array([True, True, False, False]))
    np.testing.assert_allclose(weight, [1, 1, 5, 5, 1, 1])


def test_a_network_hears_of_a_drawn_account_what_the_whole_tells(whole: CutOff) -> None:
    part, number = part_of(whole, drawn_from(whole, 200))
    standardiser = Standardiser.fit(whole.values)
    of_whole = build_tensors([(whole.snapshot, whole.values)], standardiser)
    of_part = build_tensors([(part.snapshot, part.values)], standardiser, [part.draw])

    def told(tensors: Any) -> torch.Tensor:  # one round without weights
        heard = mean_aggregate(tensors.accounts, tensors.to_identifiers)
        return mean_aggregate(torch.cat([heard, tensors.identifiers], dim=1), tensors.to_accounts)

    rows = np.flatnonzero(part.is_drawn)
    torch.testing.assert_close(told(of_part)[rows], told(of_whole)[number[rows]], rtol=1e-4, atol=1e-5)


def test_a_thinned_graph_keeps_means_and_what_identifiers_say(whole: CutOff) -> None:
    part, _ = part_of(whole, drawn_from(whole, 200))
    thinned = [thin(labelled(part), 2, seed) for seed in range(60)]
    few = thinned[0].cutoff
    assert few.features.height < 0.8 * part.features.height
    assert part.draw is not None
    names = few.snapshot.accounts["account_id"][thinned[0].account]
    assert names.equals(part.snapshot.accounts["account_id"][np.flatnonzero(part.is_drawn)])
    held = few.snapshot.links.filter(pl.Series(~few.is_drawn[few.snapshot.links["account"].to_numpy()]))
    assert held.group_by("identifier").len()["len"].max() == 2
    standardiser = Standardiser.fit(part.values)
    full = build_tensors([(part.snapshot, part.values)], standardiser, [part.draw])
    tensors = [build_tensors([(e.cutoff.snapshot, e.cutoff.values)], standardiser, [e.cutoff.draw]) for e in thinned]
    torch.testing.assert_close(tensors[0].identifiers, full.identifiers)
    mean = torch.stack([mean_aggregate(each.accounts, each.to_identifiers) for each in tensors])
    wanted = mean_aggregate(full.accounts, full.to_identifiers)
    error = (mean.mean(dim=0) - wanted).abs().mean() / mean.std(dim=0).mean()
    assert error < 2 / np.sqrt(len(thinned))  # an unbiased mean of draws; one that is not weighted fails
    together = part.snapshot.identifiers.filter(is_shared())
    assert together.height == full.identifiers.shape[0]


def test_examples_of_a_whole_world_are_not_thinned(whole: CutOff) -> None:
    examples = labelled(whole)
    assert thin(examples, 2, 0) is examples


def trained_on(
    events: Events, snapshots: list[CutOff], drawn: pl.Series, as_of: datetime, outcomes: pl.DataFrame
) -> TrainedModel | NotTrained:
    *parts, tonight = (part_of(each, drawn)[0] for each in snapshots)
    return train_model(parts, outcomes, as_of, CONFIG, 3, 1, tonight=tonight)


@pytest.fixture(scope="module")
def snapshots(
    events: Events, whole: CutOff, build_graph: Callable[[Events, datetime], Snapshot], as_of: datetime
) -> list[CutOff]:
    """Two earlier cut-offs, and now."""
    earlier = [build_graph(events, as_of - timedelta(days=days)) for days in (20, 10)]
    return [*(CutOff(each, build_features(events, each)) for each in earlier), whole]


def test_trains_on_who_is_drawn_and_finds_rings_that_were_not(
    events: Events, snapshots: list[CutOff], whole: CutOff, as_of: datetime
) -> None:
    drawn = drawn_from(whole, 500)
    model = trained_on(events, snapshots, drawn, as_of, events["outcomes"])
    assert isinstance(model, TrainedModel)
    assert f"on {len(drawn)} accounts drawn from 960 in whole" in model.validation
    ids = whole.snapshot.accounts["account_id"]
    others = ~ids.is_in(drawn.implode()).to_numpy()
    ring = ids.str.starts_with("r").to_numpy()
    score = model.probabilities(whole, 1)
    assert score[others & ring].mean() > 10 * score[others & ~ring].mean()


def test_outcomes_of_who_is_not_drawn_teach_nothing(
    events: Events, snapshots: list[CutOff], whole: CutOff, as_of: datetime
) -> None:
    drawn = drawn_from(whole, 500)
    part, _ = part_of(whole, drawn)
    around = part.snapshot.accounts["account_id"].filter(pl.Series(~part.is_drawn))
    assert len(around) > 100
    day = as_of - timedelta(days=3)

    def with_outcome(outcome: str) -> pl.DataFrame:
        rows = {"account_id": around, "event_time": day, "known_time": day, "outcome": outcome, "source": "other"}
        types = {name: events["outcomes"].schema[name] for name in ("event_time", "known_time")}
        return pl.concat([events["outcomes"], pl.DataFrame(rows, schema_overrides=types)], how="diagonal")

    before, synthetic = (
        arrange([part], of, as_of, CONFIG, 3, part) for of in (events["outcomes"], with_outcome(SYNTHETIC))
    )
    assert not isinstance(before, str)
    assert not isinstance(synthetic, str)
    np.testing.assert_array_equal(before.parts[0].account, synthetic.parts[0].account)
    np.testing.assert_array_equal(before.parts[0].target, synthetic.parts[0].target)
    assert part.is_drawn[before.parts[0].account].all()
    one, other = (trained_on(events, snapshots, drawn, as_of, of) for of in (events["outcomes"], with_outcome(BENIGN)))
    assert isinstance(one, TrainedModel)
    assert isinstance(other, TrainedModel)
    assert one.version == other.version
    assert replace(one, config=replace(CONFIG, sage_around=3)).version != one.version
