"""Answers of the night that is shown, kept in the process: a night in Neo4j does not change, so what was asked once need not be asked again.

Kept under the generation that the store shows, and never given out for another; bounded by what they weigh, the ones that nobody asked for longest go
first. They are asked for by handlers alone, behind the gate and its audit row. One who asks what another is asking already waits for that answer.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from graph.store import Pointer, Store

__all__ = ["KeptAnswers"]

MAX_WEIGHT = 200_000  # rows; some 200 MB
POINTER_SECONDS = 0.2  # so long it may take until a night that was just loaded is seen

T = TypeVar("T")


@dataclass
class _Kept:
    value: Any
    weight: int


class KeptAnswers:
    """Answers by question, of one generation at a time; safe with several threads.

    Args:
        max_weight: of all that is kept, in rows.
        ticks: seconds that only go forward.
    """

    def __init__(self, max_weight: int = MAX_WEIGHT, ticks: Callable[[], float] = time.monotonic) -> None:
        self._max_weight, self._ticks = max_weight, ticks
        self._guard = threading.Lock()
        self._looking: Future[Pointer] | None = None
        self._seen: tuple[float, Store, Pointer] | None = None
        self._generation: tuple[str, int] | None = None
        self._held: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._asked: dict[Hashable, Future[Any]] = {}
        self._weight = 0

    def pointer(self, store: Store) -> Pointer:
        """What the store shows, as of `POINTER_SECONDS` ago at most.

        Raises:
            StoreError: the store does not answer.
        """
        own: Future[Pointer] = Future()
        with self._guard:
            now = self._ticks()
            if self._seen is not None and self._seen[1] is store and now - self._seen[0] < POINTER_SECONDS:
                return self._seen[2]
            waiting, self._looking = self._looking, self._looking or own
        if waiting is not None:  # of a store that does not answer, all who wait are told at once
            return waiting.result()
        try:
            found = store.pointer()
        except BaseException as error:
            with self._guard:
                self._looking = None
            own.set_exception(error)
            raise
        with self._guard:
            self._looking, self._seen = None, (now, store, found)
        own.set_result(found)
        return found

    def get(self, store: Store, question: Hashable, make: Callable[[], T], weigh: Callable[[T], int]) -> T:
        """The answer to a question: the kept one, or the one that `make` gives now. Whoever gets it must not change it.

        What `make` raises goes to all who wait for it, and is not kept.

        Args:
            question: equal for equal answers of one night.
            weigh: rows of an answer.
        """
        generation = (store.uri, self.pointer(store).generation)
        with self._guard:
            if generation != self._generation:
                self._generation, self._weight = generation, 0
                self._held.clear()
                self._asked = {}
            if (found := self._held.get(question)) is not None:
                self._held.move_to_end(question)
                return cast(T, found.value)
            waiting = self._asked.get(question)
            own: Future[Any] = Future()
            if waiting is None:
                self._asked[question] = own
        if waiting is not None:
            return cast(T, waiting.result())
        try:
            value = make()
        except BaseException as error:
            self._end(generation, question, own)
            own.set_exception(error)
            raise
        self._keep(generation, question, own, value, weigh(value))
        own.set_result(value)
        return value

    def _end(self, generation: tuple[str, int], question: Hashable, own: Future[Any]) -> None:
        with self._guard:
            if generation == self._generation and self._asked.get(question) is own:
                del self._asked[question]

    def _keep(self, generation: tuple[str, int], question: Hashable, own: Future[Any], value: Any, weight: int) -> None:
        self._end(generation, question, own)
        with self._guard:
            if generation != self._generation or weight > self._max_weight // 4:
                return
            self._held[question] = _Kept(value, weight + 1)
            self._weight += weight + 1
            while self._weight > self._max_weight:
                _, gone = self._held.popitem(last=False)
                self._weight -= gone.weight
