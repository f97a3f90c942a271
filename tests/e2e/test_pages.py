"""Every page: accessible, light and dark and at twice the size, and for each role no more than it may."""

import re

import pytest
from playwright.sync_api import Page, expect

PAGES = {
    "queue": ("investigator", "/queue"),
    "queue-empty": ("investigator", "/queue?min_accounts=5000"),
    "ring": ("investigator", "/rings/c-farm?select=farm00,farm01"),
    "ring-viewer": ("viewer", "/rings/c-farm"),
    "account": ("investigator", "/accounts/farm00"),
    "account-hub": ("viewer", "/accounts/alone00"),
    "search": ("investigator", "/search"),
    "compare": ("investigator", "/compare?a=farm00&b=farm01"),
    "compare-not": ("investigator", "/compare?a=farm00&b=alone00"),
    "compare-ask": ("investigator", "/compare"),
    "nights": ("investigator", "/nights"),
    "audit": ("auditor", "/audit"),
    "help": ("admin", "/help"),
}


def arrive(page: Page, path: str) -> None:
    page.goto(path)
    if path.startswith("/rings/"):
        expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=30_000)
    page.wait_for_load_state("networkidle")


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_accessible_in_the_light_in_the_dark_and_at_twice_the_size(new_context, violations, shoot, name):
    role, path = PAGES[name]
    page = new_context(role).new_page()
    arrive(page, path)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    expect(page).to_have_title(re.compile(r".+ · Ringlight$"))
    shoot(page, f"{name}-light")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    shoot(page, f"{name}-dark", full=True)
    assert violations(page, "color-contrast") == []
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 640, "height": 400})  # as a window of 1280 by 800 at 200 %
    shoot(page, f"{name}-large", full=True)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_states_of_pages_are_accessible(page, faults, violations, shoot):
    faults.allow("status of 422")
    arrive(page, "/accounts/farm00")
    row = page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=re.compile("^phone")))
    row.get_by_text("Reveal", exact=True).click()
    row.get_by_label("Why must it be seen?").fill("call back 0049 1512 3456789")
    row.get_by_role("button", name="Reveal the value").click()
    expect(row.get_by_role("alert")).to_contain_text("must not hold the value")
    shoot(page, "reveal-refused")
    assert violations(page) == []
    arrive(page, "/rings/c-farm")
    page.get_by_text("Who had it, and who did what").click()
    expect(page.locator("#case-history")).to_contain_text("ring.view")
    page.locator("#pairs summary").first.click()
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/rings/c-none", "/accounts/nobody", "/nowhere", "/compare?a=farm00&b=nobody"])
def test_what_is_not_there_is_told_on_a_page(page, faults, violations, path):
    faults.allow("status of 404")
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 404
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    assert violations(page) == []


def test_a_viewer_sees_cases_and_nothing_to_write_export_or_reveal_with(new_context):
    page = new_context("viewer").new_page()
    for path in ("/queue", "/rings/c-farm", "/accounts/farm00", "/nights", "/compare?a=farm00&b=farm01"):
        arrive(page, path)
        expect(page.locator("form[data-api]")).to_have_count(0)
        expect(page.get_by_text("Reveal", exact=True)).to_have_count(0)
    arrive(page, "/rings/c-farm")
    expect(page.get_by_role("button", name="PNG")).to_have_count(0)
    expect(page.get_by_role("row").filter(has_text="farm00").first).to_be_visible()


def test_an_auditor_gets_the_audit_and_no_case(new_context, faults):
    page = new_context("auditor").new_page()
    page.goto("/")
    expect(page).to_have_url(re.compile("/audit$"))
    expect(page.get_by_role("navigation", name="Main").get_by_role("link")).to_have_text(["Audit", "Help"])
    expect(page.get_by_role("searchbox")).to_have_count(0)
    page.get_by_label("About").fill("+49 1512 3456789")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("heading", name="No row is left by these filters")).to_be_visible()
    expect(page).to_have_url(re.compile("/audit$"))
    page.get_by_label("About").fill("")
    page.get_by_label("Action").fill("audit.view")
    page.get_by_role("button", name="Filter").click()
    expect(page).to_have_url(re.compile("action=audit.view"))
    faults.allow("status of 403")
    for path in ("/queue", "/rings/c-farm", "/accounts/farm00", "/search", "/nights", "/compare?a=farm00&b=farm01"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 403, path
        assert "farm0" not in page.content().replace(path, "").replace("a=farm00&amp;b=farm01", "")


@pytest.mark.parametrize(("role", "path"), [("viewer", "/audit"), ("investigator", "/audit"), ("admin", "/queue")])
def test_a_page_beyond_ones_role_is_refused(new_context, faults, role, path):
    faults.allow("status of 403")
    page = new_context(role).new_page()
    answer = page.goto(path)
    assert answer is not None
    assert answer.status == 403
    expect(page.get_by_role("main")).to_contain_text("permission")
