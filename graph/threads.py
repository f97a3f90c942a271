"""Work side by side where polars was given threads, for loops that leave the interpreter free. It changes no result."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import polars as pl

__all__ = ["run_beside", "run_parts"]

T = TypeVar("T")
R = TypeVar("R")


def run_beside(function: Callable[[T], R], arguments: Iterable[T]) -> list[R]:
    """`function` of each argument, in their order, two at a time; for work of which half is one thread's, and that takes memory."""
    if pl.thread_pool_size() == 1:
        return [function(each) for each in arguments]
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, arguments))


def run_parts(function: Callable[[int, int], None], n: int) -> None:
    """Calls `function(begin, end)` for parts that make up 0..n."""
    n_parts = max(min(pl.thread_pool_size(), n), 1)
    ends = [n * part // n_parts for part in range(n_parts + 1)]
    if n_parts == 1:
        function(0, n)
        return
    with ThreadPoolExecutor(n_parts) as pool:
        list(pool.map(function, ends[:-1], ends[1:]))
