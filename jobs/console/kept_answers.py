"""Answers of the night that is shown, kept in the process: a night in Neo4j does not change, so what was asked once need not be asked again.

Kept under the night that the store shows, and never given out for another; bounded by what they weigh, the ones that nobody asked for longest go
first. They are asked for by handlers alone, behind the gate and its audit row. One who asks what another is asking already waits for that answer.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date
from typing import Any, TypeVar, cast

from graph.store import Pointer, Store

__all__ = ["AnswerShelf", "KeptAnswers", "NightMark", "mark_of", "of_one_night"]

MAX_WEIGHT = 200_000  # rows; some 200 MB
POINTER_SECONDS = 0.2  # so long it may take until a night that was just loaded is seen

T = TypeVar("T")
NightMark = tuple[int, str | None, date | None]


def mark_of(pointer: Pointer) -> NightMark:
    """What differs between nights that are shown. The generation alone does not: a store that is built anew counts from 1 again."""
    return pointer.generation, pointer.fingerprint, pointer.night


def of_one_night(store: Store, read: Callable[[], T]) -> tuple[date | None, T]:
    """What `read` gives, and the as-of of the night that it is of; it is read again where another night was shown meanwhile.

    Raises:
        StoreError: the store does not answer.
    """
    while True:
        before = store.pointer()
        found = read()
        if mark_of(store.pointer()) == mark_of(before):
            return before.night, found


@dataclass
class _Kept:
    value: Any
    weight: int


class AnswerShelf:
    """Answers by question, each made by one of those who ask at once; safe with several threads.

    Args:
        max_weight: of all that is kept; each answer weighs one more than its rows.
    """

    def __init__(self, max_weight: int) -> None:
        self._max_weight = max_weight
        self._guard = threading.Lock()
        self._held: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._asked: dict[Hashable, Future[Any]] = {}
        self._weight = 0

    def __contains__(self, question: Hashable) -> bool:
        """Whether the answer is kept, or is being made."""
        with self._guard:
            return question in self._held or question in self._asked

    def get(self, question: Hashable, make: Callable[[], T], weigh: Callable[[T], int]) -> T:
        """The kept answer, or the one that `make` gives now. Whoever gets it must not change it.

        What `make` or `weigh` raises goes to all who wait for it, and is not kept.

        Args:
            weigh: rows of an answer.
        """
        own: Future[Any] = Future()
        with self._guard:
            if (found := self._held.get(question)) is not None:
                self._held.move_to_end(question)
                return cast(T, found.value)
            asked = self._asked.setdefault(question, own)
        if asked is not own:
            return cast(T, asked.result())
        try:
            value = make()
            weight = weigh(value)
            with self._guard:  # at no moment is it neither asked nor held, or it would be made twice
                del self._asked[question]
                self._keep(question, value, weight)
        except BaseException as error:
            with self._guard:
                self._asked.pop(question, None)
            own.set_exception(error)
            raise
        own.set_result(value)
        return value

    def _keep(self, question: Hashable, value: Any, weight: int) -> None:
        if weight > self._max_weight // 4:
            return
        self._held[question] = _Kept(value, weight + 1)
        self._weight += weight + 1
        while self._weight > self._max_weight:
            _, gone = self._held.popitem(last=False)
            self._weight -= gone.weight


class KeptAnswers:
    """Answers of one night at a time; safe with several threads.

    Args:
        max_weight: of all that is kept, in rows.
        ticks: seconds that only go forward.
    """

    def __init__(self, max_weight: int = MAX_WEIGHT, ticks: Callable[[], float] = time.monotonic) -> None:
        self._max_weight, self._ticks = max_weight, ticks
        self._guard = threading.Lock()
        self._looking: Future[Pointer] | None = None
        self._seen: tuple[float, Store, Pointer] | None = None
        self._shown: tuple[str, NightMark] | None = None
        self._shelf = AnswerShelf(max_weight)

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
        """The answer to a question of the night that is shown: see `AnswerShelf.get`.

        Args:
            question: equal for equal answers of one night.
            weigh: rows of an answer.

        Raises:
            StoreError: the store does not answer.
        """
        shown = (store.uri, mark_of(self.pointer(store)))
        with self._guard:
            if (
                shown != self._shown
            ):  # what is still being made for the night before lands on its shelf, and goes with it
                self._shown, self._shelf = shown, AnswerShelf(self._max_weight)
            shelf = self._shelf
        return shelf.get(question, make, weigh)
