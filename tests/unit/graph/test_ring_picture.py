"""The picture of a ring: it follows from its rows alone, and a large ring is folded into few communities that share within."""

import hashlib
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from graph.ring_picture import FOLD_ABOVE, MAX_COMMUNITIES, build_picture, shared_identifiers

START = datetime(2026, 1, 1, tzinfo=UTC)
RING = {"ring_id": "c-ring", "ring_version": "v1"}

Row = dict[str, Any]


def account(name: str, score: float = 0.5) -> Row:
    return {"account_id": name, "score": score, "outcome": None, "cluster_id": "c-ring", "reasons": []}


def link(name: str, value: str, kind: str = "device", weight: float = 5.0, day: int = 0) -> Row:
    time = START + timedelta(days=day)
    return {
        "account_id": name,
        "identifier_type": kind,
        "identifier": hashlib.sha256(value.encode()).hexdigest(),
        "weight": weight,
        "is_hub": weight == 0,
        "first_seen": time,
        "last_seen": time + timedelta(days=1),
        "n_events": 2,
    }


def crews(n_crews: int, size: int) -> tuple[list[Row], list[Row]]:
    """A ring of crews: each shares devices within, one phone ties it to the next, all share a hub."""
    accounts, links = [], []
    for crew in range(n_crews):
        for place in range(size):
            name = f"x{crew:03d}-{place:02d}"
            accounts.append(account(name, 1 - (crew * size + place) / (n_crews * size)))
            links += [link(name, f"d{crew}-{place // 3}"), link(name, f"card{crew}", "instrument")]
            links += [link(name, "office", "ip", weight=0.0), link(name, f"own-{name}", "email")]
        links += [link(f"x{crew:03d}-00", f"tie{crew}", "phone"), link(f"x{crew:03d}-01", f"tie{crew - 1}", "phone")]
    return accounts, links


def picture(accounts: list[Row], links: list[Row], pairs: list[Row] | None = None) -> Any:
    return build_picture(RING, accounts, links, pairs or [], {})


def test_only_what_two_members_hold_is_drawn_and_hubs_come_last_without_a_community():
    accounts = [account("a", 0.9), account("b", 0.8), account("c", None)]
    links = [link("a", "d", day=3), link("b", "d"), link("a", "own", day=1), link("a", "ip", "ip", 0.0, day=5)]
    links += [link("c", "ip", "ip", 0.0, day=9)]
    made = picture(accounts, links)
    assert [(row["identifier_type"], row["n_members"], row["is_hub"]) for row in made.identifiers] == [
        ("device", 2, False),
        ("ip", 2, True),
    ]
    assert made.identifiers[1]["community"] is None
    assert made.identifiers[0]["community"] == made.accounts[0]["community"]
    assert [row["account_id"] for row in made.holds] == ["a", "b", "a", "c"]
    assert [row["first_seen"] for row in made.accounts] == [START + timedelta(days=day) for day in (1, 0, 9)]
    assert (made.is_folded, made.n_holds_left_out) == (False, 0)


def test_a_ring_of_1500_folds_into_its_crews():
    accounts, links = crews(60, 25)
    made = picture(accounts, links)
    assert made.is_folded
    assert 20 <= len(made.communities) <= MAX_COMMUNITIES <= 150
    crew_of = {row["account_id"]: row["account_id"][:4] for row in accounts}
    inside: dict[int, Counter[str]] = {}
    for row in made.accounts:
        inside.setdefault(row["community"], Counter())[crew_of[row["account_id"]]] += 1
    # a community is one crew's, or a part of it; a few, who tie two crews, may stand with either
    assert sum(crew.most_common(1)[0][1] for crew in inside.values()) >= 0.95 * len(accounts)


def test_communities_count_what_they_hold_and_are_numbered_by_their_riskiest():
    accounts, links = crews(60, 25)
    made = picture(accounts, links)
    assert [row["community"] for row in made.communities] == list(range(len(made.communities)))
    first: dict[int, int] = {}
    for place, row in enumerate(made.accounts):
        first.setdefault(row["community"], place)
    assert list(first) == sorted(first)
    assert sum(row["n_accounts"] for row in made.communities) == len(accounts)
    assert sum(row["n_identifiers"] for row in made.communities) == sum(not row["is_hub"] for row in made.identifiers)
    scores = {row["account_id"]: row["score"] for row in accounts}
    for row in made.communities:
        own = [scores[one["account_id"]] for one in made.accounts if one["community"] == row["community"]]
        assert row["max_score"] == max(own)


@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_links_changes_nothing(seed):
    accounts, links = crews(20, 12)
    mixed = links.copy()
    random.Random(seed).shuffle(mixed)
    assert picture(accounts, mixed) == picture(accounts, links)


def test_members_that_share_nothing_do_not_become_a_community_each():
    accounts = [account(f"x{number:04d}") for number in range(1_500)]
    made = picture(accounts, [link(row["account_id"], f"own-{row['account_id']}") for row in accounts])
    assert len(made.communities) <= MAX_COMMUNITIES
    assert (made.identifiers, made.holds) == ([], [])


def test_all_on_one_device_are_one_ring_of_few_communities():
    accounts = [account(f"x{number:03d}") for number in range(50)]
    made = picture(accounts, [link(row["account_id"], "d") for row in accounts])
    assert len(made.communities) == 1
    assert not made.is_folded
    assert len(made.accounts) + len(made.identifiers) <= FOLD_ABOVE


def test_the_strongest_pairs_are_drawn_and_the_rest_counted():
    pair = {"identifier_types": ["device"], "evidence": []}
    pairs = [
        {"account_a": "a", "account_b": f"b{bits:04d}", "weight_bits": float(bits)} | pair for bits in range(3_200)
    ]
    made = picture([account("a")], [], pairs)
    assert made.n_pairs_left_out == 200
    assert min(row["weight_bits"] for row in made.pairs) == 200


def test_links_of_identifiers_beyond_the_bound_are_counted():
    links = [link(name, f"d{number}") for number in range(1_600) for name in ("a", "b")]
    made = picture([account("a"), account("b")], links)
    assert len(made.identifiers) == len(shared_identifiers(links)) == 1_500
    assert made.n_holds_left_out == 200
