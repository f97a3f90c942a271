"""Rings: the suspected members of one or more clusters, without bystanders, ranked by what a case would stop."""

import hashlib
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.examples import SYNTHETIC
from gnn.feature_types import exact_sum
from gnn.ring_groups import group_suspects
from graph.implied import HOLDERS, drop_implied
from graph.schema import UTC_TIME
from graph.snapshot import Snapshot

__all__ = ["MEMBERS_SCHEMA", "RINGS_SCHEMA", "Rings", "build_rings"]

_N_REASONS = 4

RINGS_SCHEMA: dict[str, pl.DataType] = {
    "cluster": pl.Int32(),
    "ring_version": pl.String(),
    "score": pl.Float64(),
    "expected_accounts": pl.Float64(),
    "n_accounts": pl.Int64(),
    "first_seen": UTC_TIME,
    "reasons": pl.List(pl.String),
    "status": pl.String(),
}
MEMBERS_SCHEMA: dict[str, pl.DataType] = {"account": pl.Int32(), "cluster": pl.Int32()}


@dataclass(frozen=True)
class Rings:
    """The rings of a night.

    Attributes:
        rings: `RINGS_SCHEMA`, first the one whose case is expected to stop the most: expected_accounts are the synthetic ones
            among its members without an outcome, for what is confirmed is stopped. cluster is the snapshot's number of the cluster that
            gives the ring its name: the largest, the oldest of equals, which no score moves; ring_version a hash
            of the members' ids and the identifiers that they share; score the members' mean probability; first_seen the
            first member's signup.
        members: `MEMBERS_SCHEMA`, sorted by account; cluster is the one that names the ring, which need not be the account's.
    """

    rings: pl.DataFrame
    members: pl.DataFrame


def build_rings(
    snapshot: Snapshot,
    features: pl.DataFrame,
    vectors: NDArray[np.float32],
    scores: NDArray[np.float64],
    labels: pl.DataFrame,
    transfers: pl.DataFrame,
    threshold: float,
    *,
    min_members: int = 2,
    seed: int = 0,
    remembered: pl.DataFrame | None = None,
    n_threads: int = 1,
) -> Rings:
    """Suspected accounts that belong together, without their clusters' bystanders.

    Args:
        snapshot: the graph as of the night.
        features: its accounts' (`gnn.features.build_features`).
        vectors: float32 [n, d], their embeddings.
        scores: float64 [n], probabilities in the order of accounts.
        labels: account_id, outcome and, if there, source: what stands for each account (`gnn.examples.latest_outcomes`).
        transfers: who paid whom (`gnn.ring_groups.build_transfers`).
        threshold: an account from this probability on is suspected; so is one confirmed as synthetic.
        min_members: suspected accounts that make a ring.
        seed: of what is drawn to learn whose behaviour looks like one actor's.
        remembered: disposition_id, identifier_type, hash: what honest households were found to share. Accounts that share
            something, and all of it within one of these, are no ring, unless one of them is known to be synthetic.
        n_threads: for LightGBM.

    Returns:
        The rings; `confirmed` where an investigator's verdict confirms a member, else `suspected`.
    """
    by_investigator = pl.col("source") == "investigator" if "source" in labels.columns else pl.lit(True)
    verdicts = labels.filter(pl.col("outcome") == SYNTHETIC).select(
        "account_id", is_synthetic=pl.lit(True), is_confirmed=by_investigator
    )
    benign = labels.filter(pl.col("outcome") != SYNTHETIC).select("account_id", is_benign=pl.lit(True))
    suspected = pl.col("is_synthetic") | ((pl.col("score") >= threshold) & ~pl.col("is_benign"))
    accounts = (
        snapshot.accounts.select("account", "account_id", "signup_time")
        .join(snapshot.clusters.select("account", "cluster"), on="account", maintain_order="left")
        .with_columns(score=pl.Series(scores, dtype=pl.Float64))
        .join(verdicts, on="account_id", how="left", maintain_order="left")
        .join(benign, on="account_id", how="left", maintain_order="left")
        .with_columns(pl.col("is_synthetic", "is_confirmed", "is_benign").fill_null(False))
        .with_columns(is_suspected=suspected)
    )
    grouped = group_suspects(snapshot, features, vectors, accounts, transfers, min_members, seed, n_threads)
    members = accounts.drop("cluster").join(grouped, on="account").sort("account")
    held = _held(snapshot, members)
    if remembered is not None:
        members = members.join(_excused(members, held, remembered), on="cluster", how="anti", maintain_order="left")
    if members.is_empty():
        return Rings(pl.DataFrame(schema=RINGS_SCHEMA), pl.DataFrame(schema=MEMBERS_SCHEMA))
    rings = members.group_by("cluster", maintain_order=True).agg(
        expected_accounts=exact_sum(pl.col("score").filter(~pl.col("is_synthetic"))),
        score=exact_sum(pl.col("score")) / pl.len(),
        n_accounts=pl.len(),
        first_seen=pl.col("signup_time").min(),
        status=pl.when(pl.col("is_confirmed").any()).then(pl.lit("confirmed")).otherwise(pl.lit("suspected")),
    )
    rings = (
        rings.join(_shared(members, held), on="cluster", how="left", maintain_order="left")
        .with_columns(pl.col("reasons").fill_null([]))
        .sort("expected_accounts", "score", "first_seen", "cluster", descending=[True, True, False, False])
    )
    return Rings(
        rings.select(pl.col(name).cast(dtype) for name, dtype in RINGS_SCHEMA.items()),
        members.select(pl.col(name).cast(dtype) for name, dtype in MEMBERS_SCHEMA.items()),
    )


def _held(snapshot: Snapshot, members: pl.DataFrame) -> pl.DataFrame:
    """By cluster the identifiers that two or more members share, hubs and what follows from others aside, with n, how many do; sorted."""
    links = (
        snapshot.links.select("account", "identifier")
        .join(members.select("account", "cluster", "account_id"), on="account")
        .join(
            snapshot.identifiers.filter(~pl.col("is_hub")).select("identifier", "identifier_type", "hash", "weight"),
            on="identifier",
        )
    )
    held = links.group_by("cluster", "identifier_type", "hash", "weight").agg(n=pl.len(), holders=HOLDERS)
    shared = drop_implied(held.filter(pl.col("n") > 1), "cluster").drop("holders")
    return shared.sort("cluster", "identifier_type", "hash")


def _excused(members: pl.DataFrame, held: pl.DataFrame, remembered: pl.DataFrame) -> pl.DataFrame:
    """The clusters whose rings share nothing that one household was not found to share, and of which nobody is known to be synthetic."""
    in_common = (
        held.join(remembered.unique(), on=["identifier_type", "hash"])
        .group_by("cluster", "disposition_id")
        .agg(k=pl.len())
    )
    most = in_common.group_by("cluster").agg(pl.col("k").max())
    found = held.group_by("cluster").agg(n=pl.len()).join(most, on="cluster").filter(pl.col("k") == pl.col("n"))
    known = members.filter(pl.col("is_synthetic")).select("cluster")
    return found.join(known, on="cluster", how="anti").select("cluster")


def _shared(members: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """By cluster: ring_version, and in words what the members share and how close they came."""
    widest = (
        held.group_by("cluster", "identifier_type", maintain_order=True)
        .agg(pl.col("n").max(), bits=(pl.col("n") * pl.col("weight")).max())
        .sort("cluster", "bits", "identifier_type", descending=[False, True, False])
    )
    size = members.group_by("cluster").agg(size=pl.len())
    words = (
        widest.join(size, on="cluster", maintain_order="left")
        .with_columns(
            text=pl.format(
                "{} of {} accounts share one {}",
                "n",
                "size",
                pl.col("identifier_type").str.replace_all("_", " "),
            )
        )
        .group_by("cluster", maintain_order=True)
        .agg(texts=pl.col("text").head(_N_REASONS))
    )
    weekly = (
        members.sort("cluster", "signup_time", "account")
        .rolling("signup_time", period="7d", group_by="cluster", closed="both")
        .agg(n=pl.len())
        .group_by("cluster")
        .agg(pl.col("n").max())
        .join(size, on="cluster")
        .with_columns(text=pl.format("{} of {} accounts signed up within 7 days", "n", "size"))
        .select(
            "cluster",
            timing=pl.when(pl.col("n") > 1).then(pl.concat_list("text")).otherwise(pl.lit([], pl.List(pl.String))),
        )
    )
    versions = _versions(members, held)
    return (
        versions.join(words, on="cluster", how="left")
        .join(weekly, on="cluster", how="left")
        .with_columns(pl.col("texts", "timing").fill_null([]))
        .select("cluster", "ring_version", reasons=pl.concat_list("texts", "timing"))
        .sort("cluster")
    )


def _versions(members: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """16 hex digits over the sorted members' ids and the sorted identifiers that two or more of them share."""
    names = members.sort("account_id").group_by("cluster", maintain_order=True).agg("account_id")
    shared = dict(held.sort("hash").group_by("cluster", maintain_order=True).agg("hash").iter_rows())
    rows = []
    for cluster, ids in names.sort("cluster").iter_rows():
        content = "\n".join([*ids, "", *shared.get(cluster, [])])
        rows.append({"cluster": cluster, "ring_version": hashlib.sha256(content.encode()).hexdigest()[:16]})
    return pl.DataFrame(rows, schema={"cluster": pl.Int32, "ring_version": pl.String})
