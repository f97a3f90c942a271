"""The investigators' questions on a real Neo4j: what they answer on small nights made by hand, and how many rows they take."""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import polars as pl
import pytest

from graph.cleaning import read_events
from graph.errors import InputError
from graph.identifier_search import hash_search_term
from graph.lake import NIGHT_TABLES, Night, as_of_of, write_table
from graph.queries import (
    find_identifiers,
    neighbours,
    read_account,
    read_queue,
    read_ring_graph,
    shortest_path,
    why_linked,
    why_not,
)
from graph.schema import IDENTIFIERS
from graph.sightings import build_links
from graph.store import Store, StoreAddress, connect
from graph.store_load import load_night
from jobs.simulate import simulate

DAY = date(2026, 6, 1)
START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
KEY = "5a" * 32

Link = tuple[str, str, str, float]  # account, identifier type, value, weight


def hashed(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def write_night(
    folder: Path,
    held: Sequence[Link],
    rings: Sequence[tuple[str, Sequence[str]]] = (),
    day: date = DAY,
    first_seen: dict[str, int] | None = None,
    others: Sequence[str] = (),
    **tables: list[dict[str, Any]],
) -> Night:
    """A night in which these links are held; `rings` in their order, each scored by its place; `first_seen` in days after START by account."""
    days = first_seen or {}
    accounts = sorted({link[0] for link in held} | set(others))
    ring_of = {account: ring for ring, members in rings for account in members}
    rows: dict[str, list[dict[str, Any]]] = {
        "links": [
            {
                "account_id": account,
                "identifier_type": kind,
                "identifier": hashed(value),
                "first_seen": START + timedelta(days=days.get(account, 0)),
                "last_seen": START + timedelta(days=days.get(account, 0) + 3),
                "n_events": 4,
                "weight": weight,
            }
            for account, kind, value, weight in held
        ],
        "identities": [{"account_id": account, "identity_id": f"p-{account}"} for account in accounts],
        "clusters": [
            {"account_id": account, "cluster_id": ring_of.get(account, f"c-{account}")} for account in accounts
        ],
        "scores": [
            {
                "account_id": account,
                "score": 1 / rank,
                "rank": rank,
                "ring_id": ring_of.get(account),
                "model_version": "m",
            }
            for rank, account in enumerate(accounts, start=1)
        ],
        "rings": [
            {
                "ring_id": ring,
                "ring_version": f"v-{ring}",
                "score": 0.9 - place / 10,
                "n_accounts": len(members),
                "first_seen": START,
                "reasons": ["share a device"],
                "status": "confirmed" if place == 1 else "suspected",
            }
            for place, (ring, members) in enumerate(rings)
        ],
        **tables,
    }
    folder.mkdir(parents=True)
    for table, schema in NIGHT_TABLES.items():
        write_table(pl.DataFrame(rows.get(table, []), schema=schema), folder, table)
    return Night(folder, day)


def pair(account_a: str, account_b: str, *bits: float) -> dict[str, Any]:
    evidence = [
        {"identifier_type": "device", "identifier": hashed(f"d{n}"), "bits": value, "n_accounts": 2, "gap_days": 1.0}
        for n, value in enumerate(bits)
    ]
    return {"account_a": account_a, "account_b": account_b, "weight_bits": sum(bits), "evidence": evidence}


FARM = ("farm0", "farm1", "farm2")
LINKS: list[Link] = [
    *((account, "device", "farm-device", 6.0) for account in FARM),
    *((account, "email", f"{account}@x", 8.0) for account in FARM),
    ("farm0", "phone", "shared-phone", 7.0),
    ("near", "phone", "shared-phone", 7.0),
    ("near", "device", "near-device", 8.0),
    *((f"mid{n}", kind, value, 7.0) for n, kind, value in ((0, "ip", "ip0"), (1, "ip", "ip0"), (1, "ip", "ip1"))),
    *((f"crowd{n:02d}", "address", "tower", 4.0) for n in range(30)),
    ("crowd00", "instrument", "card", 7.0),
    ("near", "instrument", "card", 7.0),
    *((account, "payee", "utility", 0.0) for account in ("farm0", "mid0", "near", "crowd01")),
]
RINGS = [("r-farm", FARM), ("r-mid", ("mid0", "mid1")), ("r-crowd", ("crowd00", "crowd01"))]
_ONE_DEVICE = {"account_id": "farm0", "code": "shared_device", "text": "one device"}
_BY_DEVICE = {"identifier_type": "device", "identifier": hashed("farm-device"), "account_id": "farm1"}
REASONS: list[dict[str, Any]] = [
    {**_ONE_DEVICE, "contribution": 1.5, "evidence": [_BY_DEVICE]},
    {**_ONE_DEVICE, "contribution": 0.5, "evidence": []},  # said twice is said once
    {"account_id": "farm0", "code": "new", "text": "new here", "contribution": 2.5, "evidence": []},
]


@pytest.fixture(scope="module")
def hand_made(tmp_path_factory: pytest.TempPathFactory) -> Night:
    pairs = [pair("farm0", "farm1", 2.0, 5.0), pair("farm1", "farm2", 4.0), pair("farm0", "near", 3.5)]
    labels = [{"account_id": "farm1", "outcome": "confirmed_synthetic", "known_time": START}]
    folder = tmp_path_factory.mktemp("nights") / "hand_made"
    days = {"crowd01": 40, "mid1": 90}
    return write_night(
        folder, LINKS, RINGS, first_seen=days, others=["alone"], pairs=pairs, labels=labels, reasons=REASONS
    )


@pytest.fixture
def shown(neo4j_address: StoreAddress, hand_made: Night) -> Iterator[Store]:
    """A store that shows the night made by hand."""
    with connect(neo4j_address) as connected:
        load_night(connected, hand_made, allow_older=True)
        yield connected


def test_the_queue_is_in_the_order_of_the_night_and_is_turned_page_by_page(shown: Store) -> None:
    rows = read_queue(shown)
    assert [(row["place"], row["ring_id"]) for row in rows] == [(1, "r-farm"), (2, "r-mid"), (3, "r-crowd")]
    assert rows[0] == {
        "ring_id": "r-farm",
        "ring_version": "v-r-farm",
        "score": 0.9,
        "n_accounts": 3,
        "first_seen": START,
        "reasons": ["share a device"],
        "status": "suspected",
        "place": 1,
        "n_shared": 1,
        "shared_types": ["device"],
    }
    assert read_queue(shown, limit=2) + read_queue(shown, after=2, limit=2) == rows
    assert read_queue(shown, after=3) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"statuses": ["confirmed"]}, ["r-mid"]),
        ({"statuses": []}, []),
        ({"min_score": 0.8}, ["r-farm", "r-mid"]),
        ({"min_accounts": 3}, ["r-farm"]),
        ({"identifier_type": "ip"}, ["r-mid"]),
        ({"identifier_type": "address"}, ["r-crowd"]),
        ({"identifier_type": "payee"}, []),  # only a hub
        ({"statuses": ["suspected"], "min_score": 0.75}, ["r-farm"]),
    ],
)
def test_the_queue_is_filtered(shown: Store, asked: dict[str, Any], expected: list[str]) -> None:
    assert [row["ring_id"] for row in read_queue(shown, **asked)] == expected


def test_a_ring_is_read_with_its_members_their_reasons_and_what_joins_them(shown: Store) -> None:
    found = read_ring_graph(shown, "r-farm")
    assert found.ring == read_queue(shown, limit=1)[0]
    assert [row["account_id"] for row in found.accounts] == list(FARM)
    assert [(one["code"], one["contribution"]) for one in found.accounts[0]["reasons"]] == [
        ("new", 2.5),
        ("shared_device", 1.5),
    ]
    assert found.accounts[0]["reasons"][1]["evidence"][0]["account_id"] == "farm1"
    assert [row["outcome"] for row in found.accounts] == [None, "confirmed_synthetic", None]
    assert {(row["account_a"], row["account_b"]) for row in found.pairs} == {("farm0", "farm1"), ("farm1", "farm2")}
    of_first = [row for row in found.links if row["account_id"] == "farm0"]
    assert [row["identifier_type"] for row in of_first] == ["device", "phone", "email", "payee"]
    assert [row["is_hub"] for row in of_first] == [False, False, False, True]
    assert of_first[0]["first_seen"] == START
    assert (found.n_accounts_left_out, found.n_links_left_out) == (0, 0)


def test_what_the_bounds_leave_out_of_a_ring_is_counted(shown: Store) -> None:
    found = read_ring_graph(shown, "r-farm", max_accounts=2, max_identifiers=1)
    assert [row["account_id"] for row in found.accounts] == ["farm0", "farm1"]
    assert [row["identifier_type"] for row in found.links] == ["device", "device"]
    assert [(row["account_a"], row["account_b"]) for row in found.pairs] == [("farm0", "farm1")]
    assert (found.n_accounts_left_out, found.n_links_left_out) == (1, 4)


def test_an_account_is_read_with_what_it_holds_and_why_it_is_suspected(shown: Store) -> None:
    found = read_account(shown, "farm0")
    facts = {name: found.account[name] for name in ("ring_id", "cluster_id", "identity_id", "outcome", "n_identifiers")}
    assert facts == {
        "ring_id": "r-farm",
        "cluster_id": "r-farm",
        "identity_id": "p-farm0",
        "outcome": None,
        "n_identifiers": 4,
    }
    assert [one["code"] for one in found.account["reasons"]] == ["new", "shared_device"]
    assert [(row["identifier_type"], row["n_accounts"], row["is_hub"]) for row in found.identifiers] == [
        ("device", 3, False),
        ("phone", 2, False),
        ("email", 1, False),
        ("payee", 4, True),
    ]
    assert read_account(shown, "farm0", max_identifiers=1).n_identifiers_left_out == 3
    assert read_account(shown, "alone").identifiers == []


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: read_account(store, "nobody"),
        lambda store: neighbours(store, "nobody"),
        lambda store: read_ring_graph(store, "nobody"),
        lambda store: shortest_path(store, "farm0", "nobody"),
        lambda store: why_not(store, "nobody", "farm0"),
    ],
)
def test_who_is_not_in_the_night_is_refused_by_name(shown: Store, ask: Any) -> None:
    with pytest.raises(InputError, match="of the night that is shown; got `nobody`"):
        ask(shown)


@pytest.mark.parametrize(
    "ask",
    [
        lambda store: read_queue(store, limit=201),
        lambda store: read_queue(store, limit=0),
        lambda store: neighbours(store, "farm0", max_holders=10_000),
        lambda store: shortest_path(store, "farm0", "near", max_hops=7),
        lambda store: find_identifiers(store, [("ip", "x")] * 201),
    ],
)
def test_no_question_asks_for_more_than_its_bound(shown: Store, ask: Any) -> None:
    with pytest.raises(InputError, match="must be"):
        ask(shown)


def test_identifiers_are_found_exactly_with_who_holds_them(shown: Store) -> None:
    asked = [("phone", hashed("shared-phone")), ("email", hashed("shared-phone")), ("payee", hashed("utility"))]
    phone, payee = find_identifiers(shown, [*asked, asked[0]])
    assert [row["account_id"] for row in phone["accounts"]] == ["farm0", "near"]
    assert [row["ring_id"] for row in phone["accounts"]] == ["r-farm", None]
    assert (phone["n_accounts"], phone["is_hub"]) == (2, False)
    assert (payee["n_accounts"], payee["is_hub"]) == (4, True)
    tower = find_identifiers(shown, [("address", hashed("tower"))], limit=3)[0]
    assert (tower["n_accounts"], [row["account_id"] for row in tower["accounts"]]) == (
        30,
        ["crowd00", "crowd01", "crowd02"],
    )


def test_neighbours_share_something_and_a_hub_is_named_but_not_followed(shown: Store) -> None:
    found = neighbours(shown, "farm0")
    assert [(row["account_id"], row["bits"]) for row in found.accounts] == [
        ("near", 7.0),
        ("farm1", 6.0),
        ("farm2", 6.0),
    ]
    assert [one["identifier_type"] for one in found.accounts[0]["shared"]] == ["phone"]
    assert found.accounts[0]["shared"][0]["first_seen"] == START
    assert [row["identifier_type"] for row in found.not_followed] == ["payee"]
    by_phone = neighbours(shown, "farm0", identifier_type="phone")
    assert ([row["account_id"] for row in by_phone.accounts], by_phone.not_followed) == (["near"], [])
    few = neighbours(shown, "farm0", limit=1)
    assert (len(few.accounts), few.n_found) == (1, 3)
    wide = neighbours(shown, "crowd00", max_holders=29)
    assert [row["account_id"] for row in wide.accounts] == ["near"]
    assert [(row["identifier_type"], row["n_accounts"]) for row in wide.not_followed] == [("address", 30)]
    assert neighbours(shown, "alone") == type(found)([], 0, [])


def test_why_two_are_linked_is_their_evidence_the_strongest_first(shown: Store) -> None:
    found = why_linked(shown, "farm1", "farm0")
    assert found is not None
    assert (found["weight_bits"], [row["bits"] for row in found["evidence"]]) == (7.0, [5.0, 2.0])
    assert why_linked(shown, "farm0", "farm2") is None


def test_why_two_are_not_linked_says_what_they_share_all_the_same(shown: Store) -> None:
    found = why_not(shown, "farm0", "mid0")
    assert found.weight_bits is None
    assert [(row["identifier_type"], row["hindrance"], row["bits"], row["n_accounts"]) for row in found.shared] == [
        ("payee", "hub", 0.0, 4)
    ]
    counts = {row["identifier_type"]: (row["n_a"], row["n_b"], row["n_shared"]) for row in found.by_type}
    assert list(counts) == list(IDENTIFIERS)
    assert (counts["device"], counts["ip"], counts["payee"]) == ((1, 0, 0), (0, 1, 0), (1, 1, 1))
    (tower,) = why_not(shown, "crowd00", "crowd01").shared
    assert (tower["hindrance"], tower["gap_days"], tower["is_concurrent"]) == ("large_group", 40.0, False)
    (address,) = why_not(shown, "mid0", "mid1").shared
    # rarity 7 of an IP address (0.4), neither at one time (0.25) nor in step (0.6)
    assert (address["hindrance"], address["bits"]) == ("too_few_bits", pytest.approx(7 * 0.4 * 0.25 * 0.6))
    paired = why_not(shown, "farm0", "farm1")
    assert (paired.weight_bits, [row["hindrance"] for row in paired.shared]) == (7.0, [None])


def test_a_path_names_each_step_and_what_is_shared(shown: Store) -> None:
    found = shortest_path(shown, "farm1", "crowd05")
    assert [(hop["account_a"], hop["account_b"]) for hop in found.hops] == [
        ("farm1", "farm0"),
        ("farm0", "near"),
        ("near", "crowd00"),
        ("crowd00", "crowd05"),
    ]
    assert [[link["identifier_type"] for link in hop["shared"]] for hop in found.hops] == [
        ["device"],
        ["phone"],
        ["instrument"],
        ["address"],
    ]
    assert [hop["weight_bits"] for hop in found.hops] == [7.0, 3.5, None, None]
    assert [row["bits"] for row in found.hops[0]["evidence"]] == [5.0, 2.0]
    assert found.is_exhaustive
    assert not shortest_path(shown, "farm1", "crowd05", max_hops=3).hops
    assert shortest_path(shown, "farm1", "farm1").hops == []


def test_no_path_goes_through_a_hub_and_a_search_that_gave_up_says_so(shown: Store) -> None:
    none = shortest_path(shown, "farm0", "mid0")
    assert (none.hops, none.is_exhaustive) == ([], True)
    cut = shortest_path(shown, "farm1", "crowd05", max_seen=4)
    assert (cut.hops, cut.is_exhaustive) == ([], False)


def test_paths_are_as_short_as_networkx_finds_them(store: Store, tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    links = {
        (f"a{random.integers(60):02d}", "device", f"d{random.integers(70)}", float(random.choice([0.0, 5.0, 6.0])))
        for _ in range(130)
    }
    hubs = {value for _, _, value, weight in links if weight == 0.0}
    plain = {(account, kind, value, 0.0 if value in hubs else 5.0) for account, kind, value, _ in links}
    load_night(store, write_night(tmp_path / "night", sorted(plain)))
    network = nx.Graph()
    for account, _, value, weight in plain:
        network.add_node(account)
        if weight > 0:
            network.add_edge(account, f"device {value}")
    accounts = sorted({link[0] for link in plain})
    lengths = []
    for one, other in list(combinations(accounts, 2))[::13]:
        found = shortest_path(store, one, other)
        try:
            expected = nx.shortest_path_length(network, one, other) // 2
        except nx.NetworkXNoPath:
            expected = 0
        assert len(found.hops) == (expected if expected <= 6 else 0), (one, other)
        assert found.is_exhaustive
        assert all(hop["shared"] for hop in found.hops)
        lengths.append(len(found.hops))
    assert {0, 1, 2, 3} <= set(lengths)


class Interrupted(Exception):
    """Raised by a test in the middle of a load."""


def test_only_what_the_night_shows_is_followed_found_and_counted(store: Store, tmp_path: Path) -> None:
    chain: list[Link] = [
        ("a", "device", "x", 5.0),
        ("b", "device", "x", 5.0),
        ("b", "email", "y", 5.0),
        ("c", "email", "y", 5.0),
    ]
    shortcut: list[Link] = [("a", "phone", "z", 5.0), ("c", "phone", "z", 5.0)]
    before = write_night(tmp_path / "before", chain, [("r", ("a", "b"))])
    after = write_night(
        tmp_path / "after", [*chain[:2], *shortcut], [("r", ("a", "c"))], date(2026, 6, 2), others=["b"]
    )
    load_night(store, before)

    def interrupt(text: str, n_done: int, n_total: int) -> None:
        if text == "loading reasons" or text == "loading standings":
            raise Interrupted

    with pytest.raises(Interrupted):
        load_night(store, after, before, progress=interrupt)
    assert [hop["account_b"] for hop in shortest_path(store, "a", "c").hops] == ["b", "c"]
    assert find_identifiers(store, [("phone", hashed("z"))]) == []
    assert read_account(store, "a").account["n_identifiers"] == 1
    assert [row["account_id"] for row in read_ring_graph(store, "r").accounts] == ["a", "b"]
    assert [row["n_accounts"] for row in read_account(store, "c").identifiers] == [2]
    load_night(store, after, before)
    assert [hop["account_b"] for hop in shortest_path(store, "a", "c").hops] == ["c"]
    assert [row["account_id"] for row in neighbours(store, "a").accounts] == ["b", "c"]
    assert find_identifiers(store, [("email", hashed("y"))]) == []
    assert [row["account_id"] for row in read_ring_graph(store, "r").accounts] == ["a", "c"]


def test_rows_are_plain_as_the_driver_makes_them(shown: Store) -> None:
    text = (
        "MATCH (a:Account {account_id: 'farm0'})-[r:LINKED]->(i) "
        "RETURN a, r, i.identifier AS i, [1, null] AS n, {a: [a]} AS deep ORDER BY i"
    )
    plain = shown.read_current(text)
    assert plain == shown.run_apart(text)
    assert len(plain) == 4
    assert plain[0]["deep"] == {"a": [plain[0]["a"]]}
    times = "MATCH (:Account {account_id: 'farm0'})-[r:LINKED]->() RETURN [{t: r.first_seen}] AS deep, r.first_seen AS t LIMIT 1"
    assert shown.read_current(times) == [{"deep": [{"t": START}], "t": START}]


def test_raw_values_of_every_type_are_found(store: Store, tmp_path: Path) -> None:
    simulate(tmp_path / "w", n_accounts=120, n_days=60, seed=5, until=DAY)
    events = read_events(tmp_path / "w/events", as_of_of(DAY))
    links = build_links(events, KEY).with_columns(weight=pl.lit(5.0))
    accounts = [{"account_id": name, "cluster_id": f"c-{name}"} for name in events["signups"]["account_id"].unique()]
    load_night(store, write_night(tmp_path / "night", [], links=links.to_dicts(), clusters=accounts, scores=[]))
    for label, kind in IDENTIFIERS.items():
        held = links.filter(identifier_type=label)["account_id"]
        rows = events[kind.table].filter(pl.col("account_id").is_in(held.implode())).drop_nulls(list(kind.columns))
        row = rows.row(0, named=True)
        typed = " ".join(str(row[name]) for name in kind.columns)
        found = find_identifiers(store, hash_search_term(typed, KEY), limit=200)
        holders = {one["account_id"] for hit in found if hit["identifier_type"] == label for one in hit["accounts"]}
        assert row["account_id"] in holders, label
