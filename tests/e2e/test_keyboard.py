"""A case from the sign-in to the verdict without a mouse, the focus always to be seen."""

import re

from playwright.sync_api import Page, expect

from jobs.desk.dispositions import ring_dispositions

FOCUS = """() => {
  const here = document.activeElement;
  if (here === null || here === document.body) return "the focus is nowhere";
  const style = getComputedStyle(here);
  const isMarked = (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  const box = here.getBoundingClientRect();
  const isIn = box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth;
  const at = document.elementFromPoint(Math.min(innerWidth - 1, Math.max(0, box.left + box.width / 2)), Math.min(innerHeight - 1, Math.max(0, box.top + box.height / 2)));
  const isOnTop = at !== null && (here.contains(at) || at.contains(here) || here.labels !== undefined && [...(here.labels ?? [])].some((label) => label.contains(at)));
  return isMarked && isIn && isOnTop ? "" : `${here.outerHTML.slice(0, 120)}: marked ${isMarked}, in view ${isIn}, on top ${isOnTop}`;
}"""


def press(page: Page, *keys: str) -> None:
    """Presses keys one after the other; after each the focus can be seen."""
    for key in keys:
        page.keyboard.press(key)
        assert page.evaluate(FOCUS) == "", key


def tab_to(page: Page, selector: str, most: int = 60, key: str = "Tab") -> None:
    """Goes on with Tab until the focus is on what the selector finds."""
    for _ in range(most):
        press(page, key)
        if page.evaluate("selector => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"no way by Tab to {selector} within {most} steps")


def search(page: Page, typed: str) -> None:
    press(page, "/")
    page.keyboard.type(typed)
    page.keyboard.press("Enter")


def test_a_case_is_worked_on_without_a_mouse(new_context, console, shoot, violations):
    page = new_context(role=None).new_page()
    page.goto("/signin")
    tab_to(page, "#token", 10)
    page.keyboard.type(console.tokens["investigator"])
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/queue$"))
    page.wait_for_load_state("networkidle")

    search(page, "+49 1512 345 6789")
    expect(page.get_by_role("main")).to_contain_text("farm00")
    page.wait_for_load_state("networkidle")
    tab_to(page, "main a[href='/rings/c-farm']")
    page.keyboard.press("Enter")
    expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=30_000)
    page.wait_for_load_state("networkidle")

    press(page, "j", "x", "j", "j", "k", "x")
    expect(page.locator("#members tbody input:checked")).to_have_count(2)
    rows = page.locator("#members tbody tr")
    chosen = [rows.nth(place).get_attribute("data-account") for place in (0, 1)]
    expect(page.locator("#selected")).to_have_text("2 selected")
    press(page, "p")
    expect(page.locator("#why-said")).to_contain_text(re.compile("are tied"))
    shoot(page, "keyboard-path")

    press(page, "?")
    expect(page.get_by_role("dialog")).to_contain_text("the path of the two selected accounts")
    shoot(page, "keys")
    assert violations(page) == []
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)

    press(page, "d", "Space")
    expect(page.get_by_label("Confirmed ring")).to_be_checked()
    tab_to(page, "#verdict-reason", 5)
    page.keyboard.type("one device, one drop")  # d, o, n, e: letters of a text are no keys
    tab_to(page, "button[data-take=selected]", 5)
    press(page, "Enter")
    expect(page.locator("#form-verdict [data-count]")).to_have_text("2 of 8 members")
    tab_to(page, "#form-verdict button.primary", 20)
    page.keyboard.press("Enter")
    expect(page.locator("#case-panel")).to_contain_text("Supersede this verdict")
    assert page.evaluate("document.activeElement !== document.body")  # the focus went on with what was put in place
    written = ring_dispositions(console.lake, "c-farm")
    assert [(each.verdict, each.reason, set(each.account_ids)) for each in written] == [
        ("confirmed_ring", "one device, one drop", set(chosen))
    ]

    page.keyboard.press("g")
    page.keyboard.press("q")
    expect(page).to_have_url(re.compile("/queue$"))
    page.wait_for_load_state("networkidle")
    expect(page.get_by_role("row").filter(has_text="c-farm")).to_contain_text(
        re.compile("confirmed ring", re.IGNORECASE)
    )
    press(page, "j", "j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/rings/"))


def test_the_picture_is_worked_from_table_and_buttons_alone(page):
    page.goto("/rings/c-farm")
    expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=30_000)
    page.wait_for_load_state("networkidle")
    press(page, "j", "x")
    for key, told in (("h", "hidden"), ("u", "Taken back"), ("f", "in view")):
        page.keyboard.press(key)
        expect(page.locator("#picture-said")).to_contain_text(told)
    tab_to(page, "#timeline input[type=range]", 20, "Shift+Tab")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#picture-said")).to_contain_text("Shown:")
    assert "until=" in page.url


def test_keys_can_be_turned_off(page):
    page.goto("/queue")
    page.wait_for_load_state("networkidle")
    page.keyboard.press("?")
    page.get_by_label("Keys are on").uncheck()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).not_to_be_focused()
    page.keyboard.press("?")
    page.get_by_label("Keys are on").check()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()


def test_after_a_search_the_keys_are_those_of_what_was_found(page, console):
    page.goto("/rings/c-farm")
    expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=30_000)
    page.wait_for_load_state("networkidle")
    press(page, "j", "x")
    expect(page.locator("#selected")).to_have_text("1 selected")
    search(page, "+49 1512 345 6789")
    expect(page.get_by_role("heading", level=1)).to_have_text("Search")
    expect(page.get_by_role("main")).to_contain_text("farm01")
    page.wait_for_load_state("networkidle")
    n_before = len(console.traffic.asked)
    for key in "ewphizucnd":  # keys of the ring: its picture and its case are gone
        page.keyboard.press(key)
    page.wait_for_load_state("networkidle")
    assert [path for _, path, _ in console.traffic.asked[n_before:]] == []
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("next row")
    expect(dialog).not_to_contain_text("hide what is selected")
    page.keyboard.press("Escape")
    press(page, "j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/accounts/farm0[01]$"))


def test_rows_that_a_search_finds_are_reached_by_keys_from_a_page_that_had_none(page):
    page.goto("/help")
    page.wait_for_load_state("networkidle")
    search(page, "farm03")
    expect(page.get_by_role("main")).to_contain_text("farm03")
    page.wait_for_load_state("networkidle")
    press(page, "j")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/accounts/farm03$"))
