"""Options that several commands share, and the lake that a reading command is given."""

import contextlib
import os
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Annotated

import typer

from jobs.remote.urls import is_url

__all__ = ["DEFAULT_CONFIG", "Events", "EventsFolder", "Lake", "LakeFolder", "day_of", "reading", "writing"]

DEFAULT_CONFIG = Path("ringlight.toml")


def day_of(text: str, now: datetime) -> date:
    """The date that a text names: like 2026-06-30, or `today`, the day of `now`.

    Raises:
        ValueError: it names none.
    """
    return now.date() if text == "today" else date.fromisoformat(text)


def _folder(text: str | Path) -> Path:
    if is_url(text):
        raise typer.BadParameter(
            f"must be a folder for this command; got `{text}`. Where a working place mirrors that URL, name its folder `mirror`."
        )
    return Path(text)


_PLACE = "A folder, or a URL of object storage (s3://BUCKET/FOLDER)"
Lake = Annotated[
    str, typer.Option("--lake", metavar="DIR|URL", help=f"The lake: it holds nights, models and state. {_PLACE}.")
]
Events = Annotated[str, typer.Option("--events", metavar="DIR|URL", help=f"One folder per event table. {_PLACE}.")]
LakeFolder = Annotated[
    Path,
    typer.Option(
        "--lake", parser=_folder, metavar="DIR", help="The lake: a folder that holds nights, models, state and desk."
    ),
]
EventsFolder = Annotated[
    Path, typer.Option("--events", parser=_folder, metavar="DIR", help="Folder with one folder per event table.")
]


@contextlib.contextmanager
def reading(
    lake: str,
    *days: date | None,
    with_lineage: bool = False,
    with_records: bool = False,
    zones: tuple[str, ...] = (),
    place: Path | None = None,
) -> Iterator[tuple[Path, list[date | None]]]:
    """The lake's folder and the nights asked for; of a URL they are fetched first. See `jobs.remote.reach.lake_to_read`."""
    if not is_url(lake):
        yield Path(lake), list(days)
        return
    from jobs.progress import ConsoleProgress
    from jobs.remote.reach import lake_to_read

    more = {"with_lineage": with_lineage, "with_records": with_records}
    with lake_to_read(lake, days, place or _place(), ConsoleProgress(), zones=zones, **more) as found:
        yield found


@contextlib.contextmanager
def writing(lake: str, work: str) -> Iterator[Path]:
    """The lake's folder; of a URL it is held, and what the block wrote is published. See `jobs.remote.reach.lake_to_write`."""
    if not is_url(lake):
        yield Path(lake)
        return
    from jobs.progress import ConsoleProgress
    from jobs.remote.reach import lake_to_write

    with lake_to_write(lake, None, work, _place(), ConsoleProgress()) as folder:
        yield folder


def _place() -> Path | None:
    from jobs.settings import read_settings

    return read_settings({}, os.environ, DEFAULT_CONFIG).place
