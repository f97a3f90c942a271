"""Evidence between accounts: rarity, tenure, independence, hubs; and who is one person."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from graph.clusters import build_clusters
from graph.identities import resolve
from graph.links import number_identifiers
from graph.pairs import ALL_PAIRS_LIMIT, build_evidence, merge_evidence, name_pairs
from graph.rules import FURTHER_IN_GROUP
from graph.schema import IDENTIFIERS, TABLES
from graph.sightings import LINK_SCHEMA

START = datetime(2026, 1, 1, tzinfo=UTC)
N_ACCOUNTS = 1024
ACCOUNTS = pl.DataFrame(
    {"account": range(N_ACCOUNTS), "account_id": [f"a{n}" for n in range(N_ACCOUNTS)], "identity": range(N_ACCOUNTS)},
    schema={"account": pl.Int32, "account_id": pl.String, "identity": pl.Int32},
)


NAMED = ACCOUNTS.with_columns(is_named=True)


def pairs_of(*seen: tuple[int, str, str, float], accounts: pl.DataFrame = NAMED) -> pl.DataFrame:
    """Pairs from (account, identifier type, identifier, day), each with its evidence as the lake has it."""
    numbered = number_identifiers(links_of(*seen), ACCOUNTS)
    pairs, pieces = merge_evidence(build_evidence(numbered.links, numbered.identifiers), numbered.identifiers)
    named = name_pairs(pairs, pieces, numbered.identifiers, accounts)
    assert named.drop("evidence").rows() == [
        (f"a{a}", f"a{b}", bits) for a, b, bits in pairs.select("account_a", "account_b", "weight_bits").rows()
    ]
    return pairs.with_columns(named["evidence"])


def links_of(*seen: tuple[int, str, str, float]) -> pl.DataFrame:
    rows = [
        (f"a{account}", kind, identifier, *[START + timedelta(days=day)] * 2, 1)
        for account, kind, identifier, day in seen
    ]
    times = (pl.col("first_seen").min(), pl.col("last_seen").max(), pl.col("n_events").sum())
    links = pl.DataFrame(rows, schema=LINK_SCHEMA, orient="row")
    return links.group_by(*list(LINK_SCHEMA)[:3], maintain_order=True).agg(*times)


def bits(*seen: tuple[int, str, str, float]) -> float:
    pairs = pairs_of(*seen)
    return pairs["weight_bits"][0] if pairs.height else 0.0


def test_a_rare_device_used_by_two_at_once_carries_its_whole_rarity() -> None:
    assert bits((1, "device", "d", 0), (2, "device", "d", 1)) == pytest.approx(9.0)  # log2(1024 / 2)


def test_who_shares_an_address_has_said_all_that_its_building_says() -> None:
    home = (1, "address", "flat", 0), (2, "address", "flat", 1)
    house = (1, "building", "house", 0), (2, "building", "house", 1), (3, "building", "house", 1)
    assert bits(*home, *house) == bits(*home)
    kinds = {
        (pair["account_a"], pair["account_b"]): [piece["identifier_type"] for piece in pair["evidence"]]
        for pair in pairs_of(*home, *house).to_dicts()
    }
    assert kinds == {(1, 2): ["address"], (1, 3): ["building"], (2, 3): ["building"]}


def test_one_number_under_two_names_is_crossed_and_nothing_else_is() -> None:
    one_person = ACCOUNTS.with_columns(
        identity=pl.col("identity").replace({3: 1}), is_named=pl.col("account") != 4
    )  # the fourth gave no name
    pairs = pairs_of(
        (1, "national_id", "n", 0), (2, "national_id", "n", 1), (3, "national_id", "n", 1),
        (1, "device", "d", 0), (2, "device", "d", 1), (4, "national_id", "n", 1), accounts=one_person,
    )  # fmt: skip
    found = {
        (f"a{pair['account_a']}", f"a{pair['account_b']}", piece["identifier_type"]): piece["is_crossed"]
        for pair in pairs.to_dicts()
        for piece in pair["evidence"]
    }
    assert found == {
        ("a1", "a2", "national_id"): True,
        ("a1", "a2", "device"): False,
        ("a1", "a3", "national_id"): False,
        ("a2", "a3", "national_id"): True,
        ("a1", "a4", "national_id"): False,
        ("a2", "a4", "national_id"): False,
        ("a3", "a4", "national_id"): False,
    }


def test_what_more_accounts_hold_says_less() -> None:
    few = bits(*((account, "device", "d", 0) for account in range(2)))
    more = bits(*((account, "device", "d", 0) for account in range(16)))
    assert few > more > 0


def test_one_owner_after_the_other_is_weak_evidence() -> None:
    at_once = bits((1, "phone", "p", 0), (2, "phone", "p", 20))
    in_sequence = bits((1, "phone", "p", 0), (2, "phone", "p", 90))
    assert in_sequence < at_once / 2
    assert not pairs_of((1, "device", "d", 0), (2, "device", "d", 90), (1, "instrument", "x", 0), (2, "instrument", "x", 90))[
        "evidence"
    ].explode().struct.field("is_concurrent").any()  # fmt: skip


def test_independent_types_add_up_and_those_of_one_group_hardly() -> None:
    device = ((1, "device", "d", 0), (2, "device", "d", 0))
    card = ((1, "instrument", "x", 0), (2, "instrument", "x", 0))
    second_device = ((1, "device", "e", 0), (2, "device", "e", 0))
    assert bits(*device, *card) == pytest.approx(bits(*device) + bits(*card))
    assert bits(*device, *second_device) == pytest.approx((1 + FURTHER_IN_GROUP) * bits(*device))


def test_the_evidence_sums_to_the_weight() -> None:
    pairs = pairs_of(
        *((account, kind, "v", 0) for account in range(3) for kind in ("device", "ip", "address", "phone"))
    )
    assert pairs.height == 3
    total = pairs["evidence"].list.eval(pl.element().struct.field("bits")).list.sum()
    assert total.to_list() == pytest.approx(pairs["weight_bits"].to_list())


def test_a_hub_joins_nobody() -> None:
    cap = IDENTIFIERS["national_id"].cap
    assert pairs_of(*((account, "national_id", "n", 0) for account in range(cap))).height
    assert not pairs_of(*((account, "national_id", "n", 0) for account in range(cap + 1))).height


def test_a_large_group_costs_linear_and_stays_connected() -> None:
    n_holders = 5 * ALL_PAIRS_LIMIT
    pairs = pairs_of(*((account, "device", "d", account / 10) for account in range(n_holders)))
    assert n_holders - 1 <= pairs.height <= 5 * n_holders
    assert set(zip(range(n_holders - 1), range(1, n_holders), strict=True)) <= set(
        pairs.select("account_a", "account_b").iter_rows()
    )


def profiles(*rows: tuple[str, date | None, str | None]) -> dict[str, pl.DataFrame]:
    schema = {column.name: column.dtype for column in TABLES["profiles"].columns}
    values = {
        "account_id": [f"a{n}" for n in range(len(rows))],
        "event_time": [START + timedelta(minutes=n) for n in range(len(rows))],
        "full_name": [row[0] for row in rows], "birth_date": [row[1] for row in rows], "national_id": [row[2] for row in rows],
    }  # fmt: skip
    frame = pl.DataFrame({name: values.get(name, [None] * len(rows)) for name in schema}, schema=schema)
    return {"profiles": frame, "signups": frame.select("account_id", "event_time")}


def identities(*rows: tuple[str, date | None, str | None]) -> list[int]:
    events = profiles(*rows)
    accounts = events["signups"].select("account_id", account=pl.int_range(pl.len(), dtype=pl.Int32))
    return resolve(events, accounts).identity.to_list()


BORN = date(1980, 2, 3)


def test_one_person_writes_a_name_in_two_ways() -> None:
    assert identities(("Ann Lee", BORN, None), ("LEE, Ann", BORN, None)) == [0, 0]


def test_two_people_who_share_a_number_stay_two() -> None:
    assert identities(("Ann Lee", BORN, "123-45-6780"), ("Bo Chan", date(1991, 5, 6), "123456780")) == [0, 1]


def test_a_number_with_name_or_birth_date_is_one_person() -> None:
    assert identities(
        ("Ann Lee", BORN, "123-45-6780"), ("A Lee", BORN, "123456780"), ("Ann Lee", None, "123456780")
    ) == [0, 0, 0]


def test_missing_elements_make_nobody_the_same() -> None:
    assert identities(("Ann Lee", None, None), ("Ann Lee", None, None), ("Ann Lee", None, "n/a")) == [0, 1, 2]


def test_what_hundreds_submit_as_a_name_is_nobody() -> None:
    cap = IDENTIFIERS["person"].cap
    assert len(set(identities(*[("Reception Desk", date(1980, 1, 1), None)] * cap))) == 1
    assert len(set(identities(*[("Reception Desk", date(1980, 1, 1), None)] * (cap + 1)))) == cap + 1


@pytest.mark.parametrize("n_accounts", [64, 1_024, 65_536])
@pytest.mark.parametrize("kinds", [("address",), ("building",), ("ip",), ("address", "building", "ip")])
def test_a_place_alone_never_ties_however_many_accounts_there_are(n_accounts: int, kinds: tuple[str, ...]) -> None:
    accounts = pl.DataFrame({"account": range(n_accounts)}, schema={"account": pl.Int32}).with_columns(
        account_id=pl.lit("a") + pl.col("account").cast(pl.String), identity="account"
    )
    alone = clusters_of(accounts, *((account, kind, kind, 0.0) for account in (1, 2) for kind in kinds))
    beside = clusters_of(accounts, *((account, kind, kind, 0.0) for account in (1, 2) for kind in (*kinds, "device")))
    assert alone[1] != alone[2]
    assert beside[1] == beside[2]


def clusters_of(accounts: pl.DataFrame, *seen: tuple[int, str, str, float]) -> list[int]:
    numbered = number_identifiers(links_of(*seen), accounts)
    pairs, _ = merge_evidence(build_evidence(numbered.links, numbered.identifiers), numbered.identifiers)
    return build_clusters(pairs, accounts.height, seed=0)["cluster"].to_list()
