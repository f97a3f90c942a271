"""Progress for the person who waits: a bar on a terminal, a plain line now and then elsewhere. Always on stderr."""

import time
from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from jobs.night import SilentProgress

__all__ = ["ConsoleProgress"]

T = TypeVar("T")
PLAIN_INTERVAL_SECONDS = 10.0


class ConsoleProgress:
    """Progress on stderr; see `jobs.night.Progress`. Pickled, it becomes silent: a task has no person before it."""

    def __init__(self, console: Console | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self.clock = clock

    def __reduce__(self) -> tuple[type[SilentProgress], tuple[()]]:
        return SilentProgress, ()

    def say(self, text: str) -> None:
        """One line."""
        self.console.print(text, markup=False)

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterator[T]:
        """The items, with a bar on a terminal; elsewhere a line every ten seconds, so that a log stays short."""
        if total is None and isinstance(items, Sized):
            total = len(items)
        if self.console.is_terminal:
            yield from self._bar(items, label, total)
            return
        last = self.clock()
        for count, item in enumerate(items, start=1):
            yield item
            if self.clock() - last >= PLAIN_INTERVAL_SECONDS:
                last = self.clock()
                self.say(f"  {label}: {count} of {total if total is not None else 'unknown'}")

    @contextmanager
    def bar(self, label: str) -> Iterator[Callable[[int, int], None]]:
        """A function to call with (done, in all) from time to time; shows it as `track` does."""
        if self.console.is_terminal:
            with Bars(*_columns(), console=self.console, transient=True) as bars:
                task = bars.add_task(label, total=None)
                yield lambda done, total: bars.update(task, completed=done, total=total or None)
            return
        last = self.clock()

        def advance(done: int, total: int) -> None:
            nonlocal last
            if self.clock() - last >= PLAIN_INTERVAL_SECONDS:
                last = self.clock()
                self.say(f"  {label}: {done} of {total or 'unknown'}")

        yield advance

    def _bar(self, items: Iterable[T], label: str, total: int | None) -> Iterator[T]:
        with Bars(*_columns(), console=self.console, transient=True) as bars:
            task = bars.add_task(label, total=total)
            for item in items:
                yield item
                bars.advance(task)


def _columns() -> tuple[ProgressColumn, ...]:
    return TextColumn("  {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
