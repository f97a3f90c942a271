"""Charts and ring pictures as SVG text, made by hand: no fonts, no scripts, colours by CSS classes of the page."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

from jobs.report.pictures import HEIGHT, WIDTH

__all__ = ["ring_picture", "score_chart"]

_CHART_WIDTH, _CHART_HEIGHT = 640, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 12, 14, 36
_SHAPES = {
    "device": "M-7,-7H7V7H-7Z",
    "instrument": "M-9,-6H9V6H-9Z",
    "phone": "M0,-9L9,0L0,9L-9,0Z",
    "email": "M0,-9L9,7H-9Z",
    "national_id": "M-5,-8H5L9,0L5,8H-5L-9,0Z",
    "person": "M0,9L9,-7H-9Z",
    "address": "M0,-10L9,-3L6,8H-6L-9,-3Z",
    "building": "M-7,10V-10H7V10Z",
    "ip": "M-3,-9H3V-3H9V3H3V9H-3V3H-9V-3H-3Z",
}
_OTHER_SHAPE = "M-8,-4L0,-9L8,-4V4L0,9L-8,4Z"


def _svg(width: int, height: int, label: str, body: Sequence[str], css: str) -> Markup:
    return Markup(  # noqa: S704  the label is escaped; the parts are numbers and escaped texts
        f'<svg class="{css}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
        f"{''.join(body)}</svg>"
    )


def _text(x: float, y: float, text: str, css: str = "tick", anchor: str = "middle") -> str:
    return f'<text class="{css}" x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{escape(text)}</text>'


def score_chart(scores: Mapping[str, Any]) -> Markup:
    """How many accounts have which score; the height grows with the logarithm, for most accounts score low."""
    bins, threshold = scores["histogram"], scores["threshold"]
    most = max(each["n"] for each in bins)
    top = math.log10(most + 1)
    width = (_CHART_WIDTH - _LEFT - _RIGHT) / len(bins)
    bottom = _CHART_HEIGHT - _BOTTOM
    parts = []
    for power in range(math.floor(math.log10(most)) + 1 if most else 0):
        y = bottom - (bottom - _TOP) * math.log10(10**power + 1) / top
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_CHART_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 6, y + 4, f"{10**power:,}", anchor="end"))
    for i, each in enumerate(bins):
        height = (bottom - _TOP) * math.log10(each["n"] + 1) / top if top else 0.0
        above = threshold is not None and each["low"] >= threshold
        parts.append(
            f'<rect class="bar{" risky" if above else ""}" x="{_LEFT + i * width + 1:.1f}" y="{bottom - height:.1f}" '
            f'width="{width - 2:.1f}" height="{height:.1f}"><title>{each["low"]:.2f} to {each["high"]:.2f}: '
            f"{each['n']:,} accounts</title></rect>"
        )
    span = _CHART_WIDTH - _LEFT - _RIGHT
    parts += [_text(_LEFT + span * share, bottom + 16, f"{share:.1f}") for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)]
    parts.append(_text((_LEFT + _CHART_WIDTH) / 2, _CHART_HEIGHT - 3, "score"))
    parts.append(f'<line class="axis" x1="{_LEFT}" x2="{_CHART_WIDTH - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
    if threshold is not None:
        x = _LEFT + (_CHART_WIDTH - _LEFT - _RIGHT) * threshold
        anchor, step = ("end", -5) if threshold > 0.5 else ("start", 5)
        parts.append(f'<line class="threshold" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP - 10}" y2="{bottom}"/>')
        parts.append(_text(x + step, _TOP, f"threshold {threshold:.2f}", "mark", anchor))
    label = f"Accounts by score, logarithmic: {bins[0]['n']:,} of {scores['n_accounts']:,} score below {bins[0]['high']:.2f}"
    return _svg(_CHART_WIDTH, _CHART_HEIGHT, label, parts, "chart")


def ring_picture(picture: Mapping[str, Any], label: str) -> Markup:
    """Accounts as circles, what they share as shapes by type; a group of communities as a large circle."""
    nodes = picture["nodes"]
    parts = []
    for edge in picture["edges"]:
        a, b = nodes[edge["source"]], nodes[edge["target"]]
        parts.append(f'<line class="{edge["kind"]}" x1="{a["x"]}" y1="{a["y"]}" x2="{b["x"]}" y2="{b["y"]}"/>')
    n_labels = sum(bool(node["label"]) for node in nodes)
    parts += [_node_mark(node) for node in nodes]
    for node in nodes:
        if node["label"] and (n_labels <= 24 or node["n"] > 1):
            below = node["y"] + _radius(node) + 12
            parts.append(
                _text(node["x"], below if below < HEIGHT - 2 else node["y"] - _radius(node) - 5, node["label"], "name")
            )
    return _svg(WIDTH, HEIGHT, label, parts, "ring")


def _radius(node: Mapping[str, Any]) -> float:
    return 7.0 if node["n"] == 1 else min(26.0, 6.0 + 2.5 * math.sqrt(node["n"]))


def _node_mark(node: Mapping[str, Any]) -> str:
    title = f"<title>{escape(node['title'])}</title>"
    if node["kind"] == "identifier":
        path = _SHAPES.get(node["identifier_type"], _OTHER_SHAPE)
        scale = 1.0 if node["n"] == 1 else 1.5
        return f'<path class="identifier" d="{path}" transform="translate({node["x"]},{node["y"]}) scale({scale})">{title}</path>'
    css = "group" if node["kind"] == "group" else "account" if node.get("is_member", True) else "account bystander"
    confirmed = {"confirmed_synthetic": " synthetic", "confirmed_benign": " benign"}.get(node.get("outcome", ""), "")
    score = node.get("score")
    opacity = "" if score is None else f' fill-opacity="{0.25 + 0.75 * score:.2f}"'
    return f'<circle class="{css}{confirmed}" cx="{node["x"]}" cy="{node["y"]}" r="{_radius(node):.1f}"{opacity}>{title}</circle>'
