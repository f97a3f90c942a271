"""Work over a range in parts side by side, for loops that leave the interpreter free. Parts change no result."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

__all__ = ["run_parts"]


def run_parts(function: Callable[[int, int], None], n: int) -> None:
    """Calls `function(begin, end)` for parts that make up 0..n, as many at once as polars was given threads."""
    n_parts = max(min(pl.thread_pool_size(), n), 1)
    ends = [n * part // n_parts for part in range(n_parts + 1)]
    if n_parts == 1:
        function(0, n)
        return
    with ThreadPoolExecutor(n_parts) as pool:
        list(pool.map(function, ends[:-1], ends[1:]))
