"""The draft of one block of a made world: its accounts as arrays, and what each account can be seen on.

One mechanism carries all sharing, honest or not: a *holding* says that an account may be seen on a thing (a device, an
address on the internet, an instrument, a payee) between two times, with a weight. Logins and payments then pick among what
the account holds at the time. Families, shops and rings differ only in the holdings that they add.

Times are i64 microseconds since the world's start; things are u64 and become text in `render`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jobs.simulate.names import AREA_CODES, STREET_KINDS, STREETS

__all__ = [
    "DAY",
    "FOREVER",
    "GROUPS",
    "HOUR",
    "N_EXCHANGES",
    "SHARING",
    "Draft",
    "Held",
    "Holdings",
    "Homes",
    "Ints",
    "Keys",
    "Things",
    "deal_sizes",
    "flag",
    "mix",
    "pick_held",
    "times_of_day",
]

Ints = NDArray[np.int64]
Things = NDArray[np.uint64]

HOUR: Final = 3_600_000_000
DAY: Final = 24 * HOUR
FOREVER: Final = 1 << 62

# The group of an account is the last of these that it is in.
GROUPS: Final = (
    "single",
    "household",
    "shared_home",
    "refurbished_device",
    "recycled_phone",
    "payroll",
    "shop_tablet",
    "dormitory",
    "shelter",
    "ring",
)
SHARING: Final = (
    *GROUPS,
    "carrier_nat",
    "vpn",
    "office",
    "family_card",
    "joint_account",
    "family_tablet",
    "family_mailbox",
    "second_account",
    "sibling_numbers",
    "fundraiser",
)

# share of a day's events in each hour
_HOURS: Final = np.array(
    [14, 9, 6, 5, 5, 8, 16, 28, 38, 44, 48, 52, 56, 52, 48, 48, 52, 58, 64, 66, 62, 52, 38, 24], dtype=np.float64
)


def flag(name: str) -> int:
    """The bit that stands for a kind of sharing in `Draft.sharing`."""
    return 1 << SHARING.index(name)


def mix(values: ArrayLike, key: int) -> Things:
    """Scrambles u64 values one to one (the finaliser of splitmix64), so that ids are unique and tell no order."""
    with np.errstate(over="ignore"):
        z = np.asarray(values).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def deal_sizes(rng: np.random.Generator, total: int, low: int, high: int, *, skew: float = 1.0) -> Ints:
    """Sizes of groups from `low` to `high` that together take at most `total`; larger `skew` makes large ones rarer."""
    if total < low:
        return np.empty(0, dtype=np.int64)
    draws = low + ((high - low + 1) * rng.random(total // low + 1) ** skew).astype(np.int64)
    sizes = draws[: int(np.searchsorted(np.cumsum(draws), total, side="right"))]
    left = total - int(sizes.sum())
    return np.append(sizes, left) if left >= low else sizes


def times_of_day(rng: np.random.Generator, n: int) -> Ints:
    """Microseconds since midnight, by the rhythm that everybody's day has; shape (n,)."""
    hour = np.searchsorted(np.cumsum(_HOURS) / _HOURS.sum(), rng.random(n), side="right")
    return np.asarray(hour * HOUR + (rng.random(n) * HOUR).astype(np.int64), dtype=np.int64)


@dataclass(frozen=True)
class Keys:
    """What is the same for all blocks of a world: keys of the ids, and the hubs that everybody meets."""

    account: int
    thing: int
    event: int
    phone: int
    carrier_ips: Things
    vpn_ips: Things
    merchants: Things


@dataclass(frozen=True)
class Held:
    """Holdings as columns, sorted by account; all of shape (k,)."""

    account: Ints
    thing: Things
    since: Ints
    until: Ints
    weight: NDArray[np.float64]
    kind: Ints


class Holdings:
    """Collects holdings of one sort; see the module's text."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Things, Ints, Ints, NDArray[np.float64], Ints]] = []

    def add(
        self,
        account: ArrayLike,
        thing: ArrayLike,
        *,
        since: ArrayLike = -FOREVER,
        until: ArrayLike = FOREVER,
        weight: ArrayLike = 1.0,
        kind: ArrayLike = 0,
    ) -> None:
        """Adds one holding per element, everything broadcast to `account`'s shape."""
        accounts = np.asarray(account, dtype=np.int64)
        shape = accounts.shape

        def spread(values: ArrayLike, dtype: type[np.generic]) -> NDArray[np.generic]:
            return np.broadcast_to(np.asarray(values).astype(dtype), shape)

        row = (thing, np.uint64), (since, np.int64), (until, np.int64), (weight, np.float64), (kind, np.int64)
        self._parts.append((accounts, *(spread(values, dtype) for values, dtype in row)))  # type: ignore[arg-type]

    def held(self) -> Held:
        """All that was added, sorted by account, in the order of adding within it."""
        if not self._parts:
            self.add([], [])
        columns = [np.concatenate(parts) for parts in zip(*self._parts, strict=True)]
        order = np.argsort(columns[0], kind="stable")
        return Held(*(column[order] for column in columns))


def pick_held(rng: np.random.Generator, held: Held, account: Ints, time: Ints) -> Ints:
    """For each (account, time) one holding that is open then, by weight: a row of `held`, or -1. Shape (n,)."""
    start = np.searchsorted(held.account, account, side="left")
    count = np.searchsorted(held.account, account, side="right") - start
    picked = np.full(len(account), -1, dtype=np.int64)
    some = np.flatnonzero(count)
    if len(some) == 0:
        return picked
    start, count = start[some], count[some]
    first = np.cumsum(count) - count
    asker = np.repeat(np.arange(len(some)), count)
    row = np.arange(int(count.sum())) - first[asker] + start[asker]
    when = time[some][asker]
    # the smallest of exponentials with these rates is a draw by weight
    wait = rng.standard_exponential(len(row)) / held.weight[row]
    wait[(held.since[row] > when) | (held.until[row] <= when)] = np.inf
    best = np.minimum.reduceat(wait, first)
    hit = (wait == best[asker]) & np.isfinite(wait)
    picked[some[asker[hit]]] = row[hit]
    return picked


class Homes:
    """Addresses of a block; a home is a row."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Ints, Ints]] = []
        self.n = 0

    def add(self, rng: np.random.Generator, n: int) -> Ints:
        """Makes `n` homes and gives their rows."""
        unit = np.where(rng.random(n) < 0.3, rng.integers(1, 400, n), 0)
        street = rng.integers(0, len(STREETS) * len(STREET_KINDS), n)
        self._parts.append((rng.integers(1, 9800, n), street, unit, rng.integers(10_001, 99_950, n)))
        self.n += n
        return np.arange(self.n - n, self.n)

    def columns(self) -> tuple[Ints, Ints, Ints, Ints]:
        """Number, street, unit (0: none) and postcode, each of shape (homes,)."""
        number, street, unit, postcode = (np.concatenate(part) for part in zip(*self._parts, strict=True))
        return number, street, unit, postcode


@dataclass
class Draft:
    """One block while it is being made. Arrays of shape (n,) unless said; accounts are 0..n-1 within the block.

    Attributes:
        block: its number; it and `keys` make ids that no other block has.
        first_account: number of account 0 in the world.
        span: length of the world in microseconds.
        signup: when the account was opened.
        person: the account whose person this one's is (itself, but for second accounts).
        given, family: rows of the name lists. birth: days since 1970. national: nine digits, or -1.
        mailbox: the account whose email address this one gives. mail_style, mail_digits, mail_domain: its parts.
        phone: ten digits. home: row of `homes`.
        quiet_from, quiet_until: nothing happens on the account between them. left_at: nor after it.
        ring, archetype: -1 for honest accounts. synthetic: the person does not exist.
        own_kind: kind of each account's main device, as in `behaviour.PLATFORMS`.
        lines: the first line of each home, shape (homes,); residential proxies sell them.
        changes: later submissions of a profile: (account, time, field, value) arrays.
        cashouts: payments of rings and fundraisers: (account, time, payee, amount in minor units, share that is reversed).
        cashout_time: of each account's ring, FOREVER if none.
    """

    rng: np.random.Generator
    keys: Keys
    block: int
    first_account: int
    n: int
    span: int
    signup: Ints
    person: Ints
    given: Ints
    family: Ints
    birth: Ints
    national: Ints
    mailbox: Ints
    mail_style: Ints
    mail_digits: Ints
    mail_domain: Ints
    phone: Ints
    home: Ints
    quiet_from: Ints
    quiet_until: Ints
    left_at: Ints
    ring: Ints
    archetype: Ints
    synthetic: NDArray[np.bool_]
    sharing: Ints
    cashout_time: Ints
    homes: Homes = field(default_factory=Homes)
    devices: Holdings = field(default_factory=Holdings)
    ips: Holdings = field(default_factory=Holdings)
    instruments: Holdings = field(default_factory=Holdings)
    payees: Holdings = field(default_factory=Holdings)
    changes: list[tuple[Ints, Ints, str, Ints]] = field(default_factory=list)
    cashouts: list[tuple[Ints, Ints, Things, Ints, float]] = field(default_factory=list)
    own_kind: Ints = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    lines: Things = field(default_factory=lambda: np.empty(0, dtype=np.uint64))
    n_things: int = 0
    n_ips: int = 0
    n_phones: int = 0

    def things(self, n: int) -> Things:
        """`n` new ids that nothing else in the world has."""
        self.n_things += n
        return mix((self.block << 36) + np.arange(self.n_things - n, self.n_things), self.keys.thing)

    def account_ids(self, accounts: ArrayLike) -> Things:
        """The ids of accounts of this block."""
        return mix(np.asarray(accounts) + self.first_account, self.keys.account)

    def new_phones(self, n: int) -> Ints:
        """`n` phone numbers that nobody has; ranks in the numbering plan, which `render` turns into digits."""
        self.n_phones += n
        ranks = self.block * 60_013 + np.arange(self.n_phones - n, self.n_phones)
        return np.asarray((ranks * 48_271_003 + self.keys.phone) % _N_PHONES, dtype=np.int64)

    def new_ips(self, n: int) -> Things:
        """`n` home lines that nobody has: two thirds IPv4 (below 2**32), the rest the upper half of an IPv6 address."""
        self.n_ips += n
        ranks = self.block * 60_017 + np.arange(self.n_ips - n, self.n_ips)
        scrambled = (ranks * 69_069_001 + self.keys.phone) % (_HOME_NETWORKS * 2**24)
        v4 = ((24 + scrambled // 2**24) << 24) + scrambled % 2**24
        v6 = (0x2600 << 48) + (mix(ranks, self.keys.thing) >> np.uint64(16)).astype(np.int64)
        return np.where(self.rng.random(n) < 0.67, v4, v6).astype(np.uint64)

    def mark(self, accounts: ArrayLike, name: str) -> None:
        """Notes a kind of sharing in the truth."""
        self.sharing[np.asarray(accounts, dtype=np.int64)] |= flag(name)

    def split(self, accounts: Ints, sizes: Sequence[int] | Ints) -> list[Ints]:
        """Cuts `accounts` into groups of these sizes; what is left over is dropped."""
        return np.split(accounts, np.cumsum(sizes))[: len(sizes)]


_HOME_NETWORKS: Final = 60
N_EXCHANGES: Final = 700
_N_PHONES: Final = len(AREA_CODES) * N_EXCHANGES * 10_000
