"""Reasons: declared for every feature, true of the account, with evidence that is there."""

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl
import pytest

from gnn.cutoffs import INPUT_NAMES, CutOff
from gnn.edge_contributions import _around, link_contributions
from gnn.model import TrainedModel
from gnn.reason_codes import CODE_OF, NETWORK_LINKS, REASON_CODES, links_in_words, say_without_links
from gnn.reasons import REASONS_SCHEMA, _orders, _said, build_reasons, log_odds_per_logit, look_at
from gnn.train import TrainConfig, train_model
from graph.snapshot import Events

CONFIG = TrainConfig(label_delay_days=10, n_seeds=1, n_folds=2, sage_epochs=10, tree_rounds=50, with_controls=False)


@pytest.fixture(scope="module")
def model(cutoffs: list[CutOff], world: Events, as_of: datetime) -> TrainedModel:
    trained = train_model(cutoffs, world["outcomes"], as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(trained, TrainedModel)
    return trained


def test_every_feature_belongs_to_a_declared_reason() -> None:
    codes = [reason.code for reason in REASON_CODES]
    assert len(set(codes)) == len(codes)
    assert set(CODE_OF) == set(INPUT_NAMES)
    assert set(CODE_OF.values()) <= set(codes)


def test_every_text_can_be_said_of_any_values() -> None:
    for value in (0.0, 1.0, 7.0):
        known = dict.fromkeys(INPUT_NAMES, value)
        texts = [reason.text(known) for reason in REASON_CODES]
        assert all(text and "nan" not in text for text in texts)


def test_people_are_counted_on_one_value_and_times_over_all() -> None:
    (reason,) = (reason for reason in REASON_CODES if reason.code == "IN_STEP")
    known = {**dict.fromkeys(INPUT_NAMES, 0.0), "joined_7d_device": 1.0, "joined_7d_ip": 1.0, "joined_7d": 2.0}
    assert "1 other person" in reason.text(known)
    assert "2 times over all values" in reason.text(known)


def test_flagged_accounts_have_reasons_with_real_evidence(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    scores = model.probabilities(last, 1)
    threshold = float(np.sort(scores)[-12])
    found = build_reasons(model, last.features, last.snapshot, scores, threshold)
    assert found.schema == pl.Schema(REASONS_SCHEMA)
    assert set(found["account"]) == set(np.flatnonzero(scores >= threshold).tolist())
    assert found.group_by("account").len()["len"].max() <= 5
    assert found["account"].is_sorted()
    evidence = found.select("account", "evidence").explode("evidence").unnest("evidence").drop_nulls()
    assert evidence.height > 0
    held = last.snapshot.links.join(last.snapshot.identifiers, on="identifier").join(
        last.snapshot.accounts.select("account", other="account_id"), on="account"
    )
    real = held.select("identifier_type", identifier="hash", account_id="other")
    assert evidence.join(real, on=["identifier_type", "identifier", "account_id"], how="anti").is_empty()
    own = held.select("account", identifier="hash")
    assert evidence.join(own, on=["account", "identifier"], how="anti").is_empty()
    again = build_reasons(model, last.features, last.snapshot, scores, threshold)
    assert again.equals(found)


def test_the_network_speaks_by_links_on_the_scale_of_the_score(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    blend = replace(model, default="blend", blend_weight=0.5)
    scores = blend.probabilities(last, 1)
    threshold = float(np.sort(scores)[-12])
    found = build_reasons(blend, last.features, last.snapshot, scores, threshold, limit=9)
    network = found.filter(pl.col("code") == NETWORK_LINKS)
    assert network.height > 0
    scale = log_odds_per_logit(blend)["sage"]
    assert scale == pytest.approx(0.5 * blend.calibrations["blend"].slope * blend.calibrations["sage"].slope)
    added = link_contributions(blend, last, network["account"].to_numpy().astype(np.int64), 1)
    for row in network.to_dicts():
        own = added.filter((pl.col("account") == row["account"]) & (pl.col("contribution") * scale >= 1e-3))
        assert row["contribution"] == pytest.approx(scale * own["contribution"].top_k(3).sum())
        assert row["evidence"]
    alone = build_reasons(replace(model, default="trees"), last.features, last.snapshot, scores, threshold, limit=9)
    assert NETWORK_LINKS not in alone["code"]


def test_a_links_part_follows_from_what_is_around_its_account(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    everyone = link_contributions(model, last, np.arange(last.snapshot.accounts.height), 1)
    chosen = everyone.group_by("account", maintain_order=True).len()["account"].gather_every(40)
    part, number, _ = _around(last.snapshot, chosen.to_numpy())
    assert len(number) < 0.9 * last.snapshot.accounts.height
    assert part.links.height < last.snapshot.links.height
    alone = link_contributions(model, last, chosen.to_numpy().astype(np.int64), 1)
    wanted = everyone.filter(pl.col("account").is_in(chosen.implode()))
    assert alone.height > 9
    assert alone.select("account", "identifier").equals(wanted.select("account", "identifier"))
    np.testing.assert_allclose(alone["contribution"], wanted["contribution"], atol=1e-6)
    assert alone["contribution"].abs().max() > 1e-3


def test_what_takes_no_part_in_the_score_is_no_reason(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    network = replace(model, default="sage")
    scores = network.probabilities(last, 1)
    threshold = float(np.sort(scores)[-12])
    assert log_odds_per_logit(network) == {"trees": 0.0, "sage": network.calibrations["sage"].slope}
    found = build_reasons(network, last.features, last.snapshot, scores, threshold)
    assert set(found["account"]) == set(np.flatnonzero(scores >= threshold).tolist())
    own = found.group_by("account").agg(n=pl.len(), speaks=(pl.col("code") == NETWORK_LINKS).any())
    assert own["n"].max() == 1  # the network's, or where it says nothing the one that some account must have
    assert own["speaks"].any()
    assert found.filter(pl.col("code") != NETWORK_LINKS)["contribution"].eq(0).all()
    chosen = np.flatnonzero(scores >= threshold)
    trees = replace(model, default="trees")
    by_weight = _orders(trees, look_at(trees, last.features, last.snapshot, chosen, 1), chosen)
    weight = last.snapshot.identifiers["weight"].to_numpy()
    assert max(len(order) for order in by_weight.values()) > 1
    assert all((np.diff(weight[order]) <= 0).all() for order in by_weight.values())
    assert set(by_weight) == set(_orders(network, look_at(network, last.features, last.snapshot, chosen, 1), chosen))


def test_the_network_spares_the_reason_that_lowers_the_score() -> None:
    known, sums = dict.fromkeys(INPUT_NAMES, 1.0), np.full(len(REASON_CODES), -0.5)
    assert _said(known, sums, 5, needs_one=False) == []
    assert _said(known, sums, 5, needs_one=True) == [(0, -0.5)]
    sums[3] = 0.2
    assert _said(known, sums, 5, needs_one=False) == _said(known, sums, 5, needs_one=True) == [(3, 0.2)]


def test_words_of_links_count_by_type() -> None:
    labels = ["payee", "device", "payee", "ip", "address", "address"]
    assert links_in_words(labels) == "1 device, 1 IP address, 2 addresses, 2 payees"
    assert say_without_links(["device"], 0.07, 0.2, True) == (
        "without this link (1 device) the score would be about 0.07, below the threshold of 0.2"
    )
    assert "none of the sets of its links that were tried" in say_without_links(labels, 0.6, 0.2, False)
    assert "only link (1 device)" in say_without_links(["device"], 0.6, 0.2, False)


def test_rounded_words_do_not_contradict_themselves() -> None:
    assert "about 0.196, below the threshold of 0.2" in say_without_links(["ip"], 0.1957, 0.2, True)
    assert "about 0.1996, below the threshold of 0.2" in say_without_links(["ip"], 0.1996, 0.2, True)
    assert "about 0.204, not below the threshold of 0.203" in say_without_links(["ip"], 0.204, 0.203, False)
    assert "about 0.20, not below the threshold of 0.2" in say_without_links(["ip"], 0.2001, 0.2, False)


def test_nobody_flagged_gives_an_empty_table(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    found = build_reasons(model, last.features, last.snapshot, np.zeros(last.features.height), 0.5)
    assert found.is_empty()
    assert found.schema == pl.Schema(REASONS_SCHEMA)
