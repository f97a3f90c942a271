"""The first load of a local Neo4j by its offline import: the same graph as by batches, whole or not there, and nobody disturbed."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import psutil
import pytest

from graph.lake import Night, write_table
from graph.store import Store, StoreAddress, connect, count_current, current_date, drop_all
from graph.store_cypher import schema
from graph.store_load import load_night
from graph.store_rows import count_lake
from jobs.first_load import import_first_night
from jobs.local_store import ServerSettings, default_cache, start, status

ODD = 'a,"b"\\\n\'; \t|é '
"""An id, which may be anything: separators, quotes, a line break, a space at its end."""

Import = Callable[..., bool]


@pytest.fixture
def night(tmp_path: Path, made_night: Callable[..., Night]) -> Night:
    """The small night with an odd account id, a text that is empty, values that are not there, a time before the epoch."""
    made = made_night(tmp_path / "first", date(2026, 3, 30), n_crowd=20)
    is_odd = pl.col("account_id") == "farm00"
    for table in ("labels", "links", "identities", "clusters", "scores", "reasons", "embeddings"):
        rows = made.read(table).with_columns(account_id=pl.when(is_odd).then(pl.lit(ODD)).otherwise("account_id"))
        write_table(rows, made.folder, table)
    pairs = made.read("pairs").with_columns(account_a=pl.col("account_a").replace("farm00", ODD))
    write_table(pairs, made.folder, "pairs")
    early = datetime(1969, 12, 31, 23, 59, 58, 999_999, tzinfo=UTC)
    links = made.read("links").with_columns(
        first_seen=pl.when(pl.col("account_id") == ODD).then(pl.lit(early)).otherwise("first_seen"),
        last_seen=pl.when(pl.col("account_id") == "home00").then(None).otherwise("last_seen"),
        weight=pl.when(pl.col("account_id") == "home00").then(0.1 + 0.2).otherwise("weight"),
    )
    write_table(links, made.folder, "links")
    said = pl.lit(["", 'a "b", c\nd', "e;f"], dtype=pl.List(pl.String))
    nothing, blank = pl.lit([], dtype=pl.List(pl.String)), pl.lit([""], dtype=pl.List(pl.String))
    rings = made.read("rings").with_columns(
        reasons=pl.when(pl.col("ring_id") == "c-farm")
        .then(said)
        .when(pl.col("ring_id") == "c-chain")
        .then(blank)
        .otherwise(nothing)
    )
    write_table(rings, made.folder, "rings")
    reasons = made.read("reasons").with_columns(text=pl.when(is_odd).then(pl.lit("")).otherwise("text"))
    write_table(reasons, made.folder, "reasons")
    return made


@pytest.fixture
def later(tmp_path: Path, made_night: Callable[..., Night]) -> Night:
    """The next night: the account of the odd id under a plain one, so with all that hangs on it."""
    return made_night(tmp_path / "second", date(2026, 3, 31))


@pytest.fixture
def address(neo4j_address: StoreAddress) -> Iterator[StoreAddress]:
    """The session's server, empty and with no connection to it."""
    with connect(neo4j_address) as store:
        drop_all(store)
    yield neo4j_address
    with connect(neo4j_address) as store:
        drop_all(store)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def by_import(neo4j_home: Path, told: list[str]) -> Import:
    def run(night: Night, **other: Any) -> bool:
        given = {"environ": {}, "from_rows": 1, **other}
        return import_first_night(
            given["environ"],
            neo4j_home,
            default_cache(os.environ),
            night,
            say=told.append,
            from_rows=given["from_rows"],
            progress=given.get("progress"),
        )

    return run


def everything(store: Store) -> list[str]:
    """All nodes and relationships with the types of their values, in an order and a form to compare; the pointer without its count of batches."""
    values = "[key IN keys(x) | [key, valueType(x[key]), toStringOrNull(x[key]), x[key]]]"
    nodes = store.run_apart(f"MATCH (x) RETURN labels(x) AS what, {values} AS v")
    edges = store.run_apart(
        f"MATCH (s)-[x]->(e) RETURN type(x) AS what, {values} AS v, properties(s) AS s, properties(e) AS e, labels(e) AS l"
    )
    own = {"batch", "is_held", "generation", "attempt", "fingerprint", "counts"}
    rows = []
    for row in nodes + edges:
        if "Current" in row["what"] or row["what"] == "SHOWS":
            row["v"] = [value for value in row["v"] if value[0] not in own]
            row.pop("s", None)
        rows.append(json.dumps({**row, "v": sorted(row["v"], key=lambda value: value[0])}, default=str, sort_keys=True))
    return sorted(rows)


def test_the_imported_graph_is_that_of_batches_and_the_next_night_goes_on_from_it(
    address: StoreAddress, night: Night, later: Night, by_import: Import, told: list[str], neo4j_home: Path
) -> None:
    with connect(address) as store:
        assert load_night(store, night).mode == "full"
        whole, next_whole = everything(store), []
        assert load_night(store, later, night).mode == "changes"
        next_whole = everything(store)
        drop_all(store)
    steps: list[str] = []
    assert by_import(night, progress=lambda text, done, total: steps.append(text))
    assert [line for line in told if "offline import" in line]
    assert {"writing links", "importing"} <= set(steps)
    assert not (neo4j_home / "import" / "night").exists()
    with connect(address) as store:
        assert current_date(store) is None, "an import shows nothing"
        result = load_night(store, night)
        assert (result.mode, result.counts) == ("imported", count_lake(night))
        assert everything(store) == whole
        assert any(json.dumps(ODD) in row for row in whole), "the odd id is not in what was compared"
        indexes = store.run_apart("SHOW INDEXES YIELD name, state, type WHERE type <> 'LOOKUP' RETURN name, state")
        assert {row["name"] for row in indexes} == set(schema())
        assert {row["state"] for row in indexes} == {"ONLINE"}
        assert load_night(store, night).mode == "unchanged"
        assert load_night(store, later, night).mode == "changes"
        assert everything(store) == next_whole


def processes(word: str) -> list[psutil.Process]:
    """Those whose command line holds a word, and that have not ended."""
    found = [each for each in psutil.process_iter(["cmdline"]) if word in " ".join(each.info["cmdline"] or ())]
    return [each for each in found if each.is_running() and each.status() != psutil.STATUS_ZOMBIE]


def import_processes(home: Path) -> list[psutil.Process]:
    return processes(f"@{home / 'run' / 'import.args'}")


def await_end(home: Path) -> None:
    end = time.monotonic() + 60
    while import_processes(home):
        assert time.monotonic() < end, "the import must end"
        time.sleep(0.1)


IMPORTER = """
import os, sys, time
from datetime import date
from pathlib import Path
import psutil
from graph.lake import Night
from graph.store import connect
from graph.store_load import load_night
from jobs.first_load import import_first_night
from jobs.local_store import default_cache, resolve_store

home, folder, at, least = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
night = Night(folder, date(2026, 3, 30))

def progress(text, done, total):
    if text.startswith(at) and done >= least:
        for java in psutil.Process().children() if at == "importing" else ():
            java.suspend()
        print("in the middle", flush=True)
        time.sleep(600)

import_first_night({}, home, default_cache(os.environ), night, say=lambda text: None, progress=progress, from_rows=1)
with connect(resolve_store({}, home)) as store:
    load_night(store, night, progress=progress)
    progress("shown", 0, 0)
"""


@pytest.mark.parametrize(
    ("at", "least", "is_java_left"),
    [
        ("writing links", 0, False),
        ("importing", 0, True),
        ("importing", 1, True),
        ("importing", 1, False),
        ("starting Neo4j", 0, True),
        ("building indexes", 0, True),
    ],
    ids=["files", "Java begins", "in the import", "the import has ended", "server begins", "indexes"],
)
def test_an_import_killed_anywhere_leaves_an_empty_store_or_a_whole_one(
    address: StoreAddress,
    night: Night,
    neo4j_home: Path,
    neo4j_settings: ServerSettings,
    by_import: Import,
    at: str,
    least: int,
    is_java_left: bool,
) -> None:
    """Killed is who imports; its Java goes on, and has ended by itself when the next one comes, or has not."""
    with subprocess.Popen(
        [sys.executable, "-c", IMPORTER, str(neo4j_home), str(night.folder), at, str(least)],
        stdout=subprocess.PIPE,
        text=True,
    ) as importer:
        assert importer.stdout is not None
        assert importer.stdout.readline() == "in the middle\n"
        if at in ("writing links", "importing"):
            held = neo4j_home / "import" / "night"
            assert stat.S_IMODE(held.stat().st_mode) == 0o700
        if at == "importing":
            (java,) = import_processes(neo4j_home)
            if not is_java_left:
                java.resume()
                await_end(neo4j_home)
        importer.send_signal(signal.SIGKILL)
        importer.wait()
    if at == "importing":
        assert bool(import_processes(neo4j_home)) is is_java_left
        assert (neo4j_home / "data" / "databases" / "neo4j").is_dir()
    assert start(neo4j_home, default_cache(os.environ), neo4j_settings) == address
    assert [each.pid for each in processes(str(neo4j_home))] == [status(neo4j_home).pid], "the import still runs"
    with connect(address) as store:
        assert current_date(store) is None
        n_nodes = store.run_apart("MATCH (n) RETURN count(n) AS n")[0]["n"]
        n_edges = store.run_apart("MATCH ()-[r]->() RETURN count(r) AS n")[0]["n"]
    is_whole = at in ("starting Neo4j", "building indexes")
    assert n_nodes + n_edges == (sum(count_lake(night).values()) + 1 if is_whole else 0)
    assert by_import(night) is not is_whole, "what was imported is not imported again"
    with connect(address) as store:
        assert load_night(store, night).mode == "imported"
        assert count_current(store) == count_lake(night)


def test_what_was_imported_gives_way_to_another_night(
    address: StoreAddress, night: Night, later: Night, by_import: Import
) -> None:
    assert by_import(night)
    with connect(address) as store:
        assert load_night(store, later).mode == "full"
        assert count_current(store) == count_lake(later)
        assert store.run_apart("MATCH (a:Account {account_id: $odd}) RETURN count(a) AS n", odd=ODD) == [{"n": 0}]


@pytest.mark.parametrize("why", ["a node", "an index", "a connection", "another server", "few rows"])
def test_nobody_is_disturbed(
    address: StoreAddress, night: Night, neo4j_home: Path, by_import: Import, told: list[str], why: str
) -> None:
    before = status(neo4j_home)
    given: dict[str, Any] = {
        "another server": {"environ": {"NEO4J_URI": address.uri}},
        "few rows": {"from_rows": 10**6},
    }
    with connect(address) as other:
        other.run_apart(
            {"a node": "CREATE (:Theirs)", "an index": "CREATE INDEX theirs FOR (x:Theirs) ON (x.name)"}.get(
                why, "RETURN 1"
            )
        )
        if why != "a connection":
            other.close()
        try:
            assert by_import(night, **given.get(why, {})) is False
            assert status(neo4j_home) == before
            assert told == []
        finally:
            with connect(address) as mine:
                mine.run_apart("MATCH (x:Theirs) DELETE x")
                mine.run_apart("DROP INDEX theirs IF EXISTS")


def test_who_comes_while_the_files_are_written_is_not_disturbed(
    address: StoreAddress, night: Night, neo4j_home: Path, by_import: Import, told: list[str]
) -> None:
    before = status(neo4j_home)

    def come(text: str, done: int, total: int) -> None:
        if text == "writing links":
            with connect(address) as other:
                other.run_apart("CREATE (:Theirs)")

    try:
        assert by_import(night, progress=come) is False
        assert status(neo4j_home) == before
        assert told == []
        assert not (neo4j_home / "import" / "night").exists()
        with connect(address) as store:
            assert store.run_apart("MATCH (n) RETURN labels(n) AS found") == [{"found": ["Theirs"]}]
    finally:
        with connect(address) as mine:
            mine.run_apart("MATCH (x:Theirs) DELETE x")


def test_an_import_whose_java_is_killed_leaves_an_empty_store_for_batches(
    address: StoreAddress, night: Night, neo4j_home: Path, by_import: Import, told: list[str]
) -> None:
    killed = []

    def kill(text: str, done: int, total: int) -> None:
        if text == "importing" and done > 0 and not killed:
            killed.extend(import_processes(neo4j_home))
            killed[0].kill()

    assert by_import(night, progress=kill) is False
    assert len(killed) == 1
    assert "got exit code -9" in told[-1]
    with connect(address) as store:
        assert store.run_apart("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]
        assert load_night(store, night).mode == "full"
        assert count_current(store) == count_lake(night)


def test_an_import_that_fails_leaves_an_empty_store_for_batches(
    address: StoreAddress, night: Night, later: Night, by_import: Import, told: list[str]
) -> None:
    pairs = night.read("pairs").with_columns(account_b=pl.lit("nobody"))
    write_table(pairs, night.folder, "pairs")
    assert by_import(night) is False
    assert "`neo4j-admin database` must succeed" in told[-1]
    assert "import.log" in told[-1]
    with connect(address) as store:
        assert store.run_apart("MATCH (n) RETURN count(n) AS n") == [{"n": 0}]
        assert load_night(store, later).mode == "full"
        assert count_current(store) == count_lake(later)
