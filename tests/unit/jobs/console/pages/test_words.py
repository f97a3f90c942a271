"""How pages say numbers, scores and times."""

from datetime import date, datetime, timedelta, timezone

import pytest

from jobs.console.pages.fields import address
from jobs.console.pages.words import FILTERS, LIKELIHOODS, score_words, utc


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (None, "–"),
        (0.0, "0.00"),
        (0.004, "< 0.01"),
        (0.005, "0.01"),
        (0.994, "0.99"),
        (0.9999, "> 0.99"),
        (1.0, "1.00"),
    ],
)
def test_a_score_that_is_not_sure_is_not_said_to_be(score, said):
    assert FILTERS["score"](score) == said


def test_words_of_likelihood_begin_where_they_say():
    for least, words in LIKELIHOODS:
        assert score_words(least) == words
        assert score_words(least - 1e-9) != words


def test_a_time_is_said_in_utc_whatever_its_zone():
    there = datetime(2026, 3, 31, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert utc(there) == "2026-03-30 23:30 UTC"
    assert utc(there, seconds=True) == "2026-03-30 23:30:00 UTC"
    assert FILTERS["day"](there) == "2026-03-30"
    assert FILTERS["day"](date(2026, 3, 31)) == "2026-03-31"


@pytest.mark.parametrize(("n", "said"), [(0, "0 rings"), (1, "1 ring"), (1_200, "1,200 rings")])
def test_one_is_not_many(n, said):
    assert FILTERS["plural"](n, "ring") == said


def test_an_address_has_what_is_given_in_one_order():
    assert address("/queue", owner="@me", min_score=0.5, night=date(2026, 3, 31), status=None, mine=False) == (
        "/queue?min_score=0.5&night=2026-03-31&owner=%40me"
    )
    assert address("/queue") == "/queue"
