"""Which accounts become examples, with which target."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from gnn.examples import build_examples, label_delay, latest_outcomes
from graph.snapshot import Events, Snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)


def _outcome(account: str, day: float, outcome: str, known: float | None = None) -> dict[str, Any]:
    return {
        "account_id": account,
        "event_time": START + timedelta(days=day),
        "known_time": START + timedelta(days=day if known is None else known),
        "outcome": f"confirmed_{outcome}",
        "source": "investigator",
    }


@pytest.fixture
def snapshot() -> Snapshot:
    """Accounts a to e sign up on days 0 to 4; a and b are one cluster."""
    accounts = pl.DataFrame(
        {
            "account": pl.Series(range(5), dtype=pl.Int32),
            "account_id": list("abcde"),
            "signup_time": [START + timedelta(days=day) for day in range(5)],
            "identity": pl.Series(range(5), dtype=pl.Int32),
        }
    )
    clusters = pl.DataFrame({"account": range(5), "component": [0, 0, 1, 2, 3], "cluster": [0, 0, 1, 2, 3]}).cast(
        pl.Int32
    )
    empty = pl.DataFrame()
    return Snapshot(START + timedelta(days=10), accounts, empty, empty, empty, empty, clusters)


def test_targets_and_who_is_left_out(snapshot: Snapshot, build_events: Callable[..., Events]) -> None:
    events = build_events(
        {"outcomes": [_outcome("a", 20, "synthetic"), _outcome("c", 5, "benign"), _outcome("e", 6, "benign")]}
    )
    found = build_examples(snapshot, events["outcomes"], START + timedelta(days=30), label_delay_days=27)
    # b shares a cluster with a confirmed account; e is confirmed, but young, as many are that have no outcome yet
    assert found.rows() == [
        (0, 1, True, False, False),
        (1, 0, False, False, True),
        (2, 0, True, True, False),
        (3, 0, False, False, False),
    ]


def test_accounts_too_young_for_a_label_are_no_examples(
    snapshot: Snapshot, build_events: Callable[..., Events]
) -> None:
    events = build_events({"outcomes": [_outcome("a", 20, "synthetic")]})
    found = build_examples(snapshot, events["outcomes"], START + timedelta(days=30), label_delay_days=28)
    assert found.filter(~pl.col("is_unclear"))["account"].to_list() == [0, 2]


@pytest.mark.parametrize(
    ("known", "as_of", "days"),
    [
        ([60, 70, 80, 90, 100], 400, 78),  # the third of five, of an account of day 2
        ([60, 70, 80, 90, 100], 75, 64.5),  # two have come by then, after 60 and 69 days
        ([10, 11, 12, 13, 14], 400, 30),
        ([390, 391, 392, 393, 394], 395, 390),  # loaded at once, long after: the fifth account is 391 days old
        ([399, 399, 399, 399, 399], 400, 396),
        ([60, 70, 80, 90, 100], 40, 30),  # none has come by then
    ],
)
def test_the_delay_of_labels_is_that_of_half_of_those_that_came(
    known: list[float], as_of: int, days: float, snapshot: Snapshot, build_events: Callable[..., Events]
) -> None:
    rows = [_outcome(account, day, "synthetic") for account, day in zip("abcde", known, strict=True)]
    rows.append(_outcome("z", 1, "synthetic"))  # no account of the snapshot
    outcomes = build_events({"outcomes": rows})["outcomes"]
    assert label_delay(snapshot, outcomes, START + timedelta(days=as_of)) == days


def test_cleared_accounts_tell_no_delay(snapshot: Snapshot, build_events: Callable[..., Events]) -> None:
    outcomes = build_events({"outcomes": [_outcome("a", 80, "benign")]})["outcomes"]
    assert label_delay(snapshot, outcomes, START + timedelta(days=400)) == 30


def test_the_latest_known_outcome_stands(build_events: Callable[..., Events]) -> None:
    events = build_events(
        {
            "outcomes": [
                _outcome("a", 1, "synthetic", known=3),
                _outcome("a", 2, "benign", known=8),
                _outcome("a", 1, "synthetic", known=20),
                _outcome("b", 1, "benign", known=20),
            ]
        }
    )
    found = latest_outcomes(events["outcomes"], START + timedelta(days=20))
    assert found.select("account_id", "outcome").rows() == [("a", "confirmed_benign")]
