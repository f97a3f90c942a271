"""Hash partitions: all rows of one account lie in one file, whichever table they are of."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Literal

import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.nchash`)

__all__ = [
    "account_key",
    "part_rows",
    "read_partitioned_events",
    "scan_parted",
    "scan_partitioned_events",
    "write_partitions",
]


def account_key(account_id: pl.Expr) -> pl.Expr:
    """A number of an account, u64; the same in every version and process (xxh3)."""
    hashed: pl.Expr = account_id.nchash.xxh3_64()  # type: ignore[attr-defined]  # polars-hash registers it
    return hashed


def write_partitions(
    rows: pl.DataFrame,
    folder: Path,
    n_partitions: int,
    key: pl.Expr,
    compression: Literal["lz4", "uncompressed"] = "lz4",
) -> None:
    """Writes `folder`/<partition>.parquet for each partition, in the order of the rows, empty ones too.

    Args:
        key: a whole number of each row; its remainder is the row's partition.
        compression: none where most of the bytes are hashes, which no codec makes fewer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    partition = rows.select(key % n_partitions).to_series()
    for number in range(n_partitions):
        rows.filter(partition == number).write_parquet(
            folder / f"{number}.parquet", compression=compression, statistics=compression == "lz4"
        )


def part_rows(rows: pl.LazyFrame, folder: Path, name: str, n_partitions: int) -> None:
    """Streams rows to `folder`/<partition>/<name>.parquet by account, in any order and never all of them in memory.

    A partition without rows gets no file. Rows without account_id go to partition 0.
    """
    key = account_key(pl.col("account_id")).fill_null(0) % n_partitions
    target = pl.PartitionBy(
        "",
        key={"partition": key},
        include_key=False,
        approximate_bytes_per_file=None,  # one file each
        file_path_provider=lambda file: folder / str(file.partition_keys.item()) / f"{name}.parquet",
    )
    rows.sink_parquet(target, compression="lz4", mkdir=True, engine="streaming")


def scan_parted(folder: Path, partition: int, schema: Mapping[str, pl.DataType]) -> pl.LazyFrame:
    """What `part_rows` gave a partition, under all names."""
    files = sorted((folder / str(partition)).glob("*.parquet"))
    return pl.scan_parquet(files, glob=False) if files else pl.LazyFrame(schema=dict(schema))


def scan_partitioned_events(
    folder: Path, tables: Iterable[str], partition: int | None = None
) -> dict[str, pl.LazyFrame]:
    """Tables of `folder`/<table>/<partition>.parquet, of one partition or of all; the order of rows is the files'."""
    name = "*" if partition is None else str(partition)
    return {table: pl.scan_parquet(folder / table / f"{name}.parquet") for table in tables}


def read_partitioned_events(
    folder: Path, tables: Iterable[str], partition: int | None = None, account_ids: pl.Series | None = None
) -> dict[str, pl.DataFrame]:
    """Tables of `folder`/<table>/<partition>.parquet.

    Args:
        partition: of one partition; None of all.
        account_ids: of these accounts; None of all.

    Returns:
        each table sorted by event_time and event_id, however it was cut.
    """
    name = "*" if partition is None else str(partition)
    wanted = pl.lit(True) if account_ids is None else pl.col("account_id").is_in(account_ids.implode())
    return {
        table: pl.scan_parquet(folder / table / f"{name}.parquet")
        .filter(wanted)
        .collect()
        .sort("event_time", "event_id")
        for table in tables
    }
