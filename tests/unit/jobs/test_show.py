import io
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from graph.errors import InputError
from graph.lake import Night
from jobs.report import build_report, write_report
from jobs.show import run

FACTS: dict[str, Any] = {
    "tables": {"signups": {"n_read": 125, "n_rows": 122}, "logins": {"n_read": 1000, "n_rows": 1000}},
    "alarms": ["the largest cluster holds [57.4%] of the accounts"],
    "model": {
        "version": "m1",
        "default": "blend",
        "as_of": "2026-03-31T00:00:00+00:00",
        "validation": "later in time",
        "metrics": {
            "blend": {
                "n": 5000,
                "n_positive": 60,
                "prevalence": 0.0121,
                "auprc": 0.71,
                "capacity": 50,
                "precision_at_capacity": 0.82,
            }
        },
        "controls": [{"control": "sage_shuffled", "meaning": "GraphSAGE on shuffled edges", "auprc": 0.2, "n": 1700}],
    },
}


def _shown(lake: Path, day: date | None = None) -> str:
    page = io.StringIO()
    run(lake, day, Console(file=page, width=160))
    return page.getvalue()


def test_it_tells_what_came_in_what_was_found_and_where_to_look(
    made_night: Callable[..., Night], tmp_path: Path
) -> None:
    night = made_night(tmp_path)
    write_report(build_report(night.folder, FACTS), night.folder)
    text = _shown(tmp_path)
    for expected in (
        "Night 2026-03-31",
        "1,125 in 2 tables",
        "the largest cluster holds [57.4%] of the accounts",
        "3 confirmed synthetic",
        "blend m1, trained as of 2026-03-31",
        "AUPRC 0.710, precision at 50: 0.820 (0.692 to 0.902), prevalence 1.21% (5,000 accounts, later in time)",
        "GraphSAGE on shuffled edges 0.200",
        "8 accounts share one device; opened within 14 days",
        "report.html",
    ):
        assert expected in text
    assert text.index("c-farm") < text.index("c-chain")


def test_without_a_model_it_says_so(made_night: Callable[..., Night], tmp_path: Path) -> None:
    night = made_night(tmp_path, with_model=False)
    write_report(build_report(night.folder, {"no_model": "no outcome is known"}), night.folder)
    assert "no outcome is known" in " ".join(_shown(tmp_path, night.date).split())


def test_a_night_that_is_not_there_or_has_no_report_is_one_sentence(
    made_night: Callable[..., Night], tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="must hold a complete night"):
        run(tmp_path)
    made_night(tmp_path)
    with pytest.raises(InputError, match="must be a complete night"):
        run(tmp_path, date(2020, 1, 1))
    with pytest.raises(InputError, match="must be the report of a complete night"):
        run(tmp_path)
