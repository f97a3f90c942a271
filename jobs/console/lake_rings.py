"""A ring of the current night as the lake has it: what a change is checked against, since the lake is the truth."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from graph.lake import Night, current_night
from jobs.casefile import Amount
from jobs.console.problems import Problem

__all__ = ["LakeRing", "etag", "read_amounts", "read_lake_ring"]


@dataclass(frozen=True)
class LakeRing:
    """A ring.

    Attributes:
        night: the one that `LAKE/current` names.
        facts: its row in `rings`.
        members: account ids, riskiest first.
    """

    night: Night
    facts: dict[str, Any]
    members: tuple[str, ...]

    @property
    def version(self) -> str:
        """Its `ring_version`."""
        return str(self.facts["ring_version"])


def read_lake_ring(lake: Path, ring_id: str) -> LakeRing:
    """The ring.

    Raises:
        Problem: 404, the current night has no such ring.
        InputError: the lake has no complete night.
    """
    night = current_night(lake)
    found = night.scan("rings").filter(pl.col("ring_id") == ring_id).collect()
    if found.is_empty():
        raise Problem(
            404, "no-ring", "The current night has no such ring. It may have ended: see the changes between nights."
        )
    members = night.scan("scores").filter(pl.col("ring_id") == ring_id).sort("rank").select("account_id").collect()
    return LakeRing(night, found.row(0, named=True), tuple(members["account_id"]))


def read_amounts(night: Night) -> Mapping[str, tuple[Amount, ...]]:
    """What the accounts of each ring paid, by currency; no ring without a payment, and none of a night that kept no amounts."""
    path = night.folder / "amounts.parquet"
    return _amounts(path, path.stat().st_mtime_ns) if path.is_file() else {}


@functools.lru_cache(maxsize=4)
def _amounts(path: Path, written: int) -> Mapping[str, tuple[Amount, ...]]:
    """`written` parts a night from what was there before it was run again."""
    found: dict[str, tuple[Amount, ...]] = {}
    for ring_id, *facts in (
        pl.read_parquet(path).select("ring_id", "currency", "n_payments", "amount_minor").iter_rows()
    ):
        found[ring_id] = (*found.get(ring_id, ()), Amount(*facts))
    return found


def etag(version: str) -> str:
    """A ring's version as an entity tag."""
    return f'"{version}"'
