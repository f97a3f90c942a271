"""Features on small histories whose values can be counted by hand, and what holds for all of them."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from gnn import features_sharing
from gnn.features import FEATURE_NAMES, FEATURES, GRAPHLESS, build_features, build_parts
from graph.schema import IDENTIFIERS
from graph.snapshot import Events, Snapshot, is_shared

START = datetime(2026, 1, 1, tzinfo=UTC)
Rows = dict[str, list[dict[str, Any]]]
BuildEvents = Callable[[Rows], Events]
BuildGraph = Callable[[Events, datetime], Snapshot]


def _day(day: float) -> datetime:
    return START + timedelta(days=day)


def _signup(account: str, day: float) -> dict[str, Any]:
    return {"account_id": account, "event_time": _day(day), "channel": "app"}


def _login(account: str, day: float, device: str) -> dict[str, Any]:
    return {"account_id": account, "event_time": _day(day), "device_id": device}


def _pay(account: str, day: float, payee: str, amount: int = 100, status: str = "settled") -> dict[str, Any]:
    return {
        "account_id": account,
        "event_time": _day(day),
        "counterparty_id": payee,
        "amount_minor": amount,
        "currency": "USD",
        "status": status,
    }


def _profile(account: str, name: str, number: str, day: float = 0, born: int = 1980) -> dict[str, Any]:
    return {
        "account_id": account,
        "event_time": _day(day),
        "full_name": name,
        "birth_date": date(born, 1, 1),
        "national_id": number,
    }


@pytest.fixture
def features_of(
    build_events: BuildEvents, build_graph: BuildGraph
) -> Callable[[Rows, float], dict[str, dict[str, float]]]:
    """Account id to its features, as of a day."""

    def build(rows: Rows, day: float) -> dict[str, dict[str, float]]:
        events = build_events(rows)
        snapshot = build_graph(events, _day(day))
        frame = build_features(events, snapshot)
        return dict(zip(snapshot.accounts["account_id"], frame.iter_rows(named=True), strict=True))

    return build


Build = Callable[[Rows, float], dict[str, dict[str, float]]]


def test_names_are_unique_and_documented() -> None:
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)
    assert all(feature.meaning and feature.family and feature.as_of_rule for feature in FEATURES)
    assert set(GRAPHLESS) < set(FEATURE_NAMES)


def test_every_identifier_type_has_its_sharing_features() -> None:
    for label in IDENTIFIERS:
        assert {f"n_shared_{label}", f"joined_7d_{label}", f"overlap_{label}"} <= set(FEATURE_NAMES)


@pytest.mark.parametrize(
    "word", ["surname", "country", "channel", "postcode", "gender", "sex", "language", "birth", "outcome", "label"]
)
def test_no_feature_is_about_who_somebody_is_or_was_found_to_be(word: str) -> None:
    assert not [feature.name for feature in FEATURES if word in feature.name]


def test_no_null_no_nan_in_account_order(world: Events, build_graph: BuildGraph, as_of: datetime) -> None:
    snapshot = build_graph(world, as_of)
    frame = build_features(world, snapshot)
    assert frame.columns == ["account", *FEATURE_NAMES]
    assert frame["account"].to_list() == list(range(snapshot.accounts.height))
    assert set(frame.drop("account").dtypes) == {pl.Float32}
    assert not frame.drop("account").select(pl.all().is_null().any() | pl.all().is_nan().any()).row(0).count(True)


def test_columns_made_one_family_after_another_are_those_made_at_once(
    world: Events, build_graph: BuildGraph, as_of: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = build_graph(world, as_of)
    whole = build_features(world, snapshot).drop("account")
    monkeypatch.setattr(features_sharing, "_AT_ONCE", 3)  # accounts
    parts = list(build_parts({name: frame.lazy() for name, frame in world.items()}, snapshot))
    assert sorted(name for part in parts for name in part.columns) == sorted(whole.columns)
    for part in parts:
        assert part.equals(whole.select(part.columns))


def test_a_world_without_accounts_has_features_of_nobody(
    build_events: Callable[..., Events], build_graph: BuildGraph, as_of: datetime
) -> None:
    nothing = build_events({})
    assert build_features(nothing, build_graph(nothing, as_of)).shape == (0, len(FEATURES) + 1)


def test_tables_may_be_empty(features_of: Build) -> None:
    found = features_of({"signups": [_signup("a", 0)], "logins": [_login("a", 0, "d")]}, 2)
    assert found["a"]["age_days"] == 2
    assert found["a"]["n_payments"] == 0
    assert found["a"]["cluster_size"] == 1


def test_throw_away_mailboxes_and_internet_numbers_are_told_once_known(features_of: Build) -> None:
    plain = {"account_id": "a", "event_time": _day(0), "email": "ann@gmail.com", "phone": "+12125554000"}
    later = {"account_id": "a", "event_time": _day(5), "email": "Ann@Mailinator.com", "phone": "+44 56 0000 0000"}
    rows: Rows = {
        "signups": [_signup("a", 0), _signup("b", 0)],
        "profiles": [plain, later],
        "logins": [_login("a", 0, "d"), _login("b", 0, "e")],
    }
    for day, flag in ((3, 0.0), (6, 1.0)):
        found = features_of(rows, day)
        assert [found["a"][name] for name in ("has_disposable_email", "has_voip_phone")] == [flag, flag]
        assert [found["b"][name] for name in ("has_disposable_email", "has_voip_phone")] == [0.0, 0.0]


def test_sharing_counts_others_in_time_and_in_turn(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup(name, day) for name, day in (("a", 0), ("b", 1), ("c", 30))],
        "logins": [
            _login("a", 0.5, "d"),
            _login("a", 3, "d"),
            _login("b", 2, "d"),
            _login("b", 5, "d"),
            _login("c", 30.5, "d"),
        ],
    }
    found = features_of(rows, 40)
    assert [found[name]["max_accounts_device"] for name in "abc"] == [2, 2, 2]
    assert [found[name]["joined_7d_device"] for name in "abc"] == [1, 1, 0]
    assert [found[name]["overlap_device"] for name in "abc"] == [1, 1, 0]
    assert [found[name]["sequential_device"] for name in "abc"] == [1, 1, 2]
    assert [found[name]["signed_up_7d_device"] for name in "abc"] == [1, 1, 0]
    assert found["a"]["nearest_signup_days"] == 1
    assert found["c"]["nearest_signup_days"] == 29
    assert found["c"]["joined_14d"] == 0
    assert [found["a"][f"came_{days}d_most"] for days in (1, 3, 14, 30)] == [0, 1, 1, 2]
    assert [found["c"][f"came_{days}d_share"] for days in (14, 30)] == [0, 1]
    assert [found[name]["signed_up_1d_most"] for name in "abc"] == [1, 1, 0]
    assert found["a"]["signed_up_30d_bits"] == pytest.approx(2 * found["a"]["max_bits_device"])


def test_money_finds_payers_of_one_sink_and_what_passes_through(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup(name, 0) for name in "abcs"],
        "logins": [_login(name, 0.1, f"d{name}") for name in "abcs"],
        "payments": [
            _pay("a", 5, "s", 100),
            _pay("b", 5.5, "s", 100),
            _pay("c", 20, "s", 100, "reversed"),
            _pay("s", 6, "outside", 200),
        ],
    }
    found = features_of(rows, 30)
    assert [found[name]["max_co_payers"] for name in "abc"] == [2, 2, 2]
    assert [found[name]["max_co_payers_2d"] for name in "abc"] == [1, 1, 0]
    assert found["s"]["n_paid_by"] == 3
    assert found["s"]["max_paid_by_2d"] == 2
    assert found["s"]["pass_through"] == pytest.approx(2 / 3)
    assert found["s"]["fast_out_share"] == pytest.approx(2 / 3)
    assert found["a"]["payees_reversed_share"] == 0.5
    assert found["c"]["reversed_share"] == 1


def test_crossed_identities_are_counted(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup(name, 0) for name in "abcd"],
        "profiles": [
            _profile("a", "Ann Ash", "412-68-1001"),
            _profile("b", "Bo Birch", "412-68-1001", born=1990),
            _profile("c", "Ann Ash", "533-21-7777"),
            _profile("d", "Dee Dogwood", "412-68-1002"),
        ],
    }
    found = features_of(rows, 1)
    assert found["a"]["people_per_national_id"] == 1
    assert found["a"]["national_ids_per_person"] == 1
    assert found["d"]["people_per_national_id"] == 0
    assert [found[name]["national_ids_one_off"] for name in "abcd"] == [1, 1, 0, 2]


def test_numbers_one_place_apart_are_other_peoples_in_time_and_of_no_hub(features_of: Build) -> None:
    crowd = [f"x{place}" for place in range(IDENTIFIERS["national_id"].cap + 1)]
    rows: Rows = {
        "signups": [_signup(name, 0) for name in ["a", "b", "c", "again", *crowd]],
        "profiles": [
            _profile("a", "Ann Ash", "412 68 1001"),
            _profile("again", "Ann Ash", "412-68-1009"),  # her own number, mistyped
            _profile("b", "Bo Birch", "412.68-1002", day=3, born=1990),
            _profile("c", "Cy Cedar", "412681003", day=20, born=1991),
            *(_profile(name, f"Person {name}", "412681004", born=1900 + place) for place, name in enumerate(crowd)),
        ],
    }
    found = features_of(rows, 30)
    assert [found[name]["national_ids_one_off"] for name in ("a", "again", "b", "c", "x0")] == [2, 2, 2, 2, 0]
    assert [found[name]["national_ids_one_off_7d"] for name in ("a", "again", "b", "c")] == [1, 1, 1, 0]


def test_money_passed_on_is_counted_once_and_in_any_order(features_of: Build) -> None:
    payments = [
        _pay("a", 5, "s", 100),
        _pay("b", 5, "s", 300),
        _pay("s", 5.5, "outside", 150),
        _pay("s", 5.5, "elsewhere", 50),
        _pay("c", 6, "s", 400),
        _pay("s", 7.9, "outside", 100),  # more than 48 hours after the first two
        _pay("s", 9, "outside", 700),  # after all
    ]
    rows: Rows = {"signups": [_signup(name, 0) for name in "abcs"], "payments": payments}
    found = features_of(rows, 30)["s"]["fast_out_share"]
    assert found == pytest.approx((150 + 50 + 100) / 800)
    assert features_of({**rows, "payments": payments[::-1]}, 30)["s"]["fast_out_share"] == found


def test_amounts_beyond_reason_are_clipped(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup(name, 0) for name in "abc"],
        "payments": [_pay("a", 1, "b", 100) for _ in range(9)]
        + [_pay("b", 2, "c", 2**63 - 1), _pay("b", 2, "c", -(2**63)), _pay("c", 3, "x", -(2**62))],
    }
    found = features_of(rows, 9)
    assert found["b"]["max_amount"] == 1e6
    assert found["b"]["sum_amount"] == 2e6
    assert found["c"]["paid_sum"] == 2e6
    assert found["a"]["mean_amount"] == 1


def test_times_before_the_signup_are_not_taken_for_missing(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup("a", 2), _signup("b", 2)],
        "logins": [_login("a", 1.5, "d"), _login("b", 3, "d")],
        "payments": [_pay("a", 1.2, "s"), _pay("b", 3, "s")],
    }
    found = features_of(rows, 9)["a"]
    names = ("first_login_hours", "first_payment_days", "first_seen_days", "new_device_days", "sink_age_gap_days")
    assert [found[name] for name in names] == [0.0] * 5


def test_two_signups_of_one_account_count_all_that_they_name(features_of: Build) -> None:
    signups = [_signup("a", 0), _signup("b", 0), _signup("c", 1), _signup("c", 1)]
    signups[2]["referrer_account_id"], signups[3]["referrer_account_id"] = "a", "b"
    for order in (1, -1):
        found = features_of({"signups": signups[::order]}, 3)
        assert [found[name]["n_referred"] for name in "abc"] == [1, 1, 0]
        assert [found[name]["has_referrer"] for name in "abc"] == [0, 0, 1]


def test_equal_signups_have_one_place_in_their_cluster(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup("a", 0), _signup("b", 1), _signup("c", 1)] + [_signup(f"x{n}", 3) for n in range(100)],
        "logins": [_login(name, 2, "d") for name in "abc"],
        "instruments": [
            {"account_id": name, "event_time": _day(2), "instrument_id": "i", "kind": "prepaid_card", "action": "link"}
            for name in "abc"
        ],
    }
    found = features_of(rows, 5)
    assert [found[name]["cluster_position"] for name in "abc"] == [0, 0.75, 0.75]


def test_a_neighbours_mean_of_equal_values_deviates_by_nothing(features_of: Build) -> None:
    names = [f"n{place}" for place in range(12)]
    rows: Rows = {
        "signups": [_signup(name, place / 7) for place, name in enumerate(names)],
        "logins": [_login(name, 3, f"d{turn}") for name in names for turn in range(3)],
        "payments": [_pay(name, 4, f"p{turn}", 7) for name in names for turn in range(3)],
    }
    found = features_of(rows, 8.3)
    assert {found[name]["deviation_payments_per_day"] for name in names} != {0.0}
    assert {found[name]["deviation_mean_amount"] for name in names} == {0.0}
    assert {found[name]["deviation_vendor_score"] for name in names} == {0.0}


def test_the_shared_mean_is_over_the_other_accounts_of_each_identifier_by_its_rarity(
    world: Events, build_graph: BuildGraph, as_of: datetime
) -> None:
    snapshot = build_graph(world, as_of)
    features = build_features(world, snapshot)
    shared = snapshot.identifiers.filter(is_shared()).select("identifier", "weight")
    links = snapshot.links.select("account", "identifier").join(shared, on="identifier")
    both = links.join(links.select("identifier", other="account"), on="identifier").filter(
        pl.col("account") != pl.col("other")
    )
    value = features.select(other="account", value=pl.col("age_days").cast(pl.Float64))
    mean = (
        both.join(value, on="other")
        .group_by("account", "identifier", "weight")
        .agg(pl.col("value").mean())
        .group_by("account")
        .agg(mean=(pl.col("weight") ** 2 * pl.col("value")).sum() / (pl.col("weight") ** 2).sum())
    )
    found = features.select("account", "shared_mean_age_days").join(mean, on="account", how="left").fill_null(0.0)
    assert found["mean"].n_unique() > 10
    assert found["shared_mean_age_days"].to_numpy() == pytest.approx(found["mean"].to_numpy(), abs=1e-4)


def test_rows_that_were_in_quarantine_at_the_cut_off_count_in_no_feature(
    build_events: BuildEvents, build_graph: BuildGraph
) -> None:
    rows: Rows = {
        "signups": [_signup("a", 10), _signup("b", 0)],
        "logins": [_login("a", 5, "d"), _login("a", 12, "d"), _login("b", 5, "e")],
    }
    known = build_events(rows)
    earlier = build_events({"signups": [{**_signup("a", 2), "known_time": _day(30)}]})["signups"]
    events = {**known, "signups": pl.concat([known["signups"], earlier.with_columns(event_id=pl.lit("late"))])}
    found = build_features(events, build_graph(events, _day(20)))
    alone = {
        **rows,
        "logins": [row for row in rows["logins"] if row["event_time"] != _day(5) or row["account_id"] == "b"],
    }
    without = build_events(alone)
    assert_frame_equal(found, build_features(without, build_graph(without, _day(20))))


def test_pairs_and_clusters_are_described(features_of: Build) -> None:
    rows: Rows = {
        "signups": [_signup(name, day) for name, day in (("a", 0), ("b", 0.5), ("z", 1))]
        + [_signup(f"x{place}", 3) for place in range(100)],
        "logins": [_login("a", 1, "d"), _login("b", 1, "d"), _login("z", 1, "e")],
        "instruments": [
            {
                "account_id": name,
                "event_time": _day(1),
                "instrument_id": "card",
                "kind": "prepaid_card",
                "action": "link",
            }
            for name in "ab"
        ],
    }
    found = features_of(rows, 5)
    assert found["a"]["max_pair_groups"] == 2
    assert found["a"]["n_pairs_signup_1d"] == 1
    assert found["a"]["cluster_size"] == 2
    assert found["a"]["cluster_density"] == 1
    assert found["b"]["cluster_position"] == 1
    assert found["z"]["n_pairs"] == 0
    assert found["a"]["pairs_mean_n_prepaid"] == 1


def test_later_events_change_nothing(world: Events, build_graph: BuildGraph, as_of: datetime) -> None:
    cutoff = as_of - timedelta(days=20)
    snapshot = build_graph(world, cutoff)
    earlier = {name: frame.filter(pl.col("known_time") < cutoff) for name, frame in world.items()}
    assert world["payments"].height > earlier["payments"].height
    assert_frame_equal(build_features(world, snapshot), build_features(earlier, snapshot), rel_tol=0, abs_tol=0)


def test_outcomes_change_nothing(world: Events, build_graph: BuildGraph, as_of: datetime) -> None:
    snapshot = build_graph(world, as_of)
    without = {**world, "outcomes": world["outcomes"].clear()}
    assert_frame_equal(build_features(world, snapshot), build_features(without, snapshot), rel_tol=0, abs_tol=0)
