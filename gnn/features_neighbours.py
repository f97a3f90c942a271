"""Neighbour means and deviations over pairs (1 and 2 hops) and over shared identifiers, of features, never of labels."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import sparse

from gnn.feature_types import Feature, Rows
from graph.snapshot import Snapshot, is_shared

__all__ = ["BASE", "FEATURES", "build", "build_parts", "pair_means"]

BASE: tuple[str, ...] = (
    "age_days",
    "logins_per_day",
    "n_logins_first_week",
    "idle_days",
    "emulator_share",
    "n_instrument_links",
    "n_prepaid",
    "payments_per_day",
    "first_payment_days",
    "reversed_share",
    "mean_amount",
    "burst_amount_share",
    "last_week_amount_share",
    "n_id_fails",
    "vendor_score",
    "joined_7d",
    "n_types_shared",
    "max_identities_device",
    "sum_bits_shared",
    "max_pair_groups",
    "co_payers_2d",
    "rare_payee_share",
    "national_ids_one_off",
    "people_per_national_id",
)

_AT_ONCE = 6  # columns in double precision

_WAYS = (
    ("pairs_mean_{}", "mean of '{}' over the accounts that evidence joins to it, weighted by bits"),
    ("pairs2_mean_{}", "mean of '{}' over its pairs' pairs"),
    ("shared_mean_{}", "mean of '{}' over the accounts on its identifiers, rare ones weighing more"),
    ("deviation_{}", "its '{}' less the mean over the accounts on its identifiers"),
)

FEATURES = tuple(
    Feature(way.format(name), meaning.format(name), "neighbours") for name in BASE for way, meaning in _WAYS
)


def build(rows: Rows, base: pl.DataFrame) -> pl.DataFrame:
    """Account i32 and one float32 column a feature of this family, in account order; see `build_parts`."""
    columns = {series.name: series for part in build_parts(rows, base) for series in part}
    return base.select("account").with_columns(columns[feature.name] for feature in FEATURES)


def build_parts(rows: Rows, base: pl.DataFrame) -> Iterator[list[pl.Series]]:
    """The features of this family, some columns at a time.

    Args:
        base: the other families' features of all accounts, in account order; holds the columns of `BASE`.
    """
    near, around = pair_means(rows.snapshot), _Shared.of(rows)
    for begin in range(0, len(BASE), _AT_ONCE):
        names = BASE[begin : begin + _AT_ONCE]
        values = base.select(names).to_numpy().astype(np.float64)
        one = near @ values
        shared = around.means(values)
        deviation = np.where(around.is_alone[:, None], 0.0, values - shared)
        # sums in another order differ in their last bits; rounded, no tree can split on that noise
        part = []
        for (way, _), block in zip(_WAYS, (one, near @ one, shared, deviation), strict=True):
            rounded = (np.round(block, 6) + 0.0).astype(np.float32)
            part += [pl.Series(way.format(name), rounded[:, column]) for column, name in enumerate(names)]
        yield part


def pair_means(snapshot: Snapshot) -> sparse.csr_array:
    """n by n, rows sum to 1 (or 0 without a pair): the weighted mean over an account's pairs."""
    n, pairs = snapshot.accounts.height, snapshot.pairs
    a, b = pairs["account_a"].to_numpy(), pairs["account_b"].to_numpy()
    bits = np.maximum(pairs["weight_bits"].to_numpy().astype(np.float64), 0.0)
    return _rows_to_one(sparse.csr_array((np.r_[bits, bits], (np.r_[a, b], np.r_[b, a])), shape=(n, n)))


@dataclass(frozen=True)
class _Shared:
    """Means over the other accounts on shared identifiers, weighted by rarity squared.

    An identifier's sum less the account's own part: a matrix of accounts by accounts has the squares of all groups' sizes.

    Attributes:
        held, out: accounts by shared identifiers; ones, and what an account hears by each.
        own, total: float64 [n], what it hears of itself so; all of it.
    """

    held: sparse.csr_array
    out: sparse.csr_array
    own: NDArray[np.float64]
    total: NDArray[np.float64]

    @classmethod
    def of(cls, rows: Rows) -> "_Shared":
        n = rows.accounts.height
        links = rows.links(is_shared(), "n_accounts", "weight")
        account = links["account"].to_numpy()
        column = links["identifier"].rank("dense").to_numpy().astype(np.int64) - 1
        square = links["weight"].to_numpy().astype(np.float64) ** 2
        part = square / np.maximum(links["n_accounts"].to_numpy().astype(np.float64) - 1, 1)
        shape = (n, int(column.max()) + 1 if len(column) else 0)
        held = sparse.csr_array((np.ones(len(column)), (account, column)), shape=shape)
        out = sparse.csr_array((part, (account, column)), shape=shape)
        own, total = (np.bincount(account, weights=w, minlength=n).astype(np.float64) for w in (part, square))
        return cls(held, out, own, total)

    @property
    def is_alone(self) -> NDArray[np.bool_]:
        """Who shares nothing, bool [n]."""
        is_alone: NDArray[np.bool_] = self.total == 0
        return is_alone

    def means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """The means of `values` [n, k]."""
        sums: NDArray[np.float64] = self.out @ (self.held.T @ values) - self.own[:, None] * values
        return sums / np.maximum(self.total, 1e-12)[:, None]


def _rows_to_one(matrix: sparse.csr_array) -> sparse.csr_array:
    matrix.sort_indices()
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.csr_array(sparse.diags_array(np.where(total > 0, 1.0 / np.maximum(total, 1e-12), 0.0)) @ matrix)
