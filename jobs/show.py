"""`ringlight show`: what a night found, in a terminal. Tells what its report.json tells, and where to look further."""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from graph.errors import InputError
from graph.lake import read_night

__all__ = ["print_night", "run"]

N_RINGS = 10


def run(lake: Path, as_of: date | None = None, console: Console | None = None) -> None:
    """Prints what a night found.

    Args:
        as_of: the night; default the current one.

    Raises:
        InputError: there is no such night, or its report cannot be read.
    """
    night = read_night(lake, as_of)
    path = night.folder / "report.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"`{path}` must be the report of a complete night; got one that cannot be read. "
            "Run `ringlight nightly` for it with --force."
        ) from error
    console = console or Console(highlight=False)
    print_night(report, console)
    page = night.folder / "report.html"
    console.print(f"Pictures, reasons and controls: {page}", markup=False, soft_wrap=True)


def print_night(report: Mapping[str, Any], console: Console) -> None:
    """Prints a report, as `jobs.report.build_report` gives it."""
    summary, clusters, rings = report["summary"], report["clusters"], report["rings"]
    n_read = sum(row["n_read"] for row in report["input"])
    n_rejected = sum(row["n_rows"] for row in report["rejected"])
    console.print(f"[bold]Night {report['as_of']}[/bold]")
    for alarm in report["alarms"]:
        console.print(f"[bold red]Alarm:[/bold red] {escape(alarm)}")
    for warning in report["warnings"]:
        console.print(f"Warning: {escape(warning)}")
    labels = ", ".join(f"{n:,} {outcome.replace('_', ' ')}" for outcome, n in summary["n_labels"].items())
    facts = Table.grid(padding=(0, 2))
    facts.add_row("rows in", f"{n_read:,} in {len(report['input'])} tables")
    facts.add_row("rejected", f"{n_rejected:,}{_worst(report['rejected'])}")
    facts.add_row("accounts", f"{summary['n_accounts']:,}; outcomes known: {labels or 'none'}")
    facts.add_row("evidence", f"{summary['n_links']:,} links, {summary['n_pairs']:,} pairs")
    facts.add_row(
        "clusters",
        f"{clusters['n_clusters']:,}; the largest holds {clusters['largest']:,} accounts "
        f"({clusters['largest_share']:.2%})",
    )
    if report["lineage"]:
        changes = ", ".join(f"{n:,} {event}" for event, n in report["lineage"].items())
        facts.add_row("since last night", changes)
    facts.add_row("rings", f"{rings['n_rings']:,} with {rings['n_accounts']:,} accounts")
    for name, text in _model_rows(report):
        facts.add_row(name, escape(text))
    console.print(facts)
    if report["no_model"]:
        console.print(escape(report["no_model"]))
    if rings["listed"]:
        console.print(_ring_table(rings))


def _worst(rejected: list[Mapping[str, Any]]) -> str:
    if not rejected:
        return ""
    most = ", ".join(f"{row['n_rows']:,} {row['table']} {row['reason'].replace('_', ' ')}" for row in rejected[:3])
    return f" ({most}{', ...' if len(rejected) > 3 else ''})"


def _model_rows(report: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The model, how it did on validation, and the controls' average precision."""
    model = report["model"]
    if not model:
        return []
    trained = f", trained as of {model['as_of'][:10]}" if model["as_of"] else ""
    rows = [("model", f"{model['default'] or ''} {model['version']}{trained}".strip())]
    for row in model["quality"]:
        if row["is_scoring"]:
            precision = row["precision_at_capacity"]
            at = f", precision at {precision['k']}: {_number(precision)}" if precision else ""
            text = f"AUPRC {_number(row['auprc'])}{at}, prevalence {row['prevalence']:.2%}"
            rows.append(("validation", f"{text} ({row['n']:,} accounts, {model['validation']})"))
    if model["controls"]:
        areas = "; ".join(f"{row['meaning'] or row['control']} {_number(row['auprc'])}" for row in model["controls"])
        rows.append(("controls' AUPRC", f"{areas} ({model['controls'][0]['n']:,} of these accounts)"))
    return rows


def _number(value: Any) -> str:
    if isinstance(value, Mapping) and "value" in value:
        interval = f" ({_number(value['low'])} to {_number(value['high'])})" if {"low", "high"} <= set(value) else ""
        return _number(value["value"]) + interval
    return f"{value:.3f}" if isinstance(value, float) else "not defined" if value is None else f"{value}"


def _ring_table(rings: Mapping[str, Any]) -> Table:
    first = rings["listed"][:N_RINGS]
    more = f", the first {len(first)} of {rings['n_rings']:,}" if rings["n_rings"] > len(first) else ""
    table = Table(
        title=f"Rings, the most expected synthetic accounts first{more}",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    table.add_column("rank", justify="right")
    table.add_column("ring", no_wrap=True)
    table.add_column("score", justify="right")
    table.add_column("accounts", justify="right", no_wrap=True)
    table.add_column("first seen", no_wrap=True)
    table.add_column("status", no_wrap=True)
    table.add_column("top reasons")
    for ring in first:
        table.add_row(
            str(ring["rank"]),
            escape(ring["ring_id"]),
            _number(ring["score"]),
            f"{ring['n_accounts']:,}",
            (ring["first_seen"] or "")[:10],
            escape(ring["status"]),
            escape("; ".join(ring["reasons"][:2])),
        )
    return table
