"""What became known of accounts: late, few, and sometimes wrong.

Facts it stands for: chargebacks take weeks; most accounts of a ring are never confirmed; some rings are found whole and others
not at all; a vendor's list and a hurried review hit honest people, mostly those who share something; some appeal.
"""

from typing import Final

import numpy as np

from jobs.simulate.behaviour import Rows
from jobs.simulate.draft import DAY, FOREVER, Draft, Ints, flag

__all__ = ["OUTCOMES", "SOURCES", "find_out"]

OUTCOMES: Final = ("confirmed_synthetic", "confirmed_benign")
SOURCES: Final = ("chargeback", "investigator", "vendor")
_WRONG_TO_RIGHT: Final = 0.2  # wrong positives for each right one
_SUSPECTED: Final = ("shop_tablet", "shelter", "dormitory", "payroll", "recycled_phone", "vpn", "fundraiser")


def find_out(draft: Draft) -> Rows:
    """The rows of `outcomes`: account, time, known (i64 microseconds), outcome, source (codes), actor (-1: none)."""
    rng = draft.rng
    honest = np.flatnonzero(draft.ring < 0)
    right, right_time, right_source = _true_positives(draft)
    n_wrong = int(rng.poisson(_WRONG_TO_RIGHT * len(right)))
    suspected = sum(((draft.sharing[honest] & flag(name)) != 0).astype(float) for name in _SUSPECTED)
    appeal = 1.0 + 2.0 * np.asarray(suspected)
    n_wrong = min(n_wrong, len(honest))
    wrong = rng.choice(honest, n_wrong, replace=False, p=appeal / appeal.sum()) if n_wrong else honest[:0]
    wrong_time = _weeks_after(draft, draft.signup[wrong], 3, 90)
    mended = rng.random(n_wrong) < 0.15
    cleared = honest[rng.random(len(honest)) < 0.017]
    missed = np.flatnonzero((draft.ring >= 0) & (rng.random(draft.n) < 0.03))
    benign = np.concatenate([cleared, missed])
    account = np.concatenate([right, wrong, wrong[mended], benign])
    time = np.concatenate(
        [
            right_time,
            wrong_time,
            _weeks_after(draft, wrong_time[mended], 10, 60),
            _weeks_after(draft, draft.signup[benign], 3, 100),
        ]
    )
    sizes = [len(right), n_wrong, int(mended.sum()), len(benign)]
    source = np.concatenate(
        [right_source, rng.choice(3, n_wrong, p=(0.3, 0.3, 0.4)), np.ones(sum(sizes[2:]), np.int64)]
    )
    delay = np.where(rng.random(len(account)) < 0.5, rng.exponential(5.0, len(account)), 0.0)
    return {
        "account": account,
        "time": time,
        "known": time + (delay * DAY).astype(np.int64),
        "outcome": np.repeat([0, 0, 1, 1], sizes),
        "source": source,
        "actor": np.where(source == 1, rng.integers(0, 12, len(account)), -1),
    }


def _weeks_after(draft: Draft, start: Ints, low_days: float, high_days: float) -> Ints:
    return np.asarray(start + (draft.rng.uniform(low_days, high_days, len(start)) * DAY).astype(np.int64))


def _true_positives(draft: Draft) -> tuple[Ints, Ints, Ints]:
    """Accounts that cashed out, found by chargebacks or by a review of their ring; a few by a vendor's list, at any time."""
    rng = draft.rng
    n_rings = int(draft.ring.max(initial=-1)) + 1
    how_well = rng.beta(1.2, 1.4, n_rings)  # how much of a ring comes to light
    member = np.flatnonzero((draft.ring >= 0) & (draft.cashout_time < FOREVER))
    found = member[rng.random(len(member)) < how_well[draft.ring[member]]]
    source = rng.choice(2, len(found), p=(0.65, 0.35))
    time = np.where(
        source == 0,
        _weeks_after(draft, draft.cashout_time[found], 12, 45),
        _weeks_after(draft, draft.cashout_time[found], 5, 35),
    )
    listed = np.flatnonzero((draft.ring >= 0) & (rng.random(draft.n) < 0.09))
    listed = np.setdiff1d(listed, found)
    return (
        np.concatenate([found, listed]),
        np.concatenate([time, _weeks_after(draft, draft.signup[listed], 5, 80)]),
        np.concatenate([source, np.full(len(listed), 2)]),
    )
