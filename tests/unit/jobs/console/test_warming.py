"""Warming: nothing that goes wrong ends it, and each night that is shown is warmed once."""

import logging
import threading
from dataclasses import replace
from datetime import date, timedelta

import pytest

from graph.store import Pointer
from jobs.console import night_pairs, warming
from jobs.console.kept_answers import KeptAnswers
from jobs.console.problems import Problem

DAY = date(2026, 3, 31)


class Shown:
    """What a store shows; nothing can be asked of it."""

    uri = "bolt://here"

    def __init__(self) -> None:
        self.shown = Pointer(1, 1, True, "one", {}, DAY)

    def pointer(self) -> Pointer:
        return self.shown


@pytest.fixture
def console(served):
    ticks = iter(range(10**6))
    return replace(served.app.state.console, store=Shown(), kept=KeptAnswers(ticks=lambda: float(next(ticks))))


@pytest.fixture
def warmed(monkeypatch):
    """Nights as they are warmed: the first ends in an error that nobody foresaw."""
    monkeypatch.setattr(warming, "LOOK_SECONDS", 0.01)
    told = []

    def warm(console):
        told.append(console.store.shown)
        if len(told) == 1:
            raise KeyError("+4915100000000")
        return 5

    monkeypatch.setattr(warming, "warm", warm)
    return told


def until(is_so):
    for _ in range(500):
        if is_so():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it never came to pass")


def test_a_ring_that_is_gone_is_no_more_than_a_question_without_an_answer():
    def ask():
        raise Problem(404, "no-ring", "gone")

    assert not warming._is_answered(ask)


def test_what_nobody_foresaw_is_told_without_its_words_and_the_next_night_is_warmed(console, warmed, caplog):
    with caplog.at_level(logging.INFO, "ringlight.console"), warming.keep_warm(console):
        until(lambda: len(warmed) == 1)
        console.store.shown = Pointer(2, 2, True, "two", {}, DAY)
        until(lambda: len(warmed) == 2)
    assert "unexpected KeyError" in caplog.text
    assert "+49" not in caplog.text


def test_a_store_that_was_built_anew_is_warmed_though_it_counts_from_one_again(console, warmed):
    with warming.keep_warm(console):
        until(lambda: len(warmed) == 1)
        console.store.shown = Pointer(1, 1, True, "another", {}, DAY)
        until(lambda: len(warmed) == 2)
        threading.Event().wait(0.1)
    assert len(warmed) == 2


def test_the_nights_are_compared_before_any_reader_asks(console, made_night, monkeypatch):
    made_night(console.lake, DAY - timedelta(days=1))
    monkeypatch.setattr(warming, "kept_queue", lambda _: (DAY, []))
    monkeypatch.setattr(warming, "find_term", lambda *_: None)
    assert warming.warm(console) == 5
    monkeypatch.setattr(night_pairs, "compare_nights", None)  # it is not asked again
    since, changes = night_pairs.changes_since(console.lake, DAY, ["c-farm"])
    assert (since, changes["c-farm"]["change"]) == (DAY - timedelta(days=1), "unchanged")
