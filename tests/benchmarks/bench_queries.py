"""How long do the investigators' questions take, alone and with twenty readers at once?

    python tests/benchmarks/bench_queries.py [SIZE] [--lake DIR] [--asks N] [--readers N] [--days D] [--seed N]

A made world of SIZE accounts (default 5,000; 180 days, seed 7), as of 2026-06-30, linked by `graph.build` and loaded into a Neo4j that this script
starts and stops. **Scores, rings, reasons and embeddings are made up**: no model is trained. A planted ring's accounts score .3 to .95 and are one ring
each, all others under .1; a reason names one link of each ring account; vectors are random about a direction a ring. So the graph and its hubs are
a real chain's, and the answers say nothing of detection. With `--lake` the made night is kept in DIR and used again.

Each question is asked N times (default 60) with arguments drawn at random (ring accounts, any accounts, pairs within and across rings), first alone, then by
`--readers` (default 20) threads at once, each asking all questions in turn. Prints median, p95 and maximum in milliseconds, rows on average, and errors.
"""

import argparse
import json
import os
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.errors import RinglightError
from graph.identifier_search import hash_search_term
from graph.lake import EMBEDDING_DIM, NIGHT_TABLES, Night, as_of_of, write_table
from graph.lineage import build_lineage, name_clusters, name_groups
from graph.pairs import name_pairs
from graph.queries import (
    find_identifiers,
    nearest_accounts,
    neighbours,
    read_account,
    read_queue,
    read_ring_graph,
    shortest_path,
    why_linked,
    why_not,
)
from graph.snapshot import Snapshot
from graph.store import Store, connect
from graph.store_load import load_night
from jobs.local_store import ServerSettings, default_cache, start, stop
from jobs.simulate import simulate

KEY, DAY = "5a" * 32, date(2026, 6, 30)
Ask = Callable[[], int]


def make_night(folder: Path, size: int, days: int, seed: int) -> Night:
    """A night's tables from a made world; see the module's docstring for what of it is made up."""
    with tempfile.TemporaryDirectory() as made:
        world = Path(made) / "w"
        simulate(world, n_accounts=size, n_days=days, seed=seed, until=DAY)
        events = read_events(world / "events", as_of_of(DAY))
        truth = pl.read_parquet(world / "truth/accounts.parquet").select("account_id", "ring_id")
    snapshot = build_snapshot(events, as_of_of(DAY), KEY, 0)
    named = name_clusters(snapshot.clusters, snapshot.accounts, None, as_of_of(DAY), KEY)
    folder.mkdir(parents=True)
    labels = events["outcomes"].sort("known_time").unique("account_id", keep="last", maintain_order=True)
    tables = {
        "labels": labels.join(named, on="account_id", how="semi"),
        "clusters": named,
        "lineage": build_lineage(named, None),
        **linkage_tables(snapshot),
        **made_up_tables(snapshot, named, truth, seed),
    }
    for table, frame in tables.items():
        write_table(frame, folder, table)
    phones = events["profiles"]["phone"].drop_nulls().unique().sort()
    (folder / "typed.json").write_text(json.dumps(phones.sample(min(200, len(phones)), seed=seed).to_list()))
    return Night(folder, DAY)


def linkage_tables(snapshot: Snapshot) -> dict[str, pl.DataFrame]:
    """links, pairs and identities as the night's steps write them, but for `is_crossed`, which is left false."""
    identifiers = snapshot.identifiers
    ids = snapshot.accounts.select("account", "account_id")
    links = snapshot.links.join(ids, on="account", maintain_order="left").join(
        identifiers.select("identifier", "identifier_type", "hash", "weight"), on="identifier", maintain_order="left"
    )
    accounts = snapshot.accounts.with_columns(is_named=pl.lit(False))
    return {
        "links": links.drop("identifier").rename({"hash": "identifier"}),
        "pairs": name_pairs(snapshot.pairs, snapshot.pair_evidence, identifiers, accounts),
        "identities": ids.with_columns(
            identity_id=name_groups(snapshot.accounts["identity"], snapshot.accounts, "person", KEY)
        ),
    }


def made_up_tables(snapshot: Snapshot, named: pl.DataFrame, truth: pl.DataFrame, seed: int) -> dict[str, pl.DataFrame]:
    """Scores, rings, reasons and embeddings without a model."""
    random = np.random.default_rng(seed)
    accounts = named.select("account_id", "cluster_id").join(truth, on="account_id", how="left", maintain_order="left")
    names = accounts.drop_nulls("ring_id").group_by("ring_id").agg(name=pl.col("cluster_id").mode().sort().first())
    accounts = accounts.join(names.unique("name", keep="any"), on="ring_id", how="left", maintain_order="left")
    is_ring = accounts["name"].is_not_null().to_numpy()
    score = np.where(is_ring, random.uniform(0.3, 0.95, len(is_ring)), random.uniform(0, 0.1, len(is_ring)))
    order = np.argsort(-score)
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(1, len(order) + 1)
    scores = accounts.select("account_id", ring_id="name").with_columns(
        score=pl.Series(score), rank=pl.Series(rank), model_version=pl.lit("made-up")
    )
    members = scores.drop_nulls("ring_id").join(
        snapshot.accounts.select("account_id", "signup_time"), on="account_id", maintain_order="left"
    )
    rings = (
        members.group_by("ring_id")
        .agg(score=pl.col("score").mean(), n_accounts=pl.len(), first_seen=pl.col("signup_time").min())
        .sort("score", "ring_id", descending=[True, False])
        .with_columns(ring_version=pl.col("ring_id"), reasons=pl.lit(["made up"]), status=pl.lit("suspected"))
    )
    links = snapshot.links.join(snapshot.identifiers.filter(~pl.col("is_hub")), on="identifier").join(
        snapshot.accounts.select("account", "account_id"), on="account"
    )
    reasons = (
        links.join(members.select("account_id"), on="account_id", how="semi")
        .group_by("account_id")
        .agg(pl.struct("identifier_type", identifier="hash", account_id="account_id").first().alias("evidence"))
        .sort("account_id")
        .select(
            "account_id",
            pl.concat_list("evidence"),
            code=pl.lit("MADE_UP"),
            text=pl.lit("made up"),
            contribution=pl.lit(1.0),
        )
    )
    vectors = random.normal(size=(len(is_ring), EMBEDDING_DIM)).astype(np.float32)
    _, place = np.unique(scores["ring_id"].fill_null("").to_numpy(), return_inverse=True)
    vectors[np.arange(len(place)), place % EMBEDDING_DIM] += 3 * is_ring
    embeddings = accounts.select("account_id").with_columns(
        pl.Series("embedding", vectors.tolist(), dtype=NIGHT_TABLES["embeddings"]["embedding"]),
        embedding_version=pl.lit("made-up"),
    )
    return {"scores": scores, "rings": rings, "reasons": reasons, "embeddings": embeddings}


def draw_questions(store: Store, night: Night, n_asks: int, seed: int) -> dict[str, list[Ask]]:
    """Each question, `n_asks` times with other arguments; each gives how many rows it found."""
    random = np.random.default_rng(seed)
    scores = night.read("scores").select("account_id", "ring_id")
    members = scores.drop_nulls()
    pairs = night.read("pairs").select("account_a", "account_b")

    def accounts(frame: pl.DataFrame, n: int) -> list[str]:
        return [str(name) for name in frame["account_id"].gather(random.integers(0, frame.height, n))]

    rings = [str(ring) for ring in members["ring_id"].gather(random.integers(0, members.height, n_asks))]
    mixed = accounts(members, n_asks // 2) + accounts(scores, n_asks - n_asks // 2)
    paired = pairs[random.integers(0, pairs.height, n_asks)].rows()
    across = list(zip(accounts(members, n_asks), accounts(members, n_asks), strict=True))
    anybody = list(zip(accounts(scores, n_asks), accounts(scores, n_asks), strict=True))
    typed = random.choice(json.loads((night.folder / "typed.json").read_text()), n_asks)
    last = max(1, night.read("rings").height - 20)
    after = [int(place) for place in random.integers(0, last, n_asks)]
    return {
        "queue": [lambda place=place: len(read_queue(store, after=place)) for place in after],
        "queue, filtered": [
            lambda place=place: len(read_queue(store, after=place, min_score=0.5, identifier_type="device"))
            for place in after
        ],
        "ring": [lambda ring=ring: len(read_ring_graph(store, ring).links) for ring in rings],
        "account": [lambda name=name: len(read_account(store, name).identifiers) for name in mixed],
        "search by phone": [
            lambda text=text: len(find_identifiers(store, hash_search_term(str(text), KEY))) for text in typed
        ],
        "neighbours": [lambda name=name: neighbours(store, name).n_found for name in mixed],
        "path, ring accounts": [lambda two=two: len(shortest_path(store, *two).hops) for two in across],
        "path, any accounts": [lambda two=two: len(shortest_path(store, *two).hops) for two in anybody],
        "why linked": [
            lambda two=two: len((why_linked(store, *two) or {"evidence": []})["evidence"]) for two in paired
        ],
        "why not": [lambda two=two: len(why_not(store, *two).shared) for two in across],
        "most alike": [lambda name=name: len(nearest_accounts(store, name)) for name in mixed],
    }


def ask_all(asks: Sequence[tuple[str, Ask]]) -> list[tuple[str, float, int | None]]:
    """Question, milliseconds, and rows (None where it failed) of each."""
    told: list[tuple[str, float, int | None]] = []
    for name, ask in asks:
        start = time.perf_counter()
        try:
            n_rows: int | None = ask()
        except RinglightError as error:
            print(f"  {name}: {error}", flush=True)
            n_rows = None
        told.append((name, (time.perf_counter() - start) * 1000, n_rows))
    return told


def say(title: str, told: Sequence[tuple[str, float, int | None]]) -> None:
    """Median, p95, maximum, rows and errors by question."""
    print(f"{title}\n  {'':<24}{'median':>9}{'p95':>9}{'max':>9}{'rows':>9}{'errors':>9}   (ms)")
    by_name: dict[str, list[tuple[float, int | None]]] = defaultdict(list)
    for name, taken, n_rows in told:
        by_name[name].append((taken, n_rows))
    for name, runs in by_name.items():
        median, late = np.quantile([taken for taken, _ in runs], (0.5, 0.95))
        rows = [n_rows for _, n_rows in runs if n_rows is not None]
        mean = float(np.mean(rows)) if rows else float("nan")
        most = max(taken for taken, _ in runs)
        print(f"  {name:<24}{median:9.1f}{late:9.1f}{most:9.1f}{mean:9.1f}{len(runs) - len(rows):9}", flush=True)


def measure(store: Store, night: Night, n_asks: int, n_readers: int, seed: int) -> None:
    """Prints all of it; the first answers, for which the server makes its plans, are left out."""
    questions = draw_questions(store, night, n_asks, seed)
    ask_all([(name, ask) for name, asks in questions.items() for ask in asks[:3]])
    say("alone", ask_all([(name, ask) for name, asks in questions.items() for ask in asks]))
    shares = [
        [(name, asks[place]) for place in range(reader, n_asks, n_readers) for name, asks in questions.items()]
        for reader in range(n_readers)
    ]
    start = time.perf_counter()
    with ThreadPoolExecutor(n_readers) as pool:
        told = [one for share in pool.map(ask_all, shares) for one in share]
    seconds = time.perf_counter() - start
    say(f"{n_readers} readers at once ({len(told) / seconds:.0f} answers a second)", told)


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def local_store(home: Path) -> Iterator[Store]:
    """A Neo4j of this script's own, on free ports, with the memory that `ringlight store start` gives it."""
    settings = ServerSettings(bolt_port=free_port(), http_port=free_port(), exact_ports=True)
    address = start(home, default_cache(os.environ), settings)
    try:
        with connect(address) as store:
            yield store
    finally:
        stop(home)


def main(given: argparse.Namespace) -> None:
    """Makes or reads the night, loads it, and measures."""
    with tempfile.TemporaryDirectory() as made:
        lake = Path(given.lake or made)
        folder = lake / "nights" / f"{DAY}-{given.size}-{given.days}-{given.seed}"
        begun = time.perf_counter()
        night = Night(folder, DAY) if folder.is_dir() else make_night(folder, given.size, given.days, given.seed)
        print(f"night of {given.size:,} accounts: {time.perf_counter() - begun:.0f} s", flush=True)
        with local_store(lake / "neo4j") as store:
            begun = time.perf_counter()
            counts: dict[str, Any] = load_night(store, night).counts
            print(f"load: {time.perf_counter() - begun:.0f} s; {counts['links']:,} links, {counts['pairs']:,} pairs")
            measure(store, night, given.asks, given.readers, given.seed)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", type=int, default=5_000)
    parser.add_argument("--lake")
    parser.add_argument("--asks", type=int, default=60)
    parser.add_argument("--readers", type=int, default=20)
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seed", type=int, default=7)
    main(parser.parse_args())
