"""Sixty nights of a made world, each brought up to date from the one before: do clusters and their ids hold?

    python tests/benchmarks/bench_nights.py [ACCOUNTS] [NIGHTS] [SEED]

Prints by night: accounts, those that changed, CPU-seconds of the update, share of the accounts that kept their id where the cluster is
unchanged and where under a fifth of it changed, changes without a row in the lineage, the largest cluster, and pairwise precision
and recall of the clusters: recall among planted rings and among households (one address), precision of all clustered pairs
(one ring, one person or one household). Then whether a replay gives the same, and whether the last night made anew does.
"""

import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from graph.build import Linkage, build_linkage
from graph.cleaning import read_events
from graph.lake import as_of_of
from graph.lineage import build_lineage, measure_stability, name_clusters
from graph.normalise import normalise
from graph.snapshot import SNAPSHOT_SCHEMAS
from jobs.simulate import simulate

KEY = "5a" * 32
LAST = date(2026, 6, 30)
COUNTS = ("n_unchanged", "n_unchanged_kept", "n_slight", "n_slight_kept")


@dataclass(frozen=True)
class Night:
    """What one night left."""

    day: date
    linkage: Linkage
    clusters: pl.DataFrame
    lineage: pl.DataFrame
    cpu_seconds: float


def replay(events: Path, n_nights: int) -> Iterator[Night]:
    """The last `n_nights` nights of a world, each from the one before."""
    before: Linkage | None = None
    clusters: pl.DataFrame | None = None
    for back in reversed(range(n_nights)):
        day = LAST - timedelta(days=back)
        known = read_events(events, as_of_of(day))
        start = time.process_time()
        before = build_linkage(known, as_of_of(day), KEY, 0, before)
        seconds = time.process_time() - start
        snapshot = before.snapshot
        named = name_clusters(snapshot.clusters, snapshot.accounts, clusters, as_of_of(day), KEY)
        lineage = build_lineage(named, clusters)
        clusters = named.select("account_id", "cluster_id")
        yield Night(day, before, clusters, lineage, seconds)


def truth_groups(world: Path) -> pl.DataFrame:
    """account_id with its ring, person and household (the first address of accounts that live as a household)."""
    homes = (
        pl.read_parquet(world / "events/profiles/*.parquet")
        .sort("event_time")
        .unique("account_id", keep="first")
        .select("account_id", home=normalise("address", pl.col("address"), pl.col("postcode")))
    )
    accounts = pl.read_parquet(world / "truth/accounts.parquet")
    return accounts.join(homes, on="account_id", how="left").select(
        "account_id", "ring_id", "person_id", home=pl.when(pl.col("sharing").list.contains("household")).then("home")
    )


def n_pairs(groups: pl.DataFrame, *keys: str) -> int:
    sizes = groups.drop_nulls(list(keys)).group_by(keys).len()["len"].cast(pl.Int64)
    return int((sizes * (sizes - 1) // 2).sum())


def pair_quality(clusters: pl.DataFrame, truth: pl.DataFrame) -> tuple[float, float, float]:
    """(precision of clustered pairs, recall among rings, recall among households)."""
    known = clusters.join(truth, on="account_id")
    clustered, rings, homes = n_pairs(known, "cluster_id"), n_pairs(known, "ring_id"), n_pairs(known, "home")
    in_ring, in_home = n_pairs(known, "cluster_id", "ring_id"), n_pairs(known, "cluster_id", "home")
    # a pair that is in both a ring and a household, or one person's, is counted once
    right = in_ring + in_home - n_pairs(known, "cluster_id", "ring_id", "home")
    person = n_pairs(known, "cluster_id", "person_id")
    for other in ("ring_id", "home"):
        person -= n_pairs(known, "cluster_id", "person_id", other)
    person += n_pairs(known, "cluster_id", "person_id", "ring_id", "home")
    return (right + person) / max(clustered, 1), in_ring / max(rings, 1), in_home / max(homes, 1)


def unexplained(before: pl.DataFrame, night: Night) -> int:
    """Accounts whose id changed without a row in the lineage for the new id."""
    changed = before.join(night.clusters, on="account_id", suffix="_now").filter(
        pl.col("cluster_id") != pl.col("cluster_id_now")
    )
    return changed.join(night.lineage, left_on="cluster_id_now", right_on="cluster_id", how="anti").height


def same(one: Linkage, other: Linkage) -> bool:
    return all(getattr(one.snapshot, name).equals(getattr(other.snapshot, name)) for name in SNAPSHOT_SCHEMAS)


def measure(n_accounts: int, n_nights: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        simulate(world, n_accounts=n_accounts, n_days=240, seed=seed, until=LAST)
        truth, before, totals = truth_groups(world), None, dict.fromkeys(COUNTS, 0)
        for night in replay(world / "events", n_nights):
            precision, rings, homes = pair_quality(night.clusters, truth)
            largest = night.clusters.group_by("cluster_id").len()["len"].max() / night.clusters.height
            line = f"{night.day} {night.clusters.height:>9,} accounts {night.cpu_seconds:6.2f} CPU-s"
            if before is not None:
                stable = measure_stability(before, night.clusters)
                totals = {name: totals[name] + stable[name] for name in COUNTS}
                line += f"  kept {stable['n_unchanged_kept']:,}/{stable['n_unchanged']:,}"
                line += f", slight {stable['n_slight_kept']:,}/{stable['n_slight']:,}"
                line += f", unexplained {unexplained(before, night)}"
            print(
                f"{line}  largest {largest:.2%}  precision {precision:.3f} recall rings {rings:.3f} homes {homes:.3f}",
                flush=True,
            )
            before = night.clusters
        again = None
        for other in replay(world / "events", n_nights):
            again = other
        assert again is not None
        anew = build_linkage(read_events(world / "events", as_of_of(LAST)), as_of_of(LAST), KEY, 0)
        print(f"all nights: {totals}")
        print(f"replay identical: {again.clusters.equals(night.clusters) and again.lineage.equals(night.lineage)}")
        print(f"last night made anew is the same: {same(anew, night.linkage)}")


if __name__ == "__main__":
    wanted = [int(value) for value in sys.argv[1:]]
    measure(*(wanted + [10_000, 60, 1][len(wanted) :]))
