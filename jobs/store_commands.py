"""`ringlight store start|stop|status` and `rebuild-store`: the local Neo4j, or the one that NEO4J_URI names."""

import os
from datetime import date
from pathlib import Path

import typer

from graph.lake import read_night
from jobs.local_store import default_cache, refuse_foreign, resolve_store, start, status, stop
from jobs.lock import hold_lake
from jobs.progress import ConsoleProgress
from jobs.settings import Settings

__all__ = ["rebuild_store", "show_store", "start_store", "stop_store", "store_home"]


def store_home(settings: Settings) -> Path:
    """The folder of the local server: the setting `store_home`, else in the user's data folder."""
    if settings.store_home is not None:
        return settings.store_home
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "ringlight" / "neo4j"


def start_store(settings: Settings) -> None:
    """Starts the local server and says where it is."""
    refuse_foreign(os.environ, "start")
    progress = ConsoleProgress()
    last = ""

    def tell(text: str, done: int, total: int) -> None:
        nonlocal last
        what = text.partition(",")[0]  # without the seconds that go by
        if what != last or (total and done == total):
            progress.say(f"{what} ({done} of {total})" if total else what)
        last = what

    start(store_home(settings), default_cache(os.environ), progress=tell)
    show_store(settings)


def stop_store(settings: Settings) -> None:
    """Stops the local server."""
    refuse_foreign(os.environ, "stop")
    stopped = stop(store_home(settings))
    typer.echo("The store was stopped." if stopped else "The store did not run.")


def show_store(settings: Settings) -> None:
    """Says whether the local server runs, and where; or which one NEO4J_URI names."""
    if uri := os.environ.get("NEO4J_URI"):
        typer.echo(f"NEO4J_URI names {uri}; `ringlight store` leaves it alone.")
        return
    found = status(store_home(settings))
    typer.echo(
        f"Neo4j {found.version} is {found.state}"
        + (f" at {found.uri}, for a browser {found.http_uri}" if found.uri else "")
        + "."
    )
    typer.echo(
        f"Its folder is {found.home}" + (f"; user neo4j, password in {found.home / 'password'}." if found.uri else ".")
    )


def rebuild_store(lake: Path, day: date | None, settings: Settings) -> None:
    """Empties the store of what Ringlight put there, and loads a night of the lake anew."""
    from graph.store import connect, drop_all
    from graph.store_load import load_night
    from jobs.first_load import import_first_night

    night = read_night(lake, day)
    progress = ConsoleProgress()
    home = store_home(settings)
    with hold_lake(lake, night.date, "rebuild of the store"), progress.bar("store") as advance:

        def tell(text: str, done: int, total: int) -> None:
            advance(done, total)

        with connect(resolve_store(os.environ, home)) as store:
            drop_all(store)
        import_first_night(os.environ, home, default_cache(os.environ), night, say=progress.say, progress=tell)
        with connect(resolve_store(os.environ, home)) as store:
            result = load_night(store, night, allow_older=True, progress=tell)
    counts = ", ".join(f"{count:,} {kind}" for kind, count in result.counts.items())
    typer.echo(f"Neo4j shows the night {night.date} again: {counts}.")
