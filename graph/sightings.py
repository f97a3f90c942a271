"""Sightings: accounts were seen with identifiers, from when to when. An identifier is its keyed hash; the raw value ends here."""

from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.chash`)
from numpy.typing import NDArray

from graph.normalise import Forms
from graph.numbering import dense_numbers, first_rows
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


def build_links(
    events: Mapping[str, pl.DataFrame | pl.LazyFrame], key: str, forms: Forms | None = None
) -> pl.DataFrame:
    """One row for each account and identifier in the events of any set of accounts; links of parts, put together, are those of the whole.

    Events are counted by raw value before anything is normalised and hashed, since most of an account's say what it said before.

    Args:
        events: clean; of lazy ones only the columns that identifiers are made of are ever in memory.
        key: of the keyed hash.
        forms: keeps what is normalised here, for others who read the same events.

    Returns:
        `LINK_SCHEMA`; in the order of types, and within one of the events.
    """
    parts = []
    for (table, columns), same in groupby(IDENTIFIERS.values(), key=lambda kind: (kind.table, kind.columns)):
        kinds = tuple(same)
        raw = _count(events[table].lazy(), columns)
        value, hashes = _hash_kinds(raw, kinds, key, forms or Forms())
        for kind in kinds:
            named = raw.select("account_id", *LINK_COLUMNS, identifier=hashes[kind.label][value])
            links = named.drop_nulls("identifier")
            if _repeats(hashes[kind.label].drop_nulls()):  # written in two ways it is one
                links = links.group_by("account_id", "identifier", maintain_order=True).agg(
                    pl.col("first_seen").min(), pl.col("last_seen").max(), pl.col("n_events").sum()
                )
            typed = links.with_columns(identifier_type=pl.lit(kind.label))
            parts.append(typed.select(*LINK_SCHEMA))
    return pl.concat(parts)


def _repeats(values: pl.Series) -> bool:
    return int(dense_numbers(values).max(initial=-1)) + 1 < values.len()


def _count(rows: pl.LazyFrame, columns: tuple[str, ...]) -> pl.DataFrame:
    """One row for each account and raw value, in the order of first sight: account_id, the columns, `LINK_COLUMNS`."""
    # the streaming engine groups twice as fast, in no order
    seen = (
        rows.select("account_id", *columns, "event_time").with_row_index("row").filter(pl.col(columns[0]).is_not_null())
    )
    counted = seen.group_by("account_id", *columns).agg(
        pl.col("row").min(),
        first_seen=pl.col("event_time").min(),
        last_seen=pl.col("event_time").max(),
        n_events=pl.len().cast(pl.Int64),
    )
    return counted.collect(engine="streaming").sort("row").drop("row")


def hash_values(frame: pl.DataFrame, kind: IdentifierType, key: str) -> pl.Series:
    """The keyed hashes of an identifier type's source columns, row by row; each value is normalised and hashed once."""
    value, hashes = _hash_kinds(frame, (kind,), key, Forms())
    return hashes[kind.label][value]


def _hash_kinds(
    frame: pl.DataFrame, kinds: Sequence[IdentifierType], key: str, forms: Forms
) -> tuple[NDArray[np.int32], pl.DataFrame]:
    """Of several types that are made of the same columns: the distinct value of each row, int32, and hashes of the values, a column a type."""
    columns = kinds[0].columns
    value = dense_numbers(*frame.select(columns).get_columns())
    distinct = frame.select(columns)[first_rows(value)]
    made = forms.make(distinct, [kind.normaliser for kind in kinds])
    return value, made.select(keyed_hash(pl.col(kind.normaliser), kind.label, key).alias(kind.label) for kind in kinds)
