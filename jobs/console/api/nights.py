"""Nights: which there are, and how each went."""

import json
from typing import Any

from fastapi import Request

from graph.lake import Night, current_night, list_nights
from graph.store import current_date
from jobs.console.endpoints import Endpoint, LimitQuery
from jobs.console.night_answers import NightAnswer, NightsAnswer
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
            NightAnswer(date=night.date, is_current=night.date == current, is_shown=night.date == shown, **_health(night))
            for night in nights
        ]
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


ENDPOINTS = (Endpoint("GET", "/api/v1/nights", get_nights, NightsAnswer),)
