"""Comparison of short texts by code points: edits, and Jaro-Winkler.

Distinct texts are laid end to end in one array of code points, so that loops over millions of pairs run without Python. Sources:
Jaro, JASA 84 (1989); Winkler, "String comparator metrics and enhanced decision rules in the Fellegi-Sunter model of record
linkage", Proc. ASA Survey Research Methods, 1990; Damerau, CACM 7 (1964).
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

__all__ = ["NO_TEXT", "Texts", "encode_texts", "is_one_edit", "jaro_winkler"]

NO_TEXT = -1
MAX_POINTS = 48  # what follows in a longer text is not compared
_AT_ONCE = 1_000_000  # texts whose code points are found at once


class Texts(NamedTuple):
    """Distinct texts.

    Attributes:
        points: code points of all texts, uint32.
        start: text i is points[start[i]:start[i + 1]], int64[n + 1].
        digest: xxh3 of the text, uint64[n].
    """

    points: NDArray[np.uint32]
    start: NDArray[np.int64]
    digest: NDArray[np.uint64]


def encode_texts(
    columns: list[pl.Series], *, with_points: bool = True
) -> tuple[list[NDArray[np.int32]], Texts, pl.Series]:
    """Numbers the distinct texts of some columns that hold one kind of text, in the order of their digests.

    Args:
        with_points: False where texts are only told apart: none has code points then.

    Returns:
        For each column int32[n] with the text's number, `NO_TEXT` where it is null; the texts; and the texts as strings.
    """
    whole = pl.concat([column.rename("text") for column in columns])
    held = whole.drop_nulls()
    digests = held.to_frame().select(pl.col("text").nchash.xxh3_64())["text"]  # type: ignore[attr-defined]
    digest, first, place = np.unique(digests.to_numpy(), return_index=True, return_inverse=True)
    codes = np.full(whole.len(), NO_TEXT, dtype=np.int32)
    codes[whole.is_not_null().to_numpy()] = place
    known = held.gather(first)
    start = np.zeros(known.len() + 1, dtype=np.int64)
    if with_points:
        np.cumsum(known.str.len_chars().to_numpy(), out=start[1:])
    points = np.empty(start[-1], dtype=np.uint32)
    for begin in range(0, known.len() if with_points else 0, _AT_ONCE):
        some = known.slice(begin, _AT_ONCE)
        text: str = some.str.join("").item()
        points[start[begin] : start[begin + some.len()]] = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    return np.split(codes, len(columns)), Texts(points, start, digest.astype(np.uint64)), known


@njit(cache=True, nogil=True)
def is_one_edit(points: NDArray[np.uint32], a: int, a_end: int, b: int, b_end: int) -> bool:
    """Whether two different texts are one insertion, deletion, substitution or swap of neighbours apart."""
    n_a, n_b = a_end - a, b_end - b
    if abs(n_a - n_b) > 1:
        return False
    while a < a_end and b < b_end and points[a] == points[b]:
        a += 1
        b += 1
    while a < a_end and b < b_end and points[a_end - 1] == points[b_end - 1]:
        a_end -= 1
        b_end -= 1
    n_a, n_b = a_end - a, b_end - b
    if n_a <= 1 and n_b <= 1:
        return True
    return n_a == 2 and n_b == 2 and points[a] == points[b + 1] and points[a + 1] == points[b]


@njit(cache=True, nogil=True)
def jaro_winkler(points: NDArray[np.uint32], a: int, a_end: int, b: int, b_end: int, least: float) -> float:
    """Jaro-Winkler similarity, 0 to 1, of the first `MAX_POINTS` code points; prefix weight .1 for up to four.

    0 where it is surely below `least`: the code points that both hold bound it.
    """
    n_a, n_b = min(a_end - a, MAX_POINTS), min(b_end - b, MAX_POINTS)
    if n_a == 0 or n_b == 0:
        return 0.0
    prefix = 0
    while prefix < min(4, n_a, n_b) and points[a + prefix] == points[b + prefix]:
        prefix += 1
    # so many common points it takes at least, were none of them moved
    least_jaro = (least - 0.1 * prefix) / (1 - 0.1 * prefix)
    n_least = (3 * least_jaro - 1) * n_a * n_b / (n_a + n_b) - 1e-9
    one, last = np.uint64(1), np.uint64(63)
    in_a, in_b, n_held_a, n_held_b = np.uint64(0), np.uint64(0), 0, 0
    for j in range(n_b):
        in_b |= one << (np.uint64(points[b + j]) & last)
    for i in range(n_a):
        bit = one << (np.uint64(points[a + i]) & last)
        in_a |= bit
        n_held_a += in_b & bit != 0
    if n_held_a < n_least:
        return 0.0
    for j in range(n_b):
        n_held_b += (in_a >> (np.uint64(points[b + j]) & last)) & one != 0
    if n_held_b < n_least:
        return 0.0
    reach = max(max(n_a, n_b) // 2 - 1, 0)
    taken_a, taken_b, n_common = np.uint64(0), np.uint64(0), 0
    for i in range(n_a):
        if n_common + n_a - i < n_least:
            return 0.0
        for j in range(max(0, i - reach), min(n_b, i + reach + 1)):
            bit = one << np.uint64(j)
            if not (taken_b & bit) and points[a + i] == points[b + j]:
                taken_b |= bit
                taken_a |= one << np.uint64(i)
                n_common += 1
                break
    if n_common == 0:
        return 0.0
    n_moved, j = 0, 0
    for i in range(n_a):
        if taken_a & (one << np.uint64(i)):
            while not (taken_b & (one << np.uint64(j))):
                j += 1
            n_moved += points[a + i] != points[b + j]
            j += 1
    jaro = (n_common / n_a + n_common / n_b + (n_common - n_moved / 2) / n_common) / 3
    return jaro + 0.1 * prefix * (1 - jaro)
