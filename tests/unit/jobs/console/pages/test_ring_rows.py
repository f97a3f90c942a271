"""Rows of the ring page: who shares what, what reasons name, pages of pairs, and evidence in words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.console.graph_answers import (
    EvidenceRow,
    MemberLinkRow,
    MemberRow,
    PairRow,
    QueueRow,
    ReasonEvidenceRow,
    ReasonRow,
    RingAnswer,
)
from jobs.console.pages.ring_rows import evidence_words, member_lines, named_evidence, pair_page

AT = datetime(2026, 3, 31, tzinfo=UTC)


def link(account: str, kind: str, identifier: str, days: int = 1, is_hub: bool = False) -> MemberLinkRow:
    return MemberLinkRow(
        account_id=account, identifier_type=kind, identifier=identifier, name=f"{kind} {identifier}", is_hub=is_hub, weight=4.0,
        first_seen=AT - timedelta(days=days), last_seen=AT, n_events=1,
    )  # fmt: skip


def member(account: str, *names: str) -> MemberRow:
    evidence = [ReasonEvidenceRow(name=name) for name in names]
    reasons = [ReasonRow(code="r", text="shares a device", contribution=1.0, evidence=evidence)] if names else []
    return MemberRow(account_id=account, n_identifiers=2, reasons=reasons, score=0.9, rank=1)


def pair(a: str, b: str, bits: float) -> PairRow:
    return PairRow(account_a=a, account_b=b, weight_bits=bits, identifier_types=["device"], evidence=[])


def ring(accounts: list[MemberRow], links: list[MemberLinkRow]) -> RingAnswer:
    head = QueueRow(
        ring_id="c-1", ring_version="v", place=1, score=0.9, n_accounts=len(accounts), first_seen=AT, reasons=[], status="suspected"
    )  # fmt: skip
    return RingAnswer(
        night=AT.date(), ring=head, accounts=accounts, links=links, pairs=[], n_accounts_left_out=0, n_links_left_out=0
    )


def test_a_member_shares_what_another_member_holds_too_and_hubs_are_nothing_shared():
    links = [
        link("a", "device", "1", 9), link("b", "device", "1"), link("a", "device", "2"), link("b", "device", "2"),
        link("a", "phone", "3", 40), link("a", "ip", "4", is_hub=True), link("b", "ip", "4", is_hub=True),
        link("a", "address", "5"), link("b", "address", "5"),
    ]  # fmt: skip
    one, other, bare = member_lines(ring([member("a", "device 1"), member("b"), member("c")], links))
    assert one.shared == (("device", 2), ("address", 1))
    assert (one.n_shared, other.n_shared, bare.n_shared) == (3, 3, 0)
    assert one.first_seen == AT - timedelta(days=40)
    assert bare.first_seen is None
    assert (one.reason, one.evidence, other.reason) == ("shares a device", ("device 1",), "")
    assert [line.place for line in (one, other, bare)] == [1, 2, 3]


def test_what_most_reasons_name_comes_first_and_a_member_counts_once():
    accounts = [member("a", "card 1", "card 1", "phone 2"), member("b", "card 1"), member("c", "device 0")]
    named = named_evidence(accounts, n_most=2)
    assert [(each.name, each.n_members) for each in named] == [("card 1", 2), ("device 0", 1)]


@given(st.lists(st.floats(0, 100), max_size=40), st.integers(1, 7))
def test_pages_of_pairs_are_all_pairs_once_the_strongest_first(weights, n_rows):
    pairs = [pair("a", f"b{number}", bits) for number, bits in enumerate(weights)]
    _, n_pages = pair_page(pairs, 1, n_rows)
    seen = [row for page in range(1, n_pages + 1) for row in pair_page(pairs, page, n_rows)[0]]
    assert [row.weight_bits for row in seen] == sorted(weights, reverse=True)
    assert {row.account_b for row in seen} == {row.account_b for row in pairs}
    assert pair_page(pairs, n_pages + 5, n_rows) == pair_page(pairs, n_pages, n_rows)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"n_accounts": 12, "gap_days": 3.44, "is_concurrent": True},
         "12 accounts hold it; first used 3.4 days apart; in use at the same time"),
        ({"n_accounts": 1, "gap_days": 0.01}, "1 account holds it; first used within an hour of each other"),
        ({"gap_days": 1 / 24, "is_concurrent": False}, "first used 1 hour apart; one after the other"),
        ({"gap_days": 120.6, "is_crossed": True},
         "first used 121 days apart; under names and birth dates that are not one person's"),
        ({}, ""),
    ],
)  # fmt: skip
def test_evidence_says_what_is_known_of_it_and_nothing_else(facts, words):
    row = EvidenceRow(identifier_type="device", identifier="1", name="device 1", bits=2.0, **facts)
    assert evidence_words(row) == words
