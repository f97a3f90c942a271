"""Rings from scores, labels and a small snapshot."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from gnn.features import GRAPHLESS
from gnn.ring_groups import TRANSFERS_SCHEMA, build_transfers
from gnn.rings import MEMBERS_SCHEMA, RINGS_SCHEMA, Rings, build_rings
from graph.snapshot import Events, Snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
NO_LABELS = pl.DataFrame(schema={"account_id": pl.String, "outcome": pl.String, "source": pl.String})
NO_TRANSFERS = pl.DataFrame(schema=TRANSFERS_SCHEMA)


@pytest.fixture
def snapshot(build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]) -> Snapshot:
    """Accounts a0 to a4 use one device, b0 and b1 another, and 1,000 are alone."""
    names = [*(f"a{place}" for place in range(5)), "b0", "b1", *(f"x{place}" for place in range(1000))]
    rows: dict[str, list[dict[str, Any]]] = {"signups": [], "logins": []}
    for place, name in enumerate(names):
        at = START + timedelta(minutes=place)
        device = name[0] if name[0] in "ab" else name
        rows["signups"].append({"account_id": name, "event_time": at, "channel": "app"})
        rows["logins"].append({"account_id": name, "event_time": at, "device_id": device})
    return build_graph(build_events(rows), START + timedelta(days=30))


def _rings(
    snapshot: Snapshot, scores: np.ndarray, labels: pl.DataFrame, transfers: pl.DataFrame, threshold: float
) -> Rings:
    """Where all behave alike."""
    n = snapshot.accounts.height
    features = pl.DataFrame({name: np.zeros(n, dtype=np.float32) for name in GRAPHLESS})
    return build_rings(snapshot, features, np.zeros((n, 4), dtype=np.float32), scores, labels, transfers, threshold)


def _scores(snapshot: Snapshot, **given: float) -> np.ndarray:
    return np.array([given.get(name, 0.01) for name in snapshot.accounts["account_id"]])


def test_members_above_the_threshold_make_a_ring_without_bystanders(snapshot: Snapshot) -> None:
    scores = _scores(snapshot, a0=0.9, a1=0.8, a2=0.5, a3=0.49, a4=0.01, b0=0.9)
    found = _rings(snapshot, scores, NO_LABELS, NO_TRANSFERS, 0.5)
    assert found.rings.schema == pl.Schema(RINGS_SCHEMA)
    assert found.members.schema == pl.Schema(MEMBERS_SCHEMA)
    names = found.members.join(snapshot.accounts, on="account")["account_id"].to_list()
    assert sorted(names) == ["a0", "a1", "a2"]
    ring = found.rings.row(0, named=True)
    assert ring["n_accounts"] == 3
    assert ring["score"] == pytest.approx((0.9 + 0.8 + 0.5) / 3, abs=1e-5)
    assert ring["first_seen"] == START
    assert ring["status"] == "suspected"
    assert "3 of 3 accounts share one device" in ring["reasons"]
    assert "3 of 3 accounts signed up within 7 days" in ring["reasons"]


def test_the_larger_loss_comes_first(snapshot: Snapshot) -> None:
    scores = _scores(snapshot, a0=0.6, a1=0.6, a2=0.6, a3=0.6, b0=0.9, b1=0.9)
    found = _rings(snapshot, scores, NO_LABELS, NO_TRANSFERS, 0.5)
    assert found.rings["n_accounts"].to_list() == [4, 2]


def test_what_is_confirmed_is_stopped_already_and_moves_no_case_up(snapshot: Snapshot) -> None:
    scores = _scores(snapshot, a0=0.9, a1=0.9, a2=0.9, a3=0.9, b0=0.8, b1=0.8)
    labels = pl.DataFrame(
        {"account_id": ["a0", "a1", "a2"], "outcome": ["confirmed_synthetic"] * 3, "source": ["chargeback"] * 3}
    )
    found = _rings(snapshot, scores, labels, NO_TRANSFERS, 0.5)
    assert found.rings["n_accounts"].to_list() == [2, 4]
    assert found.rings["expected_accounts"].to_list() == pytest.approx([1.6, 0.9], abs=1e-5)
    assert found.rings["score"].to_list() == pytest.approx([0.8, 0.9], abs=1e-5)


def test_a_verdict_confirms_and_clears(snapshot: Snapshot) -> None:
    labels = pl.DataFrame(
        {
            "account_id": ["a0", "a1", "b0"],
            "outcome": ["confirmed_synthetic", "confirmed_benign", "confirmed_synthetic"],
            "source": ["investigator", "investigator", "vendor"],
        }
    )
    scores = _scores(snapshot, a1=0.9, a2=0.9, b1=0.9)
    found = _rings(snapshot, scores, labels, NO_TRANSFERS, 0.5)
    names = found.members.join(snapshot.accounts, on="account")["account_id"].to_list()
    assert sorted(names) == ["a0", "a2", "b0", "b1"]
    assert sorted(found.rings["status"].to_list()) == ["confirmed", "suspected"]


def test_the_version_follows_the_members(snapshot: Snapshot) -> None:
    two = _rings(snapshot, _scores(snapshot, a0=0.9, a1=0.9), NO_LABELS, NO_TRANSFERS, 0.5)
    again = _rings(snapshot, _scores(snapshot, a0=0.7, a1=0.8), NO_LABELS, NO_TRANSFERS, 0.5)
    three = _rings(snapshot, _scores(snapshot, a0=0.9, a1=0.9, a2=0.9), NO_LABELS, NO_TRANSFERS, 0.5)
    assert two.rings["ring_version"].to_list() == again.rings["ring_version"].to_list()
    assert two.rings["ring_version"].to_list() != three.rings["ring_version"].to_list()
    assert two.rings["cluster"].to_list() == three.rings["cluster"].to_list()


def test_nobody_above_the_threshold_is_no_ring(snapshot: Snapshot) -> None:
    found = _rings(snapshot, _scores(snapshot, a0=0.9), NO_LABELS, NO_TRANSFERS, 0.5)
    assert found.rings.is_empty()
    assert found.rings.schema == pl.Schema(RINGS_SCHEMA)
    assert found.members.is_empty()


def _two_clusters(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot], days_apart: float
) -> Snapshot:
    """A ring in two halves: each on a device of its own, and one person's card used once by a member of either."""
    rows: dict[str, list[dict[str, Any]]] = {"signups": [], "logins": []}
    for place, name in enumerate([*(f"{half}{n}" for half in "ab" for n in range(4)), *(f"x{n}" for n in range(1000))]):
        at = START + timedelta(
            days=(20 + days_apart if name[0] == "b" else 20) if name[0] in "ab" else 0, minutes=place
        )
        rows["signups"].append({"account_id": name, "event_time": at, "channel": "app"})
        rows["logins"].append({"account_id": name, "event_time": at, "device_id": name[0] if name[0] in "ab" else name})
        if name in ("a0", "b0"):
            late = at + timedelta(days=1)
            rows["logins"].append({"account_id": name, "event_time": late, "device_id": "between"})
    found = build_graph(build_events(rows), START + timedelta(days=60))
    # as if refinement had parted them, as it does with larger ones
    names = found.accounts["account_id"]
    parted = found.clusters.with_columns(
        cluster=pl.when(names.str.starts_with("b")).then(int(found.clusters["cluster"].max()) + 1).otherwise("cluster")  # type: ignore[arg-type]
    )
    return replace(found, clusters=parted.with_columns(pl.col("cluster").cast(pl.Int32)))


def test_clusters_whose_suspected_members_are_tied_and_in_step_are_one_ring(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    given = {"a0": 0.9, "a1": 0.9, "a2": 0.9, "b0": 0.9, "b1": 0.9}
    together = _two_clusters(build_events, build_graph, 2)
    found = _rings(together, _scores(together, **given), NO_LABELS, NO_TRANSFERS, 0.5)
    assert found.rings["n_accounts"].to_list() == [5]
    of_a0 = together.clusters.join(together.accounts, on="account").filter(pl.col("account_id") == "a0")["cluster"]
    assert found.rings["cluster"].to_list() == of_a0.to_list()  # named after where most of them are
    apart = _two_clusters(build_events, build_graph, 25)
    assert _rings(apart, _scores(apart, **given), NO_LABELS, NO_TRANSFERS, 0.5).rings["n_accounts"].to_list() == [
        3,
        2,
    ]
    # a bystander joins nobody: the tie must be between two that are suspected
    lone = _rings(together, _scores(together, **(given | {"b0": 0.01})), NO_LABELS, NO_TRANSFERS, 0.5)
    assert lone.rings["n_accounts"].to_list() == [3]


def _world(
    build_events: Callable[..., Events],
    build_graph: Callable[..., Snapshot],
    came: dict[str, float],
    paid: list[tuple[str, str]] = (),  # type: ignore[assignment]
) -> tuple[Snapshot, pl.DataFrame]:
    """Accounts by the day of their signup, those of one first letter on one device; and who paid whom on day 90."""
    rows: dict[str, list[dict[str, Any]]] = {"signups": [], "logins": [], "payments": []}
    for name, day in (came | {f"x{n}": 0.0 for n in range(1000)}).items():
        at = START + timedelta(days=day)
        rows["signups"].append({"account_id": name, "event_time": at, "channel": "app"})
        device = name if name[0] in "xy" else name[0]
        for time in (at, START + timedelta(days=95)):  # until the end, so that their times on it overlap
            rows["logins"].append({"account_id": name, "event_time": time, "device_id": device})
    for payer, payee in paid:
        at = START + timedelta(days=90)
        payment = {"account_id": payer, "event_time": at, "counterparty_id": payee, "amount_minor": 100}
        rows["payments"].append(payment | {"currency": "USD", "status": "settled"})
    events = build_events(rows)
    found = build_graph(events, START + timedelta(days=100))
    return found, build_transfers(events["payments"], found)


def test_money_between_suspected_accounts_that_came_in_step_makes_one_ring(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    came = {"a0": 1.0, "a1": 2.0, "y0": 3.0, "y1": 40.0}
    snapshot, transfers = _world(build_events, build_graph, came, [("y0", "a1"), ("a0", "y1"), ("x5", "a0")])
    found = _rings(snapshot, _scores(snapshot, **dict.fromkeys(came, 0.9)), NO_LABELS, transfers, 0.5)
    names = found.members.join(snapshot.accounts, on="account")["account_id"].to_list()
    assert sorted(names) == ["a0", "a1", "y0"]  # y1 came a month later, x5 is nobody's suspect
    assert found.rings["n_accounts"].to_list() == [3]


def test_one_payment_does_not_make_one_ring_of_two(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    came = {f"{ring}{place}": place / 10 for ring in "ab" for place in range(8)}
    paid = [(f"a{place}", f"b{other}") for place in range(8) for other in (place, 7 - place)]
    for payments, n_rings in ((paid[:1], 2), (paid, 1)):
        snapshot, transfers = _world(build_events, build_graph, came, payments)
        found = _rings(snapshot, _scores(snapshot, **dict.fromkeys(came, 0.9)), NO_LABELS, transfers, 0.5)
        assert found.rings.height == n_rings


def test_who_came_with_a_ring_and_behaves_like_it_belongs_to_it_without_a_link(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    came = {f"{ring}{place}": 10.0 * day + place / 100 for day, ring in enumerate("abcdefgh") for place in range(6)}
    came |= {"y0": 0.015, "y1": 0.025, "y2": 90.0}
    paid = [(f"{ring}0", f"{ring}{place}") for ring in "abcdefgh" for place in range(1, 6)]
    snapshot, transfers = _world(build_events, build_graph, came, paid)
    found = _rings(snapshot, _scores(snapshot, **dict.fromkeys(came, 0.9)), NO_LABELS, transfers, 0.5)
    named = found.members.join(snapshot.accounts, on="account")
    ring = dict(zip(named["account_id"], named["cluster"], strict=True))
    assert ring["y0"] == ring["y1"] == ring["a0"]
    assert "y2" not in ring  # nobody came with it
    assert len(set(ring.values())) == 8


def test_a_payment_that_was_not_known_yet_joins_nobody(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    snapshot, transfers = _world(build_events, build_graph, {"a0": 1.0, "y0": 3.0}, [("y0", "a0")])
    assert transfers.height == 1
    later = pl.DataFrame({"account_id": "y0", "counterparty_id": "a0", "event_time": START}).with_columns(
        known_time=pl.lit(snapshot.as_of)
    )
    assert build_transfers(later, snapshot).is_empty()


def test_a_later_wave_in_a_cluster_is_another_ring_if_it_has_a_name_of_its_own(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    came = {"a0": 1.0, "a1": 2.0, "a2": 3.0, "a3": 50.0, "a4": 51.0, "y0": 52.0}
    scores = dict.fromkeys(came, 0.9)
    snapshot, transfers = _world(build_events, build_graph, came, [("y0", "a4")])
    assert snapshot.clusters.join(snapshot.accounts, on="account").filter(
        pl.col("account_id").str.starts_with("a")
    )["cluster"].n_unique() == 1  # fmt: skip
    apart = _rings(snapshot, _scores(snapshot, **scores), NO_LABELS, transfers, 0.5)
    assert apart.rings["n_accounts"].sort().to_list() == [3, 3]
    assert apart.rings["cluster"].n_unique() == 2
    nameless = _rings(snapshot, _scores(snapshot, **(scores | {"y0": 0.01})), NO_LABELS, transfers, 0.5)
    assert nameless.rings["n_accounts"].to_list() == [5]


@pytest.mark.parametrize("days", [(1, 2, 3, 50), (1, 40), (0, 31, 62, 93)])
def test_late_and_patient_members_stay_with_their_cluster(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot], days: tuple[int, ...]
) -> None:
    came = {f"a{place}": float(day) for place, day in enumerate(days)}
    snapshot, transfers = _world(build_events, build_graph, came)
    found = _rings(snapshot, _scores(snapshot, **dict.fromkeys(came, 0.9)), NO_LABELS, transfers, 0.5)
    assert found.rings["n_accounts"].to_list() == [len(days)]


def _of(snapshot: Snapshot, names: list[str]) -> list[tuple[str, str]]:
    """What these accounts share: identifier type and hash."""
    held = (
        snapshot.links.join(snapshot.accounts.select("account", "account_id"), on="account")
        .filter(pl.col("account_id").is_in(names))
        .group_by("identifier")
        .len()
        .filter(pl.col("len") > 1)
        .join(snapshot.identifiers, on="identifier")
        .sort("hash")
    )
    return list(held.select("identifier_type", "hash").iter_rows())


def _homes(build_events: Callable[..., Events], build_graph: Callable[..., Snapshot], *, mailbox: bool) -> Snapshot:
    """Accounts h0 to h3 use one device, two of them one mailbox if there is a `mailbox`; k0 and k1 use another device; 1,000 are alone."""
    names = [*(f"h{place}" for place in range(4)), "k0", "k1", *(f"x{place}" for place in range(1000))]
    rows: dict[str, list[dict[str, Any]]] = {"signups": [], "logins": [], "profiles": []}
    for place, name in enumerate(names):
        at = START + timedelta(minutes=place)
        rows["signups"].append({"account_id": name, "event_time": at, "channel": "app"})
        rows["logins"].append({"account_id": name, "event_time": at, "device_id": name[0] if name[0] in "hk" else name})
        if mailbox and name in ("h2", "h3"):
            rows["profiles"].append({"account_id": name, "event_time": at, "email": "two@example.org"})
    return build_graph(build_events(rows), START + timedelta(days=30))


def _remembering(snapshot: Snapshot, labels: pl.DataFrame, remembered: list[tuple[str, str, str]]) -> list[set[str]]:
    """The members of the rings that are left, where h2, h3, k0 and k1 are suspected."""
    scores = _scores(snapshot, h2=0.9, h3=0.9, k0=0.8, k1=0.8)
    n = snapshot.accounts.height
    features = pl.DataFrame({name: np.zeros(n, dtype=np.float32) for name in GRAPHLESS})
    vectors = np.zeros((n, 4), dtype=np.float32)
    frame = pl.DataFrame(remembered, schema=["disposition_id", "identifier_type", "hash"], orient="row")
    found = build_rings(
        snapshot, features, vectors, scores, labels, NO_TRANSFERS, 0.5, remembered=frame if remembered else None
    )
    assert sorted(found.rings["cluster"]) == sorted(set(found.members["cluster"]))
    named = found.members.join(snapshot.accounts, on="account")
    return sorted((set(ids) for _, ids in named.group_by("cluster").agg("account_id").iter_rows()), key=min)


def test_what_a_household_shares_makes_no_case_until_something_new_is_shared(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    plain = _homes(build_events, build_graph, mailbox=False)
    h, k = {"h2", "h3"}, {"k0", "k1"}
    home = [("d1", *each) for each in _of(plain, ["h0", "h1"])]  # two others of it were looked at
    assert [kind for _, kind, _ in home] == ["device"]
    assert _remembering(plain, NO_LABELS, []) == [h, k]
    assert _remembering(plain, NO_LABELS, home) == [k]
    assert _remembering(plain, NO_LABELS, home + home) == [k]
    more = _homes(build_events, build_graph, mailbox=True)
    assert _of(more, ["h0", "h1"]) == _of(plain, ["h0", "h1"])
    assert _remembering(more, NO_LABELS, home) == [h, k]  # a mailbox is new
    all_of_it = [("d2", *each) for each in _of(more, ["h2", "h3"])]
    assert _remembering(more, NO_LABELS, home + all_of_it) == [k]


def test_two_households_do_not_excuse_what_joins_them(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    more = _homes(build_events, build_graph, mailbox=True)
    shared = _of(more, ["h2", "h3"])
    assert len(shared) == 2
    apart = [(f"d{place}", *each) for place, each in enumerate(shared)]
    assert {"h2", "h3"} in _remembering(more, NO_LABELS, apart)


def test_who_is_known_to_be_synthetic_is_excused_by_no_household(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    plain = _homes(build_events, build_graph, mailbox=False)
    home = [("d1", *each) for each in _of(plain, ["h0", "h1"])]
    labels = pl.DataFrame({"account_id": ["h2"], "outcome": ["confirmed_synthetic"], "source": ["vendor"]})
    assert {"h2", "h3"} in _remembering(plain, labels, home)


def test_who_shares_nothing_is_excused_by_no_household(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot]
) -> None:
    plain = _homes(build_events, build_graph, mailbox=False)
    paid = pl.DataFrame({"payer": _number(plain, "x0"), "payee": _number(plain, "x1")}, schema=TRANSFERS_SCHEMA)
    n = plain.accounts.height
    features = pl.DataFrame({name: np.zeros(n, dtype=np.float32) for name in GRAPHLESS})
    home = [("d1", *each) for each in _of(plain, ["h0", "h1"])]
    frame = pl.DataFrame(home, schema=["disposition_id", "identifier_type", "hash"], orient="row")
    scores = _scores(plain, x0=0.9, x1=0.9)
    vectors = np.zeros((n, 4), dtype=np.float32)
    found = build_rings(plain, features, vectors, scores, NO_LABELS, paid, 0.5, remembered=frame)
    assert found.rings["n_accounts"].to_list() == [2]


def _number(snapshot: Snapshot, name: str) -> list[int]:
    return snapshot.accounts.filter(pl.col("account_id") == name)["account"].to_list()
