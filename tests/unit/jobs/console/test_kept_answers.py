"""Answers that are kept: of one night alone, one question at a time, within a bound."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest

from graph.errors import InputError, StoreError
from graph.store import Pointer
from jobs.console.kept_answers import POINTER_SECONDS, AnswerShelf, KeptAnswers, of_one_night


class Shown:
    """What a store shows, and how often it was asked."""

    uri = "bolt://here"

    def __init__(self) -> None:
        self.generation, self.fingerprint, self.n_asked = 1, "night", 0
        self.day = date(2026, 3, 31)

    def pointer(self) -> Pointer:
        self.n_asked += 1
        return Pointer(self.generation, self.generation, True, self.fingerprint, {}, self.day)


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def kept(now) -> KeptAnswers:
    return KeptAnswers(max_weight=40, ticks=lambda: now[0])


def counted(answers: Iterator[Any]) -> Any:
    return lambda: next(answers)


def weigh(value: Any) -> int:
    return 4


def test_the_same_question_is_asked_once_a_night(kept, now):
    store, answers = Shown(), iter("abc")
    assert [kept.get(store, "q", counted(answers), weigh) for _ in range(3)] == ["a"] * 3
    assert kept.get(store, "other", counted(answers), weigh) == "b"
    store.generation = 2
    now[0] += POINTER_SECONDS
    assert kept.get(store, "q", counted(answers), weigh) == "c"


def test_a_night_that_comes_back_is_another_generation_and_nothing_of_it_was_kept(kept, now):
    store, answers = Shown(), iter("abc")
    for generation in (1, 2, 1):
        store.generation = generation
        now[0] += POINTER_SECONDS
        kept.get(store, "q", counted(answers), weigh)
    assert next(answers, None) is None


@pytest.mark.parametrize("other", [{"fingerprint": "another"}, {"day": date(2026, 4, 1)}])
def test_a_store_that_was_built_anew_counts_from_one_again_and_is_another_night_all_the_same(kept, now, other):
    store = Shown()
    assert kept.get(store, "q", lambda: "old", weigh) == "old"
    vars(store).update(other)  # nobody asks while it is rebuilt, and its generation is 1 as before
    now[0] += POINTER_SECONDS
    assert kept.get(store, "q", lambda: "new", weigh) == "new"


def test_an_answer_that_a_rebuilt_store_overtook_is_not_kept_for_it(kept, now):
    store = Shown()

    def slow() -> str:
        store.fingerprint = "another"
        now[0] += POINTER_SECONDS
        assert kept.get(store, "other", lambda: "new", weigh) == "new"
        return "old"

    kept.get(store, "q", slow, weigh)
    assert kept.get(store, "q", lambda: "new", weigh) == "new"


def test_two_stores_are_never_taken_for_each_other(kept):
    first, second, answers = Shown(), Shown(), iter("ab")
    second.uri = "bolt://there"
    assert kept.get(first, "q", counted(answers), weigh) == "a"
    assert kept.get(second, "q", counted(answers), weigh) == "b"


def test_the_pointer_is_asked_for_again_once_its_time_is_over(kept, now):
    store = Shown()
    for _ in range(5):
        kept.pointer(store)
    assert store.n_asked == 1
    now[0] += POINTER_SECONDS
    kept.pointer(store)
    assert store.n_asked == 2


def test_what_was_not_asked_for_longest_goes_first_and_what_is_too_heavy_is_not_kept(kept):
    store, asked = Shown(), []

    def get(name: str, weight: int = 4) -> None:
        kept.get(store, name, lambda: asked.append(name), lambda _: weight)

    for name in "abcdefgh":  # five each: eight fit
        get(name)
    get("a")
    get("i")
    assert asked == list("abcdefghi")
    get("a")
    get("b")
    assert asked == [*"abcdefghi", "b"]
    get("heavy", 11)
    get("heavy", 11)
    assert asked[-2:] == ["heavy", "heavy"]


def test_an_error_is_not_kept(kept):
    store, answers = Shown(), iter("a")

    def fail() -> str:
        raise InputError("no such ring")

    for _ in range(2):
        with pytest.raises(InputError):
            kept.get(store, "q", fail, weigh)
    assert kept.get(store, "q", counted(answers), weigh) == "a"


def test_what_weighing_raises_goes_to_all_who_wait_and_is_not_kept(kept):
    store, is_made = Shown(), threading.Event()

    def make() -> str:
        is_made.set()
        threading.Event().wait(0.2)
        return "a"

    def fail(_: str) -> int:
        raise InputError("no weight")

    def ask(_: int) -> str:
        try:
            return kept.get(store, "q", make, fail)
        except InputError:
            return "told"

    pool = ThreadPoolExecutor(2)
    first = pool.submit(ask, 0)
    assert is_made.wait(5)
    second = pool.submit(ask, 1)
    assert [each.result(timeout=5) for each in (first, second)] == ["told", "told"]
    assert kept.get(store, "q", lambda: "b", weigh) == "b"


def test_one_who_asks_as_soon_as_the_lock_is_free_finds_the_answer_and_makes_none():
    shelf, made, asked = AnswerShelf(40), [], []

    class Lock:
        """Lets somebody ask whenever it was given back, once there is an answer."""

        def __init__(self) -> None:
            self._lock, self.is_armed = threading.Lock(), False

        def __enter__(self) -> None:
            self._lock.acquire()

        def __exit__(self, *_: object) -> None:
            self._lock.release()
            if self.is_armed:
                self.is_armed = False
                asked.append(shelf.get("q", make, weigh))

    lock = Lock()
    shelf._guard = lock  # type: ignore[assignment]

    def make() -> int:
        made.append(len(made))
        lock.is_armed = len(made) == 1
        return len(made)

    assert shelf.get("q", make, weigh) == 1
    assert (asked, len(made)) == ([1], 1)


def test_whether_an_answer_is_there_is_told_while_it_is_made_and_as_long_as_it_is_kept():
    shelf = AnswerShelf(1)
    assert "a" not in shelf
    assert shelf.get("a", lambda: "a" in shelf, lambda _: 0)
    assert "a" in shelf
    shelf.get("b", lambda: None, lambda _: 0)
    assert ("a" in shelf, "b" in shelf) == (False, True)


def test_twenty_who_ask_at_once_wait_for_one_answer(kept):
    store, gate, n_made = Shown(), threading.Barrier(20), []

    def make() -> int:
        n_made.append(1)
        threading.Event().wait(0.2)
        return 7

    def ask(_: int) -> int:
        gate.wait()
        return kept.get(store, "q", make, weigh)

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(ask, range(20))) == [7] * 20
    assert len(n_made) == 1


def test_an_answer_that_a_new_night_overtook_is_not_kept_for_it(kept, now):
    store = Shown()

    def slow() -> str:
        store.generation = 2
        now[0] += POINTER_SECONDS
        assert kept.get(store, "other", lambda: "new", weigh) == "new"  # somebody sees the new night meanwhile
        return "old"

    assert kept.get(store, "q", slow, weigh) == "old"
    assert kept.get(store, "q", lambda: "new", weigh) == "new"


def test_of_a_store_that_does_not_answer_all_who_wait_are_told_at_once_and_it_is_asked_again(kept):
    class Down(Shown):
        def pointer(self) -> Pointer:
            self.n_asked += 1
            threading.Event().wait(0.3)
            raise StoreError("no answer")

    store, gate = Down(), threading.Barrier(8)

    def ask(_: int) -> str:
        gate.wait()
        try:
            kept.get(store, "q", lambda: "never", weigh)
        except StoreError:
            return "told"
        return "kept"

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == ["told"] * 8
    assert store.n_asked == 1
    assert kept.get(Shown(), "q", lambda: "now", weigh) == "now"


def test_what_a_new_night_overtook_is_read_again_and_said_to_be_of_the_new_one():
    store, read = Shown(), []

    def slow() -> str:
        read.append(store.day)
        if len(read) == 1:
            store.generation, store.day = 2, date(2026, 4, 1)
        return f"of {store.day}"

    assert of_one_night(store, slow) == (date(2026, 4, 1), "of 2026-04-01")
    assert len(read) == 2
