"""What records hold, how many hold the same, and pairs drawn at random."""

from datetime import date

import numpy as np
import polars as pl
import pytest

from graph import identity_weights
from graph.identities import resolve_records
from graph.identity_records import RECORD_SCHEMA
from graph.identity_values import VALUES, count_values
from graph.identity_weights import draw_pairs


@pytest.mark.parametrize(
    "born", [date(1969, 12, 30), date(1969, 12, 31), date(1970, 1, 1), date(1900, 1, 1), date(2026, 6, 1)], ids=str
)
def test_any_date_is_a_value(born: date) -> None:
    records = pl.DataFrame(
        [{"account": n, "first": f"n{n}", "last": "lee", "birth_date": born} for n in range(5)], schema=RECORD_SCHEMA
    )
    held = resolve_records(records, 5).known.records
    assert (held["birth date"] != 0).all()
    assert held["n birth date"].to_list() == [5] * 5


@pytest.mark.parametrize("seed", range(20))
def test_counts_brought_up_to_date_are_counts(seed: int) -> None:
    random = np.random.default_rng(seed)
    before, new = (random.integers(0, 9, (len(VALUES), 40), dtype=np.uint64) for _ in range(2))
    stays = random.random(40) < 0.6
    count = np.zeros(before.shape, dtype=np.int32)
    count_values(before, count, np.ones(40, dtype=np.bool_), before[:, :0].copy())
    value = np.ascontiguousarray(np.hstack([before[:, stays], new]))
    after = np.ascontiguousarray(np.hstack([count[:, stays], np.zeros_like(count)]))
    count_values(value, after, np.arange(value.shape[1]) >= stays.sum(), np.ascontiguousarray(before[:, ~stays]))
    words = value[-2:].ravel()
    for line in range(len(VALUES)):
        among = words if line >= len(VALUES) - 2 else value[line]
        wanted = [0 if held == 0 else int((among == held).sum()) for held in value[line]]
        assert after[line].tolist() == wanted


@pytest.mark.parametrize("n_records", [0, 1, 2, 3, 60, 500])
@pytest.mark.parametrize("n_drawn", [20, 50_000])
def test_pairs_at_random_are_pairs_and_stay(n_records: int, n_drawn: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity_weights, "RANDOM_RECORDS", n_drawn)
    monkeypatch.setattr(identity_weights, "RANDOM_PAIRS", 4 * n_drawn)
    digests = np.random.default_rng(1).integers(0, 2**63, n_records, dtype=np.uint64)
    pairs = draw_pairs(digests)
    assert (np.diff(pairs) > 0).all()
    assert ((pairs >> 32) < (pairs & 0xFFFFFFFF)).all()
    assert (pairs & 0xFFFFFFFF).max(initial=-1) < n_records
    if n_records >= 60:
        assert pairs.shape[0] >= min(4 * n_drawn, 20 * n_records)
        later = draw_pairs(np.append(digests, np.uint64(7)))
        assert np.intersect1d(pairs, later).shape[0] > 0.8 * pairs.shape[0]


def test_what_all_submit_is_drawn_once() -> None:
    assert draw_pairs(np.full(9, 5, dtype=np.uint64)).shape[0] == 0
