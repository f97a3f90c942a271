"""Generated pages: written by `python -m jobs.docs`, held up to date by `python -m jobs.docs --check` in `make check`.

A new page is one line in `PAGES`.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from gnn.dictionary import render_features
from graph.dictionary import render_dictionary
from jobs.desk.dictionary import render_desk

__all__ = ["PAGES", "main"]

# page -> what it must hold
PAGES: dict[str, Callable[[], str]] = {
    "DATA_DICTIONARY.md": lambda: render_dictionary() + render_desk(),
    "FEATURES.md": render_features,
}


def main(root: Path, *, check: bool) -> int:
    """Writes the pages under `root`, or says which are out of date.

    Returns:
        0, or 1 where `check` found a page out of date.
    """
    stale = [name for name, render in PAGES.items() if not _holds(root / name, render())]
    for name in stale:
        if check:
            print(f"`{name}` must be what the code declares; it is out of date. Run `make docs`.", file=sys.stderr)
        else:
            (root / name).write_text(PAGES[name](), encoding="utf-8")
            print(f"wrote {name}")
    return int(check and bool(stale))


def _holds(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Writes the pages that are generated from the code.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where a page is out of date")
    sys.exit(main(Path(__file__).parents[1], check=parser.parse_args().check))
