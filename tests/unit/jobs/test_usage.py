"""What a run takes is counted with what its processes take, those too that have ended."""

import subprocess
import sys
from pathlib import Path

import psutil

from jobs.usage import UsageWatch

WORK = """
import sys, time
held = bytearray(int(sys.argv[2]))
open(sys.argv[1], "wb").write(held)
end = time.process_time() + 0.6
while time.process_time() < end: pass
print("done", flush=True)
sys.stdin.read()
"""
SIZE = 64 * 1024**2


def test_counts_a_child_and_keeps_what_it_took(tmp_path: Path) -> None:
    with UsageWatch() as watch:
        watch.take()
        with subprocess.Popen(
            [sys.executable, "-c", WORK, str(tmp_path / "file"), str(SIZE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child:
            assert child.stdout is not None
            child.stdout.readline()
            busy = watch.take()
            child.communicate()
        rest = watch.take()
    assert busy.cpu_seconds > 0.5
    assert busy.peak_bytes > SIZE
    if hasattr(psutil.Process(), "io_counters"):
        assert busy.written_bytes >= SIZE
    assert 0 <= rest.cpu_seconds < 0.5  # what the child took is not counted again, nor taken back
    assert rest.written_bytes < SIZE


def test_what_was_taken_before_does_not_count() -> None:
    held = bytearray(SIZE)
    with UsageWatch() as watch:
        assert watch.take().cpu_seconds < 0.5
    assert len(held) == SIZE
