"""Pairs of records as numbers that sort as the pairs do: left << 32 | right, left < right."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["code_of", "codes_of", "sides_of"]


@njit(cache=True, nogil=True)
def code_of(one: int, other: int) -> int:
    """The code of a pair, whichever comes first."""
    return np.int64(min(one, other)) << 32 | np.int64(max(one, other))  # type: ignore[return-value]  # a number to numba


def codes_of(one: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """`code_of` of many pairs: int64[n], int64[n] -> int64[n]."""
    codes: NDArray[np.int64] = np.minimum(one, other) << 32 | np.maximum(one, other)
    return codes


def sides_of(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Left and right records of pairs: int64[n] -> int64[n], int64[n]."""
    return codes >> 32, codes & 0xFFFFFFFF
