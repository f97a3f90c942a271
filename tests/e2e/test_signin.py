"""The way in and the way out, in a browser."""

import re

import pytest
from playwright.sync_api import expect


def test_a_wrong_token_is_told_and_the_right_one_leads_to_where_one_wanted_to_go(
    new_context, console, faults, shoot, violations
):
    faults.allow("status of 401")
    page = new_context(role=None).new_page()
    page.goto("/queue?min_accounts=20")
    expect(page).to_have_url(re.compile(r"/signin\?next="))
    expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
    shoot(page, "signin")
    assert violations(page) == []

    page.get_by_label("Token").fill("rl_" + "0" * 64)
    page.get_by_label("Token").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    expect(page.get_by_label("Token")).to_be_focused()
    shoot(page, "signin-refused")
    assert violations(page) == []

    page.get_by_label("Token").fill(console.tokens["viewer"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{console.origin}/queue?min_accounts=20")
    assert console.tokens["viewer"] not in page.content()


def test_a_session_ends_with_the_sign_out_and_its_cookie_is_worth_nothing(new_context, console):
    context = new_context("viewer")
    cookies = context.cookies()
    page = context.new_page()
    page.goto("/")
    expect(page).to_have_url(f"{console.origin}/queue")
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_url(re.compile("/signin"))
    page.goto("/queue")
    expect(page).to_have_url(re.compile("/signin"))
    context.add_cookies(cookies)
    page.goto("/queue")
    expect(page).to_have_url(re.compile("/signin"))


def test_nobody_is_led_off_the_console_after_signing_in(new_context, console):
    page = new_context(role=None).new_page()
    page.goto("/signin?next=https://example.org/")
    page.get_by_label("Token").fill(console.tokens["auditor"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(f"{console.origin}/audit")


@pytest.mark.parametrize("options", [{"color_scheme": "dark"}, {"viewport": {"width": 640, "height": 400}}])
def test_the_sign_in_is_accessible_in_the_dark_and_at_twice_the_size(new_context, violations, shoot, options):
    page = new_context(role=None, **options).new_page()
    page.goto("/signin")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, "signin-" + next(iter(options)))
