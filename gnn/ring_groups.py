"""Which suspected accounts are one ring, and which cluster names it.

Clusters are cautious, for most accounts are honest: a large ring that shares little falls into several, and a cluster may
hold two actors' accounts who came to one thing months apart. Of two accounts that are suspected anyway less is needed to say that one
actor runs both: evidence of any kind, or money from one to the other, between accounts that signed up in step.
"""

from datetime import timedelta

import numpy as np
import polars as pl

from graph.clusters import tie_floor
from graph.components import connected_components
from graph.schema import known_time
from graph.snapshot import Snapshot

__all__ = ["TRANSFERS_SCHEMA", "build_transfers", "group_suspects"]

_IN_STEP = timedelta(days=7)  # between signups of accounts that weaker evidence or money joins
_PAUSE = timedelta(days=30)  # between signups of a cluster, above which it is another wave, and another actor's
TRANSFERS_SCHEMA: dict[str, pl.DataType] = {"payer": pl.Int32(), "payee": pl.Int32()}


def build_transfers(payments: pl.DataFrame, snapshot: Snapshot) -> pl.DataFrame:
    """Which accounts paid which, as far as it was known at the snapshot's cut-off.

    Args:
        payments: the event table, clean; may hold later rows.

    Returns:
        `TRANSFERS_SCHEMA`, the snapshot's numbers, one row a payer and payee, sorted.
    """
    known = known_time() < snapshot.as_of
    numbers = snapshot.accounts.select("account_id", "account")
    return (
        payments.filter(known)
        .select("account_id", "counterparty_id")
        .unique()
        .join(numbers.rename({"account": "payer"}), on="account_id")
        .join(numbers.rename({"account_id": "counterparty_id", "account": "payee"}), on="counterparty_id")
        .select(pl.col(name).cast(dtype) for name, dtype in TRANSFERS_SCHEMA.items())
        .unique()
        .sort("payer", "payee")
    )


def group_suspects(
    snapshot: Snapshot, accounts: pl.DataFrame, transfers: pl.DataFrame, min_suspected: int
) -> pl.DataFrame:
    """Parts the accounts that may belong to a ring into rings.

    Members of a cluster are together while each came at most 30 days after the one before it; suspected accounts of whatever
    clusters, where they are joined by as many bits as tie two accounts, or one paid the other, and they signed up within 7
    days. Links of links count, so a patient ring may span months.

    Args:
        accounts: account, cluster, signup_time, is_suspected, belongs (it may be a member); one row an account, in order.
        transfers: see `build_transfers`.
        min_suspected: suspected accounts that make a ring.

    Returns:
        account i32 and cluster i32, the one that names its ring, sorted by account. A cluster names the group that has most of its
        accounts (the oldest of equals), a ring is named after the largest of these; a group that no cluster names stays
        with the ring that its largest cluster names.
    """
    candidates = accounts.filter(pl.col("belongs")).sort("cluster", "signup_time", "account")
    number, cluster = candidates["account"].to_numpy(), candidates["cluster"].to_numpy()
    came = candidates["signup_time"].to_numpy()
    mates = (cluster[1:] == cluster[:-1]) & (came[1:] - came[:-1] <= np.timedelta64(_PAUSE))
    one, two = _joined(snapshot, accounts, transfers)
    group = connected_components(
        accounts.height, np.concatenate([number[:-1][mates], one]), np.concatenate([number[1:][mates], two])
    )
    found = candidates.select("account", "cluster", "is_suspected").with_columns(
        group=pl.Series(group[number], dtype=pl.Int32)
    )
    found = found.filter(pl.col("is_suspected").any().over("group"))
    size = accounts.group_by("cluster").agg(size=pl.len())
    named = found.join(_names(found.join(size, on="cluster")), on="group")
    # counted by name: a wave of one stays with the rest of its cluster
    named = named.filter(pl.col("is_suspected").sum().over("name") >= min_suspected)
    return named.select("account", cluster="name").sort("account")


def _joined(snapshot: Snapshot, accounts: pl.DataFrame, transfers: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Suspected accounts that evidence or money joins, and that signed up in step: int32 [k] twice."""
    suspected, signup = accounts["is_suspected"].to_numpy(), accounts["signup_time"].to_numpy()
    pairs = snapshot.pairs.filter(pl.col("weight_bits") >= tie_floor(accounts.height))
    one = np.concatenate([pairs["account_a"].to_numpy(), transfers["payer"].to_numpy()])
    two = np.concatenate([pairs["account_b"].to_numpy(), transfers["payee"].to_numpy()])
    joins = suspected[one] & suspected[two] & (np.abs(signup[one] - signup[two]) <= np.timedelta64(_IN_STEP))
    return one[joins], two[joins]


def _names(found: pl.DataFrame) -> pl.DataFrame:
    """group and name, the cluster that names it; see `group_suspects`."""
    held = (
        found.group_by("group", "cluster")
        .agg(pl.col("size").first(), n=pl.len(), first=pl.col("account").min())
        .sort("cluster", "n", "first", descending=[False, True, False])
        .with_columns(owner=pl.col("group").first().over("cluster"))
        .sort("group", "size", "cluster", descending=[False, True, False])
    )
    named = held.filter(pl.col("owner") == pl.col("group")).group_by("group", maintain_order=True)
    names = named.agg(name=pl.col("cluster").first())
    homes = held.group_by("group", maintain_order=True).agg(home=pl.col("owner").first())
    # a group without a name goes to the owner of its largest cluster, which has one
    of_home = homes.join(names.rename({"group": "home", "name": "home_name"}), on="home", how="left")
    return of_home.join(names, on="group", how="left").select("group", name=pl.coalesce("name", "home_name"))
