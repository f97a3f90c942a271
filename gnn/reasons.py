"""Reasons: why an account's score is high, in plain words, with the evidence to look at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import expit
from scipy.special import logit as logit_of

from gnn.counterfactual import Unlinked, find_counterfactuals
from gnn.cutoffs import INPUT_NAMES, CutOff
from gnn.edge_contributions import LINK_CONTRIBUTIONS_SCHEMA, link_contributions, shared_links
from gnn.model import TrainedModel
from gnn.reason_codes import CODE_OF, NETWORK_LINKS, REASON_CODES, WITHOUT_LINKS, say_network_links, say_without_links
from gnn.registry import BLEND
from gnn.score import Scored, score_accounts
from gnn.trees import Trees
from graph.lake import REASON_EVIDENCE
from graph.snapshot import Events, Snapshot

__all__ = ["REASONS_SCHEMA", "Looked", "build_counterfactuals", "build_reasons", "log_odds_per_logit", "look_at"]

_N_EVIDENCE = 10
_N_LINKS = 3  # named of the network's
_LEAST = 1e-3

REASONS_SCHEMA: dict[str, pl.DataType] = {
    "account": pl.Int32(),
    "code": pl.String(),
    "text": pl.String(),
    "evidence": REASON_EVIDENCE,
    "contribution": pl.Float64(),
}


@dataclass(frozen=True)
class Looked:
    """What all explanations of a night read of it, made once.

    Attributes:
        cutoff: the night with what is near each account.
        first: float64 [n], the first look's log odds.
        sage: float64 [n], the networks' mean log odds.
        added: `gnn.edge_contributions.link_contributions` of the suspected accounts; without a row where the network takes no part
            in the score.
    """

    cutoff: CutOff
    first: NDArray[np.float64]
    sage: NDArray[np.float64]
    added: pl.DataFrame


def look_at(
    model: TrainedModel,
    features: pl.DataFrame,
    snapshot: Snapshot,
    flagged: NDArray[np.int64],
    n_threads: int,
    scored: Scored | None = None,
) -> Looked:
    """Looks at a night once for all that is said of its suspected accounts, int64 [k].

    Args:
        scored: what the model says of the night, if it has been asked.
    """
    scored = scored or score_accounts(model, features, snapshot, n_threads)
    cutoff = CutOff(snapshot, features, scored.near)
    added = pl.DataFrame(schema=LINK_CONTRIBUTIONS_SCHEMA)
    if log_odds_per_logit(model)["sage"] >= _LEAST:
        added = link_contributions(model, cutoff, flagged, n_threads)
    return Looked(cutoff, scored.first, scored.sage, added)


def build_reasons(
    model: TrainedModel,
    features: pl.DataFrame,
    snapshot: Snapshot,
    scores: NDArray[np.float64],
    threshold: float,
    *,
    limit: int = 5,
    n_threads: int = 1,
    looked: Looked | None = None,
) -> pl.DataFrame:
    """Up to `limit` reasons for each account scored at the threshold or above.

    Contributions are in log odds of the score. Those of the trees are TreeSHAP's, summed over the features behind each reason; a
    reason is given if its sum raises the score and its words are true of the account. Where the network takes part in the score,
    the links that raise it most are a reason of their own (`gnn.edge_contributions`); of its other inputs the trees speak. What
    takes no part in the score contributes nothing. An account of which nothing so raises the score is given the strongest true reason.

    Args:
        model: the night's model.
        features: of all accounts, in account order.
        snapshot: the graph as of the night.
        scores: float64 [n].
        threshold: from which probability on an account is explained.
        looked: `look_at` these for at least the accounts at the threshold or above, if it has been made.

    Returns:
        `REASONS_SCHEMA`, sorted by account, the largest contribution first; evidence at most 10 rows a reason: identifier
        type, its keyed hash, and another account's id that uses it.
    """
    flagged = np.flatnonzero(scores >= threshold)
    if not len(flagged):
        return pl.DataFrame(schema=REASONS_SCHEMA)
    looked = looked or look_at(model, features, snapshot, flagged, n_threads)
    values = looked.cutoff.take(flagged)
    by_code = _by_code(model, values, n_threads)
    evidence = _evidence(snapshot, flagged)
    network = _network(model, looked)
    rows = []
    for place, account in enumerate(flagged.tolist()):
        known = dict(zip(INPUT_NAMES, values[place].tolist(), strict=True))
        said = [network[account]] if account in network else []
        for code, contribution in _said(known, by_code[place], limit, needs_one=not said):
            reason = REASON_CODES[code]
            found = [
                row
                for label in reason.evidence
                for row in evidence.get((account, label), [])
                if row.in_cluster or not reason.within_cluster
            ]
            named = [row.content for row in sorted(found, key=lambda row: row.order)[:_N_EVIDENCE]]
            said.append(_row(account, reason.code, reason.text(known), named, contribution))
        rows += sorted(said, key=lambda row: -row["contribution"])[:limit]
    return pl.DataFrame(rows, schema=REASONS_SCHEMA)


def build_counterfactuals(
    model: TrainedModel,
    features: pl.DataFrame,
    snapshot: Snapshot,
    events: Events,
    scores: NDArray[np.float64],
    accounts: NDArray[np.int64],
    threshold: float,
    *,
    key: str,
    seed: int,
    n_threads: int = 1,
    looked: Looked | None = None,
) -> pl.DataFrame:
    """For each account the smallest set of its links found without which its score is below the threshold; see `gnn.counterfactual`.

    Args:
        events: clean events, of which the features were made.
        accounts: int64 [k], to explain, scored at the threshold or above; who shares nothing gets no row.
        key: of the identifiers' hashes.
        seed: of the clusters' refinement.
        looked: `look_at` these for at least these accounts, if it has been made.

    Returns:
        `REASONS_SCHEMA`, at most one row an account: evidence is these links, each with another account that uses the value, the
        first of its cluster if one does; contribution is what they add to the log odds.
    """
    accounts = np.unique(accounts)
    if not len(accounts):
        return pl.DataFrame(schema=REASONS_SCHEMA)
    looked = looked or look_at(model, features, snapshot, accounts, n_threads)
    orders = _orders(model, looked, accounts)
    if not orders:
        return pl.DataFrame(schema=REASONS_SCHEMA)
    asked = np.array(sorted(orders), dtype=np.int64)
    unlinked = Unlinked(model, looked.cutoff, events, asked, key, seed, n_threads, first=looked.first, sage=looked.sage)
    before = {account: float(logit_of(np.clip(scores[account], 1e-12, 1 - 1e-12))) for account in orders}
    found = find_counterfactuals(unlinked, orders, before, threshold)
    named = _links(snapshot, {account: one.identifiers for account, one in found.items()})
    rows = []
    for account in sorted(found):
        one = found[account]
        links = [named[account, identifier] for identifier in one.identifiers]
        labels = [link.label for link in links]
        text = say_without_links(labels, float(expit(one.after)), threshold, one.suffices)
        rows.append(_row(account, WITHOUT_LINKS, text, [link.rows[0] for link in links], one.before - one.after))
    return pl.DataFrame(rows, schema=REASONS_SCHEMA)


def log_odds_per_logit(model: TrainedModel) -> dict[str, float]:
    """By member of the model: how far one unit of its logit moves the log odds of the score; 0 where it takes no part in it."""
    slopes = {name: model.calibrations[name].slope for name in model.members}
    if model.default != BLEND:
        return {name: slope if name == model.default else 0.0 for name, slope in slopes.items()}
    share = {"trees": model.blend_weight, "sage": 1 - model.blend_weight}
    return {name: model.calibrations[BLEND].slope * share[name] * slope for name, slope in slopes.items()}


def _row(account: int, code: str, text: str, evidence: list[dict[str, str]], contribution: float) -> dict[str, Any]:
    return {"account": account, "code": code, "text": text, "evidence": evidence, "contribution": contribution}


def _orders(model: TrainedModel, looked: Looked, accounts: NDArray[np.int64]) -> dict[int, list[int]]:
    """Account to the identifiers of its links: those that add most to the network's logit first, if it takes part; then the rarer."""
    asked = pl.DataFrame({"account": accounts}, schema={"account": pl.Int32})
    added = looked.added
    if log_odds_per_logit(model)["sage"] < _LEAST:
        added = shared_links(looked.cutoff.snapshot).select("account", "identifier", contribution=pl.lit(0.0))
    added = added.join(asked, on="account", how="semi")
    ranked = added.join(looked.cutoff.snapshot.identifiers, on="identifier").sort(
        "account", pl.col("contribution").round(4), "weight", "identifier", descending=[False, True, True, False]
    )
    return dict(ranked.group_by("account", maintain_order=True).agg("identifier").iter_rows())


def _network(model: TrainedModel, looked: Looked) -> dict[int, dict[str, Any]]:
    """By account: the links that raise the network's part of the score most, together one reason."""
    scale = log_odds_per_logit(model)["sage"]
    if scale < _LEAST:
        return {}
    added = looked.added.with_columns(pl.col("contribution") * scale)
    snapshot = looked.cutoff.snapshot
    strongest = (
        added.filter(pl.col("contribution") >= _LEAST)
        .sort("account", pl.col("contribution").round(6), "identifier", descending=[False, True, False])
        .group_by("account", maintain_order=True)
        .agg(pl.col("identifier", "contribution").head(_N_LINKS))
    )
    named = _links(snapshot, dict(strongest.select("account", "identifier").iter_rows()))
    n_others = _others(snapshot, strongest.select("account", "identifier").explode("identifier"))
    found = {}
    for account, identifiers, contributions in strongest.iter_rows():
        links = [named[account, identifier] for identifier in identifiers]
        text = say_network_links([link.label for link in links], n_others[account])
        evidence = [row for link in links for row in link.rows[: _N_EVIDENCE // len(links)]]
        found[account] = _row(account, NETWORK_LINKS, text, evidence, float(sum(contributions)))
    return found


@dataclass(frozen=True)
class _Link:
    """An account's link in words: identifier type, and rows of evidence, its cluster's first."""

    label: str
    rows: list[dict[str, str]]


def _links(snapshot: Snapshot, wanted: Mapping[int, Sequence[int]]) -> dict[tuple[int, int], _Link]:
    """(account, identifier) to the link, of some accounts' identifiers that are shared."""
    home = snapshot.clusters.select("account", "cluster")
    chosen = pl.DataFrame(
        [(account, identifier) for account, own in wanted.items() for identifier in own],
        schema={"account": pl.Int32, "identifier": pl.Int32},
        orient="row",
    )
    rows = (
        chosen.join(home, on="account")
        .join(_holders(snapshot, chosen), on="identifier")
        .filter(pl.col("other") != pl.col("account"))
        .join(home.rename({"account": "other", "cluster": "other_cluster"}), on="other")
        .sort("account", "identifier", pl.col("cluster") != pl.col("other_cluster"), "other")
        .group_by("account", "identifier", maintain_order=True)
        .head(_N_EVIDENCE)
        .join(snapshot.accounts.select(other="account", name="account_id"), on="other", maintain_order="left")
        .join(
            snapshot.identifiers.select("identifier", "identifier_type", "hash"), on="identifier", maintain_order="left"
        )
        .group_by("account", "identifier", "identifier_type", "hash", maintain_order=True)
        .agg("name")
    )
    return {
        (account, identifier): _Link(
            label, [{"identifier_type": label, "identifier": digest, "account_id": name} for name in names]
        )
        for account, identifier, label, digest, names in rows.iter_rows()
    }


def _holders(snapshot: Snapshot, chosen: pl.DataFrame) -> pl.DataFrame:
    """identifier, other: who holds the identifiers of some links."""
    return snapshot.links.select("identifier", other="account").join(chosen, on="identifier", how="semi")


def _others(snapshot: Snapshot, chosen: pl.DataFrame) -> dict[int, int]:
    """Account to the number of other accounts on its chosen links: rows of account, identifier."""
    held = chosen.join(_holders(snapshot, chosen), on="identifier").filter(pl.col("other") != pl.col("account"))
    return dict(held.group_by("account").agg(pl.col("other").n_unique()).iter_rows())


def _by_code(model: TrainedModel, values: NDArray[np.float32], n_threads: int) -> NDArray[np.float64]:
    """Contributions by reason, in log odds of the score: float64 [k, len(REASON_CODES)], the mean over the trees' seeds."""
    scale = log_odds_per_logit(model)["trees"]
    sums = np.zeros((len(values), len(REASON_CODES)))
    if scale == 0:
        return sums
    trees = [member for member in model.members["trees"] if isinstance(member, Trees)]
    total = np.zeros(values.shape, dtype=np.float64)
    for member in trees:
        total += member.contributions(values, n_threads)
    place = {reason.code: number for number, reason in enumerate(REASON_CODES)}
    column = np.array([place[CODE_OF[name]] for name in INPUT_NAMES])
    for number in range(len(REASON_CODES)):
        sums[:, number] = total[:, column == number].sum(axis=1) / max(len(trees), 1)
    return sums * scale


def _said(known: dict[str, float], sums: NDArray[np.float64], limit: int, needs_one: bool) -> list[tuple[int, float]]:
    """The reasons to give, by number, with their contributions; the strongest true one if none raises the score but one is needed."""
    order = sorted(range(len(REASON_CODES)), key=lambda number: (-round(float(sums[number]), 9), number))
    true = [number for number in order if REASON_CODES[number].holds(known)]
    raising = [number for number in true if sums[number] >= _LEAST]
    given = raising[:limit] if raising or not needs_one else true[:1]
    return [(number, float(sums[number])) for number in given]


@dataclass(frozen=True)
class _Evidence:
    """One row of evidence; rarest identifiers come first, then by number."""

    order: tuple[float, int, int]
    in_cluster: bool
    content: dict[str, str]


def _evidence(snapshot: Snapshot, flagged: NDArray[np.int64]) -> dict[tuple[int, str], list[_Evidence]]:
    """(account, identifier type) to its rows: at most 10 from its own cluster and 10 from others."""
    home = snapshot.clusters.select("account", "cluster")
    own = (
        shared_links(snapshot)
        .filter(pl.col("account").is_in(flagged.astype(np.int32).tolist()))
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
