"""What records may share, as numbers, and how many hold each: of this blocks are made, and rarity.

A value joins one to three parts of a record (a birth date and the sound of a family name). Most are keys of blocks
(`graph.identity_blocking`); the last ones are there to be counted. All are functions of the record alone, but for a name of one word,
which is a given or a family name by how others use it (`leading`).
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.identity_records import NO_DATE, Encoded
from graph.identity_text import Texts

__all__ = ["KEYS", "VALUES", "Values", "are_held", "count_values", "hash_values", "leading"]

# key of blocks -> parts of a record that make it, coarse first
KEYS: dict[str, tuple[str, ...]] = {
    "person": ("name", "birth_date"),
    "national id": ("national_id",),
    "email": ("email",),
    "phone": ("phone",),
    "name": ("name",),
    "birth date": ("birth_date",),
    "mailbox": ("mailbox",),
    "home": ("home",),
    "birth date, family": ("birth_date", "family"),
    "birth date, given": ("birth_date", "given"),
    "birth date, place": ("birth_date", "postcode"),
    "birth date, address": ("birth_date", "address"),
    "postcode, family": ("postcode", "family"),
    "postcode, given": ("postcode", "given"),
    "address, family": ("address", "family"),
    "address, given": ("address", "given"),
    "sounds": ("sounds",),
    "sounds, year": ("sounds", "year"),
    "sounds, address": ("sounds", "address"),
    "sounds, postcode": ("sounds", "postcode"),
    "sounds, birth date": ("sounds", "birth_date"),
}
# all that is counted; a word counts where it stands first or last, so the last two share their counts
VALUES = (*KEYS, "address", "postcode", "first word", "last word")


class Values(NamedTuple):
    """What all records hold.

    Attributes:
        value: uint64[len(VALUES), n], 0 where the record lacks a part.
        held: int32[len(VALUES), n], by how many records the same is held; 0 for none.
    """

    value: NDArray[np.uint64]
    held: NDArray[np.int32]


def count_values(
    value: NDArray[np.uint64], count: NDArray[np.int32], is_new: NDArray[np.bool_], gone: NDArray[np.uint64]
) -> None:
    """Brings counts up to date, in place: of the values that came or went, and of no other.

    Args:
        value: uint64[len(VALUES), n], of all records.
        count: int32[len(VALUES), n], as it was before; anything for new records.
        is_new: bool[n], the record was not there before.
        gone: uint64[len(VALUES), m], of records that are no more.
    """
    alone = len(VALUES) - 2
    for first, end in (*((number, number + 1) for number in range(alone)), (alone, len(VALUES))):
        _count(value[first:end], count[first:end], is_new, gone[first:end])


@njit(cache=True, nogil=True)
def _count(
    value: NDArray[np.uint64], count: NDArray[np.int32], is_new: NDArray[np.bool_], gone: NDArray[np.uint64]
) -> None:
    keys = _table(value.shape[0] * (is_new.sum() + gone.shape[1]))
    held = np.zeros(keys.shape[0], dtype=np.int32)
    for line in range(value.shape[0]):
        for row in range(value.shape[1]):
            if is_new[row]:
                _put(keys, value[line, row])
        for row in range(gone.shape[1]):
            _put(keys, gone[line, row])
    for line in range(value.shape[0]):
        for row in range(value.shape[1]):
            slot = _find(keys, value[line, row])
            if keys[slot] != 0:
                held[slot] += 1
    for line in range(value.shape[0]):
        for row in range(value.shape[1]):
            if value[line, row] == 0:
                count[line, row] = 0
                continue
            slot = _find(keys, value[line, row])
            if keys[slot] != 0:
                count[line, row] = held[slot]


@njit(cache=True, nogil=True)
def _table(n_keys: int) -> NDArray[np.uint64]:
    """Room for so many keys, by open addressing, at most half full."""
    size = 16
    while size < 2 * n_keys:
        size *= 2
    return np.zeros(size, dtype=np.uint64)


@njit(cache=True, nogil=True)
def _find(keys: NDArray[np.uint64], key: int) -> int:
    """The slot of a key, or the empty one where it would lie; keys are well mixed."""
    mask = keys.shape[0] - 1
    slot = np.int64(key) & mask
    while keys[slot] != 0 and keys[slot] != key:
        slot = (slot + 1) & mask
    return int(slot)


@njit(cache=True, nogil=True)
def _put(keys: NDArray[np.uint64], key: int) -> None:
    if key != 0:
        keys[_find(keys, key)] = key


@njit(cache=True, nogil=True)
def are_held(value: NDArray[np.uint64], wanted: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which records hold what a wanted one holds: uint64[n], bool[n] -> bool[n]."""
    keys = _table(wanted.sum())
    for row in range(value.shape[0]):
        if wanted[row]:
            _put(keys, value[row])
    held = np.zeros(value.shape[0], dtype=np.bool_)
    for row in range(value.shape[0]):
        held[row] = value[row] != 0 and keys[_find(keys, value[row])] != 0
    return held


@njit(cache=True, nogil=True)
def leading(first: NDArray[np.uint64], last: NDArray[np.uint64]) -> NDArray[np.bool_]:
    """Which names of one word are given names: the word stands first rather than last among names of two words and more.

    Args:
        first, last: uint64[n], digests of the words, 0 for none; a name of one word has no last.
    """
    is_lone = (first != 0) & (last == 0)
    keys = _table(is_lone.sum())
    balance = np.zeros(keys.shape[0], dtype=np.int64)
    for row in range(first.shape[0]):
        if is_lone[row]:
            _put(keys, first[row])
    for row in range(first.shape[0]):
        if last[row] != 0:
            balance[_find(keys, first[row])] += 1  # of an empty slot nobody asks
            balance[_find(keys, last[row])] -= 1
    leads = np.zeros(first.shape[0], dtype=np.bool_)
    for row in range(first.shape[0]):
        leads[row] = is_lone[row] and balance[_find(keys, first[row])] > 0
    return leads


def hash_values(records: Encoded) -> Iterator[NDArray[np.uint64]]:
    """`Values.value` of some records, line by line."""
    parts = _parts(records)
    for names in KEYS.values():
        yield _joined([parts[name] for name in names])
    yield _mixed(parts["address"])
    yield _mixed(parts["postcode"])
    for place in (0, 1):
        yield _of(records.words.digest, records.names[:, place])


def _joined(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    """One key of several parts, 0 where one is missing."""
    key = np.zeros(parts[0].shape[0], dtype=np.uint64)
    missing = np.zeros(parts[0].shape[0], dtype=np.bool_)
    for part in parts:
        key = _mixed(key ^ part)
        missing |= part == 0
    key[missing] = 0
    return key


def _mixed(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Spreads the bits (the finaliser of splitmix64); 0 stays 0."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed


def _parts(records: Encoded) -> dict[str, NDArray[np.uint64]]:
    """A hash of each part of each record, 0 where it is missing."""
    sounds = np.zeros(records.words.digest.shape[0], dtype=np.uint64)
    _sound(records.words, sounds)
    short = records.groups[:, 0].astype(np.int64)
    heard = np.where(short >= 0, _mixed((short + 1).astype(np.uint64)), sounds)
    first, last = records.names[:, 0], records.names[:, 1]
    is_lone = last < 0
    given = np.where(is_lone & ~records.leads, 0, _of(heard, first))
    family = np.where(is_lone, np.where(records.leads, 0, _of(sounds, first)), _of(sounds, last))
    name = np.where(is_lone, 0, _of(records.words.digest, first) + _of(records.words.digest, last))
    either = _of(heard, first) + _of(heard, last)
    has_date = records.days != NO_DATE
    return {
        "national_id": _of(records.national_ids.digest, records.national_id),
        "email": _of(records.emails.digest, records.email),
        "mailbox": _of(records.mailboxes.digest, records.mailbox),
        "phone": _of(records.phones.digest, records.phone),
        "address": _of(records.addresses.digest, records.address),
        "postcode": _of(records.postcodes.digest, records.postcode),
        "home": _of(records.homes.digest, records.home),
        # beyond any date, so that none is 0
        "birth_date": np.where(has_date, _mixed((records.days.astype(np.int64) + 2**40).astype(np.uint64)), 0),
        "year": np.where(has_date, _mixed(records.parts[:, 0].astype(np.uint64) + np.uint64(7)), 0),
        "given": given.astype(np.uint64),
        "family": family.astype(np.uint64),
        "name": name.astype(np.uint64),
        "sounds": np.where((given == 0) | (family == 0), 0, either).astype(np.uint64),
    }


def _of(values: NDArray[np.uint64], codes: NDArray[np.int32]) -> NDArray[np.uint64]:
    if values.shape[0] == 0:
        return np.zeros(codes.shape[0], dtype=np.uint64)
    return np.where(codes >= 0, values[codes], np.uint64(0))


# sound classes of the letters a to z, in the manner of Soundex; 0 is not heard
CLASSES = np.array([0, 1, 2, 3, 0, 1, 2, 0, 0, 2, 2, 4, 5, 5, 0, 1, 2, 6, 2, 3, 0, 1, 0, 2, 0, 2], dtype=np.uint64)


@njit(cache=True, nogil=True)
def _sound(words: Texts, sounds: NDArray[np.uint64]) -> None:
    """First letter and up to three classes of consonants; other scripts by their first four code points."""
    for word in range(sounds.shape[0]):
        start, end = words.start[word], words.start[word + 1]
        sound = np.uint64(words.points[start])
        last = np.uint64(0)
        n_heard = 0
        for place in range(start + 1, end):
            point = words.points[place]
            if 97 <= point <= 122:
                heard = CLASSES[point - 97]
            elif 48 <= point <= 57:
                continue
            else:
                heard = np.uint64(point)
            if heard != 0 and heard != last and n_heard < 3:
                sound = sound * np.uint64(1099511628211) + heard
                n_heard += 1
            last = heard
        sounds[word] = sound * np.uint64(0x9E3779B97F4A7C15) + np.uint64(1)
