"""Sharing by identifier type: with how many accounts and identities, how rare, joined how close in time, at once or in turn.

Every type of `graph.schema.IDENTIFIERS` gets the same features, so a new type needs no line here. Hubs only count as hubs.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from gnn.feature_types import DAY_US, FIXED, MOST, Feature, Rows
from gnn.windows import count_near, count_within
from graph.schema import IDENTIFIERS
from graph.snapshot import is_shared

__all__ = ["FEATURES", "build"]

DAY = 86_400  # seconds
_CAME_DAYS = (1, 7, 14)
_DEVICE = list(IDENTIFIERS).index("device")
_AT_ONCE = 1_000_000  # accounts: their features lie by feature first, and by account then

Ints = NDArray[np.int64]

_PER_TYPE = (
    ("n_{}", "sharing", "{} values used", 0.0),
    ("n_shared_{}", "sharing", "{} values shared with another account", 0.0),
    ("n_hub_{}", "sharing", "{} values that are hubs", 0.0),
    ("max_accounts_{}", "sharing", "other accounts on its most shared {}", 0.0),
    ("mean_accounts_{}", "sharing", "other accounts on its {} values, mean", 0.0),
    ("max_identities_{}", "sharing", "other identities on its most shared {}", 0.0),
    ("max_bits_{}", "sharing", "rarity of its rarest shared {}, bits", 0.0),
    ("joined_7d_{}", "timing", "other identities that came to the same {} within 7 days of it, most", 0.0),
    ("signed_up_7d_{}", "timing", "accounts on the same {} that signed up within 7 days of it, most", 0.0),
    ("overlap_{}", "timing", "other accounts whose time on the same {} overlaps its own, most", 0.0),
    ("sequential_{}", "timing", "other accounts that had the same {} before or after it, most", 0.0),
)
_OVERALL = (
    ("joined_1d", "timing", "other identities that came to a shared identifier within 1 day of it, sum", 0.0),
    ("joined_7d", "timing", "other identities that came to a shared identifier within 7 days of it, sum", 0.0),
    ("joined_14d", "timing", "other identities that came to a shared identifier within 14 days of it, sum", 0.0),
    ("n_types_joined_7d", "timing", "identifier types on which another identity came within 7 days", 0.0),
    ("n_types_shared", "sharing", "identifier types that it shares", 0.0),
    ("sum_bits_shared", "sharing", "rarity of all that it shares, bits", 0.0),
    (
        "nearest_signup_days",
        "timing",
        "days between its signup and the nearest of an account that shares a value",
        -1.0,
    ),
    ("share_joined_7d", "timing", "share of the accounts on its shared values that came within 7 days of it", 0.0),
    ("first_seen_days", "timing", "days from its signup to its first use of a shared value, earliest", -1.0),
    ("new_device_days", "timing", "days from its signup to its latest new device", -1.0),
)

FEATURES = tuple(
    Feature(name.format(label), meaning.format(label.replace("_", " ")), family, missing)
    for label in IDENTIFIERS
    for name, family, meaning, missing in _PER_TYPE
) + tuple(Feature(name, meaning, family, missing) for name, family, meaning, missing in _OVERALL)


def build(rows: Rows) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order."""
    n, links, known = rows.accounts.height, rows.snapshot.links, _Known.of(rows.identifiers)
    identifier = links["identifier"].to_numpy()
    is_joint = rows.identifiers.select(is_shared()).to_series().to_numpy()[identifier]
    joint = _joint(rows.links(is_shared(), "identity", "signup_time"))
    place = np.where(is_joint, np.cumsum(is_joint, dtype=np.int32) - 1, np.int32(-1))
    pointer = np.concatenate([[0], np.cumsum(np.bincount(links["account"].to_numpy(), minlength=n))])
    seen, signup = _micros(links["first_seen"]), _micros(rows.accounts["signup_time"])
    missing = np.array([feature[3] for feature in _OVERALL], dtype=np.float32)
    parts = []
    for begin in range(0, max(n, 1), _AT_ONCE):
        end = min(begin + _AT_ONCE, n)
        by_type = np.zeros((len(IDENTIFIERS), len(_PER_TYPE), end - begin), dtype=np.float32)
        _per_type(begin, pointer, identifier, known, place, joint, by_type)
        overall = np.repeat(missing[:, None], end - begin, axis=1)
        _overall(begin, pointer, identifier, known, seen, signup, place, joint, overall)
        values = [*(row for ways in by_type for row in ways), *overall]
        named = {feature.name: pl.Series(row) for feature, row in zip(FEATURES, values, strict=True)}
        parts.append(rows.accounts[begin:end].select("account").with_columns(**named))
    return pl.concat(parts)


class _Known(NamedTuple):
    """Of identifiers [m], by number: place of the type, other accounts and identities on it, whether it is a hub, bits, and these in fixed point
    (see `gnn.feature_types.exact_sum`)."""

    kind: NDArray[np.uint8]
    others: NDArray[np.int32]
    people: NDArray[np.int32]
    is_hub: NDArray[np.bool_]
    weight: NDArray[np.float64]
    fixed: Ints

    @classmethod
    def of(cls, identifiers: pl.DataFrame) -> "_Known":
        others, people = (
            (identifiers[name].to_numpy() - 1).astype(np.int32) for name in ("n_accounts", "n_identities")
        )
        kind = identifiers["identifier_type"].to_physical().cast(pl.UInt8).to_numpy()
        weight = identifiers["weight"].to_numpy()
        fixed = np.rint(np.clip(weight, -MOST, MOST) * FIXED).astype(np.int64)
        return cls(kind, others, people, identifiers["is_hub"].to_numpy(), weight, fixed)


class _Joint(NamedTuple):
    """Of links on shared identifiers that are no hub, int64 [k] each.

    Attributes:
        came: [3, k], other identities that came to the identifier within `_CAME_DAYS` of the account.
        signed_up: other accounts on it that signed up within a week of it.
        overlap: other accounts whose time on it overlaps the account's.
        gap: microseconds between its signup and the nearest one of another account on it; the largest int64 where none is there.
    """

    came: Ints
    signed_up: Ints
    overlap: Ints
    gap: Ints


def _joint(shared: pl.DataFrame) -> _Joint:
    identifier, identity = (shared[name].to_numpy().astype(np.int64) for name in ("identifier", "identity"))
    seen, signup_us = _micros(shared["first_seen"]), _micros(shared["signup_time"])
    start = (
        min(seen.min(), signup_us.min()) // 1_000_000 if len(seen) else 0
    )  # small numbers, for keys of group and time
    first, signup, last = (each // 1_000_000 - start for each in (seen, signup_us, _micros(shared["last_seen"])))
    # an identity came when the first of its accounts did
    key = identifier * (int(identity.max(initial=0)) + 1) + identity
    order = np.argsort(key)
    begins = np.flatnonzero(np.diff(key[order], prepend=-1))
    came = np.minimum.reduceat(first[order], begins) if len(begins) else first
    own_came = np.empty_like(first)
    own_came[order] = np.repeat(came, np.diff(np.append(begins, len(order))))
    within = count_near(identifier[order][begins], came, [days * DAY for days in _CAME_DAYS], identifier, first)
    by_days = [
        counts - (np.abs(own_came - first) <= days * DAY) for days, counts in zip(_CAME_DAYS, within, strict=True)
    ]
    signed_up = count_near(identifier, signup, [7 * DAY])[0] - 1
    started = count_within(identifier, first, np.zeros_like(first), last)
    ended = count_within(identifier, last, np.zeros_like(first), first - 1)
    return _Joint(np.stack(by_days), signed_up, started - ended - 1, _gaps(identifier, signup_us))


def _micros(times: pl.Series) -> Ints:
    return times.dt.epoch("us").to_numpy()


def _gaps(group: Ints, time: Ints) -> Ints:
    """Distance to the nearest other time of the same group; the largest int64 in a group of one."""
    order = np.lexsort((time, group))
    far = np.iinfo(np.int64).max
    step = np.where(np.diff(group[order]) == 0, np.diff(time[order]), far)
    gap = np.empty(len(group), dtype=np.int64)
    gap[order] = np.minimum(np.append(step, far), np.insert(step, 0, far))[: len(group)]
    return gap


@njit(cache=True, nogil=True)
def _per_type(
    begin: int,
    pointer: Ints,
    identifier: NDArray[np.int32],
    known: _Known,
    place: NDArray[np.int32],
    joint: _Joint,
    out: NDArray[np.float32],
) -> None:
    """Fills `out`, [types, len(_PER_TYPE), k], by place in `_PER_TYPE`, for k accounts from `begin` on; `place` is a link's row among the shared ones, or -1."""
    n_types, n_ways, n = out.shape
    held = np.zeros((n_types, n_ways))
    for account in range(n):
        for row in range(pointer[begin + account], pointer[begin + account + 1]):
            number = identifier[row]
            own, others = held[known.kind[number]], known.others[number]
            beside = 0 if known.is_hub[number] else others
            people = 0 if known.is_hub[number] else known.people[number]
            own[3] = max(own[3], beside) if own[0] else beside
            own[5] = max(own[5], people) if own[0] else people
            own[0] += 1
            own[2] += known.is_hub[number]
            own[4] += beside
            at = place[row]
            if at >= 0:
                is_more, overlap, came = own[1] > 0, joint.overlap[at], joint.came[1, at]
                apart, weight, signed_up = others - overlap, known.weight[number], joint.signed_up[at]
                own[6] = max(own[6], weight) if is_more else weight
                own[7] = max(own[7], came) if is_more else came
                own[8] = max(own[8], signed_up) if is_more else signed_up
                own[9] = max(own[9], overlap) if is_more else overlap
                own[10] = max(own[10], apart) if is_more else apart
                own[1] += 1
        for number in range(n_types):
            own = held[number]
            if own[0]:
                own[4] /= own[0]
                out[number, :, account] = own
                own[:] = 0


@njit(cache=True, nogil=True)
def _overall(
    begin: int,
    pointer: Ints,
    identifier: NDArray[np.int32],
    known: _Known,
    seen: Ints,
    signup: Ints,
    place: NDArray[np.int32],
    joint: _Joint,
    out: NDArray[np.float32],
) -> None:
    """Fills `out`, [len(_OVERALL), k], by place in `_OVERALL`, for k accounts from `begin` on; it holds what is missing."""
    far = np.iinfo(np.int64).max
    for account in range(out.shape[1]):
        came_1, came_7, came_14, bits, beside = 0, 0, 0, 0, 0
        types, joined, nearest, soonest, latest = 0, 0, far, far, -far
        for row in range(pointer[begin + account], pointer[begin + account + 1]):
            number, delay, at = identifier[row], seen[row] - signup[begin + account], place[row]
            kind = known.kind[number]
            if kind == _DEVICE:
                latest = max(latest, delay)
            if at < 0:
                continue
            came_1, came_7 = came_1 + joint.came[0, at], came_7 + joint.came[1, at]
            came_14 += joint.came[2, at]
            bits, beside = bits + known.fixed[number], beside + known.others[number]
            types |= 1 << kind
            if joint.came[1, at] > 0:
                joined |= 1 << kind
            nearest, soonest = min(nearest, joint.gap[at]), min(soonest, delay)
        if types:
            out[0, account], out[1, account], out[2, account] = came_1, came_7, came_14
            out[3, account], out[4, account] = _bits(joined), _bits(types)
            out[5, account] = bits / FIXED
            out[7, account] = came_7 / beside
            out[8, account] = max(soonest, 0) / DAY_US
        if nearest < far:
            out[6, account] = nearest / DAY_US
        if latest > -far:
            out[9, account] = max(latest, 0) / DAY_US


@njit(cache=True, nogil=True)
def _bits(value: int) -> int:
    n = 0
    while value:
        n += value & 1
        value >>= 1
    return n
