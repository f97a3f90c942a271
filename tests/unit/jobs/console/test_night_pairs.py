"""Nights that are compared: once for each pair, no pair behind another, and the queue's own for nobody else's sake anew."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta
from itertools import pairwise

import pytest

from graph import night_changes
from jobs.console import night_pairs
from jobs.console.kept_answers import AnswerShelf
from jobs.console.night_pairs import changes_between, changes_since, night_before

LAST = date(2026, 3, 31)


@pytest.fixture
def lake(made_night, tmp_path):
    """Seven nights."""
    for n in reversed(range(7)):
        night = made_night(tmp_path / "lake", LAST - timedelta(days=n))
        (night.folder / "manifest.json").write_text("{}")
    return tmp_path / "lake"


@pytest.fixture
def nights(lake):
    return night_pairs.list_nights(lake)


@pytest.fixture
def compared(monkeypatch):
    """Pairs of dates as they are compared; nothing is kept from other tests."""
    told = []

    def compare(before, now, **more):
        told.append((before.date, now.date))
        return night_changes.compare_nights(before, now, **more)

    monkeypatch.setattr(night_pairs, "compare_nights", compare)
    monkeypatch.setattr(night_pairs, "_of_queue", AnswerShelf(1))
    monkeypatch.setattr(night_pairs, "_of_readers", AnswerShelf(3))
    return told


def test_two_nights_are_compared_once_until_one_is_made_anew(nights):
    before, now = nights[-2:]
    found = changes_between(before, now)
    assert changes_between(before, now) is found
    (now.folder / "manifest.json").unlink()
    assert changes_between(before, now) is not found


def test_the_night_before_is_the_latest_that_is_earlier(lake, nights):
    assert night_before(lake, nights[-1]) == nights[-2]
    assert night_before(lake, nights[0]) is None


def test_who_steps_through_the_nights_does_not_make_the_queue_compare_anew(lake, nights, compared):
    changes_since(lake, LAST, ())
    for before, now in pairwise(nights):  # the last is the queue's own
        changes_between(before, now)
    changes_since(lake, LAST, ())
    assert compared[0] == (nights[-2].date, LAST)
    assert len(compared) == len(set(compared)) == 6


def test_one_pair_does_not_wait_for_another(nights, monkeypatch, compared):
    compare, both = night_pairs.compare_nights, threading.Barrier(2)

    def compare_beside(before, now, **more):
        both.wait(5)
        return compare(before, now, **more)

    monkeypatch.setattr(night_pairs, "compare_nights", compare_beside)
    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(changes_between, nights[:2], nights[1:3]))
    assert [each.now for each in found] == [night.date for night in nights[1:3]]


def test_the_queue_is_told_of_the_rings_that_it_asks_for(lake):
    since, every = changes_since(lake, LAST, [f"c-{name}" for name in ("farm", "chain", "none")])
    assert (since, every.keys()) == (LAST - timedelta(days=1), {"c-farm", "c-chain"})
    assert changes_since(lake, LAST, ["c-farm"])[1] == {"c-farm": every["c-farm"]}
    assert changes_since(lake, LAST, ())[1] == {}
    assert changes_since(lake, LAST - timedelta(days=6), ["c-farm"]) == (None, {})
    assert changes_since(lake, None, ["c-farm"]) == (None, {})
