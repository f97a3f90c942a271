"""A verdict comes back with the next night: given in the browser, read by a real night, shown by the console as confirmed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from playwright.sync_api import Page, expect

from graph.lake import read_night
from graph.store import Store, connect, drop_all

pytestmark = pytest.mark.slow

KEY = "5a" * 32
FIRST, SECOND = date(2026, 6, 29), date(2026, 6, 30)
# One model of one cut-off, and many rings in a small world.
QUICK = {
    "train.n_seeds": 1, "train.with_controls": "false", "train.min_positives": 5, "train.n_cutoffs": 1,
    "rings.n_counterfactuals": 0, "rings.threshold": 0.05,
}  # fmt: skip


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made world in which every second ring was found out ten days ago, so that there is a model."""
    from jobs.simulate import simulate

    out = tmp_path_factory.mktemp("world")
    simulate(out, n_accounts=1000, n_days=120, seed=3, until=SECOND)
    truth = pl.read_parquet(out / "truth/accounts.parquet").filter(pl.col("ring_id").is_not_null()).sort("account_id")
    known = truth["ring_id"].unique().sort().gather_every(2)
    truth.filter(pl.col("ring_id").is_in(known.implode())).select(
        "account_id",
        event_id="account_id",
        event_time=pl.lit(datetime(2026, 6, 20, tzinfo=UTC), dtype=pl.Datetime("us", "UTC")),
        outcome=pl.lit("confirmed_synthetic"),
        source=pl.lit("chargeback"),
    ).write_parquet(out / "events/outcomes/found.parquet")
    return out / "events"


@pytest.fixture(scope="module")
def store(neo4j_address) -> Iterator[Store]:
    """The server, emptied before and after."""
    with connect(neo4j_address) as connected:
        drop_all(connected)
        yield connected
        drop_all(connected)


def run_night(events: Path, lake: Path, day: date, neo4j_address, *more: str) -> None:
    """`ringlight nightly`, with Neo4j."""
    settings = [part for name, value in QUICK.items() for part in ("--set", f"{name}={value}")]
    command = [sys.executable, "-m", "jobs", "nightly", "--events", events, "--lake", lake, "--as-of", str(day)]
    own = {"RINGLIGHT_KEY": KEY, "NEO4J_URI": neo4j_address.uri, "NEO4J_USERNAME": neo4j_address.username,
           "NEO4J_PASSWORD": neo4j_address.password, "RAY_raylet_start_wait_time_s": "300"}  # fmt: skip
    done = subprocess.run(
        [str(part) for part in (*command, *settings, *more)], env=os.environ | own, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


def open_ring(page: Page, ring_id: str) -> None:
    page.goto(f"/rings/{ring_id}")
    expect(page.locator("#picture")).to_have_attribute("data-stable", "true", timeout=60_000)
    page.wait_for_load_state("networkidle")


def test_what_was_confirmed_is_confirmed_the_next_night(
    chromium, events, store, neo4j_address, serve, browser, tmp_path, shoot
):
    lake = tmp_path / "lake"
    run_night(events, lake, FIRST, neo4j_address, "--train", "always")
    first = read_night(lake, FIRST)
    known = set(first.read("labels")["account_id"])
    rings = (
        first.read("scores")
        .drop_nulls("ring_id")
        .sort("account_id")
        .group_by("ring_id")
        .agg("account_id")
        .sort("ring_id")
    )
    ring_id, members = next((ring, ids) for ring, ids in rings.iter_rows() if not known & set(ids) and len(ids) > 1)

    served = serve(lake, store, datetime(2026, 6, 29, 15, tzinfo=UTC))
    context = browser.new_context(base_url=served.origin, viewport={"width": 1280, "height": 800})
    context.request.post(
        "/auth/session", data={"token": served.tokens["investigator"]}, headers={"Origin": served.origin}
    )
    page = context.new_page()
    open_ring(page, ring_id)
    outcome = page.locator("#members tbody tr").get_by_text("confirmed synthetic")
    expect(outcome).to_have_count(0)
    panel = page.locator("#case-panel")
    panel.get_by_label("Confirmed ring").check()
    panel.get_by_role("textbox", name="Reason").fill("looked at all of them")
    panel.get_by_role("button", name="Give the verdict").click()
    expect(panel).to_contain_text("Supersede this verdict")

    run_night(events, lake, SECOND, neo4j_address, "--train", "never")
    labels = dict(read_night(lake, SECOND).read("labels").select("account_id", "outcome").iter_rows())
    assert {labels[member] for member in members} == {"confirmed_synthetic"}
    page.goto("/queue")
    expect(page.locator(".night")).to_contain_text("2026-06-30")
    for member in members:
        found = json.loads(page.request.get(f"/api/v1/accounts/{member}").text())["account"]
        assert found["outcome"] == "confirmed_synthetic"
    now = page.request.get(f"/api/v1/accounts/{members[0]}").json()["account"]["ring_id"]
    assert now is not None
    open_ring(page, now)
    expect(page.locator(".ring-name")).to_contain_text("confirmed")
    expect(outcome.first).to_be_visible()
    shoot(page, "next-night")
    page.goto(f"/nights?since={FIRST}&until={SECOND}")
    expect(page.locator("main")).to_contain_text(re.compile("was suspected, is confirmed"))
    shoot(page, "nights-compared", full=True)
    context.close()
