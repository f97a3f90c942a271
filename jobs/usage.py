"""What this process and all that it started (Ray's processes among them) take: memory at its peak, CPU, bytes read and written."""

import threading
import time
from dataclasses import dataclass
from types import TracebackType

import psutil

__all__ = ["Usage", "UsageWatch"]

INTERVAL_SECONDS = 1.0
MOST_SHARE = 0.02  # of a core that watching may take: the kernel counts a large process's pages anew for every look
_Totals = tuple[float, int, int]  # CPU-seconds, bytes read, bytes written


@dataclass(frozen=True)
class Usage:
    """What was taken for a while.

    Attributes:
        peak_bytes: of memory, at the looks: one a second, fewer where looking takes long. Each process counts with what is its own (USS), so that what processes share is not counted many times;
            shared memory is counted once, for the process that holds most.
        cpu_seconds: of all threads, user and system; of a process that ended, up to the last look at it.
        read_bytes, written_bytes: by system calls, whether or not a disk was asked; 0 where the system does not count them.
    """

    peak_bytes: int
    cpu_seconds: float
    read_bytes: int
    written_bytes: int


class UsageWatch:
    """Watches for the time of a `with` block."""

    def __init__(self) -> None:
        self._peak_bytes = 0
        self._cpu: dict[tuple[int, float], float] = {}  # by process, those too that have ended
        self._bytes = (0, 0)  # of living processes: a parent's counters hold those of children that have ended
        self._taken: _Totals = (0.0, 0, 0)
        self._measuring = threading.Lock()
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="usage", daemon=True)

    def __enter__(self) -> "UsageWatch":
        self._measure()
        self._taken = self._totals()
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._watcher.join()

    def take(self) -> Usage:
        """What was taken since the last call."""
        self._measure()
        with self._measuring:
            now, before, peak = self._totals(), self._taken, self._peak_bytes
            self._taken, self._peak_bytes = now, 0
        return Usage(peak, now[0] - before[0], max(now[1] - before[1], 0), max(now[2] - before[2], 0))

    def _totals(self) -> _Totals:
        return sum(self._cpu.values()), *self._bytes

    def _watch(self) -> None:
        pause = INTERVAL_SECONDS
        while not self._ended.wait(pause):
            before = time.thread_time()
            self._measure()
            pause = max(INTERVAL_SECONDS, (time.thread_time() - before) / MOST_SHARE)

    def _measure(self) -> None:
        own, shared, all_read, all_written = 0, 0, 0, 0
        me = psutil.Process()
        with self._measuring:
            for process in [me, *me.children(recursive=True)]:
                try:
                    info, times = process.memory_full_info(), process.cpu_times()
                    counts = process.io_counters() if hasattr(process, "io_counters") else None
                    key = process.pid, process.create_time()
                except (psutil.Error, OSError):
                    continue
                own += info.uss
                shared = max(shared, getattr(info, "shared", 0))
                read, written = (0, 0) if counts is None else (counts.read_chars, counts.write_chars)
                all_read, all_written = all_read + read, all_written + written
                self._cpu[key] = times.user + times.system
            self._bytes = (all_read, all_written)
            self._peak_bytes = max(self._peak_bytes, own + shared)
