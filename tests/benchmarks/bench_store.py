"""Loads into Neo4j: ours beside the best bare driver loop, the offline import beside both, and what a next night costs by the rows that changed, in one run.

    python tests/benchmarks/bench_store.py [ACCOUNTS] [ROUNDS]          default: 10000 2

The night is that of `bench_queries.py` (a made world; scores, rings, reasons and embeddings made up), the Neo4j is one that this script starts
and stops. *bare* is what one would write who knows the driver well and needs nothing of what ours promises: the same rows, column-wise, into the same constraints and indexes,
kind by kind, by CREATE, in one session, in batches of each of several sizes; the best counts. It makes the same nodes and relationships with the same properties, of which
nobody may look at half, and which a second run would double. Ours and these take turns on an emptied database, after one turn that is not counted.

*import* is ours from an empty store to a night that is shown: files, the server stopped, Neo4j's offline import, the server started, indexes. Beside it stands
*by batches, server just started*, for that is what a first load meets: Java has compiled nothing yet. These two take turns, too.

The next night has the same rows but for a share of links that were seen once more; ours alone, from the night before. Prints rows a second, CPU-seconds
of this process and of Neo4j, medians, and records them in RESULTS.md; exit code 1 where ours loads less than 80 % of what the best loop does.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import psutil
from bench_queries import make_night
from results import machine, record, table

from graph import store_cypher as cypher
from graph.lake import Night, write_table
from graph.store import Store, connect, drop_all
from graph.store_address import StoreAddress
from graph.store_load import _make_schema, load_night
from graph.store_rows import KINDS, Kind, NodeKind, count_lake, read_all
from jobs.first_load import import_first_night
from jobs.local_store import ServerSettings, default_cache, start, status, stop

DAYS, SEED = 180, 3
BATCHES = (2_500, 5_000, 10_000)
SHARES = (0.001, 0.01, 0.1)
LEAST = 0.8
SETTINGS = ServerSettings(bolt_port=27787, http_port=27574, heap_mebibytes=2048)


def started(home: Path) -> StoreAddress:
    return start(home, default_cache(os.environ), SETTINGS)


@contextmanager
def server(home: Path) -> Iterator[Store]:
    address = started(home)
    try:
        with connect(address) as store:
            yield store
    finally:
        stop(home)


def created(kind: Kind) -> str:
    """The text of `graph.store_cypher.insert`, and no look at what is there."""
    rows = "UNWIND range(0, $n_rows - 1) AS i"
    if isinstance(kind, NodeKind):
        keys = ", ".join(f"{key}: ${key}[i]" for key in kind.keys)
        label = ":$($label[i])" if kind.by_label else ""
        return f"{rows} CREATE (n:{kind.label}{label} {{{keys}, since: $g, until: $forever}})"
    values = "".join(f", {name}: {cypher._value(kind, name)}" for name in kind.properties)
    return f"{rows} {cypher._ends(kind)} CREATE (s)-[:{kind.type} {{since: $g, until: $forever{values}}}]->(e)"


def bare(store: Store, night: Night, batch: int) -> None:
    with store._driver.session() as session:
        for kind in KINDS:
            text = created(kind)
            for frame in read_all(kind, night, batch):
                columns = {name: frame[name].to_list() for name in frame.columns}
                parameters = {**columns, "n_rows": frame.height, "g": 1, "forever": cypher.FOREVER}
                session.execute_write(lambda tx, text=text, parameters=parameters: tx.run(text, parameters).consume())


def server_seconds(home: Path) -> float:
    """CPU of the server that runs and of every process that this one started and that has ended."""
    there, ended = psutil.Process(status(home).pid).cpu_times(), os.times()
    return there.user + there.system + ended.children_user + ended.children_system


def measured(home: Path, work: Callable[[], object]) -> dict[str, float]:
    """Wall, and CPU-seconds of this process and of Neo4j."""

    def clocks() -> tuple[float, float, float]:
        return time.monotonic(), time.process_time(), server_seconds(home)

    before = clocks()
    work()
    wall, client, there = (after - then for after, then in zip(clocks(), before, strict=True))
    return {"wall": wall, "client": client, "server": there}


def awaited(store: Store, work: Callable[[], object]) -> None:
    work()
    store.run_apart("CALL db.awaitIndexes(600)")


def medians(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


def first_loads(home: Path, store: Store, night: Night, rounds: int) -> dict[str, dict[str, float]]:
    expected = count_lake(night)
    makers: dict[str, Callable[[], object]] = {"ringlight": lambda: load_night(store, night)}
    makers |= {f"bare, by {batch:,}": lambda batch=batch: bare(store, night, batch) for batch in BATCHES}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in makers}
    for number in range(rounds + 1):
        for name, work in makers.items():
            drop_all(store)
            _make_schema(store)
            told = measured(home, lambda work=work: awaited(store, work))
            counts = {kind.name: store.run_apart(cypher.count_rows(kind), g=1)[0]["n_rows"] for kind in KINDS}
            if name != "ringlight":
                assert counts == expected, "both must load the same"
            if number:
                found[name].append(told)
                print(f"{name}: {told['wall']:.1f} s", flush=True)
    return {name: medians(each) for name, each in found.items()}


def very_first_loads(folder: Path, night: Night, rounds: int) -> dict[str, dict[str, float]]:
    """Into a store that has never held anything, by the offline import and by batches."""
    ways = {"import": 0, "by batches, server just started": 10**12}
    found: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(rounds):
        for name, from_rows in ways.items():
            home = folder / f"{name} {number}"
            address = started(home)

            def work(home: Path = home, address: StoreAddress = address, from_rows: int = from_rows) -> None:
                cache = default_cache(os.environ)
                is_imported = import_first_night({}, home, cache, night, say=lambda text: None, from_rows=from_rows)
                with connect(address) as store:
                    awaited(store, lambda: load_night(store, night))
                assert is_imported is (from_rows == 0)

            try:
                found[name].append(measured(home, work))
            finally:
                stop(home)
            shutil.rmtree(home)
            print(f"{name}: {found[name][-1]['wall']:.1f} s", flush=True)
    return {name: medians(each) for name, each in found.items()}


def changed_night(night: Night, folder: Path, share: float) -> Night:
    """The same night, but a share of its links seen once more."""
    shutil.copytree(night.folder, folder)
    links = night.read("links")
    step = round(1 / share)
    seen_again = pl.int_range(pl.len()) % step == 0
    write_table(links.with_columns(pl.col("n_events") + seen_again.cast(pl.Int64)), folder, "links")
    return Night(folder, night.date)


def next_loads(home: Path, store: Store, night: Night, folder: Path) -> list[dict[str, float]]:
    found = []
    for share in (0.0, *SHARES):
        drop_all(store)
        load_night(store, night)
        # no share at all is a night of one row: what it costs whatever changed
        after = changed_night(night, folder / str(share), share or 1e-6)
        written: list[int] = []

        def work(after: Night = after, written: list[int] = written) -> None:
            result = load_night(store, after, night, allow_older=True)
            assert result.mode == "changes"
            written.append(result.n_written + result.n_closed)

        told = measured(home, lambda work=work: awaited(store, work))
        found.append(told | {"rows": float(written[0])})
        print(f"next night, {written[0]:,} rows: {told['wall']:.1f} s", flush=True)
    return found


def main() -> int:
    """See the module."""
    n_accounts, rounds = [*map(int, sys.argv[1:]), *(10_000, 2)[len(sys.argv) - 1 :]]
    where = machine()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        night = make_night(folder / "night", n_accounts, DAYS, SEED)
        n_rows = sum(count_lake(night).values())
        with server(folder / "home") as store:
            first = first_loads(folder / "home", store, night, rounds)
            following = next_loads(folder / "home", store, night, folder)
        very_first = very_first_loads(folder, night, rounds)
    best = min((name for name in first if name.startswith("bare")), key=lambda name: first[name]["wall"])
    share = first[best]["wall"] / first["ringlight"]["wall"]
    rows = [
        [name, *(f"{each[clock]:.1f}" for clock in ("wall", "client", "server")), f"{n_rows / each['wall']:,.0f}"]
        for name, each in (first | very_first).items()
    ]
    head = ["wall s", "CPU-s here", "CPU-s there"]
    alone = following[0]
    later = [
        [
            f"{each['rows']:,.0f} rows",
            *(f"{each[clock]:.2f}" for clock in ("wall", "client", "server")),
            f"{(each['client'] + each['server'] - alone['client'] - alone['server']) / each['rows'] * 1e6:,.0f}",
        ]
        for each in following
    ]
    body = (
        f"{n_accounts:,} accounts, {n_rows:,} nodes and relationships; medians of {rounds}. Ours loads {share:.0%} of what the best bare loop does.\n\n"
        + table(["first load", *head, "rows a second"], rows)
        + "\n\nWhat a next night costs; the last column is CPU-microseconds a row beyond what the smallest takes.\n\n"
        + table(["next night", *head, "µs a row"], later)
    )
    print(body)
    record("Loads into Neo4j", f"bench_store.py {n_accounts} {rounds}", where, body)
    if share < LEAST:
        print(f"missed: {share:.0%} of the best bare loop's rate, at least {LEAST:.0%}")
    return int(share < LEAST)


if __name__ == "__main__":
    sys.exit(main())
