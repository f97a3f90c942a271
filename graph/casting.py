"""Casts of a source column to the contract's type, accepted only where nothing is lost."""

import polars as pl

from graph.schema import Column

__all__ = ["cast_expr", "parse_expr"]

WANTED = {
    pl.String: "text",
    pl.Date: "a date",
    pl.Int64: "a whole number of at most 64 bits",
    pl.Float64: "a number",
    pl.Boolean: "true or false",
    pl.Datetime: "a time with a zone",
}


def cast_expr(column: Column, source: pl.DataType) -> tuple[pl.Expr | None, str]:
    """How a Parquet column of type `source` becomes the contract's.

    Returns:
        the expression and an empty string, or None and "a time with a zone; got ..." where something would be lost. A value
        that does not fit (an unsigned number above 63 bits) becomes null in the expression; the caller counts those.
    """
    value = pl.col(column.name)
    if source == column.dtype or source == pl.Null:
        return value.cast(column.dtype), ""
    if isinstance(column.dtype, pl.Datetime):
        if isinstance(source, pl.Datetime) and source.time_zone is not None:
            return value.dt.convert_time_zone("UTC").dt.cast_time_unit("us"), ""
        if isinstance(source, pl.Datetime):
            return None, "a time with a zone; got times without one (write them as UTC)"
        return None, f"{WANTED[pl.Datetime]}; got {source}"
    if column.dtype == pl.Float64 and source.is_integer():
        number = value.cast(pl.Float64)
        return pl.when(number.cast(source, strict=False) == value).then(number), ""
    if _is_lossless(source, column.dtype):
        return value.cast(column.dtype, strict=False), ""
    return None, f"{WANTED[column.dtype.base_type()]}; got {source}"


def _is_lossless(source: pl.DataType, wanted: pl.DataType) -> bool:
    if wanted == pl.String:
        return source.is_integer() or isinstance(source, pl.Categorical | pl.Enum)
    if wanted == pl.Int64:
        return source.is_integer()
    if wanted == pl.Float64:
        return source == pl.Float32
    return False


def parse_expr(column: Column) -> tuple[pl.Expr, str]:
    """How a CSV column (text; empty = null) becomes the contract's type, and what its values must be.

    Times are RFC 3339, with a zone. A value that does not parse becomes null; the caller counts those.
    """
    text = pl.col(column.name).str.strip_chars()
    text = pl.when(text.str.len_bytes() > 0).then(text)
    if isinstance(column.dtype, pl.Datetime):
        stamp = text.str.replace(r"^(\d{4}-\d{2}-\d{2}) ", "${1}T").str.to_uppercase()
        return (
            stamp.str.to_datetime("%+", time_unit="us", strict=False).dt.convert_time_zone("UTC"),
            "an RFC 3339 time with a zone, such as 2026-06-30T12:00:00Z",
        )
    if column.dtype == pl.Date:
        return text.str.to_date("%Y-%m-%d", strict=False), "a date, such as 1985-03-31"
    if column.dtype == pl.Boolean:
        lower = text.str.to_lowercase()
        known = lower.replace_strict(
            {"true": True, "false": False, "1": True, "0": False}, default=None, return_dtype=pl.Boolean
        )
        return known, "true or false"
    if column.dtype == pl.String:
        return pl.col(column.name), "text"
    return text.cast(column.dtype, strict=False), WANTED[column.dtype.base_type()]
