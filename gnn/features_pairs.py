"""Pair and cluster evidence: how strongly, by how many independent kinds of evidence, and in what kind of group."""

import polars as pl

from gnn.feature_types import Feature, Rows, days_between, exact_mean, exact_sum, on_accounts
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

_GROUPS = {label: kind.group for label, kind in IDENTIFIERS.items()}


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    pairs = _pairs(rows)
    return on_accounts(rows.accounts, (_by_account(pairs), _by_cluster(rows, pairs)), FEATURES)


def _pairs(rows: Rows) -> pl.DataFrame:
    """One row a pair with what its evidence sums to."""
    pieces = rows.snapshot.pair_evidence
    kinds = rows.snapshot.identifiers["identifier_type"][pieces["identifier"]]
    evidence = (
        pieces.select(
            "pair",
            kind=kinds,
            group=kinds.replace_strict(_GROUPS, default=kinds),
            gap="gap_days",
            at_once="is_concurrent",
        )
        .group_by("pair")
        .agg(
            n_groups=pl.col("group").n_unique(),
            groups=pl.col("group").unique().sort(),
            kinds=pl.col("kind").unique().sort(),
            gap=pl.col("gap").min(),
            at_once=pl.col("at_once").any(),
        )
    )
    ends = rows.accounts.select("account", "identity", "signup_time")
    return (
        rows.snapshot.pairs.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("pair"))
        .join(evidence, on="pair", how="left", maintain_order="left")
        .join(ends, left_on="account_a", right_on="account", maintain_order="left")
        .join(ends, left_on="account_b", right_on="account", suffix="_b", maintain_order="left")
        .with_columns(
            apart=(pl.col("identity") != pl.col("identity_b")) & pl.col("at_once"),
            signup_gap=days_between(pl.col("signup_time"), pl.col("signup_time_b")).abs(),
        )
    )


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
        n_evidence_types=pl.col("kinds").explode().n_unique(),
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
        cluster_groups=pl.col("groups").explode().n_unique(),
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
