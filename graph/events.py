"""Event tables on disk: found, checked against the contract, and scanned as the contract's types.

Every fault of an input is found before anything is read for good, and all of them stand in one message. What is not part of
the contract (further tables, further columns) is left aside with one warning each.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl
from polars.exceptions import PolarsError

from graph.casting import cast_expr, parse_expr
from graph.errors import InputError
from graph.schema import IDENTIFIERS, TABLES, Column, Table, known_time

__all__ = ["EventSource", "open_events", "scan_table"]

SUFFIXES = (".parquet", ".csv")


@dataclass(frozen=True)
class EventSource:
    """A folder of event tables whose every file was found to keep the contract.

    Attributes:
        folder: EVENTS.
        files: for each table of the contract its files, sorted by relative path; none where the table is missing.
        warnings: what was left aside, one line each.
    """

    folder: Path
    files: dict[str, tuple[Path, ...]]
    warnings: tuple[str, ...]


def open_events(folder: Path, *, was_read: bool = False) -> EventSource:
    """Finds the tables under `folder` and checks every file against the contract.

    Every page is read through once, since one may be torn, and a value may fail to parse or to fit.

    Args:
        folder: EVENTS.
        was_read: the pages were read through already; only schemas and headers are looked at again.

    Raises:
        InputError: anything does not keep the contract; every fault is listed.
    """
    if not folder.is_dir():
        raise InputError(
            f"`--events` must be a folder with one folder per event table ({', '.join(TABLES)}); got `{folder}`, which is "
            f"{'a file' if folder.exists() else 'not there'}."
        )
    files = {name: _find_files(folder / name) for name in TABLES}
    faults = _missing_tables(folder, files)
    warnings = _left_aside(folder)
    for name, paths in files.items():
        extra: set[str] = set()
        for path in paths:
            found, unknown = _check_file(TABLES[name], path, path.relative_to(folder).as_posix(), was_read)
            faults += found
            extra |= unknown
        warnings += [
            f"column `{name}.{column}` is not part of the event contract and was ignored" for column in sorted(extra)
        ]
    if faults:
        raise InputError(f"`--events` must keep the event contract; `{folder}` has {len(faults)} fault(s):", faults)
    return EventSource(folder, files, tuple(warnings))


def scan_table(source: EventSource, table: str) -> pl.LazyFrame:
    """All rows of a table as the contract's types, `known_time` filled from `event_time`, empty strings as null.

    Returns:
        a lazy frame with exactly the contract's columns, in its order; no rows where the table is missing.
    """
    declared = TABLES[table]
    frames = [_scan_file(declared, path) for path in source.files[table]]
    if not frames:
        return pl.LazyFrame(schema={column.name: column.dtype for column in declared.columns})
    return pl.concat(frames).with_columns(known_time())


def _find_files(folder: Path) -> tuple[Path, ...]:
    if not folder.is_dir():
        return ()
    return tuple(path for path in _walk(folder) if path.suffix.lower() in SUFFIXES)


def _walk(folder: Path) -> list[Path]:
    """Files below a folder, through links too; names that begin with a dot or an underscore are other programs' drafts."""
    found: list[Path] = []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse_folder):
        folders[:] = [name for name in folders if not name.startswith((".", "_"))]
        found += [Path(place) / name for name in names if not name.startswith((".", "_"))]
    return sorted(found)


def _refuse_folder(error: OSError) -> None:
    """A folder that cannot be entered is no empty table."""
    raise InputError(
        f"`--events` must be readable; got {error.strerror} for `{error.filename}`. Correct its owner or mode."
    )


def _left_aside(folder: Path) -> list[str]:
    """What lies in the folder and is no part of the contract, one warning each."""
    warnings = []
    for entry in sorted(folder.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if entry.is_dir() and entry.name not in TABLES:
            warnings.append(f"table `{entry.name}` is not part of the event contract and was ignored")
        elif entry.is_file():
            warnings.append(f"file `{entry.name}` lies in no table's folder and was ignored")
        else:
            warnings += [
                f"file `{path.relative_to(folder).as_posix()}` is neither {' nor '.join(SUFFIXES)} and was ignored"
                for path in _walk(entry)
                if path.suffix.lower() not in SUFFIXES
            ]
    return warnings


def _missing_tables(folder: Path, files: dict[str, tuple[Path, ...]]) -> list[str]:
    if not any(files.values()):
        return [
            f"no event table is there; expected folders such as `signups/` and `logins/` with {' or '.join(SUFFIXES)} files"
        ]
    faults = [
        f"table `{name}` is required and missing; put its files into `{name}/`"
        for name, table in TABLES.items()
        if table.required and not files[name]
    ]
    carriers = sorted({kind.table for kind in IDENTIFIERS.values()})
    if not any(files[name] for name in carriers):
        faults.append(f"one table that carries an identifier is required ({', '.join(carriers)}); none is there")
    return faults


def _check_file(table: Table, path: Path, shown: str, was_read: bool) -> tuple[list[str], set[str]]:
    """Every fault of one file, and the columns it has beyond the contract."""
    try:
        schema = _file_schema(path)
    except (PolarsError, OSError) as error:
        return [f"file `{shown}` cannot be read: {_first_line(error)}"], set()
    faults = [f"file `{shown}` must name each column once; it repeats `{name}`" for name in _repeated(path, schema)]
    for column in table.columns:
        if column.name not in schema:
            if not column.optional:
                faults.append(f"column `{table.name}.{column.name}` is required and missing in `{shown}`")
        elif path.suffix.lower() == ".parquet":
            _, fault = cast_expr(column, schema[column.name])
            if fault:
                faults.append(f"column `{table.name}.{column.name}` must be {fault} in `{shown}`")
    if was_read or faults:
        return faults, set(schema) - {column.name for column in table.columns}
    if path.suffix.lower() == ".csv":
        faults += [f"column `{table.name}.{fault} in `{shown}`" for fault in _unparsed(table, path, schema)]
    else:
        faults += [f"file `{shown}` cannot be read: {fault}" for fault in _unread(table, path, schema)]
    return faults, set(schema) - {column.name for column in table.columns}


def _file_schema(path: Path) -> dict[str, pl.DataType]:
    if path.suffix.lower() == ".parquet":
        return dict(pl.read_parquet_schema(path))
    return dict(_scan_csv(path).collect_schema())


def _repeated(path: Path, schema: dict[str, pl.DataType]) -> list[str]:
    """Columns that a CSV header has twice; polars renames the second."""
    if path.suffix.lower() != ".csv":
        return []
    renamed = (re.fullmatch(r"(.+)_duplicated_\d+", name) for name in schema)
    return sorted({match[1] for match in renamed if match and match[1] in schema})


def _scan_csv(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(path, infer_schema=False, encoding="utf8", glob=False)


def _unparsed(table: Table, path: Path, schema: dict[str, pl.DataType]) -> Iterator[str]:
    """Columns of a CSV file with values that do not parse, as `name` must be ...; got n values that are not."""
    columns = [column for column in table.columns if column.name in schema]
    counts = [
        (parse_expr(column)[0].is_null() & _blank_as_null(pl.col(column.name)).is_not_null()).sum().alias(column.name)
        for column in columns
    ]
    try:
        n_bad = _scan_csv(path).select(counts).collect().row(0, named=True)
    except PolarsError as error:
        yield f"*` cannot be read: {_first_line(error)}"
        return
    for column in columns:
        if n_bad[column.name]:
            yield f"{column.name}` must be {parse_expr(column)[1]}; got {n_bad[column.name]:,} value(s) that are not"


def _unread(table: Table, path: Path, schema: dict[str, pl.DataType]) -> Iterator[str]:
    """Reads every page of the contract's columns once: a torn file shows, and so does a value that a cast would lose."""
    checks = [
        (expr.is_null() & pl.col(column.name).is_not_null()).sum().alias(column.name)
        for column in table.columns
        if column.name in schema and (expr := cast_expr(column, schema[column.name])[0]) is not None
    ]
    try:
        n_bad = pl.scan_parquet(path, glob=False).select(checks).collect(engine="streaming").row(0, named=True)
        yield from (f"`{name}` has {n:,} value(s) that do not fit" for name, n in n_bad.items() if n)
    except (PolarsError, OSError) as error:
        yield _first_line(error)


def _scan_file(table: Table, path: Path) -> pl.LazyFrame:
    schema = _file_schema(path)
    frame = pl.scan_parquet(path, glob=False) if path.suffix.lower() == ".parquet" else _scan_csv(path)
    return frame.select(_column_expr(column, schema, path.suffix.lower() == ".csv") for column in table.columns)


def _column_expr(column: Column, schema: dict[str, pl.DataType], is_csv: bool) -> pl.Expr:
    if column.name not in schema:
        return pl.lit(None, dtype=column.dtype).alias(column.name)
    expr = parse_expr(column)[0] if is_csv else cast_expr(column, schema[column.name])[0]
    assert expr is not None  # open_events refused the file otherwise
    return (_blank_as_null(expr) if column.dtype == pl.String else expr).alias(column.name)


def _blank_as_null(value: pl.Expr) -> pl.Expr:
    return pl.when(value.str.strip_chars().str.len_bytes() > 0).then(value)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
