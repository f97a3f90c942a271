"""The honest patterns of sharing that look like a ring from one side: one function each, all in `PATTERNS`.

To add one, write a function of the draft and put it into `PATTERNS`; a new name goes into `draft.SHARING`, and into
`draft.GROUPS` where it is an account's main trait. Patterns fall on the same people independently, so they occur together.
"""

from collections.abc import Callable
from typing import Final

import numpy as np

from jobs.simulate.draft import DAY, FOREVER, HOUR, Draft, Ints, deal_sizes, flag, times_of_day

__all__ = ["PATTERNS", "change_digit", "share_homes"]


def _some(draft: Draft, share: float) -> Ints:
    """A random choice of honest people and of real people in rings, in random order."""
    real = draft.rng.permutation(np.flatnonzero(~draft.synthetic))
    return real[: round(len(real) * share)]


def change_digit(rng: np.random.Generator, numbers: Ints) -> Ints:
    """Each nine-digit number with one of its last eight digits changed, as a typist does or a tumbling ring."""
    place = 10 ** rng.integers(0, 8, len(numbers))
    digit = numbers // place % 10
    return np.asarray(numbers + ((digit + rng.integers(1, 10, len(numbers))) % 10 - digit) * place, dtype=np.int64)


def share_homes(draft: Draft, together: list[Ints]) -> None:
    """What people under one roof share beside the address and the line, by the kind of the home."""
    for members in together:
        if len(members) >= 16:
            _share_house(draft, members)
        elif len(members) >= 2:
            _share_family(draft, members)


def _share_house(draft: Draft, members: Ints) -> None:
    """Dormitories and shelters: computers that many use for months, a front desk's telephone, arrivals of all kinds."""
    rng = draft.rng
    is_shelter = bool(draft.sharing[members[0]] & flag("shelter"))
    computers = draft.things(int(rng.integers(2, 6)))
    users = members[rng.random(len(members)) < (0.7 if is_shelter else 0.15)]
    weight = 5.0 if is_shelter else 1.0
    for _ in range(2):
        draft.devices.add(users, computers[rng.integers(0, len(computers), len(users))], weight=weight, kind=2)
    if is_shelter:
        desk = members[rng.random(len(members)) < 0.15]
        draft.phone[desk] = draft.new_phones(1)[0]


def _share_family(draft: Draft, members: Ints) -> None:
    """Households: a tablet, a family card, a joint bank account, brothers' numbers in a row. Flatmates: rent and favours."""
    rng = draft.rng
    for payer, payee in zip(members, np.roll(members, 1), strict=True):
        if rng.random() < 0.5:
            draft.payees.add([payer], draft.account_ids([payee]), weight=1.4)
    is_family = bool(draft.sharing[members[0]] & flag("household"))
    tablet, card, joint, numbers, mailbox = rng.random(5) < (
        (0.34, 0.17, 0.2, 0.06, 0.02) if is_family else (0.05, 0, 0, 0, 0)
    )
    if tablet:
        users = members[rng.random(len(members)) < 0.75]
        draft.devices.add(users, draft.things(1)[0], weight=1.6, kind=rng.integers(0, 2))
        draft.mark(users, "family_tablet")
    for has, name, kind, holders in ((card, "family_card", 0, members[:4]), (joint, "joint_account", 3, members[:2])):
        if has:
            since = draft.signup[holders] + (rng.exponential(12.0, len(holders)) * DAY).astype(np.int64)
            draft.instruments.add(holders, draft.things(1)[0], since=since, weight=2.0, kind=kind)
            draft.mark(holders, name)
    numbered = members[draft.national[members] >= 0]
    if numbers and len(numbered) > 2:
        # brothers and sisters whose numbers were issued on one day
        draft.national[numbered[2:]] = draft.national[numbered[2]] + np.arange(len(numbered) - 2)
        draft.mark(numbered[2:], "sibling_numbers")
    if mailbox:
        draft.mailbox[members[:2]] = members[0]
        draft.phone[members[:2]] = draft.phone[members[0]]
        draft.mark(members[:2], "family_mailbox")


def _offices(draft: Draft) -> None:
    """Colleagues behind one address of the office's network."""
    staff = _some(draft, 0.25)
    for members in draft.split(staff, deal_sizes(draft.rng, len(staff), 6, 140, skew=2.0)):
        draft.ips.add(members, draft.new_ips(1)[0], weight=1.5)
        draft.mark(members, "office")


def _payrolls(draft: Draft) -> None:
    """A small employer's payroll account, linked by two to ten employees over months; often the same office network."""
    rng = draft.rng
    staff = _some(draft, 0.045)
    for members in draft.split(staff, deal_sizes(rng, len(staff), 2, 10, skew=1.3)):
        since = draft.signup[members] + (rng.exponential(15.0, len(members)) * DAY).astype(np.int64)
        draft.instruments.add(members, draft.things(1)[0], since=since, weight=2.0, kind=3)
        if rng.random() < 0.5:
            draft.ips.add(members, draft.new_ips(1)[0], weight=1.5)
        draft.mark(members, "payroll")


def _shop_tablets(draft: Draft) -> None:
    """A tablet on a shop's counter: dozens of customers sign up on it; some shops have a week of promotion."""
    rng = draft.rng
    customers = _some(draft, 0.035)
    for members in draft.split(customers, deal_sizes(rng, len(customers), 8, 60, skew=1.4)):
        if rng.random() < 0.4:
            week = rng.integers(0, max(draft.span // DAY - 9, 1)) * DAY
            movable = members[draft.ring[members] < 0]
            days = rng.integers(0, min(9, draft.span // DAY), len(movable)) * DAY
            draft.signup[movable] = week + days + times_of_day(rng, len(movable))
        opened = draft.signup[members]
        since, until = opened - HOUR, opened + 3 * HOUR
        tablet, line = draft.things(1)[0], draft.new_ips(1)[0]
        draft.devices.add(members, tablet, since=since, until=until, weight=400.0, kind=int(rng.integers(0, 2)))
        draft.ips.add(members, line, since=since, until=until, weight=400.0)
        draft.mark(members, "shop_tablet")


def _in_turn(draft: Draft, share: float, pause_days: float) -> tuple[Ints, Ints, Ints]:
    """Pairs (first, next owner, time of parting) where the next one signs up at least `pause_days` after the parting."""
    rng = draft.rng
    chosen = _some(draft, share)
    half = len(chosen) // 2
    a, b = chosen[:half], chosen[half : 2 * half]
    swap = draft.signup[a] > draft.signup[b]
    first, second = np.where(swap, b, a), np.where(swap, a, b)
    gap = draft.signup[second] - draft.signup[first] - int(pause_days * DAY)
    parting = draft.signup[first] + (gap * rng.uniform(0.3, 0.95, half)).astype(np.int64)
    fits = gap > 5 * DAY
    return first[fits], second[fits], parting[fits]


def _recycled_phones(draft: Draft) -> None:
    """A number that its carrier gives out again after 45 days or more; its first owner says so, or just leaves."""
    rng = draft.rng
    first, second, parting = _in_turn(draft, 0.035, 45)
    draft.phone[second] = draft.phone[first]
    tells = rng.random(len(first)) < 0.6
    draft.changes.append((first[tells], parting[tells], "phone", draft.new_phones(int(tells.sum()))))
    draft.left_at[first[~tells]] = parting[~tells]
    draft.mark(np.concatenate([first, second]), "recycled_phone")


def _refurbished_devices(draft: Draft) -> None:
    """A used phone: one owner after the other, days to weeks apart."""
    first, second, parting = _in_turn(draft, 0.03, 6)
    devices, kind = draft.things(len(first)), draft.rng.integers(0, 2, len(first))
    draft.devices.add(first, devices, until=parting, weight=9.0, kind=kind)
    draft.devices.add(second, devices, since=draft.signup[second] - HOUR, weight=9.0, kind=kind)
    draft.mark(np.concatenate([first, second]), "refurbished_device")


def _second_accounts(draft: Draft) -> None:
    """An honest person's second account: one for the house, one for the shop. Same person, mostly the same phone."""
    rng = draft.rng
    chosen = _some(draft, 0.02)
    chosen = chosen[draft.ring[chosen] < 0]
    half = len(chosen) // 2
    person, account = chosen[:half], chosen[half : 2 * half]
    for values in (draft.given, draft.family, draft.birth, draft.national, draft.home):
        values[account] = values[person]
    draft.person[account] = draft.person[person]
    homes = flag("single") | flag("household") | flag("shared_home") | flag("dormitory") | flag("shelter")
    draft.sharing[account] = draft.sharing[account] & ~homes | draft.sharing[person] & homes
    same = rng.random(half) < 0.6
    draft.phone[account[same]] = draft.phone[person[same]]
    devices, kind = draft.things(half), rng.integers(0, 2, half)
    for owner in (person, account):
        draft.devices.add(owner, devices, weight=8.0, kind=kind)
    draft.mark(np.concatenate([person, account]), "second_account")


def _typing_errors(draft: Draft) -> None:
    """National ids that are entered wrongly: by a digit, corrected later by some, or somebody else's of the same home."""
    rng = draft.rng
    wrong = _some(draft, 0.02)
    wrong = wrong[draft.national[wrong] >= 0]
    right = draft.national[wrong].copy()
    draft.national[wrong] = change_digit(rng, right)
    mends = rng.random(len(wrong)) < 0.5
    when = draft.signup[wrong] + ((2 + rng.exponential(20, len(wrong))) * DAY).astype(np.int64)
    draft.changes.append((wrong[mends], when[mends], "national", right[mends]))
    by_home = np.argsort(draft.home, kind="stable")
    near = by_home[:-1][(draft.home[by_home][1:] == draft.home[by_home][:-1]) & (rng.random(draft.n - 1) < 0.006)]
    neighbour = by_home[np.searchsorted(draft.home[by_home], draft.home[near], side="right") - 1]
    draft.national[near] = draft.national[neighbour]


def _changes_of_life(draft: Draft) -> None:
    """People move and change their number."""
    rng = draft.rng
    for field, share in (("home", 0.03), ("phone", 0.03)):
        who = np.flatnonzero(rng.random(draft.n) < share)
        when = draft.signup[who] + ((3 + rng.exponential(50, len(who))) * DAY).astype(np.int64)
        new = draft.homes.add(rng, len(who)) if field == "home" else draft.new_phones(len(who))
        draft.changes.append((who, when, field, new))


def _quiet_times(draft: Draft) -> None:
    """Honest accounts sleep too: some for a while, some for good."""
    rng = draft.rng
    who = np.flatnonzero(rng.random(draft.n) < 0.2)
    begin = draft.signup[who] + (rng.exponential(14, len(who)) * DAY).astype(np.int64) + DAY
    end = begin + ((20 + rng.exponential(40, len(who))) * DAY).astype(np.int64)
    draft.quiet_from[who] = begin
    draft.quiet_until[who] = np.where(rng.random(len(who)) < 0.55, FOREVER, end)


def _fundraisers(draft: Draft) -> None:
    """A new payee that dozens of honest people pay within two days: a concert, a collection, a market stall."""
    rng = draft.rng
    givers = _some(draft, 0.02)
    for members in draft.split(givers, deal_sizes(rng, len(givers), 5, 45, skew=1.6)):
        start = int(rng.random() * draft.span)
        present = members[draft.signup[members] < start]
        when = start // DAY * DAY + rng.integers(1, 3, len(present)) * DAY + times_of_day(rng, len(present))
        amount = np.exp(rng.normal(8.6, 0.5, len(present))).astype(np.int64)
        payee = np.repeat(draft.things(1), len(present))
        draft.cashouts.append((present, when, payee, amount, 0.01))
        draft.mark(present, "fundraiser")


PATTERNS: Final[tuple[Callable[[Draft], None], ...]] = (
    _offices,
    _payrolls,
    _shop_tablets,
    _recycled_phones,
    _refurbished_devices,
    _second_accounts,
    _typing_errors,
    _changes_of_life,
    _quiet_times,
    _fundraisers,
)
