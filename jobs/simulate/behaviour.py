"""What the accounts of a draft do: the rows of each event table, still as numbers.

Rings are asked for in two places only: some refer their own (as families do), and made-up people fail an identity check a
little more often. Payments to a ring's sinks and to a fundraiser come through one door.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from jobs.simulate.draft import DAY, HOUR, Draft, Held, Ints, Things, pick_held, times_of_day

__all__ = ["CHECKS", "INSTRUMENT_KINDS", "MIN_EVENTS", "PLATFORMS", "RESULTS", "STATUSES", "Rows", "act"]

Rows = dict[str, NDArray[Any]]

PLATFORMS: Final = ("android", "ios", "windows", "macos", "android", "ios")  # the last two are emulated
INSTRUMENT_KINDS: Final = ("debit_card", "credit_card", "prepaid_card", "bank_account")
STATUSES: Final = ("settled", "reversed", "declined")
CHECKS: Final = ("database", "document", "selfie")
RESULTS: Final = ("pass", "fail", "review")

# the mean number of events that an account has even if it never comes back
MIN_EVENTS: Final = 5.0
_SHARE_LOGINS: Final = 0.68


@dataclass(frozen=True)
class _Pace:
    """How often things happen: means over an account that is there for the whole world."""

    logins: float
    payments: float


def act(draft: Draft, events_per_account: float) -> dict[str, Rows]:
    """All events of a block but the outcomes, by table; each row set has `account` and `time` and its columns as codes."""
    free = max(events_per_account - MIN_EVENTS, 0.0) * 2.15  # accounts are there for half the time, with pauses
    pace = _Pace(free * _SHARE_LOGINS, free * (1 - _SHARE_LOGINS))
    instruments = draft.instruments.held()
    payments = _pay(draft, pace, instruments)
    return {
        "signups": _sign_up(draft),
        "profiles": _submit(draft),
        "logins": _log_in(draft, pace),
        "instruments": _link(draft, instruments),
        "payments": payments,
        "id_checks": _check(draft),
    }


def _later(draft: Draft, account: Ints, mean_hours: float) -> Ints:
    """A time soon after each account's signup."""
    return np.asarray(draft.signup[account] + (draft.rng.exponential(mean_hours, len(account)) * HOUR).astype(np.int64))


def _awake(draft: Draft, account: Ints, time: Ints) -> NDArray[np.bool_]:
    quiet = (time >= draft.quiet_from[account]) & (time < draft.quiet_until[account])
    return np.asarray(~quiet & (time < draft.left_at[account]) & (time < draft.span))


def _moments(draft: Draft, mean: float) -> tuple[Ints, Ints]:
    """(account, time): people differ in how often they come; the times follow the day's rhythm."""
    rng = draft.rng
    stay = draft.span - draft.signup
    count = rng.poisson(mean * stay / draft.span * rng.gamma(1.6, 1 / 1.6, draft.n))
    account = np.repeat(np.arange(draft.n), count)
    time = draft.signup[account] + (rng.random(len(account)) * stay[account]).astype(np.int64)
    time += times_of_day(rng, len(account)) - time % DAY
    time = np.where(time < draft.signup[account], _later(draft, account, 2.0), time)
    keep = _awake(draft, account, time)
    return account[keep], time[keep]


def _sign_up(draft: Draft) -> Rows:
    """Referrals come from somebody of the same home, or of the same circle, who was there before."""
    rng, n = draft.rng, draft.n
    channel = rng.choice(3, n, p=(0.7, 0.2, 0.1))
    by_home = np.argsort(draft.home, kind="stable")
    neighbour = np.empty(n, dtype=np.int64)
    neighbour[by_home] = np.roll(by_home, 1)
    in_ring = np.flatnonzero(draft.ring >= 0)
    in_ring = in_ring[np.argsort(draft.ring[in_ring], kind="stable")]
    fellow = np.roll(in_ring, 1)
    candidate = np.where(draft.home[neighbour] == draft.home, neighbour, rng.integers(0, n, n))
    candidate[in_ring] = np.where(rng.random(len(in_ring)) < 0.5, fellow, rng.integers(0, n, len(in_ring)))
    known = (channel == 2) & (draft.signup[candidate] < draft.signup)
    channel = np.where((channel == 2) & ~known, 0, channel)
    referrer = np.where(known, candidate, -1)
    return {
        "account": np.arange(n),
        "time": draft.signup,
        "known": draft.signup,
        "channel": channel,
        "referrer": referrer,
        "country": rng.choice(3, n, p=(0.95, 0.03, 0.02)),
    }


def _submit(draft: Draft) -> Rows:
    """The profile as first submitted, and again whenever a part of it changes."""
    rng, n = draft.rng, draft.n
    account = np.concatenate([np.arange(n), *(who for who, *_ in draft.changes)])
    time = np.concatenate([_later(draft, np.arange(n), 0.4), *(when for _, when, *_ in draft.changes)])
    time = np.maximum(time, draft.signup[account])
    columns: Rows = {}
    order = np.lexsort((np.arange(len(account)), time, account))
    # an account's first row holds what it had; a change holds from its row on
    is_first = np.append(True, account[order][1:] != account[order][:-1])
    for field in ("phone", "home", "national"):
        values = np.concatenate(
            [
                getattr(draft, field),
                *(new if name == field else np.full(len(who), -2) for who, _, name, new in draft.changes),
            ]
        )[order]
        values[is_first] = getattr(draft, field)[account[order][is_first]]
        source = np.maximum.accumulate(np.where((values != -2) | is_first, np.arange(len(values)), 0))
        columns[field] = values[source]
    account, time = account[order], time[order]
    keep = (time < draft.left_at[account]) | is_first
    rows = {"account": account, "time": time, **columns, "style": rng.random(len(account))}
    return {name: values[keep] for name, values in rows.items()}


def _log_in(draft: Draft, pace: _Pace) -> Rows:
    rng, n = draft.rng, draft.n
    # the first session opens the account; a few people looked around before
    first = np.where(rng.random(n) < 0.03, draft.signup - (rng.random(n) * 0.4 * HOUR).astype(np.int64), 0)
    first = np.where(first > 0, first, _later(draft, np.arange(n), 0.2))
    account, time = _moments(draft, pace.logins)
    accounts, times = [np.arange(n), account], [first, time]
    for paying, when, *_ in draft.cashouts:
        seen = rng.random(len(paying)) < 0.5
        accounts.append(paying[seen])
        times.append(when[seen] - (rng.random(int(seen.sum())) * HOUR).astype(np.int64))
    account, time = np.concatenate(accounts), np.concatenate(times)
    time = np.maximum(time, draft.signup[account] - HOUR)
    devices, ips = draft.devices.held(), draft.ips.held()
    device, ip = pick_held(rng, devices, account, time), pick_held(rng, ips, account, time)
    keep = (device >= 0) & (time < draft.span)
    device, ip = device[keep], ip[keep]
    return {
        "account": account[keep],
        "time": time[keep],
        "device": devices.thing[device],
        "kind": devices.kind[device],
        "ip": ips.thing[ip],
        "has_ip": (ip >= 0) & (rng.random(len(ip)) > 0.01),
    }


def _link(draft: Draft, held: Held) -> Rows:
    rng = draft.rng
    linked = np.maximum(held.since, _later(draft, held.account, 3.0))
    unlinked = np.maximum(held.until, linked + DAY)
    linking = np.flatnonzero(linked < np.minimum(draft.left_at[held.account], draft.span))
    leaving = linking[unlinked[linking] < np.minimum(draft.left_at[held.account[linking]], draft.span)]
    row = np.concatenate([linking, leaving])
    jitter = (rng.random(len(row)) * 0.1 * HOUR).astype(np.int64)
    return {
        "account": held.account[row],
        "time": np.concatenate([linked[linking], unlinked[leaving]]) + jitter,
        "instrument": held.thing[row],
        "kind": held.kind[row],
        "is_unlink": np.repeat([False, True], [len(linking), len(leaving)]),
    }


def _pay(draft: Draft, pace: _Pace, instruments: Held) -> Rows:
    """Everyday payments, and those that are planned: to a ring's sinks, to a fundraiser."""
    rng = draft.rng
    account, time = _moments(draft, pace.payments)
    payees = draft.payees.held()
    payee: Things = payees.thing[pick_held(rng, payees, account, time)]
    level = rng.normal(8.0, 0.5, draft.n)
    amount = np.exp(level[account] + rng.normal(0, 0.9, len(account))).astype(np.int64)
    accounts, times, things, amounts = [account], [time], [payee], [amount]
    back = [np.full(len(account), 0.011)]
    for paying, when, sink, planned, reversed_share in draft.cashouts:
        accounts.append(paying)
        times.append(when)
        things.append(sink)
        amounts.append(planned)
        back.append(np.full(len(paying), reversed_share))
    account, time, payee = np.concatenate(accounts), np.concatenate(times), np.concatenate(things)
    amount, share = np.maximum(np.concatenate(amounts), 50), np.concatenate(back)
    amount = np.where(rng.random(len(amount)) < 0.3, (amount + 99) // 100 * 100, amount)
    luck = rng.random(len(account))
    card = pick_held(rng, instruments, account, time)
    keep = (time < draft.span) & (time > draft.signup[account]) & (payee != draft.account_ids(account))
    rows: Rows = {
        "account": account,
        "time": time,
        "payee": payee,
        "instrument": instruments.thing[card] if len(instruments.thing) else np.zeros(len(card), dtype=np.uint64),
        "has_instrument": (card >= 0) & (rng.random(len(card)) < 0.45),
        "amount": amount,
        "status": np.select([luck < share, luck > 0.98], [1, 2], 0),
    }
    return {name: values[keep] for name, values in rows.items()}


def _check(draft: Draft) -> Rows:
    """An identity check soon after signup; honest people fail it too, and most who fail try again by another check."""
    rng, n = draft.rng, draft.n
    everyone = np.arange(n)
    doubt = np.where(draft.synthetic, 1.35, 1.0)
    luck = rng.random(n) / doubt
    result = np.select([luck < 0.04, luck < 0.09], [1, 2], 0)
    again = np.flatnonzero((result > 0) & (rng.random(n) < 0.7))
    account = np.concatenate([everyone, again])
    time = _later(draft, account, 1.5)
    time[n:] = time[again] + (rng.exponential(1.5, len(again)) * DAY).astype(np.int64)
    second = np.where(rng.random(len(again)) < 0.25, 1, 0)
    score = rng.beta(9, 1.6, len(account)) - 0.015 * draft.synthetic[account]
    results = np.concatenate([result, second])
    return {
        "account": account,
        "time": time,
        "check": np.concatenate([rng.choice(3, n, p=(0.8, 0.15, 0.05)), rng.choice(3, len(again), p=(0.1, 0.6, 0.3))]),
        "result": results,
        "score": np.round(np.clip(score - 0.12 * (results > 0), 0, 1), 6),
        "has_score": rng.random(len(account)) > 0.02,
    }
