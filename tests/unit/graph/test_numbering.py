"""Rows found again, links in order, work in parts."""

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest

from graph import threads
from graph.numbering import match_rows, order_rows
from graph.ready import load_compiled
from graph.threads import run_parts


@pytest.mark.parametrize("bits", [64, 3, 1])
def test_rows_are_matched_whatever_their_hashes(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pl.DataFrame.hash_rows
    shift = 64 - bits

    def weak(frame: pl.DataFrame, seed: int = 0) -> pl.Series:
        return whole(frame, seed) // 2**shift if seed < 3 else whole(frame, seed)

    monkeypatch.setattr(pl.DataFrame, "hash_rows", weak)
    known = pl.DataFrame({"kind": ["a", "b"] * 20, "hash": [f"{n}" for n in range(40)]})
    wanted = pl.DataFrame({"kind": ["b", "a", "a"], "hash": ["3", "3", "38"]})
    assert match_rows(known, wanted).tolist() == [3, -1, 38]
    assert match_rows(known, wanted.head(0)).tolist() == []
    assert match_rows(known.head(0), wanted).tolist() == [-1] * 3


@pytest.mark.parametrize("n_links", [0, 1, 500])
def test_links_are_ordered_by_account_and_identifier(n_links: int) -> None:
    random = np.random.default_rng(n_links)
    account = np.where(random.random(n_links) < 0.4, 3, random.integers(0, 9, n_links)).astype(np.int32)  # one has many
    identifier = random.permutation(n_links).astype(np.int32)
    assert order_rows(account, identifier, 9).tolist() == np.lexsort((identifier, account)).tolist()


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_parts_make_up_the_whole(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.pl, "thread_pool_size", lambda: n_threads)
    for n in (0, 1, 5, 100):
        seen = np.zeros(n, dtype=np.int64)

        def mark(begin: int, end: int, seen: np.ndarray = seen) -> None:
            seen[begin:end] += 1

        run_parts(mark, n)
        assert (seen == 1).all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_what_a_part_raises_arrives(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.pl, "thread_pool_size", lambda: n_threads)

    def fail(_begin: int, end: int) -> None:
        if end == 10:
            raise ValueError("part")

    with pytest.raises(ValueError, match="part"):
        run_parts(fail, 10)


def test_compiled_code_loads(load: Callable[[], None] = load_compiled) -> None:
    load()
