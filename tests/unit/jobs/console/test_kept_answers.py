"""Answers that are kept: of one night alone, one question at a time, within a bound."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from graph.errors import InputError, StoreError
from graph.store import Pointer
from jobs.console.kept_answers import POINTER_SECONDS, KeptAnswers


class Shown:
    """What a store shows, and how often it was asked."""

    uri = "bolt://here"

    def __init__(self) -> None:
        self.generation, self.n_asked = 1, 0

    def pointer(self) -> Pointer:
        self.n_asked += 1
        return Pointer(self.generation, self.generation, True, None, {}, None)


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
