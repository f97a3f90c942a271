"""`ringlight lineage`: which clusters became this one, in a terminal."""

from datetime import date
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from graph.lake import read_night
from graph.lineage import LINEAGE_EVENTS, read_lineage

__all__ = ["run"]


def run(lake: Path, cluster_id: str, as_of: date | None = None, console: Console | None = None) -> None:
    """Prints where a cluster came from, newest first.

    Args:
        as_of: the night that knows the cluster; default the current one.

    Raises:
        InputError: there is no such night, or it knows no such cluster.
    """
    last = read_night(lake, as_of)
    trace = read_lineage(lake, cluster_id, last.date)
    console = console or Console(highlight=False)
    table = Table("night", "cluster", "accounts", "event", "from", box=SIMPLE_HEAD)
    for day, name, event, parents, n_accounts in trace.iter_rows():
        others = ", ".join(parent for parent in parents if parent != name)
        table.add_row(str(day), name, f"{n_accounts:,}", event, others)
    console.print(table)
    if trace.is_empty() or trace["date"][0] < last.date:
        since = trace["date"][0] if trace.height else "before the first night that the lake holds"
        console.print(f"{cluster_id} has not changed since {since}.", markup=False)
    for event in trace["event"].unique().sort():
        console.print(f"{event}: {LINEAGE_EVENTS[event]}", markup=False)
