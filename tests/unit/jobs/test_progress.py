"""Progress: plain lines where there is no terminal, silence in tasks."""

import io
import pickle

from rich.console import Console

from jobs.night import SilentProgress
from jobs.progress import ConsoleProgress


def progress_into(text, clock):
    return ConsoleProgress(Console(file=text, force_terminal=False, width=80), clock)


def test_without_a_terminal_a_line_comes_every_ten_seconds():
    text = io.StringIO()
    seconds = iter(range(0, 400, 4))
    assert list(progress_into(text, lambda: next(seconds)).track(range(6), "links")) == list(range(6))
    assert text.getvalue().splitlines() == ["  links: 3 of 6", "  links: 6 of 6"]


def test_a_short_loop_says_nothing():
    text = io.StringIO()
    assert list(progress_into(text, lambda: 0.0).track("ab", "links")) == ["a", "b"]
    assert text.getvalue() == ""


def test_square_brackets_are_not_markup():
    text = io.StringIO()
    progress_into(text, lambda: 0.0).say("table [links]")
    assert text.getvalue() == "table [links]\n"


def test_a_bar_is_told_how_far_it_is():
    text = io.StringIO()
    seconds = iter([0, 5, 11, 11])
    with progress_into(text, lambda: next(seconds)).bar("world") as advance:
        advance(1, 3)
        advance(2, 3)
    assert text.getvalue() == "  world: 2 of 3\n"


def test_in_a_task_it_is_silent():
    assert isinstance(pickle.loads(pickle.dumps(ConsoleProgress())), SilentProgress)
