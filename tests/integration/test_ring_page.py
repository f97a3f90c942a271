"""The ring page over a real Neo4j: what it shows before any script runs, and what its scripts find."""

import re
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:8484"
OWN = {"Authorization": "Bearer demo-token", "Accept": "text/html"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def get(app: Any, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 5000))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers=OWN) as client:
        return await client.get(path)


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html)).strip()


def table(page: str, name: str) -> list[str]:
    """Text of the rows of a table's body, by the id that it, or the section around it, has."""
    found = re.search(rf'id="{name}".*?<tbody>(.*?)</tbody>', page, re.DOTALL)
    assert found is not None
    return [plain(row) for row in re.findall(r"<tr.*?</tr>", found[1], re.DOTALL)]


async def test_a_ring_is_told_whole_before_any_script_runs(console_app):
    answer = await get(console_app, "/rings/c-farm")
    page = answer.text
    assert answer.status_code == 200
    head = plain(page[page.index('class="ring-head"') : page.index('class="ring-why"')])
    for words in (
        "c-farm",
        "almost certain",
        "0.97",
        "suspected",
        "Owner nobody",
        "Place in the queue 1",
        "2026-03-30",
    ):
        assert words in head, words
    reasons = plain(page[page.index('class="ring-why"') : page.index('class="ring-columns"')])
    assert "8 accounts share one device" in reasons
    assert re.search(r"device \w{4}-\w{4} \(8 members\)", reasons)
    members = table(page, "members")
    assert len(members) == 8
    assert any("confirmed synthetic" in row for row in members)
    assert all(re.search(r"device 1, .*shares a device with 7 accounts device \w{4}-\w{4}$", row) for row in members)
    assert page.count('href="/accounts/farm03"') >= 2
    assert 'id="moved"' not in page


async def test_each_pair_says_why_it_is_linked_in_words(console_app):
    rows = table((await get(console_app, "/rings/c-farm")).text, "pairs")
    assert len(rows) == 7
    bits = [float(re.search(r"(\d+\.\d) ", row)[1]) for row in rows]  # type: ignore[index]
    assert bits == sorted(bits, reverse=True)
    assert all("2 accounts hold it; first used 1.0 days apart; in use at the same time" in row for row in rows)


async def test_a_link_to_another_version_is_told_that_the_ring_has_moved(console_app):
    page = (await get(console_app, "/rings/c-farm?version=%3Cb%3Eold&select=farm01")).text
    assert "&lt;b&gt;old" in page
    assert "<b>old" not in page
    version = re.search(r'data-ring-version="(\w+)"', page)
    assert version is not None
    assert 'id="moved"' not in (await get(console_app, f"/rings/c-farm?version={version[1]}")).text


async def test_what_the_page_shows_is_what_the_api_answers(console_app):
    page = (await get(console_app, "/rings/c-chain")).text
    ring = (await get(console_app, "/api/v1/rings/c-chain")).json()
    assert re.findall(r'<tr data-account="([^"]+)"', page) == [row["account_id"] for row in ring["accounts"]]
    shown = {tuple(ends) for ends in re.findall(r'<tr data-a="([^"]+)" data-b="([^"]+)"', page)}
    assert shown == {(row["account_a"], row["account_b"]) for row in ring["pairs"]}


async def test_every_tool_is_a_button_with_its_key_and_every_field_has_a_label(console_app):
    page = (await get(console_app, "/rings/c-farm")).text
    tools = dict(re.findall(r'data-action="(\w+)"[^>]*?aria-keyshortcuts="([^"]+)"', page))
    assert tools == {
        "fit": "f", "fold": "z", "expand": "e", "collapse": "Shift+E", "why": "w", "path": "p", "hide": "h", "pin": "i", "undo": "u",
    }  # fmt: skip
    assert re.search(r'id="picture"[^>]*role="img"[^>]*aria-label="[^"]+"', page)
    assert page.count("<h1>") == 1


async def test_a_ring_that_is_not_there_is_a_page_that_says_so(console_app):
    answer = await get(console_app, "/rings/c-nothing")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "no such ring" in answer.text
