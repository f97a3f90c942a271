"""Sightings: accounts were seen with identifiers, from when to when. An identifier is its keyed hash; the raw value ends here."""

from collections.abc import Mapping

import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.chash`)

from graph.normalise import normalise
from graph.schema import IDENTIFIERS, UTC_TIME, IdentifierType

__all__ = ["LINK_COLUMNS", "LINK_SCHEMA", "build_links", "hash_identifier", "hash_values", "keyed_hash"]

LINK_COLUMNS = ("first_seen", "last_seen", "n_events")
LINK_SCHEMA: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "identifier_type": pl.String(),
    "identifier": pl.String(),
    "first_seen": UTC_TIME,
    "last_seen": UTC_TIME,
    "n_events": pl.Int64(),
}


def keyed_hash(value: pl.Expr, label: str, key: str) -> pl.Expr:
    """HMAC-SHA-256 of a value, 64 hex digits; the label keeps equal values of two kinds apart. Null stays null."""
    labelled = pl.lit(label + "\x1f") + value
    hashed: pl.Expr = labelled.chash.hmac_sha256(key=key)  # type: ignore[attr-defined]  # polars-hash registers it
    return hashed


def hash_identifier(label: str, values: dict[str, str | None], key: str) -> str | None:
    """The hash of one raw identifier, made as at ingest: what a search for it looks up.

    Args:
        label: identifier type, a key of `graph.schema.IDENTIFIERS`.
        values: its source columns, raw.
    """
    kind = IDENTIFIERS[label]
    frame = pl.DataFrame(
        {name: [values.get(name)] for name in kind.columns}, schema=dict.fromkeys(kind.columns, pl.String)
    )
    hashed: str | None = hash_values(frame, kind, key).item()
    return hashed


def build_links(events: Mapping[str, pl.DataFrame | pl.LazyFrame], key: str) -> pl.DataFrame:
    """One row for each account and identifier in the events of any set of accounts; links of parts, put together, are those of the whole.

    Events are counted by raw value before anything is normalised and hashed, since most of an account's say what it said before.

    Args:
        events: clean; of lazy ones only the columns that identifiers are made of are ever in memory.
        key: of the keyed hash.

    Returns:
        `LINK_SCHEMA`; in the order of types, and within one of the events.
    """
    parts = []
    for kind in IDENTIFIERS.values():
        rows = events[kind.table].lazy().filter(pl.col(kind.columns[0]).is_not_null())
        seen = rows.group_by("account_id", *kind.columns, maintain_order=True).agg(
            first_seen=pl.col("event_time").min(),
            last_seen=pl.col("event_time").max(),
            n_events=pl.len().cast(pl.Int64),
        )
        raw = seen.collect()
        named = raw.select("account_id", *LINK_COLUMNS, identifier=hash_values(raw, kind, key)).drop_nulls("identifier")
        again = ("account_id", "identifier")  # written in two ways it is one
        parts.append(
            named.group_by(again, maintain_order=True)
            .agg(pl.col("first_seen").min(), pl.col("last_seen").max(), pl.col("n_events").sum())
            .select(pl.lit(kind.label).alias(name) if name == "identifier_type" else name for name in LINK_SCHEMA)
        )
    return pl.concat(parts)


def hash_values(frame: pl.DataFrame, kind: IdentifierType, key: str) -> pl.Series:
    """The keyed hashes of an identifier type's source columns, row by row; each value is normalised and hashed once."""
    columns = list(kind.columns)
    unique = frame.select(columns).unique(maintain_order=True)
    form = normalise(kind.normaliser, *(pl.col(name) for name in columns))
    known = unique.with_columns(identifier=keyed_hash(form, kind.label, key))
    joined = frame.select(columns).join(known, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return joined["identifier"]
