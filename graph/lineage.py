"""Cluster ids that stay from night to night, and what became of each cluster.

A new cluster takes the id of the old one with which it shares most accounts; among equal overlaps the older cluster (the one
with the earliest account) goes first. Each old id goes to one new cluster at most.
"""

from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from graph.errors import InputError
from graph.lake import Night, nights_before, read_night
from graph.numbering import dense_numbers, first_rows
from graph.sightings import keyed_hash

__all__ = [
    "LINEAGE_EVENTS",
    "build_lineage",
    "measure_stability",
    "name_clusters",
    "name_groups",
    "read_lineage",
    "trace_lineage",
]

LINEAGE_EVENTS: dict[str, str] = {
    "born": "none of its accounts was in a cluster before",
    "grew": "kept its id and gained accounts",
    "shrank": "kept its id and lost accounts to none or to others",
    "merged": "took in accounts of more than one earlier cluster",
    "split": "broke off from an earlier cluster, which kept its id elsewhere",
    "ended": "its id is no longer in use",
}


def name_groups(groups: pl.Series, accounts: pl.DataFrame, label: str, key: str) -> pl.Series:
    """A name for each group of accounts: a keyed hash of its first account's id.

    Args:
        groups: i32, the group of each account, in the accounts' order.
        accounts: account, account_id.
        label: what is named; its first letter begins the name.

    Returns:
        str, one an account, equal within a group; 17 characters.
    """
    first = accounts.select("account_id", group=groups).unique("group", keep="first", maintain_order=True)
    named = first.select("group", name=label[0] + keyed_hash(pl.col("account_id"), label, key).str.slice(0, 16))
    return pl.DataFrame({"group": groups}).join(named, on="group", how="left", maintain_order="left")["name"]


def name_clusters(
    clusters: pl.DataFrame, accounts: pl.DataFrame, previous: pl.DataFrame | None, as_of: datetime, key: str
) -> pl.DataFrame:
    """Gives each cluster its id: an earlier night's where one inherits, else a new one.

    Args:
        clusters: account, cluster.
        accounts: account, account_id, signup_time.
        previous: account_id, cluster_id of the night before; None on the first.
        as_of: cut-off; part of a new id, so that an ended one does not come back for others.
        key: of the keyed hash.

    Returns:
        account, account_id, cluster, cluster_id, was (its cluster_id of the night before, or null), sorted by account.
    """
    named = clusters.join(accounts, on="account", maintain_order="left").select("account", "account_id", "cluster")
    label = f"cluster {as_of:%Y-%m-%d}"
    if previous is None or previous.is_empty():
        fresh = name_groups(named["cluster"], accounts, label, key)
        return named.with_columns(fresh.alias("cluster_id"), was=pl.lit(None, dtype=pl.String))
    old = dense_numbers(previous["cluster_id"])
    numbered = previous.select("account_id", old=pl.Series(old))
    names = previous["cluster_id"].gather(first_rows(old))
    was = named.join(numbered, on="account_id", how="left", maintain_order="left")["old"]
    inherited = pl.Series(_inherit(was.fill_null(-1).to_numpy(), named["cluster"].to_numpy()))[named["cluster"]]
    is_new = inherited < 0
    newly = named.filter(is_new)
    fresh = name_groups(newly["cluster"], newly.select("account", "account_id"), label, key)
    ids = names.gather(inherited.clip(0))
    if newly.height:
        ids = ids.scatter(is_new.arg_true(), fresh)
    return named.with_columns(ids.alias("cluster_id"), was=names.gather(was))


def build_lineage(named: pl.DataFrame, previous: pl.DataFrame | None) -> pl.DataFrame:
    """What became of each cluster since the night before.

    A cluster that kept its id and its accounts has no row; one that both took in and lost has a row for each.

    Args:
        named: as `name_clusters` gives it.
        previous: account_id, cluster_id of the night before; None on the first.

    Returns:
        cluster_id, event (`LINEAGE_EVENTS`), parents (sorted cluster ids of the night before); sorted.
    """
    if previous is None:
        previous = pl.DataFrame(schema={"account_id": pl.String, "cluster_id": pl.String})
    sizes = previous.group_by(was="cluster_id").agg(size=pl.len())
    counted = (
        named.select("cluster", "cluster_id", is_kept=pl.col("was").eq_missing(pl.col("cluster_id")))
        .group_by("cluster")
        .agg(pl.col("cluster_id").first(), n_now=pl.len(), n_kept=pl.col("is_kept").sum())
        .join(sizes, left_on="cluster_id", right_on="was", how="left")
    )
    stayed = pl.col("n_kept").eq_missing(pl.col("size")) & (pl.col("n_kept") == pl.col("n_now"))
    changed = counted.filter(~stayed)
    parents = (
        named.join(changed, on="cluster", how="semi")
        .group_by("cluster")
        .agg(parents=pl.col("was").drop_nulls().unique().sort())
    )
    grouped = changed.join(parents, on="cluster")
    keeps, n_parents = pl.col("size").is_not_null(), pl.col("parents").list.len()
    rows = [
        _event(grouped.filter(~keeps & (n_parents == 0)), "born"),
        _event(grouped.filter(n_parents > 1), "merged"),
        _event(grouped.filter(~keeps & (n_parents == 1)), "split"),
        _event(grouped.filter(keeps & (n_parents == 1) & (pl.col("n_now") > pl.col("n_kept"))), "grew"),
        _event(grouped.filter(keeps & (pl.col("n_kept") < pl.col("size"))), "shrank"),
    ]
    ended = sizes.join(counted, left_on="was", right_on="cluster_id", how="anti").select(
        pl.col("was").alias("cluster_id"), event=pl.lit("ended"), parents=pl.lit([], dtype=pl.List(pl.String))
    )
    return pl.concat([*rows, ended]).sort("cluster_id", "event")


def _event(clusters: pl.DataFrame, event: str) -> pl.DataFrame:
    return clusters.select("cluster_id", event=pl.lit(event), parents="parents")


def _inherit(was: NDArray[np.int32], cluster: NDArray[np.int32]) -> NDArray[np.int32]:
    """The old cluster whose id each new one takes, -1 for none. Overlaps are taken largest first; both sides may be taken once.

    Args:
        was, cluster: old and new cluster of each account, in the accounts' order; -1 for no old one.
    """
    before = np.flatnonzero(was >= 0)
    n_new = int(cluster.max(initial=-1)) + 1
    overlap, n_shared = np.unique(was[before].astype(np.int64) * n_new + cluster[before], return_counts=True)
    old, new = np.divmod(overlap, max(n_new, 1))
    n_old = int(was.max(initial=-1)) + 1
    age = np.full(n_old, was.shape[0])
    np.minimum.at(age, was[before], before)
    order = np.lexsort((new, age[old], -n_shared))
    taken = order[_take(old[order], new[order], n_old, n_new)]
    heirs = np.full(n_new, -1, dtype=np.int32)
    heirs[new[taken]] = old[taken]
    return heirs


@njit(cache=True)
def _take(old: NDArray[np.int64], new: NDArray[np.int64], n_old: int, n_new: int) -> NDArray[np.bool_]:
    """Greedy one-to-one choice in the order given."""
    taken = np.zeros(old.shape[0], dtype=np.bool_)
    old_gone, new_gone = np.zeros(n_old, dtype=np.bool_), np.zeros(n_new, dtype=np.bool_)
    for row in range(old.shape[0]):
        if not old_gone[old[row]] and not new_gone[new[row]]:
            old_gone[old[row]] = new_gone[new[row]] = taken[row] = True
    return taken


def trace_lineage(nights: Sequence[Night], cluster_id: str) -> pl.DataFrame:
    """Which clusters became this one: its lineage, and that of its parents, from the last night back to the first.

    Args:
        nights: complete nights, each made from the one before it in this list, the one asked about last.
        cluster_id: an id of the last one.

    Returns:
        date, cluster_id, event, parents, n_accounts (of the cluster in that night; 0 where it ended); newest first, within a night by
        cluster and event.

    Raises:
        InputError: the last night knows no such cluster.
    """
    if not nights or not (
        nights[-1].scan("clusters").filter(pl.col("cluster_id") == cluster_id).head(1).collect().height
    ):
        raise InputError(
            f"`CLUSTER` must be a cluster of the night {nights[-1].date if nights else '(none)'}; got `{cluster_id}`. "
            "`clusters.parquet` and `rings.parquet` of the night have the ids."
        )
    wanted, found = [cluster_id], []
    for night in reversed(nights):
        is_wanted = pl.col("cluster_id").is_in(wanted)
        rows = night.scan("lineage").filter(is_wanted).collect()
        sizes = night.scan("clusters").filter(is_wanted).group_by("cluster_id").len("n_accounts").collect()
        found.append(
            rows.join(sizes, on="cluster_id", how="left", maintain_order="left").select(
                pl.lit(night.date).alias("date"), *rows.columns, pl.col("n_accounts").fill_null(0).cast(pl.Int64)
            )
        )
        moved = rows["cluster_id"].unique()
        parents = rows["parents"].explode().drop_nulls()
        wanted = sorted({*parents, *(name for name in wanted if name not in set(moved))})
    return pl.concat(found)


def read_lineage(lake: Path, cluster_id: str, day: date | None = None) -> pl.DataFrame:
    """Which clusters became this one, over all nights of the lake that its night was made from; see `trace_lineage`.

    Args:
        day: the night that knows the cluster; by default the current one.

    Raises:
        InputError: there is no such night, or it knows no such cluster.
    """
    return trace_lineage(nights_before(lake, read_night(lake, day)), cluster_id)


def measure_stability(before: pl.DataFrame, now: pl.DataFrame) -> dict[str, int]:
    """How many accounts kept their cluster id over a night, where their cluster did not change or hardly did.

    Args:
        before, now: account_id, cluster_id of two nights; accounts of one night alone count as a change of their cluster.

    Returns:
        n_unchanged and n_unchanged_kept: accounts in clusters with the same members in both nights, and how many of them kept
        the id; n_slight and n_slight_kept: the same of clusters of which under a fifth of all members of either night changed.
    """
    both = before.join(now, on="account_id", suffix="_now")
    size = before.group_by("cluster_id").len("n_before")
    size_now = now.group_by(cluster_id_now="cluster_id").len("n_now")
    overlap = both.group_by("cluster_id", "cluster_id_now").len("n_shared").join(size, on="cluster_id")
    overlap = overlap.join(size_now, on="cluster_id_now").with_columns(
        n_either=pl.col("n_before") + pl.col("n_now") - pl.col("n_shared"),
        kept=pl.col("cluster_id") == pl.col("cluster_id_now"),
    )
    changed = 1 - pl.col("n_shared") / pl.col("n_either")
    slight = overlap.filter((changed > 0) & (changed < 0.2))
    unchanged = overlap.filter(changed == 0)
    return {
        "n_unchanged": int(unchanged["n_shared"].sum()),
        "n_unchanged_kept": int(unchanged.filter("kept")["n_shared"].sum()),
        "n_slight": int(slight["n_shared"].sum()),
        "n_slight_kept": int(slight.filter("kept")["n_shared"].sum()),
    }
