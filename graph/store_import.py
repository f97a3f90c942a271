"""A night as files for Neo4j's offline import: the same nodes, relationships and properties that batches write.

What a CSV file cannot say is a list that is empty: the import leaves the property out. `graph.store_load` sets those.

The files hold what a load of generation `g` writes, and a pointer that shows nothing yet: `graph.store_load` takes it over, looks
whether all of it is there, and shows it. Pure but for the files; who stops the server, imports and starts it is `jobs.local_store_import`.
"""

from collections.abc import Callable
from pathlib import Path

import polars as pl

from graph.lake import Night
from graph.store_cypher import FOREVER
from graph.store_rows import KINDS, EdgeKind, End, Kind, NodeKind

__all__ = ["ARRAY_DELIMITER", "GENERATION", "import_arguments", "write_import"]

GENERATION = 1
ARRAY_DELIMITER = "\x1f"  # the unit separator: no type, code or text of ours holds it
_TIMES = "%Y-%m-%dT%H:%M:%S%.6fZ"
_POINTER = "current"

Progress = Callable[[str, int, int], None]


def write_import(
    night: Night, folder: Path, mark: str, counts: dict[str, int], progress: Progress | None = None
) -> list[str]:
    """Writes a night's rows as CSV, kind by kind and in bounded memory, and names them as the import command does.

    Args:
        night: the night.
        folder: an empty folder; its files hold hashes and ids, no raw values.
        mark: the night's fingerprint, kept in the pointer: by it a load knows what was imported.
        counts: rows of each kind, see `graph.store_rows.count_lake`; a kind without rows has no file.
        progress: called with a text, rows written and rows in all.

    Returns:
        `--nodes=...` and `--relationships=...`, one each for every kind that has rows.
    """
    words = [_write_pointer(folder, mark)]
    total, done = sum(counts.values()), 0
    for kind in KINDS:
        if not counts[kind.name]:
            continue
        header, rows = _node_rows(kind, night) if isinstance(kind, NodeKind) else _edge_rows(kind, night)
        words.append(_write(kind, folder, header, rows))
        done += counts[kind.name]
        if progress:
            progress(f"writing {kind.name}", done, total)
    return words


def import_arguments(words: list[str], n_threads: int, off_heap_mebibytes: int, report: Path) -> list[str]:
    """The words of `neo4j-admin` that import such files into the database `neo4j`; a row that finds no place ends it."""
    return [
        "database",
        "import",
        "full",
        "neo4j",
        "--overwrite-destination=true",
        "--id-type=string",
        "--multiline-fields=true",  # ids are opaque: one may hold a line break
        f"--array-delimiter=U+{ord(ARRAY_DELIMITER):04X}",
        "--bad-tolerance=0",
        "--skip-bad-relationships=false",
        "--skip-duplicate-nodes=false",
        f"--threads={n_threads}",
        f"--max-off-heap-memory={off_heap_mebibytes}m",
        f"--report-file={report}",
        *words,
    ]


def _write_pointer(folder: Path, mark: str) -> str:
    header = ":ID(Current),name,generation:long,attempt:long,is_swept:boolean,batch:long,imported"
    (folder / "pointer.csv").write_text(
        f"{header}\n{_POINTER},{_POINTER},0,{GENERATION},true,0,{mark}\n", encoding="utf-8"
    )
    return f"--nodes=Current={folder / 'pointer.csv'}"


def _write(kind: Kind, folder: Path, header: list[str], rows: pl.LazyFrame) -> str:
    """Header and rows in files of their own: two columns may bear one name, as the halves of an id do."""
    names, data = folder / f"{kind.name}.header.csv", folder / f"{kind.name}.csv"
    names.write_text(",".join(header) + "\n", encoding="utf-8")
    rows.sink_csv(data, include_header=False, datetime_format=_TIMES, quote_style="necessary")
    option, label = ("nodes", kind.label) if isinstance(kind, NodeKind) else ("relationships", kind.type)
    return f"--{option}={label}={names},{data}"


def _node_rows(kind: NodeKind, night: Night) -> tuple[list[str], pl.LazyFrame]:
    header = [f"{key}:ID({kind.label})" for key in kind.keys]
    columns = [pl.col(key) for key in kind.keys]
    if kind.by_label:
        header.append(":LABEL")
        columns.append(pl.col("label"))
    return [*header, *_STAMPS], kind.rows(night).select(*columns, *_stamps())


def _edge_rows(kind: EdgeKind, night: Night) -> tuple[list[str], pl.LazyFrame]:
    rows = kind.rows(night)
    schema = rows.collect_schema()
    header = [*_end_names("START_ID", kind.start), *_end_names("END_ID", kind.end)]
    ends = [
        pl.col(column).alias(f"{side}.{key}")
        for side, end in (("start", kind.start), ("end", kind.end))
        for column, key in end.columns
    ]
    header += [f"{name}:{_type(schema[name])}" for name in kind.properties]
    values = [_text(name, schema[name]) for name in kind.properties]
    return [*header, *_STAMPS], rows.select(*ends, *values, *_stamps())


def _end_names(role: str, end: End) -> list[str]:
    return [f":{role}({end.label})" for _ in end.columns]


_STAMPS = ("since:long", "until:long")


def _stamps() -> tuple[pl.Expr, pl.Expr]:
    return pl.lit(GENERATION).alias("since"), pl.lit(FOREVER, dtype=pl.Int64).alias("until")


def _type(dtype: pl.DataType) -> str:
    """How the import calls what Cypher makes of such a value: every integer is a long, every float a double."""
    if isinstance(dtype, pl.List):
        return f"{_type(dtype.inner)}[]"  # type: ignore[arg-type]
    if dtype.is_integer():
        return "long"
    if dtype.is_float():
        return "double"
    return "datetime" if isinstance(dtype, pl.Datetime) else "string"


def _text(name: str, dtype: pl.DataType) -> pl.Expr:
    """A column as CSV can hold it: lists joined, floats of half the width as the doubles that they are equal to."""
    if not isinstance(dtype, pl.List):
        return pl.col(name).cast(pl.Float64) if dtype.is_float() else pl.col(name)
    inner = pl.Float64 if dtype.inner.is_float() else dtype.inner
    return pl.col(name).cast(pl.List(inner)).cast(pl.List(pl.String)).list.join(ARRAY_DELIMITER)
