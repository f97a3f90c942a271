"""The gate's look at the sampler: of tonight's links it must show an earlier cut-off's accounts none that came later."""

from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.gate import Check
from gnn.sampling import NeighbourSampler, build_sampled_graph
from graph.schema import UTC_TIME
from graph.snapshot import Snapshot

__all__ = ["check_sampled", "check_sampler"]

_SEEDS = 2_000
_FAN_OUTS = (-1, 5)  # the first hop sees all links, so that a later one would be seen; the second draws


def check_sampler(snapshot: Snapshot, at: datetime, seed: int) -> Check:
    """Draws around accounts of an earlier cut-off in a later graph, whose links have times, by the sampler of the training.

    Args:
        snapshot: of a later time.
        at: the earlier cut-off, exclusive.
        seed: of which accounts, and of the draws.
    """
    there = snapshot.accounts.filter(pl.col("signup_time") < at)["account"].to_numpy()
    seeds = np.random.default_rng(seed).permutation(there)[:_SEEDS].astype(np.int32)
    n = snapshot.accounts.height
    theirs = snapshot.links.filter(pl.col("account").is_in(pl.Series(seeds).implode())).select("identifier").unique()
    links = snapshot.links.join(theirs, on="identifier", how="semi").select(  # all that two hops can reach
        pl.col("account").cast(pl.Int64), pl.col("identifier").cast(pl.Int64) + n, pl.col("first_seen").dt.epoch("us")
    )
    account, identifier, time = (links[name].to_numpy() for name in links.columns)
    edge_time = np.concatenate([time, time])
    graph = build_sampled_graph(
        np.concatenate([identifier, account]),
        np.concatenate([account, identifier]),
        n + snapshot.identifiers.height,
        time=edge_time,
    )
    last = int(pl.Series([at], dtype=UTC_TIME).dt.epoch("us").item()) - 1
    drawn = NeighbourSampler(graph, _FAN_OUTS, seed).sample(seeds, np.full(len(seeds), last, dtype=np.int64))
    assert graph.edge is not None
    seen = edge_time[graph.edge[drawn.edge]]
    return check_sampled(seen, np.full(len(seen), last, dtype=np.int64))


def check_sampled(edge_time: NDArray[Any], seed_time: NDArray[Any]) -> Check:
    """Whether a sampler of neighbours gave any edge from after the seed's cut-off.

    Args:
        edge_time: [E], when each sampled edge came to be: datetime64 or whole numbers of one unit.
        seed_time: [E], the cut-off of the seed that each edge was sampled for, in the same unit.

    References:
        pytorch_geometric issue 7794: `NeighborLoader` with a time attribute returned edges from the future.
    """
    later = edge_time > seed_time
    n = int(later.sum())
    fault = f"{n:,} of {later.size:,} sampled edges are later than their seed's cut-off" if n else ""
    return Check("sampled edges", f"{later.size:,} sampled edges", fault, {"n_edges": int(later.size), "n_later": n})
