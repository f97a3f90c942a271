"""Reasons: declared for every feature, true of the account, with evidence that is there."""

from datetime import datetime

import numpy as np
import polars as pl
import pytest

from gnn.cutoffs import INPUT_NAMES, CutOff
from gnn.model import TrainedModel
from gnn.reason_codes import CODE_OF, REASON_CODES
from gnn.reasons import REASONS_SCHEMA, build_reasons
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


def test_nobody_flagged_gives_an_empty_table(model: TrainedModel, cutoffs: list[CutOff]) -> None:
    last = cutoffs[-1]
    found = build_reasons(model, last.features, last.snapshot, np.zeros(last.features.height), 0.5)
    assert found.is_empty()
    assert found.schema == pl.Schema(REASONS_SCHEMA)
