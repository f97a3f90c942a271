"""The graph store on a real Neo4j: what a load shows, what it never shows, and what it says when something is wrong."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from graph.errors import InputError, StoreError
from graph.lake import NIGHT_TABLES, Night, write_table
from graph.queries import nearest_accounts
from graph.store import (
    Store,
    StoreAddress,
    connect,
    count_current,
    current_date,
    drop_all,
)
from graph.store_cypher import FOREVER, close_rows, insert, upsert
from graph.store_load import load_night
from graph.store_rows import KINDS, EdgeKind, Kind, count_lake

FIRST = date(2026, 6, 1)
SECOND = date(2026, 6, 2)
START = datetime(2026, 1, 5, 12, 0, 0, 123456, tzinfo=UTC)
DEVICE = "d" * 64
EMAIL = "e" * 64


def embedding(angle: int) -> list[float]:
    """A vector of the lake's width in which one direction stands out."""
    return [1.0 if place == angle else 0.01 * (place + 1) for place in range(64)]


def made_night(folder: Path, day: date, n_accounts: int = 6, **other: list[dict[str, object]]) -> Night:
    """A small night: all accounts share a device, the first three make a ring. `other` replaces tables."""
    names = [f"a{number}" for number in range(n_accounts)]
    link = {"first_seen": START, "last_seen": START + timedelta(days=3), "n_events": 4, "weight": 2.5}
    shared = {"identifier_type": "device", "identifier": DEVICE}
    evidence = [{**shared, "bits": 4.5, "n_accounts": 2, "gap_days": None, "is_concurrent": True}]
    tables: dict[str, list[dict[str, object]]] = {
        "labels": [{"account_id": "a0", "outcome": "confirmed_synthetic", "known_time": START}],
        "links": [{"account_id": name, **shared, **link} for name in names]
        + [{"account_id": "a1", "identifier_type": "national_id", "identifier": EMAIL, **link}],
        "identities": [{"account_id": name, "identity_id": f"p{name}"} for name in names],
        "pairs": [
            {"account_a": "a0", "account_b": "a1", "weight_bits": 4.5, "evidence": evidence},
            {"account_a": "a1", "account_b": "a2", "weight_bits": 1.5, "evidence": []},
        ],
        "clusters": [{"account_id": name, "cluster_id": "c0" if name < "a3" else f"c{name}"} for name in names],
        "scores": [
            {
                "account_id": name,
                "score": 0.9 - place / 100,
                "rank": place + 1,
                "ring_id": "c0" if name < "a3" else None,
                "model_version": "m1",
            }
            for place, name in enumerate(names)
        ],
        "rings": [
            {
                "ring_id": "c0",
                "ring_version": "v1",
                "score": 0.9,
                "n_accounts": 3,
                "first_seen": START,
                "reasons": ["shared_device"],
                "status": "suspected",
            }
        ],
        "reasons": [
            {"account_id": "a0", "code": "shared_device", "text": "one device", "evidence": [], "contribution": 1.5}
        ],
        "embeddings": [
            {"account_id": name, "embedding": embedding(place), "embedding_version": "m1"}
            for place, name in enumerate(names)
        ],
        "lineage": [],
        "amounts": [],
    }
    folder.mkdir(parents=True)
    for table, rows in {**tables, **other}.items():
        write_table(pl.DataFrame(rows, schema=NIGHT_TABLES[table]), folder, table)
    return Night(folder, day)


def view(store: Store) -> list[str]:
    """All that readers see, in an order and a form to compare."""
    rows = []
    for kind in KINDS:
        label = getattr(kind, "label", None)
        if label:
            text = f"MATCH (x:{label}) WHERE x.since <= $g < x.until RETURN labels(x) AS what, properties(x) AS values, [] AS ends"
        else:
            text = (
                f"MATCH (s)-[x:{kind.type}]->(e) WHERE x.since <= $g < x.until RETURN type(x) AS what, properties(x) AS values, "  # type: ignore[union-attr]
                "[properties(s), properties(e)] AS ends"
            )
        rows += store.read_current(text)
    stamps = ("since", "until", "closed")

    def plain(values: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in values.items() if name not in stamps}

    return sorted(
        json.dumps(
            [row["what"], plain(row["values"]), [plain(end) for end in row["ends"]]], default=str, sort_keys=True
        )
        for row in rows
    )


def all_stored(store: Store) -> int:
    """Nodes and relationships in the database, shown or not, beside the pointer."""
    nodes = store.run_apart("MATCH (n) WHERE NOT n:Current AND NOT n:Night RETURN count(n) AS n")[0]["n"]
    return int(nodes + store.run_apart("MATCH ()-[r]->() WHERE type(r) <> 'SHOWS' RETURN count(r) AS n")[0]["n"])


def later_night(folder: Path) -> Night:
    """The night after: an account and its links gone, a new one, changed scores, a ring's new version, another model's vector."""
    before = made_night(folder / "before", SECOND, 7)
    gone = pl.col("account_id") != "a4"
    tables = {name: before.read(name) for name in NIGHT_TABLES}
    for name in ("links", "identities", "clusters", "scores", "embeddings"):
        tables[name] = tables[name].filter(gone)
    tables["links"] = tables["links"].filter(pl.col("identifier_type") != "national_id")
    tables["links"] = tables["links"].with_columns(n_events=pl.col("n_events") + (pl.col("account_id") == "a2"))
    tables["scores"] = tables["scores"].with_columns(score=pl.col("score") / 2, ring_id=pl.col("ring_id"))
    tables["rings"] = tables["rings"].with_columns(ring_version=pl.lit("v2"), status=pl.lit("confirmed"))
    tables["pairs"] = tables["pairs"].filter(pl.col("account_b") == "a1").with_columns(weight_bits=pl.lit(9.0))
    tables["labels"] = tables["labels"].clear()
    other = pl.when(pl.col("account_id") == "a5").then(pl.lit("m2")).otherwise("embedding_version")
    tables["embeddings"] = tables["embeddings"].with_columns(embedding_version=other)
    return made_night(folder / "after", SECOND, **{name: frame.to_dicts() for name, frame in tables.items()})


def test_a_night_is_shown_as_the_lake_has_it(store: Store, tmp_path: Path) -> None:
    night = made_night(tmp_path / "night", FIRST)
    result = load_night(store, night)
    assert result.mode == "full"
    assert count_current(store) == count_lake(night) == result.counts
    assert result.counts["links"] == 7
    assert result.counts["suspicions"] == 3
    assert current_date(store) == FIRST
    labels = store.read_current("MATCH (i:Identifier {identifier: $hash}) RETURN labels(i) AS labels", hash=EMAIL)
    assert set(labels[0]["labels"]) == {"Identifier", "NationalId"}
    link = store.read_current(
        "MATCH (:Account {account_id: 'a1'})-[r:LINKED]->(:Device) RETURN r.first_seen AS first, r.n_events AS n, r.weight AS w"
    )
    assert link == [{"first": START, "n": 4, "w": 2.5}]
    pair = store.read_current(
        "MATCH (:Account {account_id: 'a0'})-[r:PAIRED]->() RETURN r.evidence AS e, r.identifier_types AS t"
    )
    assert json.loads(pair[0]["e"])[0]["bits"] == 4.5
    assert pair[0]["t"] == ["device"]


def test_the_same_night_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    night = made_night(tmp_path / "night", FIRST)
    load_night(store, night)
    shown, n_stored, generation = view(store), all_stored(store), store.pointer().generation
    again = load_night(store, night, night)
    assert (again.mode, again.n_written, again.n_closed) == ("unchanged", 0, 0)
    assert (view(store), all_stored(store), store.pointer().generation) == (shown, n_stored, generation)


@pytest.mark.parametrize("with_previous", [True, False], ids=["changes", "full"])
def test_the_next_night_shows_what_a_load_from_empty_shows(store: Store, tmp_path: Path, with_previous: bool) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, first)
    result = load_night(store, second, first if with_previous else None)
    assert result.mode == ("changes" if with_previous else "full")
    if with_previous:
        assert result.n_written < sum(result.counts.values())
    shown, n_stored = view(store), all_stored(store)
    assert n_stored == len(shown), "what the night does not hold is still stored"
    assert not any('"a4"' in row or EMAIL in row for row in shown)
    drop_all(store)
    assert all_stored(store) == 0
    load_night(store, second)
    assert view(store) == shown


def test_an_unaltered_link_is_not_written_again(store: Store, tmp_path: Path) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, first)
    load_night(store, second, first)
    since = store.read_current("MATCH (a:Account)-[r:LINKED]->(:Device) RETURN a.account_id AS a, r.since AS since")
    generation = store.pointer().generation
    assert {row["a"] for row in since if row["since"] == generation} == {"a2", "a6"}
    assert {row["a"] for row in since} == {"a0", "a1", "a2", "a3", "a5", "a6"}


class Interrupted(Exception):
    """Raised by a test in the middle of a load."""


def interrupt_at(n_batches: int) -> Callable[[str, int, int], None]:
    done = []

    def progress(text: str, n_done: int, n_total: int) -> None:
        done.append(text)
        if len(done) == n_batches:
            raise Interrupted

    return progress


def test_a_load_that_dies_anywhere_leaves_the_night_before_and_is_cleared_away(store: Store, tmp_path: Path) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, first)
    shown = view(store)
    n_batches = 1
    while True:
        try:
            load_night(store, second, first if n_batches % 2 else None, progress=interrupt_at(n_batches))
        except Interrupted:
            assert view(store) == shown, f"half a night shows after {n_batches} batches"
            assert count_current(store) == count_lake(first)
            assert current_date(store) == FIRST
            n_batches += 4
        else:
            break
    assert n_batches > 12
    after = view(store)
    assert len(after) == all_stored(store)
    drop_all(store)
    load_night(store, second)
    assert view(store) == after


LOADER = """
import os, sys, time
from datetime import date
from pathlib import Path
from graph.lake import Night
from graph.store import StoreAddress, connect
from graph.queries import nearest_accounts
from graph.store_load import load_night

def progress(text, n_done, n_total):
    if text == "loading links":
        print("in the middle", flush=True)
        time.sleep(600)

with connect(StoreAddress(sys.argv[1], sys.argv[2], os.environ["NEO4J_PASSWORD"])) as store:
    load_night(store, Night(Path(sys.argv[3]), date(2026, 6, 2)), progress=progress)
"""


def test_a_loader_killed_by_the_system_leaves_the_night_before(
    store: Store, neo4j_address: StoreAddress, tmp_path: Path
) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, first)
    shown = view(store)
    command = [sys.executable, "-c", LOADER, neo4j_address.uri, neo4j_address.username, str(second.folder)]
    environ = {**os.environ, "NEO4J_PASSWORD": neo4j_address.password}
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as loader:
        assert loader.stdout is not None
        assert loader.stdout.readline() == "in the middle\n"
        loader.send_signal(signal.SIGKILL)
        loader.wait()
    assert all_stored(store) > len(shown)
    assert view(store) == shown
    load_night(store, second, first)
    assert count_current(store) == count_lake(second)
    assert len(view(store)) == all_stored(store)


def test_a_difference_from_the_lake_fails_the_load_and_shows_nothing(store: Store, tmp_path: Path) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, first)
    shown = view(store)

    def lose_a_link(text: str, n_done: int, n_total: int) -> None:
        if text == "loading reasons":
            store.run_apart("MATCH (:Account {account_id: 'a6'})-[r:LINKED]->() DELETE r")

    with pytest.raises(StoreError, match="links 5 for 6"):
        load_night(store, second, progress=lose_a_link)
    assert view(store) == shown
    assert load_night(store, second, first).mode == "changes"
    assert count_current(store) == count_lake(second)


@pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])
def test_a_row_finds_its_place_by_an_index(store: Store, tmp_path: Path, kind: Kind) -> None:
    load_night(store, made_night(tmp_path / "night", FIRST))
    ends = 2 if isinstance(kind, EdgeKind) else 1
    for text in (insert(kind) if isinstance(kind, EdgeKind) else upsert(kind), close_rows(kind)):
        steps = [step.operator for step in store.explain(text, forever=FOREVER)]
        assert not [step for step in steps if "Scan" in step], steps
        sought = [step for step in steps if "UniqueIndexSeek" in step or step.startswith("MergeUniqueNode")]
        assert len(sought) >= ends, steps


def test_a_store_that_somebody_altered_is_loaded_whole(store: Store, tmp_path: Path) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, first)
    store.run_apart("MATCH (a:Account {account_id: 'a0'}) DETACH DELETE a")
    assert load_night(store, second, first).mode == "full"
    assert count_current(store) == count_lake(second)


@pytest.mark.parametrize("moment", ["clusters", "links", "scores"])
def test_a_second_load_ends_the_first_and_shows_no_row_of_it(store: Store, tmp_path: Path, moment: str) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")

    def load_another(text: str, n_done: int, n_total: int) -> None:
        if text == f"loading {moment}":
            load_night(store, second)

    with pytest.raises(StoreError, match="one load at a time"):
        load_night(store, first, progress=load_another)
    assert count_current(store) == count_lake(second)


def test_the_pointer_moves_forward_only_unless_told(store: Store, tmp_path: Path) -> None:
    first, second = made_night(tmp_path / "first", FIRST), later_night(tmp_path / "second")
    load_night(store, second)
    with pytest.raises(InputError, match="2026-06-02"):
        load_night(store, first)
    assert current_date(store) == SECOND
    load_night(store, first, allow_older=True)
    assert current_date(store) == FIRST
    assert count_current(store) == count_lake(first)


def test_a_night_without_model_has_accounts_links_and_clusters(store: Store, tmp_path: Path) -> None:
    empty: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("labels", "scores", "rings", "reasons", "embeddings")
    }
    night = made_night(tmp_path / "night", FIRST, **empty)
    counts = load_night(store, night).counts
    assert (counts["accounts"], counts["scores"], counts["rings"]) == (6, 0, 0)
    assert nearest_accounts(store, "a0") == []


def test_nothing_is_shown_before_the_first_load(store: Store) -> None:
    assert current_date(store) is None
    with pytest.raises(StoreError, match="must show a night"):
        count_current(store)


def test_nearest_accounts_are_those_of_the_night_that_is_shown(store: Store, tmp_path: Path) -> None:
    near = [{"account_id": "a1", "embedding": embedding(0), "embedding_version": "m1"}]
    rows = made_night(tmp_path / "plain", FIRST).read("embeddings").filter(pl.col("account_id") != "a1").to_dicts()
    night = made_night(tmp_path / "night", FIRST, embeddings=[*rows, *near])
    load_night(store, night)
    found = nearest_accounts(store, "a0", k=2)
    assert found[0]["account_id"] == "a1"
    assert found[0]["similarity"] == pytest.approx(1.0, abs=1e-3)
    assert len(found) == 2
    with pytest.raises(Interrupted):
        load_night(store, later_night(tmp_path / "later"), night, progress=interrupt_at(20))
    assert nearest_accounts(store, "a0", k=2) == found


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "not the password"}, "NEO4J_PASSWORD"),
        ({"uri": "bolt://127.0.0.1:1"}, "ringlight store start"),
        ({"uri": "gopher://127.0.0.1"}, "must read like bolt://"),
    ],
    ids=["wrong password", "unreachable", "no such scheme"],
)
def test_a_connection_that_fails_ends_in_one_sentence(
    neo4j_address: StoreAddress, change: dict[str, str], words: str
) -> None:
    with pytest.raises(StoreError, match=words) as raised:
        connect(replace(neo4j_address, **change))
    assert "\n" not in str(raised.value)
    assert "not the password" not in str(raised.value)
