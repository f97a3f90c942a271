"""Pair and cluster evidence: how strongly, by how many independent kinds of evidence, and in what kind of group."""

from typing import Any

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from gnn.feature_types import TYPES, Feature, Rows, days_between, exact_mean, exact_sum, on_accounts
from graph.schema import IDENTIFIERS

__all__ = ["FEATURES", "build"]


def _declare(family: str, *rows: tuple[str, str] | tuple[str, str, float]) -> tuple[Feature, ...]:
    return tuple(Feature(row[0], row[1], family, row[2] if len(row) == 3 else 0.0) for row in rows)


FEATURES = _declare(
    "pairs",
    ("n_pairs", "accounts that evidence joins to it"),
    ("n_pair_identities", "identities among them"),
    ("sum_pair_bits", "match weight of all its pairs, bits"),
    ("max_pair_bits", "match weight of its strongest pair, bits"),
    ("mean_pair_bits", "match weight of its pairs, mean, bits"),
    ("max_pair_groups", "independent kinds of evidence in one pair, most"),
    ("n_pairs_2_groups", "pairs by two or more independent kinds of evidence"),
    ("n_pairs_3_groups", "pairs by three or more independent kinds of evidence"),
    ("n_pairs_apart", "pairs whose two identities differ and whose identifiers are used at once"),
    ("sum_bits_apart", "match weight of those, bits"),
    ("n_pairs_in_step", "pairs whose first use of a value is within 7 days of each other"),
    ("n_pairs_signup_7d", "pairs that signed up within 7 days of each other"),
    ("n_pairs_signup_1d", "pairs that signed up within a day of each other"),
    ("mean_pair_signup_days", "days between the signups of its pairs, mean", -1.0),
    ("n_evidence_types", "identifier types that occur in its pairs"),
) + _declare(
    "cluster",
    ("component_size", "accounts in its component"),
    ("cluster_size", "accounts in its cluster"),
    ("cluster_identities", "identities in its cluster"),
    ("cluster_span_days", "days between the first and the last signup of its cluster"),
    ("cluster_per_week", "signups a week in its cluster"),
    ("cluster_density", "share of its cluster's possible pairs that evidence joins"),
    ("cluster_mean_bits", "match weight of the pairs within its cluster, mean, bits"),
    ("cluster_groups", "independent kinds of evidence in its cluster"),
    ("cluster_signups_7d", "most signups of its cluster in 7 days"),
    ("cluster_position", "its place in the cluster's order of signups, 0 to 1"),
    ("cluster_degree_share", "share of its cluster's accounts that evidence joins to it"),
)

assert len(IDENTIFIERS) <= 32  # a bit for each
_GROUPS = sorted({kind.group for kind in IDENTIFIERS.values()})
_GROUP = np.array([_GROUPS.index(kind.group) for kind in IDENTIFIERS.values()])  # of each type


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    pairs = _pairs(rows)
    return on_accounts(rows.accounts, (_by_account(pairs), _by_cluster(rows, pairs)), FEATURES)


def _pairs(rows: Rows) -> pl.DataFrame:
    """One row a pair with what its evidence sums to; `kinds` and `groups` have a bit for each that occurs."""
    pairs, pieces = rows.snapshot.pairs, rows.snapshot.pair_evidence
    kind = (
        rows.snapshot.identifiers["identifier_type"].cast(TYPES).to_physical().gather(pieces["identifier"]).to_numpy()
    )
    kinds, groups = (np.zeros(pairs.height, dtype=np.uint32) for _ in range(2))
    gap, at_once = np.full(pairs.height, np.inf), np.zeros(pairs.height, dtype=np.bool_)
    own_gap = pieces["gap_days"].fill_null(np.inf).to_numpy()
    _gather(
        pieces["pair"].to_numpy(),
        kind,
        _GROUP,
        own_gap,
        pieces["is_concurrent"].fill_null(False).to_numpy(),
        kinds,
        groups,
        gap,
        at_once,
    )
    ends = {end: pairs[f"account_{end}"] for end in ("a", "b")}
    identity, signup = (
        {end: rows.accounts[name].gather(own) for end, own in ends.items()} for name in ("identity", "signup_time")
    )
    return pairs.with_columns(
        identity=identity["a"],
        identity_b=identity["b"],
        kinds=pl.Series(kinds),
        groups=pl.Series(groups),
        n_groups=pl.Series(groups).bitwise_count_ones(),
        gap=pl.Series(gap),
        apart=(identity["a"] != identity["b"]) & pl.Series(at_once),
        signup_gap=days_between(pl.lit(signup["a"]), pl.lit(signup["b"])).abs(),
    )


@njit(cache=True, nogil=True)
def _gather(
    pair: NDArray[np.int32],
    kind: NDArray[Any],
    group: NDArray[np.int64],
    own_gap: NDArray[np.float64],
    is_concurrent: NDArray[np.bool_],
    kinds: NDArray[np.uint32],
    groups: NDArray[np.uint32],
    gap: NDArray[np.float64],
    at_once: NDArray[np.bool_],
) -> None:
    """Each piece of evidence into its pair's place of the last four."""
    for row in range(pair.shape[0]):
        at = pair[row]
        kinds[at] |= np.uint32(1) << np.uint32(kind[row])
        groups[at] |= np.uint32(1) << np.uint32(group[kind[row]])
        gap[at] = min(gap[at], own_gap[row])
        at_once[at] |= is_concurrent[row]


def _by_account(pairs: pl.DataFrame) -> pl.DataFrame:
    both = pl.concat(
        [
            pairs.rename({"account_a": "account", "identity_b": "other"}).drop("account_b", "identity"),
            pairs.rename({"account_b": "account", "identity": "other"}).drop("account_a", "identity_b"),
        ],
        how="diagonal",
    )
    bits, apart = pl.col("weight_bits"), pl.col("apart")
    return both.group_by("account").agg(
        n_pairs=pl.len(),
        n_pair_identities=pl.col("other").n_unique(),
        sum_pair_bits=exact_sum(bits),
        max_pair_bits=bits.max(),
        mean_pair_bits=exact_mean(bits),
        max_pair_groups=pl.col("n_groups").max(),
        n_pairs_2_groups=(pl.col("n_groups") >= 2).sum(),
        n_pairs_3_groups=(pl.col("n_groups") >= 3).sum(),
        n_pairs_apart=apart.sum(),
        sum_bits_apart=exact_sum(bits.filter(apart)),
        n_pairs_in_step=(pl.col("gap") <= 7).sum(),
        n_pairs_signup_7d=(pl.col("signup_gap") <= 7).sum(),
        n_pairs_signup_1d=(pl.col("signup_gap") <= 1).sum(),
        mean_pair_signup_days=exact_mean(pl.col("signup_gap")),
        n_evidence_types=pl.col("kinds").bitwise_or().bitwise_count_ones(),
    )


def _by_cluster(rows: Rows, pairs: pl.DataFrame) -> pl.DataFrame:
    clusters = rows.snapshot.clusters
    members = rows.accounts.join(clusters, on="account", maintain_order="left").sort(
        "cluster", "signup_time", "account"
    )
    size = pl.col("account").len()
    shape = members.group_by("cluster", maintain_order=True).agg(
        cluster_size=size,
        cluster_identities=pl.col("identity").n_unique(),
        cluster_span_days=days_between(pl.col("signup_time").max(), pl.col("signup_time").min()),
    )
    weekly = (
        members.rolling("signup_time", period="7d", group_by="cluster", closed="both")
        .agg(n=pl.len())
        .group_by("cluster")
        .agg(cluster_signups_7d=pl.col("n").max())
    )
    home = clusters.select("account", "cluster")
    inside = (
        pairs.join(home, left_on="account_a", right_on="account")
        .join(home, left_on="account_b", right_on="account", suffix="_b")
        .filter(pl.col("cluster") == pl.col("cluster_b"))
    )
    evidence = inside.group_by("cluster").agg(
        n_inside=pl.len(),
        cluster_mean_bits=exact_mean(pl.col("weight_bits")),
        cluster_groups=pl.col("groups").bitwise_or().bitwise_count_ones(),
    )
    degree = (
        pl.concat([inside.select(account=end) for end in ("account_a", "account_b")])
        .group_by("account")
        .agg(degree=pl.len())
    )
    component = clusters.group_by("component").agg(component_size=pl.len())
    n = pl.col("cluster_size")
    return (
        members.with_columns(place=pl.col("signup_time").rank("average").over("cluster") - 1)
        .join(shape, on="cluster", how="left")
        .join(weekly, on="cluster", how="left")
        .join(evidence, on="cluster", how="left")
        .join(degree, on="account", how="left")
        .join(component, on="component", how="left")
        .with_columns(
            cluster_per_week=n / (pl.col("cluster_span_days") / 7 + 1),
            cluster_density=pl.col("n_inside") * 2 / (n * (n - 1)).clip(lower_bound=1),
            cluster_position=pl.col("place") / (n - 1).clip(lower_bound=1),
            cluster_degree_share=pl.col("degree") / (n - 1).clip(lower_bound=1),
        )
        .select("account", *(f.name for f in FEATURES if f.family == "cluster"))
    )
