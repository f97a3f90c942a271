"""The lake's tables: their schemas, and the public reader and writer of a night.

    LAKE/nights/<YYYY-MM-DD>/<table>.parquet     one file, or a folder of parts
    LAKE/current                                 the last good night's date

The reader is what downstream models and tests build on; it never changes a lake.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

import polars as pl

from graph.blocks import ROW_GROUP, sink_blocks
from graph.errors import InputError
from graph.schema import UTC_TIME

__all__ = [
    "EMBEDDING_DIM",
    "EVIDENCE",
    "EVIDENCE_FIELDS",
    "LAKE_VERSION",
    "NIGHT_TABLES",
    "REASON_EVIDENCE",
    "TABLE_NOTES",
    "Night",
    "as_of_of",
    "current_night",
    "list_nights",
    "night_folder",
    "nights_before",
    "read_night",
    "write_blocks",
    "write_table",
]

LAKE_VERSION = 1
_CODEC: Literal["zstd"] = "zstd"
EMBEDDING_DIM = 64

EVIDENCE_FIELDS = [
    pl.Field("identifier_type", pl.String),
    pl.Field("identifier", pl.String),  # hex of the keyed hash
    pl.Field("bits", pl.Float64),  # what this one contributes to weight_bits
    pl.Field("n_accounts", pl.Int64),  # how many accounts share it
    pl.Field("gap_days", pl.Float64),  # between the two accounts' first uses
    pl.Field("is_concurrent", pl.Boolean),  # their tenures overlap
    pl.Field("is_crossed", pl.Boolean),  # one national id, under names and birth dates that are not one person's
]
EVIDENCE = pl.List(pl.Struct(EVIDENCE_FIELDS))
REASON_EVIDENCE = pl.List(pl.Struct({"identifier_type": pl.String, "identifier": pl.String, "account_id": pl.String}))

NIGHT_TABLES: dict[str, dict[str, pl.DataType]] = {
    "labels": {"account_id": pl.String(), "outcome": pl.String(), "known_time": UTC_TIME},
    "links": {
        "account_id": pl.String(),
        "identifier_type": pl.String(),
        "identifier": pl.String(),
        "first_seen": UTC_TIME,
        "last_seen": UTC_TIME,
        "n_events": pl.Int64(),
        "weight": pl.Float64(),
    },
    "identities": {"account_id": pl.String(), "identity_id": pl.String()},
    "pairs": {
        "account_a": pl.String(),
        "account_b": pl.String(),
        "weight_bits": pl.Float64(),
        "evidence": EVIDENCE,
    },
    "clusters": {"account_id": pl.String(), "cluster_id": pl.String()},
    "lineage": {"cluster_id": pl.String(), "event": pl.String(), "parents": pl.List(pl.String())},
    "scores": {
        "account_id": pl.String(),
        "score": pl.Float64(),
        "rank": pl.Int64(),
        "ring_id": pl.String(),
        "model_version": pl.String(),
    },
    "rings": {
        "ring_id": pl.String(),
        "ring_version": pl.String(),
        "score": pl.Float64(),
        "n_accounts": pl.Int64(),
        "first_seen": UTC_TIME,
        "reasons": pl.List(pl.String()),
        "status": pl.String(),
    },
    "amounts": {
        "ring_id": pl.String(),
        "currency": pl.String(),
        "n_payments": pl.Int64(),
        "amount_minor": pl.Int64(),
    },
    "reasons": {
        "account_id": pl.String(),
        "code": pl.String(),
        "text": pl.String(),
        "evidence": REASON_EVIDENCE,
        "contribution": pl.Float64(),
    },
    "embeddings": {
        "account_id": pl.String(),
        "embedding": pl.List(pl.Float32),
        "embedding_version": pl.String(),
    },
}

# what a reader must know beside names and types
TABLE_NOTES: dict[str, str] = {
    "scores": "`score` is the calibrated probability of being synthetic, of an account whose outcome did not come though it could have; `rank` 1 the riskiest; `ring_id` names the ring, not always the account's own cluster.",
    "rings": "The order of rows is the rank: first the ring whose case is expected to stop the most, by the scores of its members without an outcome. "
    "`score` is the mean over all members. `ring_id` is the `cluster_id` of one of its clusters.",
    "amounts": "What the accounts of a ring paid until the as-of and was settled, by currency, in its minor unit.",
    "reasons": "`contribution` is in log odds of the score. Codes of features and `NETWORK_LINKS` add up; `WITHOUT_LINKS` is what the score loses without all the "
    "links in its evidence, and overlaps them.",
    "embeddings": "Vectors of one `embedding_version` mean the same, from night to night and through trainings; of two they do not: `graph.embeddings.read_embeddings` "
    "refuses to mix them. What `ringlight embeddings backfill` writes lies in `LAKE/embeddings/<embedding_version>/<date>.parquet`.",
}


@dataclass(frozen=True)
class Night:
    """A complete night of a lake, read lazily.

    Attributes:
        folder: LAKE/nights/<date>.
        date: the as-of, a date; the cut-off is its midnight UTC, exclusive.
    """

    folder: Path
    date: date

    @property
    def as_of(self) -> datetime:
        """The cut-off of knowledge, exclusive, UTC."""
        return as_of_of(self.date)

    def scan(self, table: str) -> pl.LazyFrame:
        """The table as a lazy frame, with the schema of `NIGHT_TABLES`.

        Raises:
            InputError: `table` is not one of a night's tables.
        """
        if table not in NIGHT_TABLES:
            raise InputError(f"`table` must be one of {', '.join(NIGHT_TABLES)}; got `{table}`.")
        path = self.folder / f"{table}.parquet"
        return pl.scan_parquet(path / "*.parquet" if path.is_dir() else path)

    def read(self, table: str) -> pl.DataFrame:
        """The table as a frame; see `scan`."""
        return self.scan(table).collect()


def as_of_of(day: date) -> datetime:
    """The cut-off that a date names: its midnight in UTC, exclusive."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def night_folder(lake: Path, day: date) -> Path:
    """Where the night of `day` lies once it is complete."""
    return lake / "nights" / day.isoformat()


def list_nights(lake: Path) -> list[Night]:
    """All complete nights of a lake, oldest first."""
    nights = []
    for folder in sorted((lake / "nights").glob("????-??-??")):
        try:
            nights.append(Night(folder, date.fromisoformat(folder.name)))
        except ValueError:
            continue
    return nights


def current_night(lake: Path) -> Night:
    """The night that LAKE/current names.

    Raises:
        InputError: the lake has no complete night.
    """
    pointer = lake / "current"
    if not pointer.is_file():
        raise InputError(
            f"`--lake` must hold a complete night; got `{lake}`, which has none. Run `ringlight nightly` first."
        )
    return read_night(lake, date.fromisoformat(pointer.read_text().strip()))


def read_night(lake: Path, day: date | None = None) -> Night:
    """The night of `day`, or the current one.

    Raises:
        InputError: there is no such night; the message lists those that are.
    """
    if day is None:
        return current_night(lake)
    folder = night_folder(lake, day)
    if not folder.is_dir():
        known = ", ".join(night.date.isoformat() for night in list_nights(lake)) or "none"
        raise InputError(f"`--as-of` must be a complete night of `{lake}`; got `{day}`. Complete nights: {known}.")
    return Night(folder, day)


def nights_before(lake: Path, night: Night) -> list[Night]:
    """The nights that a night was made from, one from the other, oldest first, itself last; as far back as the lake has them.

    A night of a date between two of them that was made later is none of theirs.
    """
    known = {other.date.isoformat(): other for other in list_nights(lake)}
    chain = [night]
    while True:
        try:
            found = json.loads((chain[-1].folder / "manifest.json").read_text(encoding="utf-8"))
            previous = known[found["inputs"]["previous"]["date"]]
        except (OSError, ValueError, KeyError, TypeError):
            return chain[::-1]
        chain.append(previous)


def write_table(
    frame: pl.DataFrame, folder: Path, table: str, schemas: Mapping[str, dict[str, pl.DataType]] = NIGHT_TABLES
) -> Path:
    """Writes one of a night's tables, cast to its schema, columns in the schema's order, rows as given.

    The bytes depend on the rows alone: one row group size, one codec, no statistics of the writer's version.
    """
    path = folder / f"{table}.parquet"
    _fitted(frame, schemas[table]).write_parquet(
        path, compression=_CODEC, compression_level=1, row_group_size=ROW_GROUP
    )
    return path


def write_blocks(
    make: Callable[[int, int], pl.DataFrame],
    n_rows: int,
    folder: Path,
    table: str,
    schemas: Mapping[str, dict[str, pl.DataType]] = NIGHT_TABLES,
) -> Path:
    """`write_table` of what need not be in memory as a whole; the same bytes.

    Args:
        make: gives the rows from `begin` to before `end`; asked in their order.
        n_rows: in all.
    """
    schema, path = schemas[table], folder / f"{table}.parquet"
    sink_blocks(lambda begin, end: _fitted(make(begin, end), schema), n_rows, schema, path, _CODEC)
    return path


def _fitted(frame: pl.DataFrame, schema: Mapping[str, pl.DataType]) -> pl.DataFrame:
    return frame.select(pl.col(name).cast(dtype) for name, dtype in schema.items())
