"""Comparison of two records, field by field: how well they agree.

A level is a function of the two records alone. The levels of a pair are one number, its pattern: of millions of pairs there are a
thousand patterns.
"""

from collections.abc import Callable

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.identity_records import NO_DATE, Encoded
from graph.identity_text import Texts, is_one_edit, jaro_winkler
from graph.threads import run_parts

__all__ = [
    "FIELDS",
    "N_PATTERNS",
    "compare_pairs",
    "count_patterns",
    "is_conflict",
    "is_impossible",
    "is_one_submission",
    "pack_levels",
    "patterns_where",
    "unpack_levels",
]

NAME_LEVELS = ("missing", "differs", "alike", "initial", "partial", "near", "short form", "swapped", "equal")
# field -> names of its levels; level 0 says nothing
FIELDS: dict[str, tuple[str, ...]] = {
    "given_name": NAME_LEVELS,
    "family_name": NAME_LEVELS,
    "birth_date": ("missing", "differs", "ten years off", "close", "parts", "digit off", "day-month swapped", "equal"),
    "national_id": ("missing", "differs", "near", "equal"),
    "email": ("missing", "differs", "alike", "near", "same mailbox", "equal"),
    "phone": ("missing", "differs", "near", "equal"),
    "place": (
        "missing",
        "differs",
        "same postal area",
        "near",
        "address, other postcode",
        "address",
        "address, postcode near",
        "postcode",
        "address and postcode",
    ),
}
N_FIELDS = len(FIELDS)
LENGTHS = tuple(len(levels) for levels in FIELDS.values())
N_PATTERNS = int(np.prod(LENGTHS))
GIVEN, FAMILY, BIRTH, NUMBER, EMAIL, PHONE, PLACE = range(N_FIELDS)
MISSING, DIFFERS, ALIKE, INITIAL, PARTIAL, NEAR, SHORT, SWAPPED, EQUAL = range(len(NAME_LEVELS))
LAST_FAR_DATE = 3  # levels of birth dates from `differs` to this are no slip of the pen
LEAST_AGREEMENTS = 2
CLOSE_DAYS = 400
TEN_YEARS_DAYS = 3652
ALIKE_SIMILARITY, NEAR_SIMILARITY = 0.85, 0.93
LEAST_STEM_POINTS = 3  # "sol" for "solomon"
LEAST_NEAR_POINTS = 4  # one edit of a shorter word makes another word


def compare_pairs(records: Encoded, left: NDArray[np.int64], right: NDArray[np.int64]) -> NDArray[np.int8]:
    """Compares pairs of records.

    Args:
        records: as `graph.identity_records.encode_records` gives them.
        left, right: places of the pairs' records among these, int64[n_pairs].

    Returns:
        levels int8[n_pairs, n_fields], numbers into `FIELDS`.
    """
    levels = np.empty((left.shape[0], N_FIELDS), dtype=np.int8)

    def compare(begin: int, end: int) -> None:
        _compare(records, left[begin:end], right[begin:end], levels[begin:end])

    run_parts(compare, left.shape[0])
    return levels


def pack_levels(levels: NDArray[np.int8]) -> NDArray[np.uint32]:
    """Levels int8[n_pairs, n_fields] as one number a pair, below `N_PATTERNS`."""
    patterns = np.empty(levels.shape[0], dtype=np.uint32)
    _pack(levels, np.array(LENGTHS), patterns)
    return patterns


def unpack_levels(patterns: NDArray[np.uint32]) -> NDArray[np.int8]:
    """What `pack_levels` packed."""
    return np.stack(np.unravel_index(patterns.astype(np.int64), LENGTHS), axis=1).astype(np.int8)


@njit(cache=True, nogil=True)
def _pack(levels: NDArray[np.int8], lengths: NDArray[np.int64], patterns: NDArray[np.uint32]) -> None:
    for pair in range(levels.shape[0]):
        pattern = 0
        for field in range(levels.shape[1]):
            pattern = pattern * lengths[field] + levels[pair, field]
        patterns[pair] = pattern


def count_patterns(*patterns: NDArray[np.uint32]) -> NDArray[np.int64]:
    """How often each pattern occurs in all parts together: int64[N_PATTERNS]."""
    counts = np.zeros(N_PATTERNS, dtype=np.int64)
    for part in patterns:
        _count(part, counts)
    return counts


@njit(cache=True, nogil=True)
def _count(patterns: NDArray[np.uint32], counts: NDArray[np.int64]) -> None:
    for pattern in patterns:
        counts[pattern] += 1


def patterns_where(
    counts: NDArray[np.int64], judge: Callable[[NDArray[np.int8]], NDArray[np.bool_]]
) -> NDArray[np.bool_]:
    """Of which patterns a rule holds (`is_conflict`, `is_impossible`), bool[N_PATTERNS]: of those that occur, so that millions of pairs only look."""
    holds = np.zeros(N_PATTERNS, dtype=np.bool_)
    distinct = np.flatnonzero(counts)
    holds[distinct] = judge(unpack_levels(distinct.astype(np.uint32)))
    return holds


def is_impossible(levels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Pairs that differ in given name and in birth date: two people, whatever else they share."""
    birth = levels[:, BIRTH]
    other: NDArray[np.bool_] = (levels[:, GIVEN] == DIFFERS) & (birth >= DIFFERS) & (birth <= LAST_FAR_DATE)
    return other


def is_conflict(levels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Pairs that differ in given name or in birth date: twins, father and son of one name, two who share a number.

    Nor are two one person who agree in a single field.
    """
    other = (levels[:, GIVEN] == DIFFERS) | (levels[:, BIRTH] == DIFFERS)
    conflict: NDArray[np.bool_] = other | ((levels > DIFFERS).sum(axis=1) < LEAST_AGREEMENTS)
    return conflict


def is_one_submission(levels: NDArray[np.int8]) -> NDArray[np.bool_]:
    """Pairs of one name and one birth date: one identity was submitted, under whatever numbers."""
    one: NDArray[np.bool_] = (
        np.isin(levels[:, GIVEN], (SWAPPED, EQUAL))
        & np.isin(levels[:, FAMILY], (SWAPPED, EQUAL))
        & (levels[:, BIRTH] == len(FIELDS["birth_date"]) - 1)
    )
    return one


@njit(cache=True, nogil=True)
def _compare_words(words: Texts, groups: NDArray[np.int32], a: int, b: int) -> int:
    """Level of two words of a name; both are there."""
    a, b = min(a, b), max(a, b)
    a_start, a_end, b_start, b_end = words.start[a], words.start[a + 1], words.start[b], words.start[b + 1]
    n_a, n_b = a_end - a_start, b_end - b_start
    if n_a == 1 or n_b == 1:
        return INITIAL if words.points[a_start] == words.points[b_start] else DIFFERS
    if a == b:
        return EQUAL
    for i in range(groups.shape[1]):
        if groups[a, i] < 0 or groups[b, 0] < 0:
            break
        for j in range(groups.shape[1]):
            if groups[a, i] == groups[b, j]:
                return SHORT
    if min(n_a, n_b) >= LEAST_STEM_POINTS and _is_start(words.points, a_start, b_start, min(n_a, n_b)):
        return SHORT
    if max(n_a, n_b) >= LEAST_NEAR_POINTS and is_one_edit(words.points, a_start, a_end, b_start, b_end):
        return NEAR
    if 2 * min(n_a, n_b) < max(n_a, n_b):
        return DIFFERS
    similarity = jaro_winkler(words.points, a_start, a_end, b_start, b_end, ALIKE_SIMILARITY)
    if similarity >= NEAR_SIMILARITY:
        return NEAR
    return ALIKE if similarity >= ALIKE_SIMILARITY else DIFFERS


@njit(cache=True, nogil=True)
def _is_start(points: NDArray[np.uint32], a: int, b: int, n: int) -> bool:
    """Whether two texts begin with the same n code points."""
    k = 0
    while k < n and points[a + k] == points[b + k]:
        k += 1
    is_start: bool = k == n
    return is_start


@njit(cache=True, nogil=True)
def _is_among(words: Texts, groups: NDArray[np.int32], word: int, names: NDArray[np.int32]) -> bool:
    k = 0
    while k < len(names) and (names[k] < 0 or _compare_words(words, groups, word, names[k]) < NEAR):
        k += 1
    return k < len(names)


@njit(cache=True, nogil=True)
def _compare_names(
    words: Texts, groups: NDArray[np.int32], a: NDArray[np.int32], b: NDArray[np.int32], leads_a: bool, leads_b: bool
) -> tuple[int, int]:
    """Levels of given and family name; of names of one word, whether they lead."""
    for place in range(a.shape[0]):  # one direction, whichever account came first
        if a[place] != b[place]:
            if a[place] > b[place]:
                a, b = b, a
                leads_a, leads_b = leads_b, leads_a
            break
    if a[0] < 0 or b[0] < 0:
        return MISSING, MISSING
    if a[1] < 0 and b[1] < 0:
        level = _compare_words(words, groups, a[0], b[0])
        if level == DIFFERS:  # one may be the given name and the other the family's
            return MISSING, MISSING
        return (level, MISSING) if leads_a else (MISSING, level)
    if a[1] < 0 or b[1] < 0:
        word = a[0] if a[1] < 0 else b[0]
        other = b if a[1] < 0 else a
        given = _compare_words(words, groups, word, other[0])
        family = _compare_words(words, groups, word, other[1])
        if given >= family and given > DIFFERS:
            return given, MISSING
        if family > DIFFERS:
            return MISSING, family
        if _is_among(words, groups, word, other):
            return MISSING, PARTIAL
        return DIFFERS, DIFFERS
    given = _compare_words(words, groups, a[0], b[0])
    family = _compare_words(words, groups, a[1], b[1])
    if given <= ALIKE or family <= ALIKE:
        crossed_a = _compare_words(words, groups, a[0], b[1])
        crossed_b = _compare_words(words, groups, a[1], b[0])
        if min(crossed_a, crossed_b) >= NEAR and max(crossed_a, crossed_b) == EQUAL:
            given_level = SWAPPED if crossed_a == EQUAL else crossed_a
            family_level = SWAPPED if crossed_b == EQUAL else crossed_b
            return given_level, family_level
        is_crossed = max(crossed_a, crossed_b) >= NEAR
        if given == DIFFERS and (
            is_crossed or _is_among(words, groups, a[0], b[2:]) or _is_among(words, groups, b[0], a[2:])
        ):
            given = PARTIAL
        if family == DIFFERS and (
            is_crossed or _is_among(words, groups, a[1], b[2:]) or _is_among(words, groups, b[1], a[2:])
        ):
            family = PARTIAL
    return given, family


@njit(cache=True, nogil=True)
def _compare_dates(days_a: int, days_b: int, a: NDArray[np.int16], b: NDArray[np.int16]) -> int:
    if days_a == NO_DATE or days_b == NO_DATE:
        return 0
    if days_a == days_b:
        return 7
    if a[0] == b[0] and a[1] == b[2] and a[2] == b[1]:
        return 6
    n_digits, n_parts = 0, 0
    for part in range(3):
        x, y = a[part], b[part]
        n_parts += x == y
        while x > 0 or y > 0:
            n_digits += x % 10 != y % 10
            x //= 10
            y //= 10
    if n_digits == 1:
        return 5
    if n_digits == 2 and n_parts == 2:  # two neighbouring digits swapped
        for part in range(3):
            x, y = a[part], b[part]
            while x > 0 or y > 0:
                if x % 10 == y // 10 % 10 and y % 10 == x // 10 % 10 and x // 100 == y // 100 and x != y:
                    return 5
                x //= 10
                y //= 10
    if n_parts == 2:
        return 4
    apart = abs(days_a - days_b)
    if apart <= CLOSE_DAYS:
        return 3
    return 2 if abs(apart - TEN_YEARS_DAYS) <= CLOSE_DAYS else 1


@njit(cache=True, nogil=True)
def _compare_codes(texts: Texts, a: int, b: int) -> int:
    """0 where one is missing, 1 differs, 2 one edit, 3 equal."""
    if a < 0 or b < 0:
        return 0
    if a == b:
        return 3
    return 2 if is_one_edit(texts.points, texts.start[a], texts.start[a + 1], texts.start[b], texts.start[b + 1]) else 1


@njit(cache=True, nogil=True)
def _similarity(texts: Texts, a: int, b: int) -> float:
    """Jaro-Winkler's greedy search has a direction; numbers of texts follow their order, so it is always one and the same."""
    a, b = min(a, b), max(a, b)
    start, end = texts.start[b], texts.start[b + 1]
    return jaro_winkler(texts.points, texts.start[a], texts.start[a + 1], start, end, ALIKE_SIMILARITY)


@njit(cache=True, nogil=True)
def _has_same_digits(texts: Texts, a: int, b: int) -> bool:
    """The digits of one begin the other's: house numbers, numbered mailboxes."""
    i, j = texts.start[a], texts.start[b]
    while True:
        while i < texts.start[a + 1] and not 48 <= texts.points[i] <= 57:
            i += 1
        while j < texts.start[b + 1] and not 48 <= texts.points[j] <= 57:
            j += 1
        if i == texts.start[a + 1] or j == texts.start[b + 1]:
            break
        if texts.points[i] != texts.points[j]:
            return False
        i += 1
        j += 1
    return True


@njit(cache=True, nogil=True)
def _compare_emails(emails: Texts, a: int, b: int, box_a: int, box_b: int) -> int:
    level = _compare_codes(emails, a, b)
    if level == 0 or level == 3:
        return 0 if level == 0 else 5
    if level == 2:
        return 3
    if box_a >= 0 and box_a == box_b:
        return 4
    similarity = _similarity(emails, a, b)
    if similarity < ALIKE_SIMILARITY:
        return 1
    return 3 if similarity >= NEAR_SIMILARITY and _has_same_digits(emails, a, b) else 2


@njit(cache=True, nogil=True)
def _is_address_near(texts: Texts, a: int, b: int) -> bool:
    """Like words and the same digits: another house number is no slip."""
    return _has_same_digits(texts, a, b) and _similarity(texts, a, b) >= ALIKE_SIMILARITY


@njit(cache=True, nogil=True)
def _is_same_area(texts: Texts, a: int, b: int) -> bool:
    """All but the last three characters of a postcode, or its first three where it is short."""
    n_a, n_b = texts.start[a + 1] - texts.start[a], texts.start[b + 1] - texts.start[b]
    n_lead = max(3, max(n_a, n_b) - 3)
    if min(n_a, n_b) < n_lead:
        return False
    return _is_start(texts.points, texts.start[a], texts.start[b], n_lead)


@njit(cache=True, nogil=True)
def _compare_places(
    addresses: Texts, postcodes: Texts, address_a: int, address_b: int, postcode_a: int, postcode_b: int
) -> int:
    """Address and postcode together, since they say one thing."""
    address = 0
    if address_a >= 0 and address_b >= 0:
        is_near = address_a != address_b and _is_address_near(addresses, address_a, address_b)
        address = 3 if address_a == address_b else 1 + is_near
    postcode = _compare_codes(postcodes, postcode_a, postcode_b)
    if postcode == 3:
        return 8 if address == 3 else 7
    is_area = postcode > 0 and _is_same_area(postcodes, postcode_a, postcode_b)
    if address == 3:
        if postcode == 0:
            return 5
        return 6 if postcode == 2 or is_area else 4
    if address == 2 or postcode == 2:
        return 3
    if is_area:
        return 2
    return 1 if address == 1 or postcode == 1 else 0


@njit(cache=True, nogil=True)
def _compare(records: Encoded, left: NDArray[np.int64], right: NDArray[np.int64], levels: NDArray[np.int8]) -> None:
    for pair in range(left.shape[0]):
        a, b = left[pair], right[pair]
        levels[pair, 0], levels[pair, 1] = _compare_names(
            records.words, records.groups, records.names[a], records.names[b], records.leads[a], records.leads[b]
        )
        levels[pair, 2] = _compare_dates(records.days[a], records.days[b], records.parts[a], records.parts[b])
        levels[pair, 3] = _compare_codes(records.national_ids, records.national_id[a], records.national_id[b])
        levels[pair, 4] = _compare_emails(
            records.emails, records.email[a], records.email[b], records.mailbox[a], records.mailbox[b]
        )
        levels[pair, 5] = _compare_codes(records.phones, records.phone[a], records.phone[b])
        levels[pair, 6] = _compare_places(
            records.addresses, records.postcodes,
            records.address[a], records.address[b], records.postcode[a], records.postcode[b],
        )  # fmt: skip
