"""The graph as of a cut-off: what `links`, `pairs` and `clusters` make of the events known by then."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl

from graph.schema import UTC_TIME

__all__ = ["SNAPSHOT_SCHEMAS", "Events", "Snapshot", "is_shared", "read_frame", "read_snapshot", "write_snapshot"]

Events = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Snapshot:
    """The graph as of `as_of`; every row of every frame follows from what was known before it.

    Accounts and identifiers have dense numbers, given in an order that follows from their history (time of signup, time of
    first sight), not from their names, so that renaming changes no result.

    Attributes:
        as_of: cut-off of knowledge, exclusive, UTC.
        accounts: one row an account, sorted by account. account i32 (0..n-1), account_id str, signup_time datetime,
            identity i32 (accounts whose submitted identity is one person's have one number).
        identifiers: one row an identifier, sorted by identifier. identifier i32 (0..m-1), identifier_type str,
            hash str (hex of the keyed hash), n_accounts i64, n_identities i64, is_hub bool (over its cap, or a placeholder by
            `graph.junk`), weight f64 (rarity in bits: log2 of accounts by holders; 0 for a hub).
        links: one row an (account, identifier), sorted so. account i32, identifier i32, first_seen datetime,
            last_seen datetime, n_events i64.
        pairs: one row a pair that evidence joins, sorted. account_a i32 < account_b i32, weight_bits f64,
            ties bool (it may join a cluster).
        pair_evidence: one row a pair and identifier that both hold, by pair, the strongest first. pair i32 (a row of `pairs`),
            identifier i32, bits f64 (what it contributes), gap_days f64, is_concurrent bool.
        clusters: one row an account, sorted by account. account i32, component i32, cluster i32: both dense, numbered by
            their smallest account; a loner is alone in its own.
    """

    as_of: datetime
    accounts: pl.DataFrame
    identifiers: pl.DataFrame
    links: pl.DataFrame
    pairs: pl.DataFrame
    pair_evidence: pl.DataFrame
    clusters: pl.DataFrame


SNAPSHOT_SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    "accounts": {"account": pl.Int32(), "account_id": pl.String(), "signup_time": UTC_TIME, "identity": pl.Int32()},
    "identifiers": {
        "identifier": pl.Int32(),
        "identifier_type": pl.String(),
        "hash": pl.String(),
        "n_accounts": pl.Int64(),
        "n_identities": pl.Int64(),
        "is_hub": pl.Boolean(),
        "weight": pl.Float64(),
    },
    "links": {
        "account": pl.Int32(),
        "identifier": pl.Int32(),
        "first_seen": UTC_TIME,
        "last_seen": UTC_TIME,
        "n_events": pl.Int64(),
    },
    "pairs": {
        "account_a": pl.Int32(),
        "account_b": pl.Int32(),
        "weight_bits": pl.Float64(),
        "ties": pl.Boolean(),
    },
    "pair_evidence": {
        "pair": pl.Int32(),
        "identifier": pl.Int32(),
        "bits": pl.Float64(),
        "gap_days": pl.Float64(),
        "is_concurrent": pl.Boolean(),
    },
    "clusters": {"account": pl.Int32(), "component": pl.Int32(), "cluster": pl.Int32()},
}
_FRAMES = tuple(SNAPSHOT_SCHEMAS)


def is_shared() -> pl.Expr:
    """Of identifiers, or links with their columns: several accounts use it and it is no hub, so it ties and carries messages."""
    return (pl.col("n_accounts") > 1) & ~pl.col("is_hub")


def write_snapshot(snapshot: Snapshot, folder: Path) -> None:
    """Writes each frame to `folder`, which is made; uncompressed enough to be read back fast."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _FRAMES:
        getattr(snapshot, name).write_parquet(folder / f"{name}.parquet", compression="lz4")


def read_frame(folder: Path | None, name: str) -> pl.DataFrame:
    """One of the frames that `write_snapshot` wrote, as `read_snapshot` gives it; without a folder an empty one."""
    if folder is None:
        return pl.DataFrame(schema=SNAPSHOT_SCHEMAS[name])
    return pl.read_parquet(folder / f"{name}.parquet").rechunk()


def read_snapshot(folder: Path, as_of: datetime, *, with_hashes: bool = True) -> Snapshot:
    """Reads what `write_snapshot` wrote, each column in one chunk: from many, polars gathers a hundred times slower.

    Args:
        with_hashes: else identifiers lack `hash`, most of a snapshot's bytes, which no feature, model or pair reads.
    """
    frames = {name: read_frame(folder, name) for name in _FRAMES if with_hashes or name != "identifiers"}
    if not with_hashes:
        columns = [name for name in SNAPSHOT_SCHEMAS["identifiers"] if name != "hash"]
        frames["identifiers"] = pl.read_parquet(folder / "identifiers.parquet", columns=columns).rechunk()
    return Snapshot(as_of, **frames)
