"""The console's pages over a real Neo4j: what each shows, to whom, and that no raw value is in any of them."""

import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import make_token

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:8484"
AT = datetime(2026, 4, 1, tzinfo=UTC)
PHONE = "+4915123456789"
Get = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def tokens(console_app, console_lake) -> dict[str, str]:
    """A token of each role."""
    return {
        role.value: make_token(
            console_lake, f"{role}-{secrets.token_hex(4)}", role, AT + timedelta(days=1), secrets.token_hex,
            created_by="test", now=AT, scopes=tuple(Scope),
        )[0]
        for role in Role
    }  # fmt: skip


@pytest.fixture
def ask(console_app, tokens) -> Get:
    """One request as a browser sends it, in a role."""

    async def send(path: str, role: str = "investigator", method: str = "GET", **more: Any) -> httpx.Response:
        own = {"Authorization": f"Bearer {tokens[role]}", "Accept": "text/html"} | more.pop("headers", {})
        transport = httpx.ASGITransport(console_app, client=("127.0.0.1", 5000))
        async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=own) as client:
            return await client.request(method, path, **more)

    return send


def rows_of(page: str) -> list[str]:
    """Text of each row of tables' bodies, blanks joined."""
    found = re.findall(r"<tr[^>]*>(.*?)</tr>", page, re.DOTALL)
    texts = (re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", row)).strip() for row in found if "<td" in row)
    return list(texts)


async def test_the_queue_shows_its_rings_and_what_changed_since_the_night_before(ask):
    page = await ask("/queue")
    assert page.status_code == 200
    farm, chain = rows_of(page.text)
    assert farm.startswith("1 almost certain 0.97 c-farm 8")
    assert "new" in farm
    assert "about 8 synthetic" in farm
    assert "4,319.00 EUR paid" in farm
    assert "8 accounts share one device" in farm
    assert "Claim" in farm
    assert "unchanged" in chain
    assert "Since <time>2026-03-30</time>" in page.text
    assert 'href="/rings/c-farm"' in page.text


async def test_the_queue_is_filtered_by_its_address_and_an_empty_one_says_what_to_do(ask):
    every = "/queue?status=&min_score=&min_accounts=&identifier_type=&owner="
    assert len(rows_of((await ask(every)).text)) == 2
    large = await ask("/queue?status=suspected&min_accounts=20&identifier_type=instrument")
    assert [row.split()[4] for row in rows_of(large.text)] == ["c-chain"]
    assert 'value="20"' in large.text
    none = await ask("/queue?min_accounts=900")
    assert "No ring is left by these filters" in none.text
    assert 'href="/queue"' in none.text
    assert (await ask("/queue?min_score=7")).status_code == 422


async def test_mine_nobodys_and_decided_are_filters_too(ask):
    assert len(rows_of((await ask("/queue?owner=@nobody")).text)) == 2
    assert (await ask("/api/v1/rings/c-chain/claim", method="POST")).status_code == 200
    assert [("c-chain" in row, "you" in row) for row in rows_of((await ask("/queue?owner=@me")).text)] == [(True, True)]
    (left,) = rows_of((await ask("/queue?owner=@nobody")).text)
    assert "c-farm" in left
    seen = rows_of((await ask("/queue", "viewer")).text)
    assert not any("Claim" in row or "Release" in row for row in seen)
    assert (await ask("/api/v1/rings/c-chain/release", method="POST")).status_code == 200


async def test_a_reader_is_told_when_the_night_has_moved_on(ask):
    page = await ask("/queue?night=2026-03-30&cursor=anything")
    assert page.status_code == 200
    assert "has moved on from" in page.text
    assert len(rows_of(page.text)) == 2
    assert (await ask("/night?seen=2026-03-31")).status_code == 204
    assert "This page is of" in (await ask("/night?seen=2026-03-30")).text.replace("this page", "This page")


async def test_the_case_panel_has_its_forms_for_whoever_may_write_alone(ask):
    panel = (await ask("/rings/c-farm/panel")).text
    assert 'data-api="/api/v1/rings/c-farm/claim"' in panel
    assert panel.count('name="account_ids"') == 8
    assert 'data-if-match="' in panel
    assert "data-download" in panel
    seen = (await ask("/rings/c-farm/panel", "viewer")).text
    assert "<form" not in seen
    assert "Nobody has this ring" in seen
    assert (await ask("/rings/c-farm/history", "viewer")).status_code == 403
    assert (await ask("/rings/c-nothing/panel")).status_code == 404
    moved = (await ask("/rings/c-farm/panel?version=another")).text
    assert "Load it anew" in moved
    assert "/dispositions" not in moved


async def test_verdicts_and_notes_are_shown_as_text_with_what_superseded_them(ask):
    version = re.search(r'data-if-match="([^"]+)"', (await ask("/rings/c-chain/panel")).text)
    assert version is not None
    sent = {"method": "POST", "headers": {"If-Match": f'"{version[1]}"'}}
    first = (
        await ask(
            "/api/v1/rings/c-chain/dispositions",
            json={"verdict": "household", "reason": "<b>one home</b>", "account_ids": ["chain00"]},
            **sent,
        )
    ).json()
    panel = (await ask("/rings/c-chain/panel")).text
    assert "&lt;b&gt;one home&lt;/b&gt;" in panel
    assert f'name="supersedes" value="{first["disposition_id"]}"' in panel
    await ask(
        "/api/v1/rings/c-chain/dispositions",
        json={"verdict": "needs_more", "reason": "too soon", "supersedes": first["disposition_id"]},
        **sent,
    )
    note = (await ask("/api/v1/rings/c-chain/notes", method="POST", json={"text": "a first note"})).json()
    await ask(
        "/api/v1/rings/c-chain/notes",
        method="POST",
        json={"text": "a second note", "supersedes": note["note_id"]},
    )
    panel = (await ask("/rings/c-chain/panel", "viewer")).text
    assert "1 earlier verdict" in panel
    assert panel.count("<strong>stands</strong>") == 1
    assert panel.count("<strong>superseded</strong>") == 1
    history = (await ask("/rings/c-chain/history")).text
    assert "claimed by" in history
    assert "disposition.write" in history
    assert len(rows_of((await ask("/queue?hides_decided=true")).text)) == 2  # a verdict that needs more decides nothing


async def test_an_account_shows_what_it_holds_and_reveals_to_whoever_may(ask, phone_hash):
    page = (await ask("/accounts/farm00")).text
    assert 'href="/rings/c-farm"' in page
    assert "shares a device with 7 accounts" in page
    assert f'value="{phone_hash}"' in page
    assert page.count('data-api="/api/v1/reveal"') == page.count("<summary")
    seen = (await ask("/accounts/farm00", "viewer")).text
    assert "data-reveal" not in seen
    assert phone_hash not in seen
    assert (await ask("/accounts/nobody")).status_code == 404
    (beside,) = rows_of((await ask("/neighbours?account_id=farm00&identifier_type=phone")).text)
    assert beside.startswith("farm01")
    assert len(rows_of((await ask("/alike?account_id=farm00")).text)) == 10


@pytest.mark.parametrize("headers", [{}, {"HX-Request": "true"}])
async def test_a_search_shows_who_holds_it_and_keeps_no_term(ask, console_lake, headers):
    page = await ask("/search", method="POST", data={"term": "0049 151 23456789"}, headers=headers)
    assert page.status_code == 200
    assert {row.split()[0] for row in rows_of(page.text)} == {"farm00", "farm01"}
    assert "in 1 ring" in page.text
    assert "23456789" not in page.text
    assert "23456789" not in (console_lake / "desk" / "audit.jsonl").read_text()
    assert ("<html" in page.text) is (not headers)
    assert "<title>Search · Ringlight</title>" in page.text


async def test_a_search_that_finds_nothing_says_what_it_understands(ask):
    nothing = await ask("/search", method="POST", data={"term": "no such thing"})
    assert "Nothing found" in nothing.text
    assert "What the search understands" in nothing.text
    assert (await ask("/search", method="POST", data={"term": " "})).status_code == 422
    assert "What the search understands" in (await ask("/search")).text


async def test_two_accounts_beside_each_other(ask):
    led = await ask("/compare?pick=farm00&pick=farm01")
    assert (led.status_code, led.headers["location"]) == (303, "/compare?a=farm00&b=farm01")
    linked = (await ask("/compare?a=farm00&b=farm01")).text
    assert "Why they are linked" in linked
    apart = (await ask("/compare?a=farm00&b=alone00")).text
    assert "They are not linked" in apart
    assert "They share nothing at all" in apart
    path = (await ask("/compare/path?a=chain00&b=chain05")).text
    assert path.count("<li>") == 5
    assert "There is none" in (await ask("/compare/path?a=farm00&b=alone00")).text
    assert "1 account was ticked" in (await ask("/compare?pick=farm00")).text
    assert (await ask("/compare?a=farm00&b=nobody")).status_code == 404


async def test_two_accounts_that_are_typed_stand_in_an_address_once_both_are_known(ask, console_lake):
    led = await ask("/compare", method="POST", data={"a": "farm00", "b": "farm01"})
    assert (led.status_code, led.headers["location"]) == (303, "/compare?a=farm00&b=farm01")
    unknown = await ask("/compare", method="POST", data={"a": "farm00", "b": "+49 1512 3456789"})
    assert unknown.status_code == 404
    assert "does not have both accounts" in unknown.text
    assert "3456789" not in unknown.text + (console_lake / "desk" / "audit.jsonl").read_text()
    for a, b in (("farm00", ""), ("farm00", "farm00")):
        assert (await ask("/compare", method="POST", data={"a": a, "b": b})).status_code == 422


async def test_two_questions_about_the_same_accounts_are_one_row_of_the_audit(ask, console_lake):
    path = console_lake / "desk" / "audit.jsonl"
    n_before = len(path.read_text().splitlines())
    await ask("/compare?a=farm02&b=farm03")
    (row,) = path.read_text().splitlines()[n_before:]
    assert '"action":"why_linked.view"' in row


async def test_nights_and_what_became_of_the_rings(ask):
    page = (await ask("/nights")).text
    health = rows_of(page)
    assert [row.split()[0] for row in health] == ["2026-03-31", "2026-03-30"]
    assert "it left no report" in health[0]
    assert 'href="/nights?since=2026-03-30&amp;until=2026-03-31"' in page
    compared = (await ask("/nights?since=2026-03-30&until=2026-03-31")).text
    farm, chain, *_ = rows_of(compared)
    assert farm.startswith("c-farm new +8 8 0.97")
    assert chain.startswith("c-chain unchanged 70")
    assert 'href="/accounts/farm00"' in compared
    assert (await ask("/nights?since=2026-03-31&until=2026-03-30")).status_code == 422
    assert (await ask("/nights?since=2026-03-31&until=")).status_code == 422


async def test_the_audit_is_for_auditors_and_filtered_by_its_address(ask):
    assert (await ask("/audit")).status_code == 403
    nobody = await ask("/audit?actor=nobody&action=&target=&result=", "auditor")
    assert "No row is left" in nobody.text
    assert (await ask("/alike?account_id=farm00", "auditor")).status_code == 403
    refused = rows_of((await ask("/audit?action=alike.view&result=refused", "auditor")).text)
    assert ["lacks read" in row for row in refused] == [True]
    allowed = rows_of((await ask("/audit?action=audit.view&result=allowed", "auditor")).text)
    assert allowed
    assert not any("refused" in row for row in allowed)


async def test_no_page_holds_a_raw_value_or_what_the_policy_forbids(ask):
    for path in ("/queue", "/rings/c-farm", "/rings/c-farm/panel", "/accounts/farm00", "/neighbours?account_id=farm00",
                 "/compare?a=farm00&b=farm01", "/compare/path?a=farm00&b=farm01", "/nights", "/help", "/search"):  # fmt: skip
        page = (await ask(path)).text
        assert PHONE not in page, path
        assert not re.search(r"\sstyle=|\son[a-z]+=|<style|javascript:", page), path
        ids = re.findall(r'\sid="([^"]+)"', page)
        assert len(ids) == len(set(ids)), path
