"""A case as it is read from a real Neo4j: what hubs and implied buildings say of it, and that all of it is of one night."""

import secrets
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from graph.lake import Night, write_table
from graph.queries import read_ring_holders, read_ring_picture
from graph.store import Store, connect
from graph.store_load import load_night
from jobs.casefile import Case
from jobs.casefile.layout import place_nodes
from jobs.console.app import create_app
from jobs.console.case_reading import read_case
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.console.runtime import Console
from jobs.desk.positions import Positions, keep_positions

AT = datetime(2026, 4, 1, tzinfo=UTC)
N_CROWD = 40
FARM = [f"farm{number:02d}" for number in range(8)]
CROWD = [f"crowd{number:04d}" for number in range(N_CROWD)]


@pytest.fixture(scope="module")
def night(tmp_path_factory, made_night) -> Night:
    """The ring of the farm, which also shares a tablet and a network with a crowd, both hubs, and the building of its address."""
    made: Night = made_night(tmp_path_factory.mktemp("cases") / "lake", n_crowd=N_CROWD)
    links = made.read("links")
    emails = links.filter(pl.col("identifier_type") == "email")
    hubs = [
        emails.filter(pl.col("account_id").is_in(FARM + CROWD)).with_columns(
            identifier_type=pl.lit(kind), identifier=pl.lit(mark * 32), weight=pl.lit(0.0)
        )
        for kind, mark in (("ip", "1a"), ("device", "2b"))
    ]
    building = emails.filter(pl.col("account_id").is_in(FARM)).with_columns(
        identifier_type=pl.lit("building"), identifier=pl.lit("3c" * 32)
    )
    table = pl.concat([links, *hubs, building]).sort("account_id", "identifier_type", "identifier")
    write_table(table, made.folder, "links")
    return made


@pytest.fixture
def shown(neo4j_address, night) -> Iterator[Store]:
    with connect(neo4j_address) as store:
        load_night(store, night, allow_older=True)
        yield store


@pytest.fixture
def console(shown, night) -> Console:
    lake: Path = night.folder.parents[1]
    held = ConsoleSecrets("5a" * 32, demo_token="demo-token")
    made = create_app(ConsoleConfig(), lake, shown, secrets=held, clock=lambda: AT, random=secrets.token_urlsafe)
    return made.state.console  # type: ignore[no-any-return]


def findings(case: Case) -> dict[str, str]:
    return {each.name: each.finding for each in case.explanations}


def test_what_crowds_hold_as_well_speaks_for_a_public_place(console):
    case = read_case(console, "c-farm", "ana", AT)
    shared = {link.identifier_type: link for link in case.links if len(link.accounts) == len(FARM)}
    assert {kind: shared[kind].n_holders for kind in ("ip", "address")} == {
        "ip": len(FARM) + N_CROWD,
        "address": len(FARM),
    }
    found = findings(case)
    assert found["dormitory, shelter or public network"] == "speaks for"
    assert found["shop tablet or employer's device"] == "speaks for"


def test_the_picture_lies_as_a_browser_kept_it_which_draws_no_hub_and_no_implied_building(console, shown):
    drawn = read_ring_picture(shown, "c-farm")
    named = [f"a:{row['account_id']}" for row in drawn.accounts]
    named += [f"i:{row['identifier_type']}:{row['identifier']}" for row in drawn.identifiers if not row["is_hub"]]
    nodes = {node: (float(number), 0.0) for number, node in enumerate(named)}
    keep_positions(console.lake, Positions("c-farm", drawn.ring_version, nodes, "ana", AT))
    case = read_case(console, "c-farm", "ana", AT)
    places = place_nodes(case)
    assert len(places) == len(case.accounts) + 4 == len(nodes)  # a device, two cards, an address
    assert {y for _, y in places.values()} == {0.5}


def test_a_night_that_is_loaded_meanwhile_does_not_get_the_date_of_the_one_before(
    console, shown, night, made_night, monkeypatch
):
    later: Night = made_night(console.lake, date(2026, 4, 2))
    versions = later.read("rings").with_columns(ring_version=pl.lit("later"))
    write_table(versions, later.folder, "rings")
    n_asked = 0

    def overtaken(store: Store, ring_id: str) -> Any:
        nonlocal n_asked
        n_asked += 1
        if n_asked == 1:
            load_night(store, later)
        return read_ring_holders(store, ring_id)

    monkeypatch.setattr("jobs.console.case_reading.read_ring_holders", overtaken)
    case = read_case(console, "c-farm", "ana", AT)
    assert (case.night, case.ring_version) == (later.date, "later")
