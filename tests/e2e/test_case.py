"""Working on a case in a browser: claim, note, verdict, files, reveal; and what happens where somebody else was faster."""

import base64
import json
import re
import shutil
import zlib
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from graph.lake import current_night, write_table
from jobs.desk.dispositions import ring_dispositions


def open_ring(page: Page, ring_id: str) -> None:
    page.goto(f"/rings/{ring_id}")
    expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=30_000)
    page.wait_for_load_state("networkidle")


def pdf_words(content: bytes) -> str:
    """The texts that a PDF shows; characters beyond ASCII are left out."""
    streams = re.findall(rb"/ASCII85Decode /FlateDecode .*?stream\n(.*?)endstream", content, re.DOTALL)
    plain = b"".join(zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>"))) for stream in streams)
    return " ".join(text.decode("latin-1") for text in re.findall(rb"\(((?:[^()\\]|\\.)*)\) Tj", plain))


def test_a_ring_is_claimed_taken_over_and_released(page, new_context):
    open_ring(page, "c-crowd")
    panel = page.locator("#case-panel")
    panel.get_by_role("button", name="Claim").click()
    expect(panel).to_contain_text("You, since 2026-04-01")
    expect(page.locator("#owner")).to_have_text("you")
    page.goto("/queue")
    row = page.get_by_role("row").filter(has_text="c-crowd")
    expect(row).to_contain_text("you")
    row.get_by_role("button", name="Release ring c-crowd").click()
    row.get_by_role("button", name="Claim ring c-crowd").click()
    expect(row.get_by_role("button", name="Release ring c-crowd")).to_be_visible()
    viewer = new_context("viewer").new_page()
    viewer.goto("/queue")
    expect(viewer.get_by_role("row").filter(has_text="c-crowd")).to_contain_text("token:investigator")


def test_a_note_is_written_and_superseded_and_what_was_typed_elsewhere_stays(page):
    open_ring(page, "c-chain")
    panel = page.locator("#case-panel")
    panel.get_by_role("textbox", name="Reason").fill("half a thought")
    panel.get_by_label("New note").fill("looked at <b>it</b> & found nothing")
    panel.get_by_role("button", name="Write the note").click()
    expect(panel.get_by_role("listitem").filter(has_text="looked at <b>it</b> & found nothing")).to_be_visible()
    expect(panel.get_by_role("textbox", name="Reason")).to_have_value("half a thought")
    expect(panel.get_by_label("New note")).to_have_value("")
    panel.get_by_text("Write another in its place").click()
    panel.get_by_label("Note in its place").fill("found something after all")
    panel.get_by_role("button", name="Supersede").click()
    expect(panel.get_by_text("superseded", exact=True)).to_be_visible()
    expect(panel).to_contain_text("found something after all")


def test_a_verdict_is_given_on_some_members_shown_in_panel_and_queue_and_superseded(page, console, shoot):
    open_ring(page, "c-farm")
    for account in ("farm02", "farm03", "farm04"):
        page.get_by_label(f"Select {account}", exact=True).check()
    panel = page.locator("#case-panel")
    panel.get_by_label("Confirmed ring").check()
    panel.get_by_role("textbox", name="Reason").fill("eight accounts, one device, one drop")
    panel.get_by_role("button", name="Take the selected").click()
    expect(panel.get_by_text("3 of 8 members")).to_be_visible()
    panel.get_by_role("button", name="Give the verdict").click()
    expect(panel).to_contain_text("stands")
    expect(panel).to_contain_text("eight accounts, one device, one drop")
    expect(panel).to_contain_text("3 accounts")
    expect(page.locator(".ring-name")).to_contain_text("confirmed ring")
    shoot(page, "ring-verdict")
    written = ring_dispositions(console.lake, "c-farm")
    assert [(each.verdict, sorted(each.account_ids)) for each in written] == [
        ("confirmed_ring", ["farm02", "farm03", "farm04"])
    ]
    page.goto("/queue")
    row = page.get_by_role("row").filter(has_text="c-farm")
    expect(row).to_contain_text(re.compile("confirmed ring", re.IGNORECASE))
    shoot(page, "queue")
    page.get_by_label("Hide decided").check()
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_role("row").filter(has_text="c-farm")).to_have_count(0)
    assert "hides_decided=true" in page.url

    open_ring(page, "c-farm")
    panel.get_by_text("Supersede this verdict").click()
    panel.get_by_label("Household").check()
    panel.get_by_role("textbox", name="Reason").fill("it was a shared home")
    panel.get_by_role("button", name="Supersede the verdict").click()
    expect(panel).to_contain_text("it was a shared home")
    panel.get_by_text("1 earlier verdict").click()
    expect(panel.get_by_text("eight accounts, one device, one drop")).to_be_visible()
    panel.get_by_text("Who had it, and who did what").click()
    expect(panel).to_contain_text("disposition.write")


@pytest.mark.parametrize("kind", ["pdf", "json", "csv"])
def test_a_case_is_a_file(page, kind, shoot):
    open_ring(page, "c-farm")
    with page.expect_download() as began:
        page.locator("#case-panel").get_by_role("button", name=kind.upper(), exact=True).click()
    path = Path(began.value.path())
    assert began.value.suggested_filename.endswith(f".{kind}")
    content = path.read_bytes()
    told = page.locator("#case-panel .made").filter(has_text="is made")
    expect(told).to_be_visible()
    mark = told.inner_text().split()[-1]
    assert re.fullmatch("[0-9a-f]{64}", mark)
    if kind == "pdf":
        assert content.startswith(b"%PDF")
        text = pdf_words(content)
        assert "c-farm" in text
        assert all(f"farm0{number}" in text for number in range(8))
        assert "not a filing" in text
    elif kind == "json":
        case = json.loads(content)["case"]
        assert (case["ring_id"], len(case["accounts"])) == ("c-farm", 8)
    else:
        assert content.startswith(b"\xef\xbb\xbfsection")
        assert b"farm00" in content


def test_the_picture_is_a_file(page, console):
    open_ring(page, "c-farm")
    n_before = console.audit.count('"case.export"')
    with page.expect_download() as began:
        page.get_by_role("button", name="PNG").click()
    content = Path(began.value.path()).read_bytes()
    assert content.startswith(b"\x89PNG")
    width, height = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    assert min(width, height) > 300
    assert began.value.suggested_filename.startswith("ring-c-farm-")
    assert console.audit.count('"case.export"') == n_before + 1


def test_a_picture_that_may_not_be_saved_is_not_and_says_so(page, faults):
    faults.allow("status of 429")
    open_ring(page, "c-farm")
    refusal = {"title": "Too many", "status": 429, "detail": "Too many requests. Wait."}
    page.route("**/exports", lambda route: route.fulfill(status=429, json=refusal))
    saved = []
    page.on("download", lambda download: saved.append(download))
    page.get_by_role("button", name="PNG").click()
    expect(page.locator("#picture-said")).to_have_text("The picture was not saved. Too many requests. Wait.")
    assert saved == []


def test_a_verdict_on_a_ring_that_moved_is_refused_and_says_so(new_context, faults, serve, shown, made_lake, tmp_path):
    lake = tmp_path / "lake"
    shutil.copytree(made_lake, lake)
    served = serve(lake, shown)
    page = new_context(served=served).new_page()
    open_ring(page, "c-farm")
    night = current_night(lake)
    moved = (
        pl.when(pl.col("ring_id") == "c-farm").then(pl.lit("another")).otherwise("ring_version").alias("ring_version")
    )
    write_table(night.read("rings").with_columns(moved), night.folder, "rings")
    faults.allow("status of 409")
    panel = page.locator("#case-panel")
    panel.get_by_label("Needs more").check()
    panel.get_by_role("textbox", name="Reason").fill("not yet")
    panel.get_by_role("button", name="Give the verdict").click()
    alert = panel.locator("#form-verdict").get_by_role("alert")
    expect(alert).to_contain_text("another version by now")
    expect(alert.get_by_role("link", name="Load it anew")).to_have_attribute("href", re.compile("/rings/c-farm"))
    expect(panel.get_by_role("textbox", name="Reason")).to_have_value("not yet")
    assert ring_dispositions(lake, "c-farm") == ()


def test_of_two_verdicts_at_once_the_second_is_told_of_the_first(page, new_context, faults):
    other = new_context().new_page()
    for each in (page, other):
        open_ring(each, "c-chain")
    faults.allow("status of 409")
    for each, verdict in ((page, "Confirmed ring"), (other, "Household")):
        panel = each.locator("#case-panel")
        panel.get_by_label(verdict).check()
        panel.get_by_role("textbox", name="Reason").fill(f"it is a {verdict}")
        panel.get_by_role("button", name="Give the verdict").click()
    expect(page.locator("#case-panel")).to_contain_text("it is a Confirmed ring")
    expect(other.locator("#form-verdict").get_by_role("alert")).to_contain_text("Another verdict stands")
