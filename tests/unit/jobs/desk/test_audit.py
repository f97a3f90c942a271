"""The audit: goes on across processes and crashes, and never over what was tampered with."""

import json
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from graph.errors import GateError, InputError, RinglightError
from jobs.desk.audit import AuditLog, verify_audit
from jobs.desk.audit_reading import newest_rows

KEY = "5a" * 32
NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)


def write(audit: AuditLog, target: str = "c1", **more: Any) -> Any:
    given: dict[str, Any] = {
        "time": NOON,
        "actor": "ida",
        "role": "investigator",
        "action": "ring.view",
        "result": "allowed",
    }
    return audit.append(**(given | more), target=target)


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    """A lake whose audit has five rows."""
    audit = AuditLog(tmp_path, KEY)
    for n in range(5):
        write(audit, f"c{n}", details={"n": n, "reason": "Zoë asked"})
    return tmp_path


@pytest.fixture
def log(lake: Path) -> Path:
    return lake / "desk" / "audit.jsonl"


def test_rows_are_bound_and_what_was_written_is_verified(lake: Path, log: Path) -> None:
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5]
    assert [row["previous"] for row in rows] == ["0" * 64, *(row["mac"] for row in rows[:-1])]
    verdict = verify_audit(lake, KEY)
    assert (verdict.n_rows, verdict.last_mac, verdict.n_unsealed, verdict.fault) == (5, rows[-1]["mac"], 0, None)


def test_an_audit_that_has_not_begun_is_whole(tmp_path: Path) -> None:
    assert verify_audit(tmp_path, KEY).n_rows == 0
    assert verify_audit(tmp_path, KEY).fault is None


def test_under_another_key_nothing_stands(lake: Path) -> None:
    verdict = verify_audit(lake, "5b" * 32)
    assert verdict.n_rows == 0
    assert "RINGLIGHT_KEY" in str(verdict.fault)
    with pytest.raises(GateError, match="another key"):
        write(AuditLog(lake, "5b" * 32))


def test_it_goes_on_after_a_restart_and_beside_other_processes(lake: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from datetime import datetime, UTC; from jobs.desk.audit import AuditLog\n"
        "audit = AuditLog(Path(sys.argv[1]), sys.argv[2])\n"
        "for n in range(20): audit.append(time=datetime.now(UTC), actor=sys.argv[3], role='viewer', action='search', "
        "target='', result='refused')"
    )
    others = [subprocess.Popen([sys.executable, "-c", program, str(lake), KEY, f"p{n}"]) for n in range(2)]
    audit = AuditLog(lake, KEY)
    threads = [threading.Thread(target=lambda: [write(audit) for _ in range(20)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.wait() for other in others] == [0, 0]
    write(audit)  # follows what others added
    write(AuditLog(lake, KEY))
    verdict = verify_audit(lake, KEY)
    assert (verdict.n_rows, verdict.fault) == (5 + 40 + 60 + 2, None)


def test_a_malformed_row_is_refused_and_leaves_nothing(lake: Path) -> None:
    audit = AuditLog(lake, KEY)
    for fault in (
        {"result": "perhaps"},
        {"actor": ""},
        {"details": {"x": float("nan")}},
        {"details": {"x": "y" * 70_000}},
    ):
        with pytest.raises(InputError):
            write(audit, **fault)
    with pytest.raises(InputError, match="time"):
        write(audit, time=datetime(2026, 6, 20))  # noqa: DTZ001
    assert write(audit).seq == 6
    assert verify_audit(lake, KEY).fault is None


def test_a_row_that_a_crash_tore_is_set_aside_and_told_in_a_row(lake: Path, log: Path) -> None:
    with log.open("ab") as file:
        file.write(b'{"action":"ring.vi')
    assert "row 6 is torn" in str(verify_audit(lake, KEY).fault)
    row = write(AuditLog(lake, KEY))
    assert row.seq == 7
    told = newest_rows(lake, 2).rows[1]
    assert (told.action, told.details["n_bytes"]) == ("audit.torn", 18)
    verdict = verify_audit(lake, KEY)
    assert (verdict.n_rows, verdict.fault) == (7, None)


def test_a_crash_before_the_seal_is_no_fault_and_is_told(lake: Path) -> None:
    head = lake / "desk" / "audit.head"
    before = head.read_bytes()
    write(AuditLog(lake, KEY))
    head.write_bytes(before)
    verdict = verify_audit(lake, KEY)
    assert (verdict.n_rows, verdict.n_unsealed, verdict.fault) == (6, 1, None)
    write(AuditLog(lake, KEY))
    assert verify_audit(lake, KEY).n_unsealed == 0


def test_a_crash_before_the_first_row_is_no_fault(tmp_path: Path) -> None:
    write(AuditLog(tmp_path, KEY))
    (tmp_path / "desk" / "audit.jsonl").unlink()
    assert verify_audit(tmp_path, KEY).fault is not None  # the seal tells of one
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    audit = AuditLog(fresh, KEY)
    with pytest.raises(InputError):
        write(audit, actor="")
    assert (fresh / "desk" / "audit.head").is_file()
    assert verify_audit(fresh, KEY).fault is None
    assert write(AuditLog(fresh, KEY)).seq == 1


FAULTS = {
    "edited": (lambda rows: [*rows[:1], rows[1].replace(b'"allowed"', b'"refused"'), *rows[2:]], "row 2 was edited"),
    "spaced": (lambda rows: [*rows[:1], rows[1].replace(b'":', b'": '), *rows[2:]], "row 2 was edited"),
    "removed": (lambda rows: [rows[0], *rows[2:]], "row 2 is missing"),
    "first removed": (lambda rows: rows[1:], "row 1 is missing"),
    "swapped": (lambda rows: [rows[0], rows[2], rows[1], *rows[3:]], "row 2 is out of order"),
    "repeated": (lambda rows: [*rows[:2], rows[1], *rows[2:]], "holds row 2 once more"),
    "last removed": (lambda rows: rows[:-1], "row 5 is missing at the end"),
    "two removed at the end": (lambda rows: rows[:-2], "rows 4 to 5 are missing at the end"),
    "all removed": (lambda rows: [], "rows 1 to 5 are missing"),
    "cut": (lambda rows: [*rows[:-1], rows[-1][:40]], "row 5 is torn"),
    "without its end": (lambda rows: [*rows[:-1], rows[-1].rstrip(b"\n")], "row 5 is torn"),
    "empty line": (lambda rows: [*rows[:2], b"\n", *rows[2:]], "row 3 was edited"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_tampering_is_found_in_words(lake: Path, log: Path, name: str) -> None:
    change, words = FAULTS[name]
    log.write_bytes(b"".join(change(log.read_bytes().splitlines(keepends=True))))
    assert words in str(verify_audit(lake, KEY).fault)


@pytest.mark.parametrize("name", ["last removed", "two removed at the end", "all removed", "cut"])
def test_nothing_is_added_where_rows_were_cut_off(lake: Path, log: Path, name: str) -> None:
    running = AuditLog(lake, KEY)
    write(running)
    change, _ = FAULTS[name]
    log.write_bytes(b"".join(change(log.read_bytes().splitlines(keepends=True))))
    for audit in (running, AuditLog(lake, KEY)):
        with pytest.raises(GateError, match="audit verify"):
            write(audit)
    assert verify_audit(lake, KEY).fault is not None


def test_a_seal_that_is_gone_or_edited_is_found_and_nothing_is_added(lake: Path) -> None:
    head = lake / "desk" / "audit.head"
    sealed = head.read_bytes()
    head.write_bytes(sealed.replace(b'"seq": 5', b'"seq": 4'))
    assert "audit.head" in str(verify_audit(lake, KEY).fault)
    head.unlink()
    assert "audit.head is gone" in str(verify_audit(lake, KEY).fault)
    with pytest.raises(GateError, match="no seal"):
        write(AuditLog(lake, KEY))


def test_rows_of_another_time_do_not_fit(lake: Path, log: Path) -> None:
    """A copy that went its own way has rows and a seal of the same key."""
    rows = log.read_bytes()
    head = (lake / "desk" / "audit.head").read_bytes()
    write(AuditLog(lake, KEY), "this way")
    own_rows, own_head = log.read_bytes(), (lake / "desk" / "audit.head").read_bytes()
    log.write_bytes(rows)
    (lake / "desk" / "audit.head").write_bytes(head)
    write(AuditLog(lake, KEY), "another way")
    other_rows = log.read_bytes()
    (lake / "desk" / "audit.head").write_bytes(own_head)
    assert "another row 6" in str(verify_audit(lake, KEY).fault)
    log.write_bytes(own_rows + other_rows.splitlines(keepends=True)[-1])
    assert verify_audit(lake, KEY).fault is not None


def test_what_was_put_back_together_is_noticed_by_who_ran_meanwhile(lake: Path, log: Path) -> None:
    head = lake / "desk" / "audit.head"
    before = log.read_bytes(), head.read_bytes()
    running = AuditLog(lake, KEY)
    write(running)
    log.write_bytes(before[0])
    head.write_bytes(before[1])
    assert verify_audit(lake, KEY).fault is None  # which is why the seal is noted elsewhere
    for _ in range(2):
        with pytest.raises(GateError, match="5 rows where 6"):
            write(running)


def test_a_copy_that_cannot_be_written_is_verified(lake: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    (lake / "desk").chmod(0o500)
    try:
        assert verify_audit(lake, KEY).n_rows == 5
    finally:
        (lake / "desk").chmod(0o700)


def test_rows_of_many_threads_share_flushes_and_each_is_on_the_disk_before_it_is_told(tmp_path, monkeypatch):
    lake = tmp_path / "shared"
    lake.mkdir()
    log, n_flushes, gate = AuditLog(lake, KEY), [], threading.Barrier(16)
    written = lake / "desk" / "audit.jsonl"

    def slow(descriptor: int) -> None:
        n_flushes.append(1)
        time.sleep(0.01)
        os.fsync(descriptor)

    monkeypatch.setattr("jobs.desk.log._sync", slow)

    def write(number: int) -> None:
        gate.wait()
        for turn in range(10):
            row = log.append(
                time=NOON, actor=f"a{number}", role="viewer", action="x", target=str(turn), result="allowed"
            )
            assert row.mac.encode() in written.read_bytes()

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    verdict = verify_audit(lake, KEY)
    assert (verdict.n_rows, verdict.fault, verdict.n_unsealed) == (160, None, 0)
    assert len(n_flushes) < 80


def test_of_rows_that_go_together_a_malformed_one_harms_no_other_and_a_refusing_disk_tells_all(tmp_path, monkeypatch):
    lake = tmp_path / "shared"
    lake.mkdir()
    log, gate = AuditLog(lake, KEY), threading.Barrier(8)

    def write(number: int) -> str:
        gate.wait()
        actor = "" if number % 2 else "ana"
        try:
            log.append(time=NOON, actor=actor, role="viewer", action="x", target="", result="allowed")
        except RinglightError as error:
            return type(error).__name__
        return "kept"

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(write, range(8))) == ["InputError"] * 4 + ["kept"] * 4
        assert verify_audit(lake, KEY).n_rows == 4

        def full(descriptor: int) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("jobs.desk.log._sync", full)
        assert sorted(pool.map(write, range(8))) == ["InputError"] * 4 + ["StoreError"] * 4
    verdict = verify_audit(lake, KEY)
    assert (verdict.n_rows, verdict.fault) == (4, None)
