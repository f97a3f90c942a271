"""report.html and report.json, from what `build_report` gives."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from graph.cleaning import REASONS
from jobs.report.charts import ring_picture, score_chart

__all__ = ["render_page", "write_report"]

_FOLDING = {
    "none": "",
    "alike": " Accounts and things with the same neighbours are drawn as one.",
    "communities": " Each circle stands for a community of accounts that share most.",
}


def write_report(report: Mapping[str, Any], night_folder: Path) -> tuple[Path, Path]:
    """Writes report.json and report.html; equal reports give equal bytes.

    Returns:
        the two paths, JSON first.
    """
    data, page = night_folder / "report.json", night_folder / "report.html"
    text = json.dumps(report, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    data.write_text(text + "\n", encoding="utf-8")
    page.write_text(render_page(report), encoding="utf-8")
    return data, page


def render_page(report: Mapping[str, Any]) -> str:
    """The report as one HTML page that needs nothing from outside."""
    template = _environment().get_template("report.html.j2")
    return template.render(report=report, rejections=REASONS, folding=_FOLDING)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": _count,
        "share": _share,
        "measure": _measure,
        "words": lambda value: str(value).replace("_", " "),
        "moment": _moment,
        "marked": _marked,
        "score_chart": score_chart,
        "ring_picture": ring_picture,
    }
    return environment


def _count(value: int | None) -> str:
    return "not known" if value is None else f"{value:,}"


def _share(value: float | None, digits: int = 1) -> str:
    return "not known" if value is None else f"{value:.{digits}%}"


def _measure(value: Any) -> str:
    """A number, an interval, or text."""
    if value is None:
        return "not defined"
    if isinstance(value, Mapping):
        text = f"{_measure(value['value'])} ({_measure(value['low'])} to {_measure(value['high'])})"
        return f"{text}, {value['n_hits']} of {value['k']}" if "k" in value else text
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _moment(value: str | None) -> str:
    return "not known" if value is None else f"{datetime.fromisoformat(value):%Y-%m-%d %H:%M}"


def _marked(text: str) -> Markup:
    """Text with what stands in backticks set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704  escaped before
