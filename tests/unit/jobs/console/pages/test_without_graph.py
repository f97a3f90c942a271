"""Pages where no graph can be read: each says so as a page, and what needs none is shown."""

import html
import json
import re
from functools import partial

import polars as pl
import pytest

from graph.lake import write_table
from jobs.console.pages import panel
from jobs.desk.audit_reading import newest_rows

pytestmark = pytest.mark.anyio

PAGE = {"Accept": "text/html"}


@pytest.mark.parametrize("path", ["/queue", "/search", "/rings/c-farm", "/accounts/farm00", "/compare?a=x&b=y"])
async def test_what_needs_the_graph_is_a_page_that_says_so(served, path):
    answer = await served.ask("GET", path, headers=PAGE)
    assert answer.status_code == 503
    assert "<h1>Not available now</h1>" in answer.text
    assert answer.headers["retry-after"]


async def test_the_case_and_the_nights_need_none(served):
    panel = await served.ask("GET", "/rings/c-farm/panel", headers=PAGE)
    assert panel.status_code == 200
    assert "Nobody has this ring" in panel.text
    nights = await served.ask("GET", "/nights", headers=PAGE)
    assert "2026-03-31" in nights.text


async def test_a_panel_loaded_anew_brings_the_owner_and_the_verdict_for_the_head(served):
    def head(page: str) -> list[str]:
        brought = re.findall(r'<(?:dd|span) id="(owner|standing)" hx-swap-oob="true">(.*?)</(?:dd|span)>', page)
        return [f"{name}: {re.sub('<[^>]+>', '', text)}" for name, text in brought]

    async def panel(role: str = "investigator") -> str:
        return (await served.ask("GET", "/rings/c-farm/panel", role, headers=PAGE)).text

    assert head(await panel()) == ["owner: nobody", "standing: "]
    assert (await served.ask("POST", "/api/v1/rings/c-farm/claim")).status_code == 200
    version = re.search(r'data-if-match="([^"]+)"', await panel())
    assert version is not None
    verdict = {"verdict": "household", "reason": "one home", "account_ids": ["farm00"]}
    given = await served.ask(
        "POST", "/api/v1/rings/c-farm/dispositions", json=verdict, headers={"If-Match": f'"{version[1]}"'}
    )
    assert given.status_code == 201
    assert head(await panel()) == ["owner: you", "standing: household"]
    owner, standing = head(await panel("viewer"))
    assert owner.startswith("owner: token:investigator")
    assert standing == "standing: household"


async def test_a_session_that_ended_leads_htmx_out_of_the_page(served):
    headers = {"HX-Request": "true", "HX-Current-URL": "http://127.0.0.1:8484/rings/c-farm?select=a"}
    answer = await served.ask("GET", "/rings/c-farm/panel", None, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["hx-redirect"] == "/signin?next=/rings/c-farm%3Fselect%3Da"
    page = await served.ask("GET", "/rings/c-farm?select=a,b", None, headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/signin?next=/rings/c-farm%3Fselect%3Da%2Cb")
    other = await served.ask("POST", "/search", None, headers=PAGE, data={"term": "x"})
    assert other.headers["location"] == "/signin?next=/search"


async def test_a_member_that_is_markup_is_shown_as_text(served):
    night = served.lake / "nights" / "2026-03-31"
    scores = pl.read_parquet(night / "scores.parquet")
    write_table(scores.with_columns(pl.col("account_id").replace("farm00", '"><script>x')), night, "scores")
    panel = await served.ask("GET", "/rings/c-farm/panel", headers=PAGE)
    assert "&#34;&gt;&lt;script&gt;x" in panel.text
    assert "<script" not in panel.text


@pytest.mark.parametrize("query", ["since=2026-03-31&until=2026-03-30", "since=2026-03-31"])
async def test_a_page_that_says_itself_why_it_has_no_answer_is_a_refusal_in_the_audit(served, query):
    answer = await served.ask("GET", f"/nights?{query}", headers=PAGE)
    assert answer.status_code == 422
    rows = [json.loads(line) for line in served.audit.splitlines()]
    assert [(row["action"], row["result"]) for row in rows] == [("nights.view", "allowed"), ("nights.view", "refused")]
    assert rows[-1]["details"]["why"].startswith("422 ")


async def test_the_history_says_when_it_did_not_look_at_the_whole_audit(served, monkeypatch):
    for _ in range(3):
        await served.ask("GET", "/api/v1/rings/c-farm/notes")
    whole = await served.ask("GET", "/rings/c-farm/history", headers=PAGE)
    assert whole.text.count("notes.view") == 3
    assert "not looked at" not in whole.text
    monkeypatch.setattr(panel, "MAX_LOOKED_AT", 3)
    bound = await served.ask("GET", "/rings/c-farm/history", headers=PAGE)
    assert bound.text.count("notes.view") == 1  # before it are two rows of the histories themselves
    assert "Of the newest 3 rows of the audit; what is earlier was not looked at." in bound.text


async def test_an_audit_page_without_a_row_says_what_it_looked_at_and_goes_on(served, monkeypatch):
    for _ in range(4):
        await served.ask("GET", "/api/v1/nights")
    monkeypatch.setattr("jobs.console.api.audit.newest_rows", partial(newest_rows, max_looked_at=3))
    page = await served.ask("GET", "/audit?action=nobody", "auditor", headers=PAGE)
    assert "No row is left" in page.text
    assert "3 rows were looked at." in page.text
    onward = html.unescape(re.search(r'href="([^"]+)" rel="next"', page.text)[1])
    last = await served.ask("GET", onward, "auditor", headers=PAGE)
    assert "The audit begins here." in last.text
    assert 'rel="next"' not in last.text


async def test_filters_of_the_audit_that_are_typed_stand_in_an_address_once_rows_have_them(served, monkeypatch):
    for _ in range(4):
        await served.ask("GET", "/api/v1/nights")
    known = await served.ask("POST", "/audit", "auditor", headers=PAGE, data={"actor": "", "action": "nights.view"})
    assert (known.status_code, known.headers["location"]) == (303, "/audit?action=nights.view")
    monkeypatch.setattr("jobs.console.api.audit.newest_rows", partial(newest_rows, max_looked_at=4))
    typed = {"target": "+49 1512 3456789"}
    page = await served.ask("POST", "/audit", "auditor", headers=PAGE, data=typed)
    assert "No row is left" in page.text
    assert not re.search(r'(href|action)="[^"]*3456789', page.text)
    cursor = re.search(r'name="cursor" value="([^"]+)"', page.text)[1]
    last = await served.ask("POST", "/audit", "auditor", headers=PAGE, data=typed | {"cursor": cursor})
    assert "The audit begins here." in last.text
    assert "3456789" not in served.audit
