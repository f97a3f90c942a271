import html.parser
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from graph.cleaning import QUARANTINE_SCHEMA
from graph.lake import Night, write_table
from jobs.report import build_report, render_page, write_report

FACTS: dict[str, Any] = {
    "capacity": 50,
    "seed": 0,
    "tables": {
        "signups": {
            "n_read": 125,
            "n_rows": 122,
            "n_repeated": 1,
            "n_nulled": {},
            "first_event": "2025-12-01 00:00:00+00:00",
            "last_event": "2026-03-29 00:00:00+00:00",
        },
        "profiles": {
            "n_read": 400,
            "n_rows": 400,
            "n_repeated": 0,
            "n_nulled": {"birth_date": 3},
            "first_event": None,
            "last_event": None,
        },
    },
    "warnings": ["column `signups.colour` is not part of the event contract and was ignored"],
    "alarms": ["the largest cluster holds 57.4% of the accounts, more than 2.0%"],
    "model": {
        "version": "m1",
        "default": "blend",
        "as_of": "2026-03-31T00:00:00+00:00",
        "cutoffs": ["2026-02-15T00:00:00+00:00", "2026-03-01T00:00:00+00:00"],
        "seed": 0,
        "validation": "later in time, other clusters",
        "metrics": {
            name: {
                "n": 5000,
                "n_positive": 60,
                "prevalence": 0.012,
                "auprc": area,
                "auroc": 0.97,
                "capacity": 50,
                "precision_at_capacity": 0.82,
                "ece": 0.004,
                "brier_skill": 0.6,
            }
            for name, area in (("trees", 0.69), ("sage", 0.66), ("blend", 0.71))
        },
        "controls": [
            {
                "control": "sage_shuffled",
                "meaning": "GraphSAGE on shuffled edges",
                "as_of": "2026-03-31T00:00:00+00:00",
                "n": 1700,
                "n_positive": 20,
                "prevalence": 0.0118,
                "auprc": 0.21,
                "auroc": float("nan"),
                "capacity": 50,
                "precision_at_capacity": 0.1,
            }
        ],
    },
    "threshold": 0.5,
}


@pytest.fixture
def night(made_night: Callable[..., Night], tmp_path: Path) -> Night:
    night = made_night(tmp_path)
    when = datetime(2026, 3, 1, tzinfo=UTC)
    row = {"event_id": "e", "event_time": when, "known_time": when, "account_id": "x"}
    rejected = [{**row, "reason": reason} for reason in ("no_signup", "no_signup", "null_key")]
    (night.folder / "quarantine").mkdir()
    pl.DataFrame(rejected, schema=QUARANTINE_SCHEMA).write_parquet(night.folder / "quarantine" / "logins.parquet")
    return night


class Page(html.parser.HTMLParser):
    """What a test needs to know of a page: its text, its addresses, its open tags."""

    VOID = frozenset({"meta", "line", "circle", "path", "rect", "br"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.pictures_without_name = 0
        self.ids: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("href", "src", "action", "xlink:href")]
        self.ids += [found["id"] or ""] if "id" in found else []
        self.pictures_without_name += tag in ("svg", "img") and not (found.get("aria-label") or found.get("alt"))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)


def test_the_report_says_what_came_in_what_was_rejected_and_what_was_found(night: Night) -> None:
    report = build_report(night.folder, FACTS)
    assert report["summary"]["n_accounts"] == 122
    assert report["rejected"] == [
        {"table": "logins", "reason": "no_signup", "n_rows": 2},
        {"table": "logins", "reason": "null_key", "n_rows": 1},
    ]
    assert report["clusters"]["largest"] == 70
    assert sum(row["n_accounts"] for row in report["clusters"]["sizes"]) == 122
    assert sum(bin_["n"] for bin_ in report["scores"]["histogram"]) == 122
    assert report["scores"]["n_above_threshold"] == 78
    assert report["lineage"] == {"born": 1, "grew": 1, "merged": 1}
    assert [ring["ring_id"] for ring in report["rings"]["listed"]] == ["c-farm", "c-chain"]
    farm = report["rings"]["listed"][0]
    assert len(farm["members"]) == 8
    assert farm["members"][0]["reasons"] == ["shares a device with 7 accounts"]
    assert farm["lineage"] == "grew"
    assert {row["identifier_type"]: row["most_accounts"] for row in farm["shared"]} == {
        "device": 8,
        "address": 8,
        "instrument": 4,
    }


def test_the_page_is_whole_needs_nothing_from_outside_and_names_its_pictures(night: Night) -> None:
    text = render_page(build_report(night.folder, FACTS))
    page = Page(text)
    assert page.open == []
    assert all(address.startswith("#") and address[1:] in page.ids for address in page.addresses)
    assert "url(" not in text
    assert "@import" not in text
    assert "<script" not in text
    assert page.pictures_without_name == 0
    words = " ".join(" ".join(page.words).split())
    for expected in (
        "57.4%",
        "5,000 accounts, 60 positive, prevalence 1.20%",
        "blend (scores)",
        "0.820 (0.692 to 0.902), 41 of 50",
        "the account has no signup known at the cut-off",
        "GraphSAGE on shuffled edges",
        "not defined",
        "trained as of 2026-03-31",
        "birth_date 3",
        "shares a device with 7 accounts",
        "things that one account alone has are not drawn",
    ):
        assert expected in words


GATE = {
    "passed": True,
    "checks": [{"name": "later edges", "told": "812 links of 5 snapshots", "fault": "", "facts": {}}],
}
DRIFT: dict[str, Any] = {
    "since": "2026-03-30",
    "inputs": {"n_features": 90, "moved_share": 0.2, "highest": [{"feature": "n_logins", "index": 0.4123}]},
    "scores": {"index": 0.0712, "model_before": "m1", "model": "m1"},
    "embeddings": {"norm": 0.0312, "highest_dimension": 0.2913, "moved_share": 1 / 64},
    "not_compared": None,
}


def test_the_page_tells_of_the_gate_the_challenger_and_the_drift(night: Night) -> None:
    promotion = {"challenger": "m2", "champion": "m1", "is_promoted": False, "why": "it is worse at capacity 50"}
    facts = {**FACTS, "model": {**FACTS["model"], "gate": GATE}, "promotion": promotion, "drift": DRIFT}
    report = build_report(night.folder, facts)
    assert report["drift"]["inputs"]["highest"] == [{"feature": "n_logins", "index": 0.4123}]
    page = Page(render_page(report))
    words = " ".join(" ".join(page.words).split())
    for expected in (
        "Leakage gate of its training: passed",
        "later edges: 812 links of 5 snapshots",
        "not promoted : m2 ; it is worse at capacity 50",
        "Since the night 2026-03-30",
        "n_logins 0.412 the highest of 90; 20.0% of them moved",
        "scores 0.071 of the same model",
        "embeddings, dimensions 0.291",
    ):
        assert expected in words, expected
    nothing = {
        "since": "2026-03-30",
        "inputs": None,
        "scores": None,
        "embeddings": None,
        "not_compared": "their versions differ (a, b)",
    }
    words = " ".join(Page(render_page(build_report(night.folder, {**facts, "drift": nothing}))).words)
    assert "the night before left no distributions" in words
    assert "their versions differ (a, b)" in words


def test_names_are_written_as_text_never_as_markup(night: Night) -> None:
    rings = night.read("rings").with_columns(reasons=pl.lit(["<script>alert(1)</script>"], dtype=pl.List(pl.String)))
    write_table(rings, night.folder, "rings")
    assert "<script" not in render_page(build_report(night.folder, FACTS))


def test_equal_nights_give_equal_bytes_whatever_the_order_of_rows(
    made_night: Callable[..., Night], tmp_path: Path
) -> None:
    nights = [made_night(tmp_path / name) for name in ("one", "other")]
    for table in ("links", "pairs", "clusters", "scores", "lineage", "reasons"):
        write_table(nights[1].read(table).reverse(), nights[1].folder, table)
    files = [write_report(build_report(night.folder, FACTS), night.folder) for night in nights]
    assert [path.read_bytes() for path in files[0]] == [path.read_bytes() for path in files[1]]
    data = files[0][0].read_text()
    assert json.loads(data)["as_of"] == "2026-03-31"
    assert str(tmp_path) not in data


def test_without_a_model_the_report_says_why(made_night: Callable[..., Night], tmp_path: Path) -> None:
    night = made_night(tmp_path, with_model=False)
    report = build_report(night.folder, {"no_model": "no outcome is known at the cut-off"})
    assert report["scores"] is None
    assert report["rings"]["listed"] == []
    words = " ".join(" ".join(Page(render_page(report)).words).split())
    assert "no outcome is known at the cut-off" in words
    assert "Without scores there are no rings." in words
    assert "122 accounts" in words


def test_a_night_with_no_facts_and_no_rings_still_makes_a_page(
    made_night: Callable[..., Night], tmp_path: Path
) -> None:
    night = made_night(tmp_path)
    write_table(night.read("rings").clear(), night.folder, "rings")
    assert "No accounts that evidence joins lie above the threshold." in render_page(build_report(night.folder, {}))
