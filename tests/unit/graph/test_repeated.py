"""Ids that stand in more than one part, whatever the size of a range."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import graph.repeated
from graph.repeated import are_digested, digest_ids, repeated_digests

IDS = st.lists(st.integers(0, 60), unique=True)


@given(st.lists(IDS, max_size=5))
def test_what_two_parts_have_is_found_and_nothing_else(parts: list[list[int]]) -> None:
    names = [[f"event {number}" for number in part] for part in parts]
    twice = {name for part in names for name in part if sum(name in other for other in names) > 1}
    repeated = repeated_digests([digest_ids(pl.Series(part, dtype=pl.String)) for part in names])
    assert repeated.dtype == np.uint64
    assert (np.diff(repeated.astype(np.float64)) >= 0).all()
    every = pl.Series(sorted({name for part in names for name in part}), dtype=pl.String)
    assert set(every.filter(are_digested(every, repeated))) == twice
    assert len(repeated) == len(twice)


def test_many_ranges_find_what_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = [
        digest_ids(pl.Series([f"{n}" for n in range(begin, 3_000, step)])) for begin, step in ((0, 2), (0, 3), (1, 5))
    ]
    parts.append(np.array([0, 2**64 - 1], dtype=np.uint64))
    parts.append(np.array([2**64 - 1], dtype=np.uint64))
    whole = repeated_digests(parts)
    monkeypatch.setattr(graph.repeated, "_AT_ONCE", 100)
    np.testing.assert_array_equal(repeated_digests(parts), whole)
    assert whole[-1] == 2**64 - 1
    assert len(whole) == 1 + sum((n % 2 == 0) + (n % 3 == 0) + (n % 5 == 1) > 1 for n in range(3_000))
