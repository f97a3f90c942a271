"""Peak memory of this process and all that it started (Ray's processes among them)."""

import threading
from types import TracebackType

import psutil

__all__ = ["PeakMemory"]

INTERVAL_SECONDS = 1.0


class PeakMemory:
    """Watches memory for the time of a `with` block.

    Each process counts with the memory that is its own (USS), so that what processes share is not counted many times; shared
    memory is counted once, for the process that holds most.
    """

    def __init__(self) -> None:
        self.peak_bytes = 0
        self._ended = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name="peak-memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._watcher.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._watcher.join()

    def take(self) -> int:
        """The peak since the last call, in bytes."""
        self._measure()
        peak, self.peak_bytes = self.peak_bytes, 0
        return peak

    def _watch(self) -> None:
        while not self._ended.wait(INTERVAL_SECONDS):
            self._measure()

    def _measure(self) -> None:
        own, shared = 0, 0
        me = psutil.Process()
        for process in [me, *me.children(recursive=True)]:
            try:
                info = process.memory_full_info()
            except (psutil.Error, OSError):
                continue
            own += info.uss
            shared = max(shared, getattr(info, "shared", 0))
        self.peak_bytes = max(self.peak_bytes, own + shared)
