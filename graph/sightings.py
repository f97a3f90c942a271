"""Sightings: an account was seen with an identifier at a time. The identifier is its keyed hash; the raw value ends here."""

import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.chash`)

from graph.normalise import normalise
from graph.schema import IDENTIFIERS, UTC_TIME, IdentifierType
from graph.snapshot import Events

__all__ = ["SIGHTING_SCHEMA", "build_sightings", "hash_identifier", "hash_values", "keyed_hash"]

SIGHTING_SCHEMA: dict[str, pl.DataType] = {
    "account_id": pl.String(),
    "identifier_type": pl.String(),
    "identifier": pl.String(),
    "event_time": UTC_TIME,
    "known_time": UTC_TIME,
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


def build_sightings(events: Events, key: str) -> pl.DataFrame:
    """All sightings in the events of any set of accounts; sightings of parts, put together, are those of the whole.

    Returns:
        `SIGHTING_SCHEMA`, sorted by account_id, identifier_type, identifier, event_time, known_time.
    """
    parts = [
        events[kind.table]
        .select("account_id", "event_time", "known_time", identifier=hash_values(events[kind.table], kind, key))
        .drop_nulls("identifier")
        .with_columns(identifier_type=pl.lit(kind.label))
        .select(list(SIGHTING_SCHEMA))
        for kind in IDENTIFIERS.values()
        if events[kind.table].height
    ]
    if not parts:
        return pl.DataFrame(schema=SIGHTING_SCHEMA)
    return pl.concat(parts).sort("account_id", "identifier_type", "identifier", "event_time", "known_time")


def hash_values(frame: pl.DataFrame, kind: IdentifierType, key: str) -> pl.Series:
    """The keyed hashes of an identifier type's source columns, row by row; each value is normalised and hashed once."""
    columns = list(kind.columns)
    unique = frame.select(columns).unique(maintain_order=True)
    form = normalise(kind.normaliser, *(pl.col(name) for name in columns))
    known = unique.with_columns(identifier=keyed_hash(form, kind.label, key))
    joined = frame.select(columns).join(known, on=columns, how="left", nulls_equal=True, maintain_order="left")
    return joined["identifier"]
