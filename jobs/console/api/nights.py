"""Nights: which there are, how each went, and what became of the rings between two."""

import json
from datetime import date
from typing import Annotated, Any

from fastapi import Query, Request

from graph.lake import Night, current_night, list_nights
from graph.store import current_date
from jobs.console.change_answers import ChangeRow, ChangesAnswer
from jobs.console.cursors import make_cursor, read_cursor
from jobs.console.endpoints import Endpoint, LimitQuery
from jobs.console.naming import with_names
from jobs.console.night_answers import NightAnswer, NightsAnswer
from jobs.console.night_pairs import changes_between
from jobs.console.problems import Problem
from jobs.console.runtime import console_of

__all__ = ["ENDPOINTS"]


def get_nights(request: Request, limit: LimitQuery = 50) -> NightsAnswer:
    """Complete nights of the lake, the latest first, with rows in, rows rejected, rings, the largest cluster and minutes."""
    console = console_of(request)
    current = current_night(console.lake).date
    shown = None if console.store is None else current_date(console.store)
    nights = list(reversed(list_nights(console.lake)))[:limit]
    return NightsAnswer(
        nights=[
            NightAnswer(
                date=night.date, is_current=night.date == current, is_shown=night.date == shown, **_health(night)
            )
            for night in nights
        ]
    )


def get_changes(
    request: Request,
    since: Annotated[date, Query(description="the earlier night")],
    until: Annotated[date, Query(description="the later night")],
    limit: LimitQuery = 50,
    cursor: Annotated[str | None, Query(max_length=2_000)] = None,
) -> ChangesAnswer:
    """What became of the rings of one night in another: new, merged, split, grown, shrunk, changed, ended, and why."""
    console = console_of(request)
    nights = {night.date: night for night in list_nights(console.lake)}
    if since not in nights or until not in nights:
        raise Problem(404, "no-night", "`since` and `until` must be complete nights of the lake: see /api/v1/nights.")
    if since >= until:
        raise Problem(422, "nights", "`since` must be a night before `until`.")
    question = {"since": since.isoformat(), "until": until.isoformat()}
    start = read_cursor(cursor, question, console.keys.cursor) or 0
    found = changes_between(nights[since], nights[until])
    rows = with_names(found.rings.slice(start, limit).to_dicts(), console.keys.pseudonym)
    is_last = start + limit >= found.rings.height
    return ChangesAnswer(
        since=since,
        until=until,
        totals=found.totals,
        rings=[ChangeRow.model_validate(row) for row in rows],
        next_cursor=None if is_last else make_cursor(start + limit, question, console.keys.cursor),
    )


def _health(night: Night) -> dict[str, Any]:
    report, timings = _read(night, "report.json"), _read(night, "timings.json")
    if not report:
        return {}
    model = report.get("model") or {}
    seconds = [step["seconds"] for step in timings.get("steps", {}).values()]
    return {
        "n_accounts": report["summary"]["n_accounts"],
        "n_read": sum(row["n_read"] for row in report["input"]),
        "n_rejected": sum(row["n_rows"] for row in report["rejected"]),
        "n_rings": report["rings"]["n_rings"],
        "largest_cluster": report["clusters"]["largest"],
        "minutes": round(sum(seconds) / 60, 1) if seconds else None,
        "model_version": model.get("version"),
        "alarms": report["alarms"],
        "warnings": report["warnings"],
    }


def _read(night: Night, name: str) -> dict[str, Any]:
    try:
        found = json.loads((night.folder / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


ENDPOINTS = (
    Endpoint("GET", "/api/v1/nights", get_nights, NightsAnswer),
    Endpoint("GET", "/api/v1/nights/changes", get_changes, ChangesAnswer),
)
