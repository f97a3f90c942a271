"""Which pairs of records are worth comparing: those that share a block of some key.

A key joins two or three parts of a record (a birth date and the sound of a family name). A block is used while no more than
`LARGEST_BLOCK` records stand in it; where a coarse key's block is larger, the finer keys that contain it go on. So no value, however
common, costs more than its records times a constant. Those of one name and one birth date are joined in a row where they are more, up
to the cap of the identifier type `person`: one actor may submit one identity a hundred times.
"""

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.identity_records import NO_DATE, Encoded
from graph.identity_text import Texts
from graph.schema import IDENTIFIERS

__all__ = ["KEYS", "LARGEST_BLOCK", "PAIRS_PER_RECORD", "Blocks", "build_blocks", "candidates"]

LARGEST_BLOCK = 50
PAIRS_PER_KEY = 4  # a record, by one key; beyond it the key's largest blocks are left out
PAIRS_PER_RECORD = 80  # by all keys; beyond it the largest blocks of all keys are left out

# key -> parts of a record that make it, coarse first
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
PERSON = 0


class Blocks(NamedTuple):
    """The keys of records, and which of their blocks are used.

    Attributes:
        keys: uint64[n_keys, n], 0 where the record lacks a part.
        size: int32[n_keys, n], records in the block.
        bound: int32[n_keys], blocks of a key that have more records are not used.
    """

    keys: NDArray[np.uint64]
    size: NDArray[np.int32]
    bound: NDArray[np.int32]


def build_blocks(records: Encoded) -> Blocks:
    """Keys of all records, sizes of their blocks, and the bound at which all pairs stay within `PAIRS_PER_RECORD`."""
    parts = _parts(records)
    n_records = records.account.shape[0]
    keys = np.zeros((len(KEYS), n_records), dtype=np.uint64)
    size = np.zeros((len(KEYS), n_records), dtype=np.int32)
    bound = np.full(len(KEYS), LARGEST_BLOCK, dtype=np.int32)
    pairs = np.zeros((len(KEYS), LARGEST_BLOCK + 1))  # by size of their block
    for number, names in enumerate(KEYS.values()):
        keys[number] = _joined([parts[name] for name in names])
        size[number] = _sizes(keys[number])
        n_of_size = np.bincount(size[number], minlength=LARGEST_BLOCK + 1)[: LARGEST_BLOCK + 1]
        pairs[number] = n_of_size * (np.arange(LARGEST_BLOCK + 1) - 1).clip(0) / 2
        bound[number] = _affordable(pairs[number], PAIRS_PER_KEY * n_records)
        pairs[number, bound[number] + 1 :] = 0
    bound = np.minimum(bound, _affordable(pairs.sum(axis=0), PAIRS_PER_RECORD * n_records))
    return Blocks(keys, size, bound)


def _sizes(keys: NDArray[np.uint64]) -> NDArray[np.int32]:
    """How many records have the same key; 0 for no key."""
    order = np.argsort(keys)
    ordered = keys[order]
    starts = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1])[: keys.shape[0]])
    counts = np.diff(np.append(starts, keys.shape[0]))
    sizes = np.empty(keys.shape[0], dtype=np.int32)
    sizes[order] = np.repeat(counts, counts)
    sizes[keys == 0] = 0
    return sizes


def _affordable(pairs_by_size: NDArray[np.float64], n_pairs: int) -> int:
    """The largest size of block up to which there are no more than `n_pairs`."""
    return int(np.searchsorted(np.cumsum(pairs_by_size), n_pairs, side="right")) - 1


def candidates(blocks: Blocks) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Pairs of records that share a used block, each once.

    Args:
        blocks: as `build_blocks` gives them, of all records.

    Returns:
        left, right int32[n_pairs], left < right, sorted by left and right.
    """
    lefts, rights = [np.empty(0, dtype=np.int32)], [np.empty(0, dtype=np.int32)]
    row_left, row_right = _in_a_row(blocks)
    lefts.append(row_left)
    rights.append(row_right)
    for number in range(blocks.keys.shape[0]):
        usable = np.flatnonzero((blocks.size[number] >= 2) & (blocks.size[number] <= blocks.bound[number]))
        order = usable[np.argsort(blocks.keys[number][usable], kind="stable")].astype(np.int32)
        starts = np.flatnonzero(np.diff(blocks.keys[number][order], prepend=np.uint64(0)))
        ends = np.append(starts[1:], order.shape[0]).astype(np.int64)
        n_pairs = _pair(blocks, number, order, starts, ends, lefts[0], rights[0])
        left, right = np.empty(n_pairs, dtype=np.int32), np.empty(n_pairs, dtype=np.int32)
        _pair(blocks, number, order, starts, ends, left, right)
        lefts.append(left)
        rights.append(right)
    codes = (np.concatenate(lefts).astype(np.int64) << 32) | np.concatenate(rights)
    codes.sort()
    return (codes >> 32).astype(np.int32), codes.astype(np.int32)  # the lower half


def _in_a_row(blocks: Blocks) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Each record of a name and birth date too common for all pairs, with the next one; no other key gives these pairs."""
    size = blocks.size[PERSON]
    order = np.flatnonzero((size > blocks.bound[PERSON]) & (size <= IDENTIFIERS["person"].cap)).astype(np.int32)
    order = order[np.argsort(blocks.keys[PERSON][order], kind="stable")]
    left, right = order[:-1], order[1:]
    is_one = blocks.keys[PERSON][left] == blocks.keys[PERSON][right]
    for number in range(blocks.keys.shape[0]):
        is_shared = blocks.keys[number][left] == blocks.keys[number][right]
        is_one &= ~(is_shared & (blocks.size[number][left] >= 2) & (blocks.size[number][left] <= blocks.bound[number]))
    return left[is_one], right[is_one]


@njit(cache=True, nogil=True)
def _pair(
    blocks: Blocks,
    number: int,
    order: NDArray[np.int32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    left: NDArray[np.int32],
    right: NDArray[np.int32],
) -> int:
    """Counts the pairs of one key that no earlier key gave, and writes them where `left` has room."""
    n_pairs, is_writing = 0, left.shape[0] > 0
    for block in range(starts.shape[0]):
        for i in range(starts[block], ends[block]):
            for j in range(i + 1, ends[block]):
                a, b = order[i], order[j]
                is_known = False
                for earlier in range(number):
                    if (
                        blocks.keys[earlier, a] == blocks.keys[earlier, b]
                        and 2 <= blocks.size[earlier, a] <= blocks.bound[earlier]
                    ):
                        is_known = True
                        break
                if is_known:
                    continue
                if is_writing:
                    left[n_pairs], right[n_pairs] = min(a, b), max(a, b)
                n_pairs += 1
    return n_pairs


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
    """Spreads the bits (the finaliser of splitmix64)."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return mixed


def _parts(records: Encoded) -> dict[str, NDArray[np.uint64]]:
    """A hash of each part of each record, 0 where it is missing."""
    sounds = np.zeros(records.words.held.shape[0], dtype=np.uint64)
    _sound(records.words, sounds)
    short = records.groups[:, 0].astype(np.int64)
    heard = np.where(short >= 0, _mixed((short + 1).astype(np.uint64)), sounds)
    first, last = records.names[:, 0], records.names[:, 1]
    is_lone = last < 0
    lone_leads = _of(records.leads.astype(np.uint64), first) > 0
    given = np.where(is_lone & ~lone_leads, 0, _of(heard, first))
    family = np.where(is_lone, np.where(lone_leads, 0, _of(sounds, first)), _of(sounds, last))
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
        "birth_date": np.where(has_date, _mixed(records.days.astype(np.int64).astype(np.uint64) + np.uint64(1)), 0),
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
