"""A ring in a browser: found by a phone number, looked at from all sides, filtered, and handed on by its address."""

import re
import shutil
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Page, expect

from jobs.desk.positions import read_positions


def open_ring(page: Page, ring_id: str, query: str = "") -> None:
    page.goto(f"/rings/{ring_id}{query}")
    stands(page)


def stands(page: Page) -> None:
    """Waits until the picture stands."""
    expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=30_000)
    page.wait_for_load_state("networkidle")


def drawn(page: Page, kind: str) -> list[str]:
    """Ids of what the picture draws of a kind: account, identifier, community, pair, hold, gathered."""
    return page.evaluate(
        "kind => document.getElementById('picture')._cyreg.cy.elements(`[kind = '${kind}']`).map(one => one.id())", kind
    )


def places(page: Page) -> dict[str, tuple[float, float]]:
    found = page.evaluate(
        "document.getElementById('picture')._cyreg.cy.nodes().map(one => [one.id(), one.position('x'), one.position('y')])"
    )
    return {node: (x, y) for node, x, y in found}


def unseen(page: Page, selector: str = "*") -> list[str]:
    """Ids of nodes that are drawn outside the picture's place."""
    return page.evaluate(
        "selector => { const cy = document.getElementById('picture')._cyreg.cy; return cy.nodes(selector).filter(one => { const at = one.renderedPosition();"
        " return at.x < 0 || at.y < 0 || at.x > cy.width() || at.y > cy.height(); }).map(one => one.id()); }",
        selector,
    )


def resize(page: Page, width: int, height: int) -> None:
    """Gives the window another size, and waits until the picture knows of it."""
    known = page.evaluate("document.getElementById('picture')._cyreg.cy.width()")
    page.set_viewport_size({"width": width, "height": height})
    page.wait_for_function("known => document.getElementById('picture')._cyreg.cy.width() !== known", arg=known)
    page.wait_for_timeout(500)  # a picture that fits itself does so a moment later


def click_in_picture(page: Page, selector: str, times: int = 1) -> None:
    """Clicks a node, or the middle of an edge."""
    place = page.locator("#picture")
    place.scroll_into_view_if_needed()
    at = page.evaluate(
        "selector => { const one = document.getElementById('picture')._cyreg.cy.elements(selector)[0];"
        " return one.isNode() ? one.renderedPosition() : one.renderedMidpoint(); }",
        selector,
    )
    place.click(position=at, click_count=times, delay=20)


def select(page: Page, *accounts: str) -> None:
    for account in accounts:
        page.get_by_label(f"Select {account}", exact=True).check()


def said(page: Page):
    return page.locator("#picture-said")


def why(page: Page):
    return page.locator("#why-said")


@pytest.mark.parametrize("typed", ["0049 1512 3456789", " (+49) 1512 - 345 67 89 "])
def test_a_ring_is_found_by_a_phone_number_however_it_is_written(page, console, shoot, typed):
    page.goto("/queue")
    page.get_by_role("searchbox").fill(typed)
    page.get_by_role("searchbox").press("Enter")
    main = page.get_by_role("main")
    expect(main).to_contain_text("farm00")
    expect(main).to_contain_text("farm01")
    assert not re.search(r"1512|3456789|345", page.url)
    shoot(page, "search-found")
    main.get_by_role("link", name="c-farm").first.click()
    expect(page).to_have_url(re.compile("/rings/c-farm"))
    stands(page)
    expect(page.get_by_role("heading", level=1)).to_contain_text("c-farm")
    shoot(page, "ring")


def test_what_nobody_holds_is_not_found_and_an_account_is_found_by_its_id(page):
    page.goto("/queue")
    page.get_by_role("searchbox").fill("+49 30 1234567")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("main")).to_contain_text(re.compile("no(thing|body|t)", re.IGNORECASE))
    page.get_by_role("searchbox").fill("farm03")
    page.get_by_role("searchbox").press("Enter")
    expect(page.get_by_role("main").get_by_role("link", name="farm03").first).to_be_visible()


def test_why_two_are_linked_is_told_on_the_edge_and_in_the_table(page, shoot):
    open_ring(page, "c-farm")
    click_in_picture(page, "[kind = 'pair']")
    expect(why(page)).to_contain_text(re.compile(r"are linked, with [\d.]+ bits"))
    expect(why(page).get_by_text(re.compile(r"^(device|address|instrument) [0-9a-z]{4}-")).first).to_be_visible()
    shoot(page, "ring-why")
    first = page.locator("#pairs tbody tr").first
    first.get_by_text(re.compile(r"\d+ things? shared")).click()
    expect(first.locator(".evidence")).to_contain_text("bits")


def test_why_not_and_the_path_of_two(page, shoot):
    open_ring(page, "c-chain")
    select(page, "chain00", "chain03")
    page.keyboard.press("w")
    expect(why(page)).to_contain_text("chain00 and chain03 are not linked")
    page.get_by_role("button", name="Path", exact=False).click()
    expect(why(page)).to_contain_text("are tied over 2 other accounts")
    expect(why(page).locator("ol > li")).to_have_count(3)
    n = page.evaluate("document.getElementById('picture')._cyreg.cy.nodes('.path').length")
    assert n == 4 + 3  # accounts, and the cards between them
    shoot(page, "ring-path")


def test_the_picture_fits_its_place_anew_until_somebody_moves_it(page):
    open_ring(page, "c-farm")
    assert unseen(page) == []
    resize(page, 700, 700)
    assert page.evaluate("document.getElementById('picture')._cyreg.cy.width()") < 700
    assert unseen(page) == []
    page.evaluate("document.getElementById('picture')._cyreg.cy.zoom(3)")
    resize(page, 1280, 800)
    assert page.evaluate("document.getElementById('picture')._cyreg.cy.zoom()") == 3


@pytest.mark.parametrize(
    "moved", ["void 0", "void document.getElementById('picture')._cyreg.cy.zoom(4).pan({ x: 5000, y: 5000 })"]
)
def test_a_path_that_is_out_of_view_or_too_small_to_see_is_brought_out(page, shoot, moved):
    open_ring(page, "c-chain")
    page.evaluate(moved)
    select(page, "chain00", "chain03")
    page.get_by_role("button", name="Path", exact=False).click()
    expect(why(page)).to_contain_text("are tied over 2 other accounts")
    assert unseen(page, ".path") == []
    widths = page.evaluate(
        "document.getElementById('picture')._cyreg.cy.nodes('.path').map(one => one.renderedWidth())"
    )
    assert len(widths) == 7 and min(widths) >= 6
    shoot(page, "ring-path-out")


def test_expanding_by_a_type_adds_who_shares_it_and_a_hub_is_told_and_not_followed(page, shoot):
    open_ring(page, "c-farm")
    before = set(drawn(page, "account"))
    assert len(before) == 8
    select(page, "farm02")
    page.get_by_label("Expand by").select_option("phone")
    page.get_by_role("button", name="Expand", exact=False).first.click()
    expect(said(page)).to_contain_text("1 account added beside farm02 by phone")
    assert set(drawn(page, "account")) - before == {"a:alone05"}
    page.get_by_label("Expand by").select_option("ip")
    page.get_by_role("button", name="Expand", exact=False).first.click()
    expect(said(page)).to_contain_text(re.compile(r"not followed, for too many hold it: ip [0-9a-z-]+ \(20 accounts\)"))
    assert set(drawn(page, "account")) - before == {"a:alone05"}
    shoot(page, "ring-expanded")
    page.keyboard.press("Shift+E")
    expect(said(page)).to_contain_text("1 added account taken away")
    assert set(drawn(page, "account")) == before


def test_a_large_ring_is_folded_and_a_community_unfolds_where_it_was(page, shoot):
    open_ring(page, "c-crowd")
    folded = drawn(page, "community")
    assert 2 <= len(folded) <= 100
    assert drawn(page, "account") == []
    expect(page.locator("#members tbody tr")).to_have_count(160)
    shoot(page, "ring-folded")
    before = places(page)
    select(page, "crowd0000")
    page.keyboard.press("z")
    expect(said(page)).to_contain_text(re.compile(r"Unfolded: \d+ accounts? of 1 community"))
    assert "a:crowd0000" in drawn(page, "account")
    assert len(drawn(page, "community")) == len(folded) - 1
    shoot(page, "ring-unfolded")
    page.keyboard.press("z")
    expect(said(page)).to_contain_text("1 community folded")
    assert sorted(drawn(page, "community")) == sorted(folded)
    after = places(page)
    moved = {node for node in before if max(abs(a - b) for a, b in zip(before[node], after[node], strict=True)) > 1}
    assert len(moved) <= 1, (moved, [(before[n], after[n]) for n in moved])


def test_hide_undo_pin_and_fit(page):
    open_ring(page, "c-farm")
    select(page, "farm04", "farm05")
    page.keyboard.press("h")
    expect(said(page)).to_contain_text("2 nodes hidden")
    assert len(drawn(page, "account")) == 6
    page.keyboard.press("u")
    expect(said(page)).to_contain_text("Taken back: hiding")
    assert len(drawn(page, "account")) == 8
    select(page, "farm04")
    page.keyboard.press("i")
    expect(said(page)).to_contain_text("1 node pinned")
    assert page.evaluate("document.getElementById('picture')._cyreg.cy.getElementById('a:farm04').locked()")
    page.evaluate("void document.getElementById('picture')._cyreg.cy.pan({x: 5000, y: 5000})")
    page.keyboard.press("f")
    expect(said(page)).to_contain_text("All of the picture is in view")
    box = page.evaluate("document.getElementById('picture')._cyreg.cy.elements().renderedBoundingBox()")
    size = page.locator("#picture").bounding_box()
    assert size is not None
    assert box["x1"] >= 0 and box["y1"] >= 0 and box["x2"] <= size["width"] and box["y2"] <= size["height"]


def test_where_nodes_lie_is_kept_so_that_the_second_look_is_the_first(page, new_context):
    open_ring(page, "c-chain")
    first = places(page)
    other = new_context("viewer").new_page()
    open_ring(other, "c-chain")
    second = places(other)
    assert first.keys() == second.keys()
    assert max(abs(a - b) for node in first for a, b in zip(first[node], second[node], strict=True)) < 0.01


def test_a_first_look_through_filters_keeps_no_part_of_the_picture(new_context, serve, shown, made_lake, tmp_path):
    lake = tmp_path / "lake"
    shutil.copytree(made_lake, lake)
    page = new_context(served=serve(lake, shown)).new_page()
    for query in ("?types=device", "?shown=pairs"):
        open_ring(page, "c-farm", query)
        assert read_positions(lake, "c-farm") is None, query
    open_ring(page, "c-farm")
    kept = read_positions(lake, "c-farm")
    assert kept is not None
    assert kept.nodes.keys() == places(page).keys()


def test_the_brush_and_the_types_filter_picture_and_tables(page, shoot):
    open_ring(page, "c-chain")
    rows = page.locator("#members tbody tr:visible")
    expect(rows).to_have_count(70)
    lanes = page.locator("#timeline svg")
    lanes.scroll_into_view_if_needed()
    box = lanes.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 8)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 8, steps=5)
    page.mouse.up()
    expect(said(page)).to_contain_text("The filters hide")
    n = rows.count()
    assert 2 <= n < 70
    assert len(drawn(page, "account")) == n
    query = parse_qs(urlsplit(page.url).query)
    assert query["from"][0] < query["until"][0]
    shoot(page, "ring-filtered")
    page.get_by_role("button", name="Clear filters").click()
    expect(rows).to_have_count(70)
    page.get_by_role("group", name="Types").get_by_label("instrument").uncheck()
    expect(rows).to_have_count(0)  # nothing else joins a chain of cards


def test_a_link_leads_another_to_the_same_selection_and_filters(page, new_context):
    open_ring(page, "c-farm")
    version = page.locator("#ring").get_attribute("data-ring-version")
    select(page, "farm02", "farm06")
    page.get_by_role("group", name="Types").get_by_label("address").uncheck()
    page.get_by_label("At least").fill("5")
    page.get_by_label("At least").press("Tab")
    url = page.url
    other = new_context("viewer").new_page()
    assert parse_qs(urlsplit(url).query)["version"] == [version]
    other.goto(url)
    stands(other)
    for each in (page, other):
        expect(each.get_by_label("Select farm02", exact=True)).to_be_checked()
        expect(each.get_by_label("Select farm06", exact=True)).to_be_checked()
        expect(each.locator("#members tbody input:checked")).to_have_count(2)
        expect(each.get_by_role("group", name="Types").get_by_label("address")).not_to_be_checked()
        expect(each.get_by_label("At least")).to_have_value("5")
    assert sorted(drawn(page, "identifier")) == sorted(drawn(other, "identifier"))
    expect(other.locator("#moved")).to_have_count(0)
    other.goto("/rings/c-farm?select=farm02&version=another")
    stands(other)
    expect(other.locator("#moved")).to_contain_text("another")
    expect(other.get_by_label("Select farm02", exact=True)).to_be_checked()


def test_the_address_names_the_version_and_an_older_one_until_the_reader_goes_on(page):
    open_ring(page, "c-farm")
    version = page.locator("#ring").get_attribute("data-ring-version")
    assert parse_qs(urlsplit(page.url).query) == {"version": [version]}
    page.goto("/rings/c-farm?select=farm02&version=older")
    stands(page)
    page.reload()
    stands(page)
    expect(page.locator("#moved")).to_contain_text("older")
    assert parse_qs(urlsplit(page.url).query) == {"select": ["farm02"], "version": ["older"]}
    select(page, "farm03")
    assert parse_qs(urlsplit(page.url).query) == {"select": ["farm02,farm03"], "version": [version]}
