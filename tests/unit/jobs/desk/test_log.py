"""Append-only logs: on disk before the call returns, whole after crashes, safe with threads and processes."""

import errno
import os
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from graph.errors import InputError, StoreError
from jobs.desk.log import MAX_LINE_BYTES, append, canonical, read_lines


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "notes.jsonl"


def test_what_was_added_is_read_back_in_order_and_others_cannot_look(log: Path) -> None:
    assert read_lines(log) == []
    assert not log.parent.exists()  # reading makes nothing
    records = [{"id": "b", "text": "Zoë\nline two\u2028three"}, {"id": "a", "n": 3, "none": None}]
    for record in records:
        append(log, record)
    assert read_lines(log) == records
    assert log.read_bytes().count(b"\n") == 2
    assert stat.S_IMODE(log.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in log.parent.iterdir()} == {0o600}


def test_equal_records_have_equal_bytes() -> None:
    assert canonical({"b": 1, "a": "ü"}) == canonical({"a": "ü", "b": 1}) == '{"a":"ü","b":1}'.encode()


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, "\ud800"])
def test_what_is_no_json_is_refused_and_leaves_nothing(log: Path, value: object) -> None:
    with pytest.raises(InputError, match="record"):
        append(log, {"value": value})
    assert read_lines(log) == []


def test_a_record_too_long_is_refused(log: Path) -> None:
    with pytest.raises(InputError, match="bytes"):
        append(log, {"text": "x" * MAX_LINE_BYTES})
    assert read_lines(log) == []


def test_without_a_lake_nothing_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--lake"):
        append(tmp_path / "no lake" / "desk" / "notes.jsonl", {"id": "a"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("torn", [b'{"id":"b","te', b"\0\0\0\0", b'{"id":"\xc3', b'"whole but no object"'])
def test_a_torn_last_line_is_said_and_set_aside(log: Path, torn: bytes) -> None:
    append(log, {"id": "a"})
    with log.open("ab") as file:
        file.write(torn)
    said: list[str] = []
    assert read_lines(log, said.append) == [{"id": "a"}]
    assert len(said) == 1
    assert "torn" in said[0]
    append(log, {"id": "c"}, said.append)
    assert len(said) == 2
    assert read_lines(log, said.append) == [{"id": "a"}, {"id": "c"}]
    assert len(said) == 2
    assert log.with_name("notes.jsonl.torn").read_bytes() == torn + b"\n"


def test_a_last_line_that_lacks_only_its_end_is_kept(log: Path) -> None:
    append(log, {"id": "a"})
    with log.open("ab") as file:
        file.write(b'{"id":"b"}')
    said: list[str] = []
    assert read_lines(log, said.append) == [{"id": "a"}, {"id": "b"}]
    append(log, {"id": "c"}, said.append)
    assert read_lines(log, said.append) == [{"id": "a"}, {"id": "b"}, {"id": "c"}]
    assert said == []


def test_a_broken_line_in_the_middle_is_refused_by_its_number(log: Path) -> None:
    log.parent.mkdir()
    log.write_bytes(b'{"id":"a"}\nnot json\n{"id":"c"}\n')
    with pytest.raises(InputError, match="line 2"):
        read_lines(log)


def test_a_full_disk_adds_nothing_and_says_so(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append(log, {"id": "a"})
    whole = log.read_bytes()
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        write(descriptor, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", half)
    with pytest.raises(StoreError, match="No space"):
        append(log, {"id": "b"})
    monkeypatch.undo()
    assert log.read_bytes() == whole
    append(log, {"id": "c"})
    assert read_lines(log) == [{"id": "a"}, {"id": "c"}]


PROGRAM = """
import sys
from pathlib import Path
from jobs.desk.log import append
for n in range(40):
    append(Path(sys.argv[1]), {"writer": sys.argv[2], "n": n})
"""


def test_threads_and_processes_lose_and_mix_nothing(log: Path) -> None:
    processes = [subprocess.Popen([sys.executable, "-c", PROGRAM, str(log), f"p{n}"]) for n in range(2)]

    def write(name: str) -> None:
        for n in range(40):
            append(log, {"writer": name, "n": n})

    threads = [threading.Thread(target=write, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    found = read_lines(log)
    for name in ("p0", "p1", "t0", "t1", "t2", "t3"):
        assert [record["n"] for record in found if record["writer"] == name] == list(range(40))
    assert len(found) == 240
