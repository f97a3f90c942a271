"""Without the links that are named the score is below the threshold: by the whole world made anew, not by the copies alone."""

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy.special import logit

from gnn.counterfactual import Counterfactual, Unlinked, find_counterfactuals
from gnn.cutoffs import CutOff
from gnn.edge_contributions import link_contributions
from gnn.features import build_features
from gnn.model import TrainedModel
from gnn.reason_codes import WITHOUT_LINKS
from gnn.reasons import build_counterfactuals
from gnn.train import TrainConfig, train_model
from graph.snapshot import Events, Snapshot
from graph.without import mark_values, mask_values, without_links

CONFIG = TrainConfig(label_delay_days=10, n_seeds=1, n_folds=3, sage_epochs=10, tree_rounds=50, with_controls=False)
KEY, SEED, THRESHOLD = "k" * 32, 1, 0.5  # as the made world's snapshots have them


@pytest.fixture(scope="module")
def rich(world_rows: Callable[..., dict[str, list[dict[str, object]]]], build_events: Callable[..., Events]) -> Events:
    """The made world, whose rings share three things: a device, a sink, and, some, an IP."""
    rows = world_rows(n_honest=150, n_rings=20)
    for row in rows["logins"]:
        name = str(row["account_id"])
        # honest neighbours share an IP as well, so that one alone tells nothing
        row["ip"] = f"10.0.{int(name[1:]) // 3}.1" if name.startswith("h") else f"10.1.{name[1:].split('m')[0]}.1"
    return build_events(rows)


@pytest.fixture(scope="module")
def tonight(rich: Events, build_graph: Callable[[Events, datetime], Snapshot], as_of: datetime) -> CutOff:
    snapshot = build_graph(rich, as_of)
    return CutOff(snapshot, build_features(rich, snapshot))


@pytest.fixture(scope="module")
def model(rich: Events, build_graph: Callable[[Events, datetime], Snapshot], as_of: datetime) -> TrainedModel:
    snapshots = [build_graph(rich, as_of - timedelta(days=days)) for days in (25, 15, 8)]
    cutoffs = [CutOff(snapshot, build_features(rich, snapshot)) for snapshot in snapshots]
    trained = train_model(cutoffs, rich["outcomes"], as_of, CONFIG, seed=3, n_threads=1)
    assert isinstance(trained, TrainedModel)
    return trained


@pytest.fixture(scope="module")
def scores(model: TrainedModel, tonight: CutOff) -> np.ndarray:
    return model.probabilities(tonight, 1)


@pytest.fixture(scope="module")
def found(model: TrainedModel, tonight: CutOff, rich: Events, scores: np.ndarray) -> dict[int, Counterfactual]:
    chosen = np.flatnonzero(scores >= THRESHOLD)[:6]
    added = link_contributions(model, tonight, chosen, 1).sort("account", "contribution", descending=[False, True])
    orders = dict(added.group_by("account", maintain_order=True).agg("identifier").iter_rows())
    before = {account: float(logit(scores[account])) for account in orders}
    unlinked = Unlinked(model, tonight, rich, np.array(list(orders)), KEY, SEED)
    return find_counterfactuals(unlinked, orders, before, THRESHOLD)


def _whole(model: TrainedModel, tonight: CutOff, events: Events, account: int, identifiers: tuple[int, ...]) -> float:
    """Log odds of the account in the whole world without these links."""
    snapshot = tonight.snapshot
    cut = pl.DataFrame(
        {"account": [account] * len(identifiers), "identifier": list(identifiers)},
        schema={"account": pl.Int32, "identifier": pl.Int32},
    )
    named = cut.join(snapshot.accounts, on="account").join(snapshot.identifiers, on="identifier")
    without = without_links(snapshot, cut, SEED)
    features = build_features(mask_values(mark_values(events, KEY), named), without)
    return float(logit(model.probabilities(CutOff(without, features), 1)[account]))


def test_copies_say_what_the_whole_world_says(
    model: TrainedModel, tonight: CutOff, rich: Events, found: dict[int, Counterfactual]
) -> None:
    assert any(one.suffices for one in found.values())
    for one in list(found.values())[:3]:
        assert one.after == pytest.approx(_whole(model, tonight, rich, one.account, one.identifiers), abs=0.05)
        assert one.suffices == (one.after < logit(THRESHOLD))


class _Told(Unlinked):
    """Says what a rule says, and counts the sets that it is asked for."""

    def __init__(self, needed: dict[int, set[int]]) -> None:
        self.needed, self.asks = needed, Counter[int]()

    def log_odds(self, accounts: Sequence[int], cuts: Sequence[np.ndarray]) -> np.ndarray:
        """Below zero where all that an account needs is cut, the lower the less is."""
        self.asks.update(accounts)
        return np.array(
            [
                len(cut) / 1e4 - 1 if self.needed[a] <= set(cut.tolist()) else 1.0
                for a, cut in zip(accounts, cuts, strict=True)
            ]
        )


def test_no_link_of_a_set_can_be_spared() -> None:
    needed = {0: {0, 3}, 1: {4}, 2: {1, 2, 6, 7}, 3: {99}, 4: {5, 150, 190}, 5: {500}}
    orders = {account: range(8 if account < 3 else 200) for account in needed}
    told = _Told(needed)
    found = find_counterfactuals(told, orders, dict.fromkeys(needed, 2.0), 0.5)
    for account in range(5):
        assert found[account].suffices
        assert set(found[account].identifiers) == needed[account]
        assert found[account].after == pytest.approx(len(needed[account]) / 1e4 - 1)
    assert not found[5].suffices
    assert len(found[5].identifiers) == 200
    assert told.asks[3] < 40 and told.asks[4] < 100


def test_asks_are_bounded() -> None:
    told = _Told({0: set(range(0, 200, 2)), 1: set(range(12)), 2: set(range(0, 1000, 9))})
    orders = {0: range(200), 1: range(12), 2: range(1000)}
    found = find_counterfactuals(told, orders, dict.fromkeys(orders, 2.0), 0.5)
    assert all(one.suffices and told.needed[account] <= set(one.identifiers) for account, one in found.items())
    assert max(told.asks.values()) <= 128
    assert set(found[1].identifiers) == told.needed[1]


def test_what_is_named_lowers_the_score_more_than_as_many_others(
    model: TrainedModel, tonight: CutOff, rich: Events, scores: np.ndarray
) -> None:
    chosen = np.flatnonzero(scores >= THRESHOLD)[:8]
    added = link_contributions(model, tonight, chosen, 1).sort("account", "contribution", descending=[False, True])
    orders = dict(added.group_by("account", maintain_order=True).agg("identifier").iter_rows())
    assert min(len(order) for order in orders.values()) > 1
    unlinked = Unlinked(model, tonight, rich, np.array(list(orders)), KEY, SEED)
    named = unlinked.log_odds(list(orders), [np.array(order[:1]) for order in orders.values()])
    least = unlinked.log_odds(list(orders), [np.array(order[-1:]) for order in orders.values()])
    assert named.mean() < least.mean() - 0.1
    nothing = unlinked.log_odds(list(orders), [np.zeros(0, dtype=np.int64)] * len(orders))
    np.testing.assert_allclose(nothing, logit(scores[list(orders)]), atol=1e-9)


def test_it_is_said_in_words_with_the_links_as_evidence(
    model: TrainedModel, tonight: CutOff, rich: Events, scores: np.ndarray, found: dict[int, Counterfactual]
) -> None:
    account = next(one.account for one in found.values() if one.suffices)
    said = build_counterfactuals(
        model,
        tonight.features,
        tonight.snapshot,
        rich,
        scores,
        np.array([account]),
        THRESHOLD,
        key=KEY,
        seed=SEED,
    )
    (row,) = said.to_dicts()
    assert row["code"] == WITHOUT_LINKS
    assert "below the threshold of 0.5" in row["text"]
    hashes = tonight.snapshot.identifiers["hash"]
    assert {piece["identifier"] for piece in row["evidence"]} == {hashes[i] for i in found[account].identifiers}
    own = tonight.snapshot.accounts["account_id"][account]
    assert own not in {piece["account_id"] for piece in row["evidence"]}
    assert row["contribution"] == pytest.approx(found[account].before - found[account].after)
    # of other tables than payments no one else's rows are read
    less = {
        name: rows if name == "payments" else rows.filter(pl.col("account_id") == own) for name, rows in rich.items()
    }
    del less["outcomes"]
    again = build_counterfactuals(
        model, tonight.features, tonight.snapshot, less, scores, np.array([account]), THRESHOLD, key=KEY, seed=SEED
    )
    assert again.equals(said)
