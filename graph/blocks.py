"""Tables that are written block by block, so that no more than a block of them need be in memory.

Polars calls its way to read from a generator unstable, so it is called here alone, and a test holds the bytes to one write.
"""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Literal

import polars as pl
from polars.io.plugins import register_io_source

__all__ = ["ROW_GROUP", "sink_blocks"]

ROW_GROUP = 262_144
_BLOCK = 4 * ROW_GROUP


def sink_blocks(
    make: Callable[[int, int], pl.DataFrame],
    n_rows: int,
    schema: Mapping[str, pl.DataType],
    path: Path,
    compression: Literal["lz4", "zstd"],
) -> None:
    """Writes a Parquet file; the bytes are those of the whole written at once in groups of `ROW_GROUP` rows.

    Args:
        make: gives the rows from `begin` to before `end`; asked in their order.
        n_rows: in all.
        schema: of what `make` gives.
    """

    def blocks(*_asked: object) -> Iterator[pl.DataFrame]:
        for begin in range(0, max(n_rows, 1), _BLOCK):
            yield make(begin, min(begin + _BLOCK, n_rows))

    rows = register_io_source(blocks, schema=dict(schema))
    level = 1 if compression == "zstd" else None
    rows.sink_parquet(
        path, compression=compression, compression_level=level, row_group_size=ROW_GROUP, engine="streaming"
    )
