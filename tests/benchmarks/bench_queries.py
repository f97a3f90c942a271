"""How long do the investigators' questions take, alone and with twenty readers at once?

    python tests/benchmarks/bench_queries.py [SIZE] [--lake DIR] [--asks N] [--readers N] [--days D] [--seed N]

A made world of SIZE accounts (default 5,000; 180 days, seed 7), as of 2026-06-30, linked by `graph.build` and loaded into a Neo4j that this script
starts and stops. **Scores, rings, reasons and embeddings are made up**: no model is trained. A planted ring's accounts score .3 to .95 and are one ring
each, all others under .1; a reason names one link of each ring account; vectors are random about a direction a ring. So the graph and its hubs are
a real chain's, and the answers say nothing of detection. With `--lake` the made night is kept in DIR and used again.

Each question is asked N times (default 60) with arguments drawn at random (ring accounts, any accounts, pairs within and across rings), first alone, then by
`--readers` (default 20) threads at once, each asking all questions in turn. Prints median, p95 and maximum in milliseconds, rows on average, and errors.
"""

import json
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.lake import EMBEDDING_DIM, NIGHT_TABLES, Night, as_of_of, write_table
from graph.lineage import build_lineage, name_clusters, name_groups
from graph.pairs import name_pairs
from graph.sightings import build_sightings
from graph.snapshot import Snapshot
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
    snapshot = build_snapshot(events, build_sightings(events, KEY), as_of_of(DAY), KEY, 0)
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
