"""Pairs of records as numbers that sort as the pairs do: left << 32 | right, left < right."""

from collections.abc import Iterator

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["blocks_of", "code_of", "codes_of", "distinct_codes", "halves_of", "sides_of"]

_AT_ONCE = 4_000_000  # pairs: each takes some 60 bytes while it is compared or scored


@njit(cache=True, nogil=True)
def code_of(one: int, other: int) -> int:
    """The code of a pair, whichever comes first."""
    return np.int64(min(one, other)) << 32 | np.int64(max(one, other))  # type: ignore[return-value]  # a number to numba


def codes_of(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """`code_of` of many pairs: int64[n], int64[n] -> int64[n]."""
    codes: NDArray[np.int64] = np.minimum(one, other) << 32 | np.maximum(one, other)
    return codes


def distinct_codes(*parts: NDArray[np.int64]) -> NDArray[np.int64]:
    """The codes of all parts, each once, sorted: int64[n]. Sorting takes a tenth of the time of `np.unique`, which counts by hash."""
    codes = np.concatenate([np.empty(0, dtype=np.int64), *parts])
    codes.sort()
    is_first = np.ones(codes.shape[0], dtype=np.bool_)
    np.not_equal(codes[1:], codes[:-1], out=is_first[1:])
    return codes[is_first]


def sides_of(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Left and right records of pairs: int64[n] -> int64[n], int64[n]."""
    return codes >> 32, codes & 0xFFFFFFFF


def halves_of(codes: NDArray[np.int64]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """`sides_of` as int32[n], seen where the codes lie, not copied; on a machine whose low bytes come first."""
    halves = codes.view(np.int32).reshape(-1, 2)
    return halves[:, 1], halves[:, 0]


def blocks_of(codes: NDArray[np.int64]) -> Iterator[slice]:
    """Some millions of pairs at a time, so that what is made of each need not be held of all."""
    for begin in range(0, codes.shape[0], _AT_ONCE):
        yield slice(begin, min(begin + _AT_ONCE, codes.shape[0]))
