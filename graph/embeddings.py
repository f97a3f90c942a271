"""Embeddings of several nights: the public reader, which refuses to mix versions, and the files of a backfill.

    LAKE/nights/<date>/embeddings.parquet                 what the night's own model says
    LAKE/embeddings/<embedding_version>/<date>.parquet    the same accounts as of the same date by another model, written afterwards

A vector means something beside others of its `embedding_version` alone. Models whose embeddings were aligned share one.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path

import polars as pl

from graph.errors import HindsightError, InputError
from graph.lake import NIGHT_TABLES, Night, as_of_of, night_folder

__all__ = ["Backfill", "backfill_path", "may_write_backfill", "read_backfill", "read_embeddings", "write_backfill"]

_METADATA = "ringlight"


@dataclass(frozen=True)
class Backfill:
    """What a backfilled file says of itself, in its Parquet metadata.

    Attributes:
        night: as of when its accounts, links and features are.
        embedding_version: of all its vectors.
        model_version: the model that made them.
        model_as_of: cut-off of what that model learnt from, ISO 8601.
        has_hindsight: the model learnt from outcomes that were not known at `night`. Such vectors tell a downstream model what
            it could not have known: they are for looking back, not for measuring how well it foresees.
    """

    night: str
    embedding_version: str
    model_version: str
    model_as_of: str
    has_hindsight: bool

    @classmethod
    def of(cls, day: date, embedding_version: str, model_version: str, model_as_of: datetime) -> "Backfill":
        """The facts of one file."""
        is_later = model_as_of > as_of_of(day)
        return cls(day.isoformat(), embedding_version, model_version, model_as_of.isoformat(), is_later)


def backfill_path(lake: Path, embedding_version: str, day: date) -> Path:
    """Where the embeddings of `day` of that version lie, if they were written afterwards."""
    return lake / "embeddings" / embedding_version / f"{day.isoformat()}.parquet"


def may_write_backfill(lake: Path, facts: Backfill) -> bool:
    """Whether a file with these facts may lie in place of what is there: never where that has less hindsight.

    Models that share a version share a path. Vectors of the earlier of two models that both learnt later outcomes have less.
    """
    there = read_backfill(lake, facts.embedding_version, date.fromisoformat(facts.night))
    if there is None or not facts.has_hindsight:
        return True
    if not there.has_hindsight:
        return False
    return datetime.fromisoformat(there.model_as_of) >= datetime.fromisoformat(facts.model_as_of)


def write_backfill(lake: Path, facts: Backfill, frame: pl.DataFrame) -> Path:
    """Writes account_id and embedding of one past night, whole or not at all.

    An older edition is replaced; one that has less hindsight is left (`may_write_backfill`).

    Args:
        frame: one row an account known at the date: account_id, embedding (list of float32).

    Returns:
        where the file lies, be it the new one or the one that was left.
    """
    path = backfill_path(lake, facts.embedding_version, date.fromisoformat(facts.night))
    if not may_write_backfill(lake, facts):
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    rows = frame.with_columns(embedding_version=pl.lit(facts.embedding_version)).sort("account_id")
    rows.select(pl.col(name).cast(dtype) for name, dtype in NIGHT_TABLES["embeddings"].items()).write_parquet(
        partial,
        compression="zstd",
        compression_level=1,
        row_group_size=262_144,
        metadata={_METADATA: json.dumps(asdict(facts), sort_keys=True)},
    )
    partial.replace(path)
    return path


def read_backfill(lake: Path, embedding_version: str, day: date) -> Backfill | None:
    """What the file says of itself; None where there is none, or one that no backfill wrote."""
    path = backfill_path(lake, embedding_version, day)
    if not path.is_file():
        return None
    try:
        return Backfill(**json.loads(pl.read_parquet_metadata(path)[_METADATA]))
    except (pl.exceptions.PolarsError, OSError, KeyError, TypeError, ValueError):
        return None


def read_embeddings(
    lake: Path, days: Sequence[date], version: str | None = None, *, with_hindsight: bool = False
) -> pl.DataFrame:
    """Embeddings of several nights, all of one version: each night's own where it is of that version, else those of a backfill.

    Args:
        lake: the lake.
        days: the nights, in any order.
        version: the embedding version; by default that of the latest of the days.
        with_hindsight: take vectors, too, of a model that learnt from outcomes that were not known on the day.

    Returns:
        night (date), account_id, embedding (list of 64 float32), embedding_version; sorted by night and account_id.

    Raises:
        InputError: a day has no embeddings of that version; the message says what each day has.
        HindsightError: it has only such with hindsight.
    """
    if not days:
        raise InputError("`days` must name at least one night; got none.")
    days = sorted(set(days))
    own = {day: _own_version(lake, day) for day in days}
    if version is None:
        version = own[days[-1]]
    if version is None:
        raise InputError(f"The night {days[-1]} must have embeddings; it has none, for it had no model.")
    facts = {day: read_backfill(lake, version, day) for day in days if own[day] != version}
    _refuse_mixed(days, own, facts, version)
    late = [day for day, fact in facts.items() if fact is not None and fact.has_hindsight]
    if late and not with_hindsight:
        raise HindsightError(
            f"`days` must be nights that the model of version {version} could have scored; got "
            f"{', '.join(map(str, late))}, before what it learnt from ({facts[late[0]].model_as_of[:10]}). "  # type: ignore[union-attr]
            "Choose later nights, or say `with_hindsight=True` if nothing is measured on them."
        )
    parts = [
        pl.scan_parquet(backfill_path(lake, version, day))
        if day in facts
        else Night(night_folder(lake, day), day).scan("embeddings")
        for day in days
    ]
    frames = [
        part.select(pl.lit(day).alias("night"), *NIGHT_TABLES["embeddings"])
        for day, part in zip(days, parts, strict=True)
    ]
    return pl.concat(frames).sort("night", "account_id").collect()


def _own_version(lake: Path, day: date) -> str | None:
    """The version of the night's own embeddings; None where it has none, or is no night."""
    folder = night_folder(lake, day)
    if not folder.is_dir():
        return None
    found = Night(folder, day).scan("embeddings").select(pl.col("embedding_version").unique().sort()).collect()
    if found.height > 1:
        raise InputError(
            f"A night must have one embedding version; {day} has {' and '.join(found.to_series())}. Run it anew."
        )
    return None if found.is_empty() else str(found.item())


def _refuse_mixed(
    days: Sequence[date], own: Mapping[date, str | None], facts: Mapping[date, Backfill | None], version: str
) -> None:
    lacking = [day for day, fact in facts.items() if fact is None]
    if not lacking:
        return
    if all(own[day] is None for day in lacking):
        none = ", ".join(map(str, lacking))
        raise InputError(
            f"The night {none} must have embeddings; it has none, for it had no model or was not run. Write them: "
            f"`ringlight embeddings backfill` with a model of version {version}."
        )
    listed = ", ".join(f"{day} has {own[day] or 'none'}" for day in days)
    raise InputError(
        f"`days` must be nights of one embedding version; {listed}. A vector means nothing to a model fitted on another "
        f"version: write the others by `ringlight embeddings backfill` with a model of version {version}, or choose nights of "
        "one version."
    )
