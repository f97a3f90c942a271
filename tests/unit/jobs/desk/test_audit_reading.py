"""The audit read from its end: what is wanted, the newest first, and no further back than it says."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from jobs.desk.audit import AuditLog
from jobs.desk.audit_reading import newest_rows, rows_about

KEY = "5a" * 32


def write(audit: AuditLog, target: str, **more: Any) -> None:
    given: dict[str, Any] = {"actor": "ida", "role": "investigator", "action": "ring.view", "result": "allowed"}
    audit.append(**(given | more), time=datetime(2026, 6, 20, 12, tzinfo=UTC), target=target)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake whose audit is of `c0`, `c1` and `c2` in turns, twelve rows, and of `Zoë "c1"` at last."""
    audit = AuditLog(tmp_path, KEY)
    for n in range(12):
        write(audit, f"c{n % 3}", details={"target": "c1"})
    write(audit, 'Zoë "c1"')
    return tmp_path


def test_newest_rows_come_page_by_page_and_by_what_is_wanted(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path, KEY)
    for n in range(300):
        write(audit, f"c{n}", action="search" if n % 10 == 0 else "ring.view", details={"pad": "x" * 500})
    seen = newest_rows(tmp_path, 200)
    assert [row.seq for row in seen.rows] == list(range(300, 100, -1))
    write(audit, "c300")  # what is added in between moves no page
    rest = newest_rows(tmp_path, 200, before=seen.earlier)
    assert [row.seq for row in rest.rows] == list(range(100, 0, -1))
    assert (seen.n_looked_at, rest.n_looked_at, rest.earlier) == (200, 100, None)
    searches = newest_rows(tmp_path, 5, wanted={"action": "search", "actor": "ida"})
    assert [row.target for row in searches.rows] == ["c290", "c280", "c270", "c260", "c250"]
    assert newest_rows(tmp_path / "nowhere", 5).rows == ()


def test_what_is_nowhere_is_looked_for_in_steps_and_each_row_is_looked_at_once(lake: Path) -> None:
    pages = [newest_rows(lake, 5, wanted={"target": "c9"}, max_looked_at=6)]
    while pages[-1].earlier is not None:
        pages.append(newest_rows(lake, 5, before=pages[-1].earlier, wanted={"target": "c9"}, max_looked_at=6))
    assert [(page.rows, page.n_looked_at) for page in pages] == [((), 6), ((), 6), ((), 1)]


def test_rows_about_a_target_are_its_own_alone_and_say_whether_there_may_be_more(lake: Path) -> None:
    found = rows_about(lake, "c1", 10)
    assert ([row.seq for row in found.rows], found.is_whole) == ([11, 8, 5, 2], True)
    assert rows_about(lake, "c1", 4) == found
    cut = rows_about(lake, "c1", 3)
    assert ([row.seq for row in cut.rows], cut.is_whole) == ([11, 8, 5], False)
    assert [row.seq for row in rows_about(lake, 'Zoë "c1"', 10).rows] == [13]
    assert rows_about(lake / "nowhere", "c1", 10).is_whole


def test_no_more_rows_are_looked_at_than_the_bound_says(lake: Path) -> None:
    found = rows_about(lake, "c1", 10, max_looked_at=6)  # 13 to 8
    assert ([row.seq for row in found.rows], found.is_whole) == ([11, 8], False)
    assert rows_about(lake, "c1", 10, max_looked_at=13).is_whole
    log = lake / "desk" / "audit.jsonl"
    log.write_bytes(b'{"target":"c1"}\n' + log.read_bytes())  # no row, and not come upon
    assert [row.seq for row in rows_about(lake, "c1", 10, max_looked_at=13).rows] == [11, 8, 5, 2]
