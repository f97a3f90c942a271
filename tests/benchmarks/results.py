"""RESULTS.md: a section for each benchmark that records itself, with the machine and the day."""

import datetime
import os
import platform
import re
from pathlib import Path

import psutil

__all__ = ["FOLDER", "machine", "record", "table"]

FOLDER = Path(__file__).parent
HEAD = "# Results\n\nWritten by the benchmarks beside this file; each section by the command that it names.\n"


def machine() -> str:
    """Cores, memory, load of the last minute and day, in words."""
    memory = psutil.virtual_memory().total / 2**30
    day = datetime.datetime.now(datetime.UTC).date()
    load = os.getloadavg()[0]
    return f"{day}, {platform.machine()}, {os.cpu_count()} cores, {memory:.0f} GiB, load before {load:.1f}"


def table(names: list[str], rows: list[list[str]]) -> str:
    """A Markdown table; the first column left, the others right."""
    lines = [names, ["---", *["---:"] * (len(names) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def record(title: str, command: str, where: str, body: str) -> None:
    """Puts a section in the place of the one of this title, or at the end."""
    path = FOLDER / "RESULTS.md"
    text = path.read_text(encoding="utf-8") if path.exists() else HEAD
    sections = re.split(r"(?m)^(?=## )", text)
    section = f"## {title}\n\n`{command}`; {where}\n\n{body}\n"
    kept = [each for each in sections if not each.startswith(f"## {title}\n")]
    place = next((n for n, each in enumerate(sections) if each.startswith(f"## {title}\n")), len(kept))
    kept.insert(place, section)
    path.write_text("\n".join(each.rstrip() + "\n" for each in kept), encoding="utf-8")
