"""The leakage gate: what every training must pass before it begins, and why a test set cannot show it.

A model that has seen the future does well wherever it is measured on the past. So the gate does not measure quality: it changes
what must not matter, and looks whether anything moves.

See Also:
    gnn.gate_data: everything after the cut-off deleted or changed; gnn.gate_sampler: what the sampler draws;
    gnn.gate_labels: labels shuffled.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from graph.components import connected_components
from graph.snapshot import Snapshot

__all__ = ["Check", "Gate", "check_edges"]


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: of the check.
        told: what was looked at, in words, with its numbers.
        fault: what leaked, in words; empty where nothing did.
        facts: the numbers, JSON values.
    """

    name: str
    told: str
    fault: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Gate:
    """All checks of one training."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Nothing leaked."""
        return not self.faults

    @property
    def faults(self) -> list[str]:
        """What leaked, a line a check."""
        return [f"{check.name}: {check.fault}" for check in self.checks if check.fault]

    def to_dict(self) -> dict[str, Any]:
        """JSON values, for the model's folder and the report."""
        rows = [
            {"name": check.name, "told": check.told, "fault": check.fault, "facts": dict(check.facts)}
            for check in self.checks
        ]
        return {"passed": self.passed, "checks": rows}


def check_edges(snapshots: Iterable[Snapshot]) -> Check:
    """Whether any link, pair or cluster rests on something from its snapshot's cut-off on; one snapshot is looked at after the other.

    Links and accounts carry times. A pair's evidence carries none of its own, so both accounts must hold its identifier by a
    link of the snapshot, and a cluster must hang together by pairs of the snapshot.
    """
    faults, n_snapshots, n_links, n_pairs = [], 0, 0, 0
    for snapshot in snapshots:
        faults += [f"as of {snapshot.as_of.date()} {n:,} {what}" for what, n in _later_edges(snapshot) if n]
        n_snapshots += 1
        n_links += snapshot.links.height
        n_pairs += snapshot.pairs.height
    told = f"{n_links:,} links and {n_pairs:,} pairs of {n_snapshots} snapshots"
    facts = {"n_snapshots": n_snapshots, "n_links": n_links, "n_pairs": n_pairs}
    return Check("later edges", told, "; ".join(faults), facts)


def _later_edges(snapshot: Snapshot) -> list[tuple[str, int]]:
    """What must not be in a snapshot, and how often it is."""
    later = pl.lit(snapshot.as_of)
    links, pairs, clusters = snapshot.links, snapshot.pairs, snapshot.clusters["cluster"].to_numpy()
    n, m = snapshot.accounts.height, snapshot.identifiers.height
    tied = connected_components(n, pairs["account_a"].to_numpy(), pairs["account_b"].to_numpy())
    first = np.unique(clusters, return_index=True)[1] if n else np.zeros(0, dtype=np.int64)
    return [
        ("account(s) that signed up later", _count(snapshot.accounts, pl.col("signup_time") >= later)),
        ("link(s) first seen later", _count(links, pl.col("first_seen") >= later)),
        ("link(s) last seen later", _count(links, pl.col("last_seen") >= later)),
        ("piece(s) of evidence of a pair without both links", _unheld(snapshot, m)),
        ("account(s) in a cluster that no pair joins them to", int((tied != tied[first][clusters]).sum()) if n else 0),
    ]


def _count(frame: pl.DataFrame, condition: pl.Expr) -> int:
    return int(frame.select(condition.sum()).item())


def _unheld(snapshot: Snapshot, m: int) -> int:
    """Rows of evidence whose identifier one of the two accounts does not hold."""
    held = snapshot.links["account"].to_numpy().astype(np.int64) * m + snapshot.links["identifier"].to_numpy()
    pair, identifier = (snapshot.pair_evidence[name].to_numpy() for name in ("pair", "identifier"))
    lacks = np.zeros(len(pair), dtype=np.bool_)
    for side in ("account_a", "account_b"):
        wanted = snapshot.pairs[side].to_numpy()[pair].astype(np.int64) * m + identifier
        place = np.minimum(np.searchsorted(held, wanted), max(len(held) - 1, 0))  # links are sorted so
        lacks |= held[place] != wanted if len(held) else True
    return int(lacks.sum())
