"""Which suspected accounts are one ring, and which cluster names it.

Clusters are cautious, for most accounts are honest: a large ring that shares little falls into several, and a cluster may
hold two actors' accounts who came to one thing months apart. Of two accounts that are suspected anyway less is needed to say that one
actor runs both: evidence of any kind, or money from one to the other, between accounts that signed up in step; or that they came
together and behave alike, in the way in which those of this night do that links hold together.
"""

from datetime import timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.feature_types import exact_sum
from gnn.ring_affinity import LOWEST, directions, learn_affinity, neighbours_in_time, rank_behaviour
from graph.average_link import agglomerate, bounded_components
from graph.clusters import tie_floor
from graph.components import connected_components
from graph.schema import known_time
from graph.snapshot import Snapshot

__all__ = ["TRANSFERS_SCHEMA", "build_transfers", "group_suspects"]

_IN_STEP = timedelta(days=7)  # between signups of accounts that weaker evidence or money joins
_PAUSE = timedelta(days=30)  # between signups of a cluster, above which it is another wave, and another actor's
_JOINED = 40.0  # log odds of a pair that is joined, above those of a pair of which nothing is known
_LEAST_MEAN = 0.0  # log odds, on average over the pairs of two groups, from which they are one actor's
_LARGEST = 2_000  # waves that are merged in one go
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
        .join(numbers.rename({"account_id": "counterparty_id", "account": "payee"}), on="counterparty_id")  # few are
        .unique()
        .join(numbers.rename({"account": "payer"}), on="account_id")
        .select(pl.col(name).cast(dtype) for name, dtype in TRANSFERS_SCHEMA.items())
        .unique()
        .sort("payer", "payee")
    )


def group_suspects(
    snapshot: Snapshot,
    features: pl.DataFrame,
    vectors: NDArray[np.float32],
    accounts: pl.DataFrame,
    transfers: pl.DataFrame,
    min_suspected: int,
    seed: int,
    n_threads: int = 1,
) -> pl.DataFrame:
    """Parts the suspected accounts into rings.

    Suspected accounts of one cluster are a wave while each came at most 30 days after one before it. Waves are merged by average
    link, so that one payment does not make one ring of two: a pair of accounts that is joined (by as many bits as tie two accounts, or
    one paid the other, and they signed up within 7 days) says much for it, any other as much as the two look like one actor's
    (`gnn.ring_affinity`).

    Args:
        features: as `gnn.features.build_features` gives them.
        vectors: float32 [n, d], the accounts' embeddings.
        accounts: account, cluster, signup_time, is_suspected; one row an account, in order.
        transfers: see `build_transfers`.
        min_suspected: suspected accounts that make a ring.
        seed: of what is drawn to learn affinity.
        n_threads: to learn it with.

    Returns:
        account i32 and cluster i32, the one that names its ring, sorted by account. A cluster names the group that has most of its
        accounts (the oldest of equals), a ring is named after the largest of these; a group that no cluster names stays
        with the ring that its largest cluster names.
    """
    suspects = _waves(accounts.filter("is_suspected")).sort("account")
    if suspects.is_empty():
        return pl.DataFrame(schema={"account": pl.Int32, "cluster": pl.Int32})
    group = _merge_waves(snapshot, features, vectors, accounts, suspects, transfers, seed, n_threads)
    found = suspects.select("account", "cluster", group=pl.Series(group, dtype=pl.Int32))
    size = accounts.group_by("cluster").agg(size=pl.len())
    named = found.join(_names(found.join(size, on="cluster")), on="group")
    # counted by name: a wave of one stays with the rest of its cluster
    named = named.filter(pl.len().over("name") >= min_suspected)
    return named.select("account", cluster="name").sort("account")


def _waves(suspects: pl.DataFrame) -> pl.DataFrame:
    """With wave: within a cluster, those of whom each came soon after the one before."""
    begins = (pl.col("cluster") != pl.col("cluster").shift()) | (pl.col("signup_time").diff() > _PAUSE)
    return suspects.sort("cluster", "signup_time", "account").with_columns(wave=begins.fill_null(True).cum_sum())


def _merge_waves(
    snapshot: Snapshot,
    features: pl.DataFrame,
    vectors: NDArray[np.float32],
    accounts: pl.DataFrame,
    suspects: pl.DataFrame,
    transfers: pl.DataFrame,
    seed: int,
    n_threads: int,
) -> NDArray[np.int32]:
    """The group of each suspected account, int32 [k], in order of `suspects`."""
    number = suspects["account"].to_numpy()
    place = np.full(accounts.height, -1)
    place[number] = np.arange(len(number))
    second = suspects["signup_time"].dt.epoch("s").to_numpy()
    wave = np.unique(suspects["wave"].to_numpy(), return_inverse=True)[1].astype(np.int32)
    one, two = (place[side] for side in _joined(snapshot, accounts, transfers))
    left, right = neighbours_in_time(second)
    held = connected_components(len(number), one.astype(np.int32), two.astype(np.int32))
    affinity = learn_affinity(
        second, rank_behaviour(features, number), directions(vectors, number), held, left, right, seed, n_threads
    )
    said = pl.concat(
        [_between(wave, left, right, affinity - LOWEST), _between(wave, one, two, np.full(len(one), _JOINED))]
    )
    said = said.group_by("one", "two").agg(exact_sum(pl.col("said"))).sort("one", "two")
    size = np.bincount(wave).astype(np.float64)
    first, last = said["one"].to_numpy(), said["two"].to_numpy()
    mean = said["said"].to_numpy() / (size[first] * size[last]) + LOWEST
    agree = mean >= _LEAST_MEAN  # two groups that agree on average have two waves that do
    together = bounded_components(len(size), first[agree], last[agree], mean[agree], _LARGEST)
    inside = together[first] == together[last]
    merged = agglomerate(together, first[inside], last[inside], mean[inside], _LEAST_MEAN, size, LOWEST)
    return merged[wave]


def _between(
    wave: NDArray[np.int32], one: NDArray[np.int64], two: NDArray[np.int64], said: NDArray[np.float64]
) -> pl.DataFrame:
    """What pairs of accounts of different waves say, by waves, the smaller number first."""
    sides = np.sort(np.stack([wave[one], wave[two]]), axis=0)
    apart = sides[0] != sides[1]
    return pl.DataFrame({"one": sides[0][apart], "two": sides[1][apart], "said": said[apart]})


def _joined(
    snapshot: Snapshot, accounts: pl.DataFrame, transfers: pl.DataFrame
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Suspected accounts that evidence or money joins, and that signed up in step, each pair once: int32 [k] twice."""
    suspected, signup = accounts["is_suspected"].to_numpy(), accounts["signup_time"].to_numpy()
    pairs = snapshot.pairs.filter(pl.col("weight_bits") >= tie_floor(accounts.height))
    one = np.concatenate([pairs["account_a"].to_numpy(), transfers["payer"].to_numpy()])
    two = np.concatenate([pairs["account_b"].to_numpy(), transfers["payee"].to_numpy()])
    joins = suspected[one] & suspected[two] & (np.abs(signup[one] - signup[two]) <= np.timedelta64(_IN_STEP))
    sides = np.unique(np.sort(np.stack([one[joins], two[joins]]), axis=0), axis=1)
    return sides[0], sides[1]


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
