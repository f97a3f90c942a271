"""What the report of a night says, as JSON values: read from the night's tables and the facts that the steps left."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from graph.lake import Night
from graph.network import read_cluster_networks
from jobs.metrics import wilson_interval
from jobs.report.pictures import build_picture, is_shared

__all__ = ["N_PICTURES", "REPORT_VERSION", "build_report"]

REPORT_VERSION = 1
N_PICTURES = 10
N_LISTED_RINGS = 200
N_LISTED_MEMBERS = 100
N_BINS = 20
_DIGITS = 6
_TABLE_FACTS = ("n_read", "n_rows", "n_repeated", "n_nulled", "first_event", "last_event")
_CLUSTER_SIZES = ((1, 1), (2, 2), (3, 5), (6, 10), (11, 30), (31, 100), (101, None))


def build_report(night_folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the report of a night says. Reads, and changes nothing.

    Args:
        night_folder: a night's tables, complete or not yet.
        facts: JSON values; whichever is missing is left out of the report.
            `as_of` (ISO date; default: the folder's name), `capacity`, `seed`;
            `tables`: by event table what `jobs.steps.ingest` counted; `warnings`, `alarms`: sentences;
            `threshold`: scores from it on are suspected;
            `model`: None or `version` and what the model's folder tells (`gnn.model_files`): `default`, `as_of`, `cutoffs`, `seed`,
            `validation` (how it was set apart), `metrics` (by model), `controls` (rows), `gate` (`gnn.gate.Gate`), all but
            `version` optional;
            `promotion`: where one was trained, who was held against whom (`gnn.promotion.Comparison`, with `challenger`, `champion`);
            `drift`: since the night before (`jobs.drift.drift_since`);
            `no_model`: why there was no model.

    Returns:
        JSON values without times of the run or paths, floats rounded to 6 digits: equal nights give equal reports.
    """
    as_of = date.fromisoformat(facts.get("as_of") or night_folder.name)
    night = Night(night_folder, as_of)
    clusters = _clusters(night)
    scores = _scores(night, facts)
    rings = _rings(night, int(facts.get("seed", 0)))
    report = {
        "report_version": REPORT_VERSION,
        "as_of": as_of.isoformat(),
        "capacity": facts.get("capacity"),
        "summary": {
            "n_accounts": clusters["n_accounts"],
            "n_labels": _n_labels(night),
            "n_clusters": clusters["n_clusters"],
            "n_links": _height(night, "links"),
            "n_pairs": _height(night, "pairs"),
            "n_rings": rings["n_rings"],
            "n_ring_accounts": rings["n_accounts"],
        },
        "input": _input(facts.get("tables", {})),
        "rejected": _rejected(night_folder),
        "warnings": list(facts.get("warnings", [])),
        "alarms": list(facts.get("alarms", [])),
        "clusters": clusters,
        "lineage": _lineage(night),
        "scores": scores,
        "model": _model(facts),
        "no_model": _why_no_model(facts, scores),
        "promotion": facts.get("promotion"),
        "drift": facts.get("drift"),
        "rings": rings,
    }
    return _plain(report)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    """JSON values alone: floats rounded, those that are no number None, times as ISO 8601."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value


def _height(night: Night, table: str) -> int:
    return int(night.scan(table).select(pl.len()).collect().item())


def _n_labels(night: Night) -> dict[str, int]:
    return dict(night.scan("labels").group_by("outcome").agg(n=pl.len()).sort("outcome").collect().iter_rows())


def _input(tables: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{"table": name, **_filled(counts, _TABLE_FACTS)} for name, counts in sorted(tables.items())]


def _filled(facts: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """All of `names`, None where the facts lack one, and nothing else."""
    return {name: facts.get(name) for name in names}


def _rejected(night_folder: Path) -> list[dict[str, Any]]:
    """Rows in quarantine by table and reason, the most first."""
    rows = [
        {"table": path.stem, "reason": reason, "n_rows": n}
        for path in sorted((night_folder / "quarantine").glob("*.parquet"))
        for reason, n in pl.scan_parquet(path).group_by("reason").agg(n=pl.len()).collect().iter_rows()
    ]
    return sorted(rows, key=lambda row: (-row["n_rows"], row["table"], row["reason"]))


def _clusters(night: Night) -> dict[str, Any]:
    by_size = (
        night.scan("clusters")
        .group_by("cluster_id")
        .agg(size=pl.len())
        .group_by("size")
        .agg(n=pl.len())
        .collect()
        .cast(pl.Int64)
    )
    n_accounts = int((by_size["size"] * by_size["n"]).sum())
    largest = max(by_size["size"].to_list(), default=0)
    sizes = []
    for low, high in _CLUSTER_SIZES:
        part = by_size.filter(pl.col("size").is_between(low, high if high is not None else largest + low))
        label = str(low) if low == high else f"{low} to {high}" if high is not None else f"{low} and more"
        n_in = int((part["size"] * part["n"]).sum())
        sizes.append({"accounts_each": label, "n_clusters": int(part["n"].sum()), "n_accounts": n_in})
    return {
        "n_accounts": n_accounts,
        "n_clusters": int(by_size["n"].sum()),
        "largest": largest,
        "largest_share": largest / n_accounts if n_accounts else 0.0,
        "sizes": sizes,
    }


def _lineage(night: Night) -> dict[str, int]:
    return dict(night.scan("lineage").group_by("event").agg(n=pl.len()).sort("event").collect().iter_rows())


def _model(facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """The model that scored, how it and its rivals did on validation, and the controls of its training."""
    told = facts.get("model")
    if not told:
        return None
    metrics, controls = told.get("metrics") or {}, told.get("controls") or []
    return {
        **_filled(told, ("version", "default", "as_of", "cutoffs", "seed", "validation", "gate")),
        "quality": [
            {"model": name, "is_scoring": name == told.get("default"), **_quality(row)} for name, row in metrics.items()
        ],
        "controls": [{**_filled(row, ("control", "meaning", "as_of")), **_quality(row)} for row in controls],
    }


def _quality(row: Mapping[str, Any]) -> dict[str, Any]:
    """Measures with the prevalence that they need beside them; the precision at capacity with its interval."""
    names = ("n", "n_positive", "prevalence", "auprc", "auroc", "ece", "brier_skill")
    precision, k = row.get("precision_at_capacity"), row.get("capacity")
    at_capacity = None
    if precision is not None and k:
        n_hits = round(precision * k)
        at_capacity = {"k": k, "n_hits": n_hits, **(wilson_interval(n_hits, k) or {})}
    return {**_filled(row, names), "precision_at_capacity": at_capacity}


def _scores(night: Night, facts: Mapping[str, Any]) -> dict[str, Any] | None:
    """How scores are spread, and how many lie above the threshold; None without scores."""
    binned = (
        night.scan("scores")
        .select("score", bin=(pl.col("score") * N_BINS).floor().clip(0, N_BINS - 1).cast(pl.Int64))
        .group_by("bin")
        .agg(n=pl.len())
        .collect()
    )
    counts = dict(binned.iter_rows())
    if not counts:
        return None
    threshold = facts.get("threshold")
    n_above = None
    if threshold is not None:
        n_above = night.scan("scores").select((pl.col("score") >= threshold).sum()).collect().item()
    return {
        "n_accounts": sum(counts.values()),
        "threshold": threshold,
        "n_above_threshold": n_above,
        "histogram": [{"low": i / N_BINS, "high": (i + 1) / N_BINS, "n": counts.get(i, 0)} for i in range(N_BINS)],
    }


def _why_no_model(facts: Mapping[str, Any], scores: Mapping[str, Any] | None) -> str | None:
    if scores is not None:
        return None
    reason = facts.get("no_model") or "no model could be trained, and none was named"
    return f"There are no scores, rings, reasons and embeddings in this night: {reason}."


def _rings(night: Night, seed: int) -> dict[str, Any]:
    """The rings in the order of their table, which is their rank; the first of them with members, reasons and a picture."""
    rings = night.read("rings")
    first = rings.head(N_LISTED_RINGS)
    shown = first["ring_id"].head(N_PICTURES).to_list()
    networks = read_cluster_networks(night, shown) if shown else {}
    reasons = _member_reasons(night, shown)
    events = dict(night.scan("lineage").select("cluster_id", "event").collect().sort("cluster_id", "event").iter_rows())
    rows = []
    for rank, row in enumerate(first.iter_rows(named=True), start=1):
        ring = {"rank": rank, **row, "lineage": events.get(row["ring_id"])}
        network = networks.get(row["ring_id"])
        if network is not None:
            ring |= {
                "picture": build_picture(network, seed),
                "members": _members(network, row["ring_id"], reasons),
                "shared": _shared(network),
            }
        rows.append(ring)
    return {
        "n_rings": rings.height,
        "n_accounts": int(rings["n_accounts"].sum()),
        "n_listed": len(rows),
        "listed": rows,
    }


def _member_reasons(night: Night, ring_ids: Sequence[str]) -> dict[str, list[str]]:
    """The texts of each member's reasons, the strongest first."""
    if not ring_ids:
        return {}
    members = night.scan("scores").filter(pl.col("ring_id").is_in(list(ring_ids))).select("account_id")
    frame = (
        night.scan("reasons")
        .join(members, on="account_id", how="semi")
        .sort(["account_id", "contribution", "code", "text"], descending=[False, True, False, False])
        .group_by("account_id", maintain_order=True)
        .agg("text")
        .collect()
    )
    return dict(frame.iter_rows())


def _members(network: Any, ring_id: str, reasons: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The ring's members by rank; bystanders of its cluster are in the picture alone."""
    members = [
        {
            "account_id": row["account_id"],
            "score": row.get("score"),
            "rank": row.get("rank"),
            "outcome": row.get("outcome"),
            "reasons": reasons.get(row["account_id"], []),
        }
        for _, row in network.nodes(data=True)
        if row["kind"] == "account" and row.get("ring_id") == ring_id
    ]
    return sorted(members, key=lambda member: (member["rank"] or 0, member["account_id"]))[:N_LISTED_MEMBERS]


def _shared(network: Any) -> list[dict[str, Any]]:
    """What links two or more of the cluster's accounts, by type: how many such things, and how many accounts the widest has."""
    holders: dict[str, list[int]] = {}
    for _, row in network.nodes(data=True):
        if is_shared(row):
            holders.setdefault(row["identifier_type"], []).append(row["n_accounts"])
    return [
        {"identifier_type": kind, "n_identifiers": len(counts), "most_accounts": max(counts)}
        for kind, counts in sorted(holders.items(), key=lambda item: (-max(item[1]), item[0]))
    ]
