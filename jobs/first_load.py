"""A night in the store: the first one of a local, empty Neo4j by its offline import where that is faster, all others by batches.

The server is stopped for the import. So it is done only where nobody else is there: the local server, no node of anybody's, no index that is not
ours, no other connection.
"""

import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from graph.errors import StoreError
from graph.lake import Night
from graph.store_address import StoreAddress
from jobs.local_store import resolve_store, run_stopped
from jobs.local_store_import import import_database, make_import_folder

__all__ = ["IMPORT_FROM_ROWS", "import_first_night"]

IMPORT_FROM_ROWS = 500_000
"""Nodes and relationships from which on the import is faster. Its stop, its start and its own Java cost the same whatever there is to load: 58 s
beside 56 by batches for 284,345 rows, 115 beside 138 for 1,469,626, each into a server just started, on 2 cores beside other work."""

_OFF_HEAP_MEBIBYTES = 1024
_LOOKS, _LOOK_SECONDS = 10, 0.3  # a connection that was just closed is listed for a moment
_BY_BATCHES = "The offline import did not work; the night is loaded by batches."

Progress = Callable[[str, int, int], None]


def import_first_night(
    environ: Mapping[str, str],
    home: Path,
    cache: Path,
    night: Night,
    *,
    say: Callable[[str], None],
    progress: Progress | None = None,
    from_rows: int = IMPORT_FROM_ROWS,
) -> bool:
    """Imports a night into the local store where that is safe and faster; True if it did. Nothing is shown by it.

    `graph.store_load.load_night` finds what was imported, looks whether it is all there, and shows it. An import that fails leaves the
    store empty, and says so: the night can still be loaded by batches.

    Args:
        environ: the environment; a server that NEO4J_URI names is never stopped.
        home, cache: of the local server.
        night: the night to load.
        say: called with a line for whoever waits.
        progress: called with a text, rows done and rows in all.
        from_rows: see `IMPORT_FROM_ROWS`.

    Raises:
        StoreError: the local server does not run, or did not start again.
    """
    if environ.get("NEO4J_URI"):
        return False
    from graph.store_import import import_arguments, write_import
    from graph.store_rows import count_lake, fingerprint

    if not _is_unused(resolve_store(environ, home)):
        return False
    counts = count_lake(night)
    n_rows = sum(counts.values())
    if n_rows < from_rows:
        return False
    failure = ""

    def work(jars: Sequence[Path]) -> None:
        nonlocal failure
        try:
            import_database(home, jars, command, n_rows, progress)
        except StoreError as error:
            failure = str(error)

    folder = make_import_folder(home)
    try:
        words = write_import(night, folder, fingerprint(night), counts, progress)
    except OSError as error:  # no space, mostly
        shutil.rmtree(folder, ignore_errors=True)
        say(f"{_BY_BATCHES} Its files could not be written: {error}")
        return False
    command = import_arguments(words, os.cpu_count() or 1, _OFF_HEAP_MEBIBYTES, folder / "report.txt")
    if not _is_unused(resolve_store(environ, home)):  # the files took their time: somebody may have come
        shutil.rmtree(folder)
        return False
    say(
        f"Neo4j is empty: it is stopped for the offline import of {n_rows:,} nodes and relationships, then started again."
    )
    run_stopped(home, cache, work, progress)
    if failure:
        say(f"{_BY_BATCHES} {failure}")
    return not failure


def _is_unused(address: StoreAddress) -> bool:
    from graph.store import connect, count_connections, is_vacant

    with connect(address) as store:
        if not is_vacant(store):
            return False
        for _ in range(_LOOKS):
            if count_connections(store) == 1:
                return True
            time.sleep(_LOOK_SECONDS)
    return False
