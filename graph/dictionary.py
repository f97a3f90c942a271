"""The data dictionary, generated from the contract's one declaration."""

from graph.cleaning import REASONS
from graph.lake import LAKE_VERSION, NIGHT_TABLES, TABLE_NOTES
from graph.normalise import NORMALISERS
from graph.schema import IDENTIFIERS, PRIVACY_CLASSES, TABLES, Column

__all__ = ["render_dictionary"]


def render_dictionary() -> str:
    """The dictionary as Markdown: event tables, identifier types, quarantine reasons, a night's tables."""
    lines = [
        "# Data dictionary",
        "",
        "Generated from `graph/schema.py`, `graph/normalise.py`, `graph/cleaning.py` and `graph/lake.py` by `make docs`; `make check` holds it up to date.",
        "",
        "## Event tables",
        "",
        "A folder `EVENTS/<table>/**/*.parquet` (or `.csv`) per table. `optional`: the column may be missing and its values null.",
    ]
    for table in TABLES.values():
        lines += [
            "",
            f"### `{table.name}`{' (required)' if table.required else ''}",
            "",
            f"{table.meaning[0].upper()}{table.meaning[1:]}.",
            "",
        ]
        lines += ["| column | type | | meaning | values | privacy |", "|---|---|---|---|---|---|"]
        lines += [_column_row(column) for column in table.columns]
    lines += ["", "## Privacy classes", "", "| class | meaning |", "|---|---|"]
    lines += [f"| {name} | {meaning} |" for name, meaning in PRIVACY_CLASSES.items()]
    lines += [
        "",
        "## Identifier types",
        "",
        "A value links as the keyed hash of its normal form. A hub links nobody, nor does a placeholder that the data shows (`graph/junk.py`).",
        "",
        "| type | from | normal form | hub above | not independent of | privacy | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in IDENTIFIERS.values():
        source = ", ".join(f"`{kind.table}.{name}`" for name in kind.columns)
        peers = ", ".join(
            label for label, other in IDENTIFIERS.items() if other.group == kind.group and label != kind.label
        )
        lines.append(
            f"| {kind.label} | {source} | {NORMALISERS[kind.normaliser].form} | {kind.cap} accounts | {peers} | {kind.privacy} | {kind.meaning} |"
        )
    lines += ["", "## Why a row is in quarantine", "", "| reason | meaning |", "|---|---|"]
    lines += [f"| {reason} | {meaning} |" for reason, meaning in REASONS.items()]
    lines += ["", f"## A night's tables (lake version {LAKE_VERSION})"]
    for name, schema in NIGHT_TABLES.items():
        note = [TABLE_NOTES[name], ""] if name in TABLE_NOTES else []
        lines += ["", f"### `{name}.parquet`", "", *note, "| column | type |", "|---|---|"]
        lines += [f"| {column} | `{dtype}` |" for column, dtype in schema.items()]
    return "\n".join(lines) + "\n"


def _column_row(column: Column) -> str:
    optional = "optional" if column.optional else ""
    return f"| {column.name} | `{column.dtype}` | {optional} | {column.meaning} | {', '.join(column.values)} | {column.privacy} |"
