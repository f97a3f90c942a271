"""The lake on disk: opened before a night, mended after a kill, and given a complete night.

LAKE/nights/.<date>.partial     what steps write
LAKE/nights/<date>              by one rename when all steps are done
LAKE/current                    by one rename, last; moves forward only, unless told
"""

import contextlib
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

from graph.errors import InputError
from jobs.files import delete, write_whole
from jobs.night import NightContext

__all__ = ["clear_work", "open_lake", "publish", "recover", "remove_empty", "set_current"]


def open_lake(lake: Path) -> list[Path]:
    """Makes the lake's folder if need be; returns the folders made, innermost first.

    Raises:
        InputError: the lake cannot be made or written.
    """
    missing = [folder for folder in (lake, *lake.absolute().parents) if not folder.exists()]
    try:
        (lake / "nights").mkdir(parents=True, exist_ok=True)
        probe = lake / f".probe.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(
            f"`--lake` must be a folder that can be written; got `{lake}`: {error.strerror or error}. "
            "Choose another, or correct its owner and mode."
        ) from None
    return missing


def remove_empty(lake: Path, made: list[Path]) -> None:
    """Takes back what `open_lake` made, where nothing else was put into it."""
    if lake not in made:
        return
    (lake / ".lock").unlink(missing_ok=True)
    for folder in (lake / "restricted" / "work", lake / "restricted", lake / "nights", *made):
        with contextlib.suppress(OSError):
            folder.rmdir()


def recover(lake: Path) -> None:
    """Mends what a run that was killed while it published may have left."""
    for old in sorted((lake / "nights").glob(".*.old")):
        final = old.with_name(old.name.removeprefix(".").removesuffix(".old"))
        if final.exists():
            delete(old)
        else:
            old.rename(final)
    for work in sorted((lake / "restricted" / "work").glob("*")):
        if (lake / "nights" / work.name).is_dir() and not (lake / "nights" / f".{work.name}.partial").is_dir():
            delete(work)


def publish(night: NightContext, final: Path) -> None:
    """Makes the partial folder the night; an older edition of it stands until then."""
    old = final.with_name(f".{final.name}.old")
    if final.exists():
        final.rename(old)
    night.out.rename(final)
    delete(old)


def set_current(lake: Path, day: date, moves_back: bool, say: Callable[[str], None]) -> None:
    """Points LAKE/current to a night; back to an earlier one only where that is wanted."""
    path = lake / "current"
    held = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    if held <= day.isoformat() or moves_back:
        if held != day.isoformat():
            write_whole(path, f"{day.isoformat()}\n")
    else:
        say(f"`current` stays at {held}, which is later than {day}; `--set-current` moves it back.")


def clear_work(night: NightContext) -> None:
    """Deletes what raw values a complete night worked with, and those of earlier nights that were begun and never ended."""
    delete(night.work)
    for work in night.work.parent.iterdir():
        if work.name < night.work.name:
            delete(work)
            delete(night.lake / "nights" / f".{work.name}.partial")
