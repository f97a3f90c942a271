"""How rare the value is on which two records agree: a function of how many records hold it."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.identity_comparison import EQUAL, N_FIELDS, SWAPPED
from graph.identity_values import VALUES, Values

__all__ = ["BACKGROUND", "RARITY_STEP", "RATED", "rate_pairs"]

# levels at which the shared value's own rarity counts, in place of the mean rarity of such values
RATED: dict[str, tuple[int, ...]] = {
    "given_name": (SWAPPED, EQUAL),
    "family_name": (SWAPPED, EQUAL),
    "birth_date": (7,),
    "national_id": (3,),
    "email": (4, 5),
    "phone": (3,),
    "place": (4, 5, 6, 7, 8),
}
# whose counts are the rarities of these
WORDS = VALUES.index("first word"), VALUES.index("last word")
DAY, ID, EMAILS, MAILBOX, TELEPHONE, HOME, ADDRESS, POSTCODE = (
    VALUES.index(name)
    for name in ("birth date", "national id", "email", "mailbox", "phone", "home", "address", "postcode")
)
RARITY_STEP = 0.25  # bits; coarse, so that a new record does not move every pair
BACKGROUND = 1000  # records thought of beside those that are there, so that in a small world nothing is certain


def rate_pairs(
    values: Values, left: NDArray[np.int64], right: NDArray[np.int64], levels: NDArray[np.int8]
) -> NDArray[np.uint8]:
    """How rare the values are that pairs share.

    Args:
        values: of all records.
        left, right: the pairs' records, int64[n_pairs].
        levels: as `compare_pairs` gives them.

    Returns:
        uint8[n_pairs, n_fields], in steps of `RARITY_STEP` bits (log2 of records with a value by records with this one), 0 where
        nothing is shared.
    """
    n_held = [int(np.count_nonzero(values.value[number])) for number in (WORDS[0], DAY, ID, EMAILS, TELEPHONE)]
    n_placed = max(int(np.count_nonzero(values.value[number])) for number in (ADDRESS, POSTCODE))
    totals = np.array([n_held[0], *n_held, n_placed], dtype=np.float64)
    rarities = np.zeros((left.shape[0], N_FIELDS), dtype=np.uint8)
    _rate(values, left, right, totals, levels, rarities)
    return rarities


@njit(cache=True, nogil=True)
def _rarity(total: float, count: int) -> int:
    """Steps of log2 of the odds against the value, had another `BACKGROUND` records other values and one more the same."""
    return min(255, int(np.log2((max(total, count) + BACKGROUND) / (count + 1)) / RARITY_STEP + 0.5))


@njit(cache=True, nogil=True)
def _n_sharing(values: Values, a: int, b: int, place: int) -> int:
    """Records with the word on which two names agree whose level at `place` is `SWAPPED` or `EQUAL`.

    It is a name's only word; else that of the record whose words come first by their digests, as in `_compare_names`.
    """
    first, last = WORDS
    if values.value[last, a] == 0 or values.value[last, b] == 0:
        row = a if values.value[last, a] == 0 else b
        return int(values.held[first, row])
    row = a
    for word in WORDS:
        if values.value[word, a] != values.value[word, b]:
            row = a if values.value[word, a] < values.value[word, b] else b
            break
    return int(values.held[WORDS[place], row])


@njit(cache=True, nogil=True)
def _rate(
    values: Values,
    left: NDArray[np.int64],
    right: NDArray[np.int64],
    totals: NDArray[np.float64],
    levels: NDArray[np.int8],
    rarities: NDArray[np.uint8],
) -> None:
    count = values.held
    for pair in range(left.shape[0]):
        a, b = left[pair], right[pair]
        for place in range(2):
            if levels[pair, place] >= SWAPPED:
                rarities[pair, place] = _rarity(totals[place], _n_sharing(values, a, b, place))
        if levels[pair, 2] == 7:
            rarities[pair, 2] = _rarity(totals[2], count[DAY, a])
        if levels[pair, 3] == 3:
            rarities[pair, 3] = _rarity(totals[3], count[ID, a])
        email = levels[pair, 4]
        if email >= 4:
            rarities[pair, 4] = _rarity(totals[4], count[EMAILS if email == 5 else MAILBOX, a])
        if levels[pair, 5] == 3:
            rarities[pair, 5] = _rarity(totals[5], count[TELEPHONE, a])
        place = levels[pair, 6]
        if place >= 4:
            shared = HOME if place == 8 else POSTCODE if place == 7 else ADDRESS
            rarities[pair, 6] = _rarity(totals[6], count[shared, a])
