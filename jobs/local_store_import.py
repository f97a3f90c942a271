"""Neo4j's offline import into the database of the local server, which must be stopped and its database empty.

    HOME/run/importing      there from before the database is touched until it is whole
    HOME/import/night       the rows as CSV, mode 0700, deleted when they are in

Whoever starts the server looks for the mark first: where it lies an import was cut off, and the database, which was empty before, is
made empty again. So a database is as it was, or whole.
"""

import contextlib
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from jobs.files import sync_folder, write_whole
from jobs.local_store_java import run_admin
from jobs.local_store_process import kill

__all__ = ["discard_unfinished", "import_database", "make_import_folder"]

_NAME = "import"
_DATABASE = "neo4j"
_HEAP_MEBIBYTES = 512
_LEAST_SECONDS, _ROWS_A_SECOND = 600.0, 10_000  # a sixth of the slowest rate that was seen

Progress = Callable[[str, int, int], None]


def make_import_folder(home: Path) -> Path:
    """An empty folder for the files of an import, which its owner alone can enter."""
    folder = home.absolute() / "import" / "night"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    return folder


def import_database(
    home: Path, jars: Sequence[Path], command: Sequence[str], n_rows: int, progress: Progress | None = None
) -> None:
    """Runs `neo4j-admin database import full` on a stopped server's empty database.

    Args:
        home: folder of the server.
        jars: its jars.
        command: words of the admin command, see `graph.store_import.import_arguments`.
        n_rows: nodes and relationships, for progress and for how long it may take.
        progress: called with a text, rows done (by the parts that the import tells) and rows in all.

    Raises:
        StoreError: the import failed; the next start of the server finds its database empty.
    """
    home = home.absolute()

    def watch(said: str) -> None:
        if progress:
            progress("importing", int(n_rows * _part_done(said)), n_rows)

    _put_mark(home)
    seconds = _LEAST_SECONDS + n_rows / _ROWS_A_SECOND
    run_admin(home, jars, command, name=_NAME, options=[f"-Xmx{_HEAP_MEBIBYTES}m"], seconds=seconds, watch=watch)
    _mark(home).unlink()
    shutil.rmtree(home / "import" / "night", ignore_errors=True)


def discard_unfinished(home: Path) -> bool:
    """Empties the database of a stopped server where an import was cut off; True if one was. Deletes files that an import left."""
    home = home.absolute()
    was_cut = _mark(home).exists()
    if was_cut:
        _end_import(home)
        for folder in ("databases", "transactions"):
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(home / "data" / folder / _DATABASE)
        _mark(home).unlink()
    shutil.rmtree(home / "import" / "night", ignore_errors=True)
    return was_cut


def _mark(home: Path) -> Path:
    return home / "run" / "importing"


def _put_mark(home: Path) -> None:
    """The mark, on the disk before anything else is: a machine may lose its power, too."""
    write_whole(_mark(home), "")
    sync_folder(home / "run")


def _end_import(home: Path) -> None:
    """Ends the Java of an import whose caller was killed: it goes on writing by itself."""
    word = f"@{home / 'run' / _NAME}.args"
    for process in psutil.process_iter(["cmdline"]):
        if word in (process.info["cmdline"] or ()):
            kill(process.pid)


def _part_done(said: str) -> float:
    """From 0 to 1, by the last step that the import told, `(2/4) ...`, and the last percentage in it."""
    steps = list(re.finditer(r"\((\d+)/(\d+)\)", said))
    if not steps:
        return 0.0
    number, n_steps = int(steps[-1][1]), int(steps[-1][2])
    shares = re.findall(r"(\d+)%", said[steps[-1].end() :])
    return (number - 1 + (int(shares[-1]) / 100 if shares else 0.0)) / max(n_steps, 1)
