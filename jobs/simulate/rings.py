"""Rings: which accounts one actor runs, how they arrive, what they share by mistake or need, and how they cash out.

Every kind is one entry of `ARCHETYPES`; to add one, write its `share` function and its entry. Members come out of the same
draws as everybody (`population`), keep their own devices, payees and quiet times in part, and some share nothing obvious:
that is their camouflage.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from jobs.simulate.draft import DAY, HOUR, Draft, Ints, times_of_day
from jobs.simulate.honest import change_digit

__all__ = ["ARCHETYPES", "PREVALENCE", "Archetype", "Ring", "deal_rings", "shape_rings"]

PREVALENCE: Final = 0.014


@dataclass(frozen=True)
class Ring:
    """One ring: its members' accounts in order of arrival, and when it cashes out (may lie after the world's end)."""

    number: int
    archetype: int
    members: Ints
    cashout: int


@dataclass(frozen=True)
class Archetype:
    """A kind of ring.

    Attributes:
        weight: how often it occurs beside the others.
        typical: median size; sizes are lognormal about it, from 3 to 60.
        made_up: share of members whose person does not exist; the others are lent or bought accounts of real people.
        arrival_days: shortest and longest stretch over which members sign up: a burst or a drip.
        ageing_days: shortest and longest time from the last arrival to the cash-out.
        share: gives the members what they have in common.
        crews: 2 if half of the members sign up after the other half cashed out.
    """

    name: str
    weight: float
    typical: float
    made_up: float
    arrival_days: tuple[float, float]
    ageing_days: tuple[float, float]
    share: Callable[[Draft, Ring], None]
    crews: int = 1


def deal_rings(draft: Draft) -> list[Ring]:
    """Chooses members and times of arrival. One ring of each kind first, then kinds by weight, until the share is used."""
    rng = draft.rng
    left = round(draft.n * PREVALENCE)
    accounts = rng.permutation(draft.n)
    weights = np.array([kind.weight for kind in ARCHETYPES])
    first_round = list(rng.permutation(len(ARCHETYPES)))
    rings: list[Ring] = []
    while left >= 3:
        number = len(rings)
        kind = int(first_round.pop() if first_round else rng.choice(len(ARCHETYPES), p=weights / weights.sum()))
        archetype = ARCHETYPES[kind]
        size = round(archetype.typical * float(np.exp(rng.normal(0, 0.7))))
        # a ring that was there before the world begins, or goes on after its end, is seen in part
        stretch = rng.uniform(*archetype.arrival_days) * DAY
        start = rng.uniform(-stretch, draft.span)
        begin, end = max(start, 0.0), min(start + stretch, float(draft.span))
        size = max(3, min(round(size * (end - begin) / stretch), 60, left - 4 * len(first_round)))
        if left < size:
            break
        members, accounts, left = accounts[:size], accounts[size:], left - size
        rings.append(_arrive(draft, number, kind, members, (begin, end)))
    return rings


def _arrive(draft: Draft, number: int, kind: int, members: Ints, window: tuple[float, float]) -> Ring:
    rng, archetype = draft.rng, ARCHETYPES[kind]
    begin, end = window
    come = rng.random(len(members))
    n_first = len(members) if archetype.crews == 1 else (len(members) + 1) // 2
    come[:n_first] *= 1.0 if archetype.crews == 1 else 0.3
    come[n_first:] = 0.65 + 0.35 * come[n_first:]
    come = (begin + come * (end - begin)).astype(np.int64)
    come += times_of_day(rng, len(members)) - come % DAY
    come.sort()
    ageing = rng.uniform(*archetype.ageing_days) * DAY
    last = come[n_first - 1] if rng.random() < 0.7 else come[n_first // 2]
    cashout = int(last + ageing) // DAY * DAY + int(times_of_day(rng, 1)[0])
    draft.signup[members] = come
    draft.ring[members], draft.archetype[members] = number, kind
    draft.synthetic[members] = rng.random(len(members)) < archetype.made_up
    draft.mark(members, "ring")
    return Ring(number, kind, members, cashout)


def shape_rings(draft: Draft, rings: list[Ring]) -> None:
    """Lets each ring share what its kind shares, leave the traces that any ring may leave, and cash out."""
    for ring in rings:
        ARCHETYPES[ring.archetype].share(draft, ring)
        _leave_traces(draft, ring)
        _cash_out(draft, ring)


def _careless(draft: Draft, ring: Ring, share: float) -> Ints:
    """The members that slip up: a random part of the ring, in order of arrival."""
    return ring.members[draft.rng.random(len(ring.members)) < share]


def _pairs_of(draft: Draft, accounts: Ints, low: int, high: int) -> list[Ints]:
    """Neighbours in arrival cut into groups of `low` to `high`."""
    groups, at = [], 0
    while at < len(accounts):
        size = int(draft.rng.integers(low, high + 1))
        groups.append(accounts[at : at + size])
        at += size
    return groups


def _leave_traces(draft: Draft, ring: Ring) -> None:
    """What a ring of any kind may leave: one mail template, a block of numbers, a drop address, rented home lines."""
    rng, name = draft.rng, ARCHETYPES[ring.archetype].name
    fake = ring.members[draft.synthetic[ring.members]]
    if len(fake) == 0:
        return
    if rng.random() < 0.35:
        draft.mail_style[fake], draft.mail_domain[fake] = draft.mail_style[fake[0]], draft.mail_domain[fake[0]]
    if name == "phone_farm":
        return
    block, drop, proxies = rng.random(3) < (0.25, 0.25, 0.4)
    if block:
        draft.phone[fake] = draft.phone[fake[0]] + rng.permutation(len(fake) * 3)[: len(fake)]
    if drop:
        draft.home[fake[rng.random(len(fake)) < 0.5]] = draft.home[fake[0]]
    if proxies:
        for _ in range(4):
            draft.ips.add(fake, draft.lines[rng.integers(0, len(draft.lines), len(fake))], weight=1.5)


def _cash_out(draft: Draft, ring: Ring) -> None:
    """Most members send what they can to few sinks, mostly within two days; then the accounts are left."""
    rng = draft.rng
    took_part = ring.members[(rng.random(len(ring.members)) < 0.85) & (draft.signup[ring.members] < ring.cashout - DAY)]
    draft.cashout_time[took_part] = ring.cashout
    sinks = draft.things(1 + len(ring.members) // 14)
    if rng.random() < 0.4:  # a member's account is the sink
        sinks[0] = draft.account_ids(ring.members[:1])[0]
    length = rng.choice(np.array([6 * HOUR, DAY, 2 * DAY, 9 * DAY]), p=(0.2, 0.3, 0.35, 0.15))
    for share in (1.0, 0.6, 0.35):
        paying = took_part[rng.random(len(took_part)) < share]
        when = ring.cashout + (rng.random(len(paying)) * length).astype(np.int64)
        if length > DAY:
            when = np.maximum(when // DAY * DAY + times_of_day(rng, len(paying)), ring.cashout)
        amount = np.exp(rng.normal(8.5, 0.8, len(paying))).astype(np.int64)
        draft.cashouts.append((paying, when, sinks[rng.integers(0, len(sinks), len(paying))], amount, 0.14))
    left = took_part[rng.random(len(took_part)) < 0.45]
    draft.left_at[left] = ring.cashout + length + 4 * DAY


def _share_farm(draft: Draft, ring: Ring) -> None:
    """A shelf of handsets (some of them images in an emulator), each reset from time to time, which gives it a new id."""
    rng = draft.rng
    users = _careless(draft, ring, 0.85)
    n_handsets = max(2, len(ring.members) // 5)
    emulated = rng.random(n_handsets) < (0.25 if rng.random() < 0.3 else 0.0)
    # mostly one model for the shelf; which one, as for everybody
    kinds = np.where(rng.random(n_handsets) < 0.75, draft.own_kind[ring.members[0]], rng.integers(0, 2, n_handsets))
    kinds = np.where(emulated, 4, kinds)
    line = draft.new_ips(2)
    for handset in range(n_handsets):
        holders = users[rng.random(len(users)) < 1.6 / n_handsets + 0.05]
        at = -int(rng.uniform(0, 30) * DAY)
        while at < draft.span:
            until = at + int(rng.uniform(18, 60) * DAY)
            draft.devices.add(holders, draft.things(1)[0], since=at, until=until, weight=4.0, kind=kinds[handset])
            at = until
    if rng.random() < 0.5:
        draft.ips.add(users, line[rng.integers(0, 2, len(users))], weight=1.5)
    if rng.random() < 0.5:
        for group in _pairs_of(draft, _careless(draft, ring, 0.6), 2, 5):
            _share_card(draft, group)


def _share_card(draft: Draft, group: Ints, *, kind: int | None = None) -> None:
    rng = draft.rng
    since = draft.signup[group] + (rng.exponential(6.0, len(group)) * DAY).astype(np.int64)
    chosen = int(rng.choice(4, p=(0.4, 0.1, 0.2, 0.3))) if kind is None else kind
    draft.instruments.add(group, draft.things(1)[0], since=since, weight=2.0, kind=chosen)


def _share_chain(draft: Draft, ring: Ring) -> None:
    """Each account shares one thing with the next and another with the one after that; no thing joins more than three."""
    rng = draft.rng
    for step in (1, 2):
        for first, second in zip(ring.members[:-step], ring.members[step:], strict=True):
            pair = np.array([first, second])
            match int(rng.choice(5, p=(0.3, 0.28, 0.16, 0.16, 0.1))):
                case 0:
                    draft.devices.add(pair, draft.things(1)[0], weight=3.0, kind=draft.own_kind[first])
                case 1:
                    _share_card(draft, pair)
                case 2:
                    draft.phone[second] = draft.phone[first]
                case 3:
                    draft.ips.add(pair, draft.new_ips(1)[0], weight=2.0)
                case _:
                    pass


def _share_sinks_only(draft: Draft, ring: Ring) -> None:
    """A phone farm: a handset, a line and a card for each account; only where the money goes joins them."""


def _share_pairs(draft: Draft, ring: Ring, share: float) -> None:
    """Small groups of neighbours in arrival meet on a device or a card."""
    for group in _pairs_of(draft, _careless(draft, ring, share), 2, 4):
        if draft.rng.random() < 0.6:
            draft.devices.add(group, draft.things(1)[0], weight=2.5, kind=draft.own_kind[group[0]])
        else:
            _share_card(draft, group)


def _share_tumbled(draft: Draft, ring: Ring) -> None:
    """National ids that differ from one another by a digit: each is the last one or the first one, tumbled."""
    rng = draft.rng
    users = _careless(draft, ring, 0.85)
    if len(users) == 0:
        return
    number = rng.integers(1_010_001, 900_000_000, 1)
    root = number
    for account in users:
        draft.national[account] = number[0]
        number = change_digit(rng, root if rng.random() < 0.5 else number)
    _share_pairs(draft, ring, 0.5)


def _share_number(draft: Draft, ring: Ring) -> None:
    """One real person's national id under several names."""
    rng = draft.rng
    for group in _pairs_of(draft, _careless(draft, ring, 0.9), 2, 6):
        victim = int(rng.integers(0, draft.n))
        borrowed = draft.national[victim] if rng.random() < 0.5 else -1
        draft.national[group] = borrowed if borrowed >= 0 else rng.integers(1_010_001, 900_000_000)
    _share_pairs(draft, ring, 0.45)


def _share_name(draft: Draft, ring: Ring) -> None:
    """One name and birth date under several national ids."""
    for group in _pairs_of(draft, _careless(draft, ring, 0.9), 2, 6):
        for values in (draft.given, draft.family, draft.birth):
            values[group] = values[group[0]]
    _share_pairs(draft, ring, 0.45)


def _share_sleepers(draft: Draft, ring: Ring) -> None:
    """Accounts that share little while young, fall silent for weeks, and come back together on a few devices."""
    rng = draft.rng
    _share_pairs(draft, ring, 0.6)
    begin = draft.signup[ring.members] + ((5 + rng.exponential(5, len(ring.members))) * DAY).astype(np.int64)
    draft.quiet_from[ring.members] = begin
    draft.quiet_until[ring.members] = ring.cashout - (rng.random(len(ring.members)) * 2 * DAY).astype(np.int64)
    devices = draft.things(max(1, len(ring.members) // 6))
    back = _careless(draft, ring, 0.65)
    device = devices[rng.integers(0, len(devices), len(back))]
    draft.devices.add(back, device, since=ring.cashout - 3 * DAY, weight=6.0, kind=draft.own_kind[ring.members[0]])


def _share_mules(draft: Draft, ring: Ring) -> None:
    """Real people's accounts, hired over months: the herder pays in person, sets up some, and logs in at the end."""
    device, kind = draft.things(2), int(draft.own_kind[ring.members[0]])
    start = _careless(draft, ring, 0.35)
    opened = draft.signup[start]
    draft.devices.add(start, device[0], since=opened - HOUR, until=opened + 2 * DAY, weight=20.0, kind=kind)
    end = _careless(draft, ring, 0.55)
    draft.devices.add(end, device[1], since=ring.cashout - DAY, weight=8.0, kind=kind)
    draft.ips.add(end, draft.new_ips(1)[0], since=ring.cashout - DAY, weight=6.0)


def _share_comeback(draft: Draft, ring: Ring) -> None:
    """A second crew after the first was found: new names and phones, but the cards and a handset of the first."""
    first = ring.members[draft.signup[ring.members] < ring.cashout]
    second = ring.members[draft.signup[ring.members] >= ring.cashout]
    _share_pairs(draft, ring, 0.5)
    for old, new in zip(first, second, strict=False):
        _share_card(draft, np.array([old, new]))
    device = draft.things(max(1, len(ring.members) // 6))
    chosen = device[draft.rng.integers(0, len(device), len(ring.members))]
    draft.devices.add(ring.members, chosen, weight=2.0, kind=draft.own_kind[ring.members[0]])


ARCHETYPES: Final = (
    Archetype("device_farm", 2.4, 18, 0.95, (2, 25), (12, 50), _share_farm),
    Archetype("chain", 1.5, 9, 0.85, (5, 60), (12, 45), _share_chain),
    Archetype("phone_farm", 1.2, 14, 0.9, (3, 40), (12, 50), _share_sinks_only),
    Archetype("tumbled_ids", 1.2, 10, 1.0, (1, 20), (12, 60), _share_tumbled),
    Archetype("borrowed_number", 1.0, 9, 1.0, (3, 45), (12, 60), _share_number),
    Archetype("many_numbers", 1.0, 8, 1.0, (3, 45), (12, 60), _share_name),
    Archetype("sleeper", 1.5, 14, 0.95, (10, 45), (30, 80), _share_sleepers),
    Archetype("mule", 1.8, 15, 0.2, (30, 80), (5, 30), _share_mules),
    Archetype("comeback", 1.0, 12, 0.95, (60, 100), (8, 20), _share_comeback, crews=2),
)
