"""The people of a block: who they are, when they came, where they live, and what they own by themselves.

Everybody, honest or not, comes out of these draws, so that no name, mailbox, number, device or time tells a ring; rings then
change only what their pattern needs.
"""

from typing import Final

import numpy as np

from jobs.simulate.draft import DAY, FOREVER, Draft, Ints, Keys, deal_sizes, flag, times_of_day
from jobs.simulate.names import DOMAINS, FAMILY_NAMES, GIVEN_NAMES, frequency_of_rank

__all__ = ["MAIL_STYLES", "draw_people", "equip", "settle"]

MAIL_STYLES: Final = ("given.family", "gfamily", "given", "familyg", "given_family")
_SHARE_SHARED_HOME: Final = 0.075
_SHARE_DORMITORY: Final = 0.035
_SHARE_SHELTER: Final = 0.02
_SHARE_HOUSEHOLD: Final = 0.48
_SHARE_NO_NUMBER: Final = 0.09
_TODAY: Final = 20_600  # days since 1970 at which ages are as drawn, whatever the world's end


def draw_people(rng: np.random.Generator, keys: Keys, block: int, first_account: int, n: int, span: int) -> Draft:
    """A block of `n` accounts that share nothing yet, opened evenly over the world's time."""
    family = rng.choice(len(FAMILY_NAMES), n, p=frequency_of_rank(len(FAMILY_NAMES), power=0.75))
    age_days = (16 + 62 * rng.beta(1.5, 2.6, n)) * 365.25
    signup = (rng.random(n) * span).astype(np.int64)
    signup += times_of_day(rng, n) - signup % DAY
    draft = Draft(
        rng=rng,
        keys=keys,
        block=block,
        first_account=first_account,
        n=n,
        span=span,
        signup=signup,
        person=np.arange(n),
        given=rng.choice(len(GIVEN_NAMES), n, p=frequency_of_rank(len(GIVEN_NAMES))),
        family=family,
        birth=(_TODAY - age_days).astype(np.int64),
        national=np.where(rng.random(n) < _SHARE_NO_NUMBER, -1, rng.integers(1_010_001, 900_000_000, n)),
        mailbox=np.arange(n),
        mail_style=rng.integers(0, len(MAIL_STYLES), n),
        mail_digits=rng.integers(100, 100_000, n),
        mail_domain=rng.choice(len(DOMAINS), n, p=frequency_of_rank(len(DOMAINS), flat=2, power=1.2)),
        phone=np.empty(n, dtype=np.int64),
        home=np.full(n, -1, dtype=np.int64),
        quiet_from=np.full(n, FOREVER, dtype=np.int64),
        quiet_until=np.full(n, FOREVER, dtype=np.int64),
        left_at=np.full(n, FOREVER, dtype=np.int64),
        ring=np.full(n, -1, dtype=np.int64),
        archetype=np.full(n, -1, dtype=np.int64),
        synthetic=np.zeros(n, dtype=bool),
        sharing=np.zeros(n, dtype=np.int64),
        cashout_time=np.full(n, FOREVER, dtype=np.int64),
    )
    draft.phone[:] = draft.new_phones(n)
    return draft


def settle(draft: Draft) -> list[Ints]:
    """Gives everybody a home and households their families; gives the members of each home that several share.

    The people of synthetic accounts are made up, so most of their addresses are nobody else's; some are a real family's.
    """
    rng = draft.rng
    loose = draft.synthetic & (rng.random(draft.n) < 0.75)
    movers = rng.permutation(np.flatnonzero(~loose))
    plan = (
        ("dormitory", deal_sizes(rng, round(len(movers) * _SHARE_DORMITORY), 20, 160, skew=1.6)),
        ("shelter", deal_sizes(rng, round(len(movers) * _SHARE_SHELTER), 16, 110, skew=1.6)),
        ("shared_home", deal_sizes(rng, round(len(movers) * _SHARE_SHARED_HOME), 2, 6, skew=1.4)),
        ("household", deal_sizes(rng, round(len(movers) * _SHARE_HOUSEHOLD), 2, 7, skew=1.8)),
    )
    together: list[Ints] = []
    for kind, sizes in plan:
        homes = draft.homes.add(rng, len(sizes))
        members, movers = movers[: sizes.sum()], movers[sizes.sum() :]
        draft.home[members] = np.repeat(homes, sizes)
        draft.mark(members, kind)
        if kind == "household":
            _make_families(draft, members, sizes)
        together += draft.split(members, sizes)
    # made-up people are as old as others are
    made_up, like = np.flatnonzero(draft.synthetic), rng.integers(0, draft.n, int(draft.synthetic.sum()))
    draft.birth[made_up] = draft.birth[like] + rng.integers(-300, 300, len(made_up))
    alone = np.flatnonzero(draft.home < 0)
    draft.home[alone] = draft.homes.add(rng, len(alone))
    draft.mark(alone, "single")
    return together


def _make_families(draft: Draft, members: Ints, sizes: Ints) -> None:
    """Several generations under one roof: mostly one family name, ages of partners, children and grandparents."""
    rng = draft.rng
    first = np.repeat(np.cumsum(sizes) - sizes, sizes)
    place = np.arange(len(members)) - first
    head = members[first]
    same_name = rng.random(len(members)) < 0.84
    draft.family[members] = np.where(same_name, draft.family[head], draft.family[members])
    years = np.select(
        [place == 0, place == 1, rng.random(len(members)) < 0.7],
        [np.zeros(len(members)), rng.normal(0, 3.5, len(members)), rng.normal(-27, 4, len(members))],
        rng.normal(27, 4, len(members)),
    )
    born = draft.birth[head] - (years * 365.25).astype(np.int64)
    # nobody has an account before 15; who would be younger is a cousin or lodger, who would be over 95 a great-aunt
    young, old = _TODAY - 15 * 365, _TODAY - 95 * 365
    born = np.where(born > young, young - rng.integers(0, 10 * 365, len(members)), born)
    draft.birth[members] = np.where(born < old, old + rng.integers(0, 20 * 365, len(members)), born)
    # partners and parents with children often come within days of each other, by referral
    with_head = (place > 0) & (rng.random(len(members)) < 0.22) & (draft.ring[members] < 0)
    joined = draft.signup[head] + (rng.exponential(4.0, len(members)) * DAY).astype(np.int64)
    draft.signup[members] = np.where(with_head & (joined < draft.span), joined, draft.signup[members])


def equip(draft: Draft) -> None:
    """Own devices, the home's line, the phone carrier's addresses, own instruments, and whom one pays."""
    _equip_devices(draft)
    _equip_lines(draft)
    _equip_instruments(draft)
    _equip_payees(draft)


def _equip_devices(draft: Draft) -> None:
    rng, n = draft.rng, draft.n
    everyone = np.arange(n)
    # a device's kind: its platform, and whether it is emulated (people who play, develop or test)
    swap = np.where(rng.random(n) < 0.14, (rng.random(n) * draft.span).astype(np.int64), FOREVER)
    kinds = draft.own_kind = rng.choice(6, n, p=_KIND_SHARES)
    draft.devices.add(everyone, draft.things(n), until=swap, weight=4.0, kind=kinds)
    swapped = np.flatnonzero(swap < FOREVER)
    draft.devices.add(swapped, draft.things(len(swapped)), since=swap[swapped], weight=4.0, kind=kinds[swapped])
    second = np.flatnonzero(rng.random(n) < 0.34)
    draft.devices.add(second, draft.things(len(second)), weight=1.2, kind=rng.choice(6, len(second), p=_KIND_SHARES))


_KIND_SHARES: Final = (0.45, 0.44, 0.06, 0.035, 0.01, 0.005)  # as in behaviour.PLATFORMS; the last two are emulators


def _equip_lines(draft: Draft) -> None:
    """Home lines, some with a change of address by the provider; carriers put thousands behind one address."""
    rng, n = draft.rng, draft.n
    everyone = np.arange(n)
    n_homes = draft.homes.n
    line = draft.new_ips(n_homes)
    draft.lines = line
    changes = np.flatnonzero(rng.random(n_homes) < 0.3)
    at = np.full(n_homes, FOREVER, dtype=np.int64)
    at[changes] = (rng.random(len(changes)) * draft.span).astype(np.int64)
    later = line.copy()
    later[changes] = draft.new_ips(len(changes))
    draft.ips.add(everyone, line[draft.home], until=at[draft.home], weight=4.0)
    moved = np.flatnonzero(at[draft.home] < FOREVER)
    draft.ips.add(moved, later[draft.home[moved]], since=at[draft.home[moved]], weight=4.0)
    mobile = np.flatnonzero(rng.random(n) < 0.72)
    region = rng.integers(0, 4, len(mobile))
    per_region = len(draft.keys.carrier_ips) // 4
    for weight in (1.2, 0.7, 0.4):
        # blocks share the carriers; each has its part of the addresses, and people who travel
        near = (draft.block * 7 + rng.integers(0, 12, len(mobile))) % per_region
        far = rng.integers(0, per_region, len(mobile))
        address = region * per_region + np.where(rng.random(len(mobile)) < 0.85, near, far)
        draft.ips.add(mobile, draft.keys.carrier_ips[address], weight=weight)
    draft.mark(mobile, "carrier_nat")
    hidden = np.flatnonzero(rng.random(n) < 0.06)
    for weight in (5.0, 3.0):
        exits = draft.keys.vpn_ips[rng.integers(0, len(draft.keys.vpn_ips), len(hidden))]
        draft.ips.add(hidden, exits, weight=weight)
    draft.mark(hidden, "vpn")


def _equip_instruments(draft: Draft) -> None:
    """A card or a bank account within days of signing up for nearly all; a second one, and a change, for some."""
    rng, n = draft.rng, draft.n
    linked = draft.signup + (rng.exponential(2.0, n) * DAY).astype(np.int64)
    prepaid = np.where((draft.sharing & flag("shelter")) != 0, 0.7, 0.05)
    kinds = np.where(rng.random(n) < prepaid, 2, rng.choice(np.array([0, 1, 3]), n, p=(0.5, 0.06, 0.44)))
    has = np.flatnonzero(rng.random(n) < 0.93)
    gone = np.where(rng.random(n) < 0.06, linked + ((10 + rng.exponential(50, n)) * DAY).astype(np.int64), FOREVER)
    draft.instruments.add(has, draft.things(len(has)), since=linked[has], until=gone[has], weight=3.0, kind=kinds[has])
    more = np.flatnonzero(rng.random(n) < 0.2)
    at = draft.signup[more] + (rng.exponential(35.0, len(more)) * DAY).astype(np.int64)
    draft.instruments.add(
        more, draft.things(len(more)), since=at, kind=rng.choice(4, len(more), p=(0.4, 0.12, 0.06, 0.42))
    )


def _equip_payees(draft: Draft) -> None:
    """Shops that many pay, landlords, clubs and stalls that a few or a few dozen pay, one's friends, and people met once."""
    rng, n = draft.rng, draft.n
    everyone = np.arange(n)
    merchants = draft.keys.merchants
    local = draft.things(max(1, n // 12))
    custom = frequency_of_rank(len(local), flat=4, power=0.8)
    for weight in (2.0, 1.0):
        rank = rng.choice(len(merchants), n, p=frequency_of_rank(len(merchants)))
        draft.payees.add(everyone, merchants[rank], weight=weight)
        draft.payees.add(everyone, local[rng.choice(len(local), n, p=custom)], weight=weight)
    draft.payees.add(everyone, draft.things(n), weight=0.8)
    # friends stand near each other in a shuffled row, so that circles of friends close and money goes both ways
    row = rng.permutation(n)
    for _ in range(2):
        step = rng.integers(1, 6, n) * rng.choice(np.array([-1, 1]), n)
        friend = np.empty(n, dtype=np.int64)
        friend[row] = row[(np.arange(n) + step) % n]
        known = (friend != everyone) & ~(draft.synthetic[friend] & (rng.random(n) < 0.7))
        draft.payees.add(everyone[known], draft.account_ids(friend[known]), weight=1.1)
