"""No raw value before a reveal: not on a page, in an answer, an address, the log or the audit; and the one that is asked for after it."""

import json
import re

import pytest
from playwright.sync_api import expect

WALK = (
    "/queue", "/rings/c-farm", "/accounts/farm00", "/accounts/farm01", "/compare?a=farm00&b=farm01",
    "/compare?a=farm00&b=chain00", "/nights", "/search", "/help",
)  # fmt: skip
ANSWERS = (
    "/queue", "/rings/c-farm", "/rings/c-farm/picture", "/accounts/farm00", "/neighbours?account_id=farm00",
    "/alike?account_id=farm00", "/path?a=farm00&b=farm01", "/why-linked?a=farm00&b=farm01",
    "/why-not?a=farm00&b=alone00", "/rings/c-farm/dispositions", "/rings/c-farm/notes", "/nights",
)  # fmt: skip


def ways_of_writing(raw: dict[str, str]) -> set[str]:
    """The values, what normalising makes of them, and their letters and digits alone, all in lower case."""
    plain = {re.sub(r"[\W_]", "", value) for value in raw.values()}
    parts = {"vandersloot", "gargoyle", "15123456789", "quirina"}
    return {value.casefold() for value in {*raw.values(), *plain, *parts}}


def found_in(text: str, hidden: set[str]) -> set[str]:
    told = text.casefold()
    return {value for value in hidden if value in told}


@pytest.fixture
def hidden(console) -> set[str]:
    return ways_of_writing(console.raw)


def answers(console, since: int = 0) -> str:
    """All that went out but programs, styles and pictures."""
    return "\n".join(
        body.decode("utf-8", "replace")
        for media, body in console.traffic.answered[since:]
        if not media.startswith(("text/javascript", "application/javascript", "text/css", "image/", "application/pdf"))
    )


def test_no_raw_value_is_anywhere_before_a_reveal_and_one_alone_after_it(page, new_context, console, hidden, shoot):
    for path in WALK:
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert found_in(page.content(), hidden) == set(), path
    for part in ("/rings/c-farm/panel", "/rings/c-farm/history"):
        assert page.request.get(part).status == 200
    for path in ANSWERS:
        assert page.request.get(f"/api/v1{path}").status == 200, path
    for term in console.raw.values():
        page.goto("/search")
        page.get_by_role("searchbox").fill(term)
        with page.expect_response("**/search") as sent:  # else the next term leaves the page before it was sent
            page.get_by_role("searchbox").press("Enter")
        sent.value.finished()
        expect(page.locator("main h1")).to_have_text("Search")
        page.wait_for_load_state("networkidle")
        assert found_in(page.locator("main").inner_html(), hidden) == set()
        assert found_in(page.url, hidden) == set()
    for kind in ("json", "csv"):
        answer = page.request.post(
            "/api/v1/rings/c-farm/exports", data={"format": kind}, headers={"Origin": console.origin}
        )
        assert answer.status == 200
    auditor = new_context("auditor").new_page()
    auditor.goto("/audit")

    n = len(console.traffic.answered)
    assert n > len(WALK) + len(ANSWERS) + len(console.raw)
    assert found_in(answers(console), hidden) == set()
    kept = page.evaluate(
        "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])"
    )
    assert found_in(kept, hidden) == set()
    assert_silent(console, hidden)

    page.goto("/accounts/farm00")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile("^phone")))
    row.get_by_text("Reveal", exact=True).click()
    row.get_by_label("Why must it be seen?").fill("the customer asked for a call")
    row.get_by_role("button", name="Reveal the value").click()
    expect(row).to_contain_text(console.raw["phone"])
    shoot(page, "revealed")
    page.wait_for_load_state("networkidle")
    told = [body.decode() for _, body in console.traffic.answered[n:] if console.raw["phone"].encode() in body]
    assert [json.loads(text)["values"] for text in told] == [{"phone": console.raw["phone"]}]
    assert found_in(page.content(), hidden - found_in(console.raw["phone"], hidden)) == set()
    row.get_by_role("button", name="Hide it again").click()
    assert found_in(page.content(), hidden) == set()
    assert_silent(console, hidden)
    last = [json.loads(line) for line in console.audit.splitlines() if '"reveal"' in line][-1]
    assert (last["target"], last["details"]["reason"]) == ("farm00", "the customer asked for a call")


def assert_silent(console, hidden: set[str]) -> None:
    """Neither addresses nor the log nor any file of the desk has a value."""
    assert found_in("\n".join(url for _, url, _ in console.traffic.asked), hidden) == set()
    assert found_in("\n".join(console.said), hidden) == set()
    for path in (console.lake / "desk").rglob("*"):
        if path.is_file():
            assert found_in(path.read_text(), hidden) == set(), path.name
    assert not (console.lake / "restricted" / "faults.log").exists()
