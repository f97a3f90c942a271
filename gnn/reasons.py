"""Reasons: why an account's score is high, in plain words, with the evidence to look at."""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.cutoffs import INPUT_NAMES, CutOff
from gnn.model import TrainedModel
from gnn.reason_codes import CODE_OF, REASON_CODES
from gnn.trees import Trees
from graph.lake import REASON_EVIDENCE
from graph.snapshot import Snapshot

__all__ = ["REASONS_SCHEMA", "build_reasons"]

_N_EVIDENCE = 10
_LEAST = 1e-3

REASONS_SCHEMA: dict[str, pl.DataType] = {
    "account": pl.Int32(),
    "code": pl.String(),
    "text": pl.String(),
    "evidence": REASON_EVIDENCE,
    "contribution": pl.Float64(),
}


def build_reasons(
    model: TrainedModel,
    features: pl.DataFrame,
    snapshot: Snapshot,
    scores: NDArray[np.float64],
    threshold: float,
    *,
    limit: int = 5,
    n_threads: int = 1,
) -> pl.DataFrame:
    """Up to `limit` reasons for each account scored at the threshold or above.

    Contributions are TreeSHAP's, of the model's trees, summed over the features behind each reason; a reason is given if its
    sum raises the score and its words are true of the account. Where the network takes part in the score, the trees speak
    for it.

    Args:
        model: the night's model.
        features: of all accounts, in account order.
        snapshot: the graph as of the night.
        scores: float64 [n].
        threshold: from which probability on an account is explained.

    Returns:
        `REASONS_SCHEMA`, sorted by account, the largest contribution first; evidence at most 10 rows a reason: identifier
        type, its keyed hash, and another account's id that uses it.
    """
    flagged = np.flatnonzero(scores >= threshold)
    if not len(flagged):
        return pl.DataFrame(schema=REASONS_SCHEMA)
    values = model.look(CutOff(snapshot, features), n_threads).values[flagged]
    by_code = _by_code(model, values, n_threads)
    evidence = _evidence(snapshot, flagged)
    rows = []
    for place, account in enumerate(flagged.tolist()):
        known = dict(zip(INPUT_NAMES, values[place].tolist(), strict=True))
        for code, contribution in _said(known, by_code[place], limit):
            reason = REASON_CODES[code]
            found = [
                row
                for label in reason.evidence
                for row in evidence.get((account, label), [])
                if row.in_cluster or not reason.within_cluster
            ]
            rows.append(
                {
                    "account": account,
                    "code": reason.code,
                    "text": reason.text(known),
                    "evidence": [row.content for row in sorted(found, key=lambda row: row.order)[:_N_EVIDENCE]],
                    "contribution": contribution,
                }
            )
    return pl.DataFrame(rows, schema=REASONS_SCHEMA)


def _by_code(model: TrainedModel, values: NDArray[np.float32], n_threads: int) -> NDArray[np.float64]:
    """Contributions by reason: float64 [k, len(REASON_CODES)], the mean over the trees' seeds."""
    trees = [member for member in model.members["trees"] if isinstance(member, Trees)]
    total = np.zeros(values.shape, dtype=np.float64)
    for member in trees:
        total += member.contributions(values, n_threads)
    place = {reason.code: number for number, reason in enumerate(REASON_CODES)}
    column = np.array([place[CODE_OF[name]] for name in INPUT_NAMES])
    sums = np.zeros((len(values), len(REASON_CODES)))
    for number in range(len(REASON_CODES)):
        sums[:, number] = total[:, column == number].sum(axis=1) / max(len(trees), 1)
    return sums


def _said(known: dict[str, float], sums: NDArray[np.float64], limit: int) -> list[tuple[int, float]]:
    """The reasons to give, by number, with their contributions; the strongest true one if none raises the score."""
    order = sorted(range(len(REASON_CODES)), key=lambda number: (-round(float(sums[number]), 9), number))
    true = [number for number in order if REASON_CODES[number].holds(known)]
    raising = [number for number in true if sums[number] >= _LEAST]
    return [(number, float(sums[number])) for number in (raising or true)[: limit if raising else 1]]


@dataclass(frozen=True)
class _Evidence:
    """One row of evidence; rarest identifiers come first, then by number."""

    order: tuple[float, int, int]
    in_cluster: bool
    content: dict[str, str]


def _evidence(snapshot: Snapshot, flagged: NDArray[np.int64]) -> dict[tuple[int, str], list[_Evidence]]:
    """(account, identifier type) to its rows: at most 10 from its own cluster and 10 from others."""
    shared = snapshot.identifiers.filter((pl.col("n_accounts") > 1) & ~pl.col("is_hub")).select(
        "identifier", "identifier_type", "hash", "weight"
    )
    home = snapshot.clusters.select("account", "cluster")
    own = (
        snapshot.links.select("account", "identifier")
        .filter(pl.col("account").is_in(flagged.astype(np.int32).tolist()))
        .join(shared, on="identifier")
        .join(home, on="account")
    )
    others = (
        snapshot.links.select("identifier", "account")
        .join(home.rename({"cluster": "other_cluster"}), on="account")
        .join(snapshot.accounts.select("account", "account_id"), on="account")
        .rename({"account": "other"})
    )
    rows = (
        own.join(others, on="identifier")
        .filter(pl.col("other") != pl.col("account"))
        .with_columns(in_cluster=pl.col("cluster") == pl.col("other_cluster"))
        .sort("account", "identifier_type", -pl.col("weight"), "identifier", "other")
        .group_by("account", "identifier_type", "in_cluster", maintain_order=True)
        .head(_N_EVIDENCE)
    )
    found: dict[tuple[int, str], list[_Evidence]] = {}
    columns = ("account", "identifier_type", "weight", "identifier", "other", "in_cluster", "hash", "account_id")
    for account, label, weight, identifier, other, in_cluster, digest, name in rows.select(columns).iter_rows():
        content = {"identifier_type": label, "identifier": digest, "account_id": name}
        found.setdefault((account, label), []).append(_Evidence((-weight, identifier, other), in_cluster, content))
    return found
