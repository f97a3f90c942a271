"""Earlier cut-offs to train on: which ones, and what is held of each."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.drawing import Draw
from gnn.features import FEATURE_NAMES
from gnn.near import NEAR_NAMES
from graph.snapshot import Snapshot

__all__ = ["INPUT_NAMES", "CutOff", "Labelled", "plan_cutoffs"]

INPUT_NAMES: tuple[str, ...] = (*FEATURE_NAMES, *NEAR_NAMES)  # what a model may read of an account

_SHARES = (0.10, 0.20, 0.35, 0.55)  # of the history, back from now
_LONGEST = timedelta(days=365)
_ROWS = 16_384


@dataclass(frozen=True)
class CutOff:
    """The graph as of an earlier day with the features of then.

    Attributes:
        snapshot: the graph as of the cut-off.
        features: `gnn.features.build_features` of it.
        near: float32 [n, len(NEAR_NAMES)], `gnn.near.look_around` of it; None before the first look.
        draw: where it is a part of a world (`gnn.drawing`), who was drawn; None for a whole one.
    """

    snapshot: Snapshot
    features: pl.DataFrame
    near: NDArray[np.float32] | None = None
    draw: Draw | None = None

    @property
    def values(self) -> NDArray[np.float32]:
        """`take` of all accounts."""
        return self.take(slice(None))

    def take(self, rows: slice | NDArray[np.int64]) -> NDArray[np.float32]:
        """The features without the account's number, and what is near: float32 [k, F], in the order of `INPUT_NAMES`.

        Made anew with every call, since of a large world all rows at once are gigabytes.

        Args:
            rows: accounts, a slice of step 1 or int64 [k].
        """
        own = self.features.select(FEATURE_NAMES)
        start, stop, _ = rows.indices(own.height) if isinstance(rows, slice) else (0, len(rows), 1)
        n_own, n_near = len(FEATURE_NAMES), 0 if self.near is None else self.near.shape[1]
        values = np.empty((max(stop - start, 0), n_own + n_near), dtype=np.float32)
        for first in range(start, stop, _ROWS):  # so that no second copy of all is made
            end = min(first + _ROWS, stop)
            block = slice(first, end) if isinstance(rows, slice) else rows[first:end]
            place = slice(first - start, end - start)
            values[place, :n_own] = own[block].to_numpy()
            if self.near is not None:
                values[place, n_own:] = self.near[block]
        return values

    @cached_property
    def is_drawn(self) -> NDArray[np.bool_]:
        """bool [n]: who may be an example, and speaks for the world; all, where it is whole."""
        return np.ones(self.features.height, dtype=np.bool_) if self.draw is None else self.draw.is_drawn


@dataclass(frozen=True)
class Labelled:
    """Accounts of one cut-off with their targets.

    Attributes:
        cutoff: the graph and features.
        account: int64 [k], numbers in the cut-off's snapshot, ascending.
        target: int8 [k], 1 for a synthetic identity.
        known: bool [k], an outcome of it was known at the cut-off already: no account that a night then had to score.
        confirmed: bool [k], the target is an outcome that is known by now, not the absence of one.
        unclear: bool [k], without outcome in a cluster with a confirmed positive: neither target can be said of it.
    """

    cutoff: CutOff
    account: NDArray[np.int64]
    target: NDArray[np.int8]
    known: NDArray[np.bool_]
    confirmed: NDArray[np.bool_]
    unclear: NDArray[np.bool_]

    def of(self, keep: NDArray[np.bool_]) -> "Labelled":
        """The rows where `keep` [k] holds."""
        return Labelled(self.cutoff, *(column[keep] for column in self.columns()))

    def columns(self) -> tuple[NDArray[Any], ...]:
        """Everything but the cut-off, in the order of the fields."""
        return (self.account, self.target, self.known, self.confirmed, self.unclear)


def plan_cutoffs(first_event: datetime, as_of: datetime, n_cutoffs: int = 4) -> list[datetime]:
    """Cut-offs before `as_of` to train on, earliest first, each at a midnight UTC, for a history of any length.

    They lie 10, 20, 35 and 55 % of the history back (of a year, if it is longer): late enough to hold rings in every state,
    early enough for labels to have come since. The latest serves validation.

    Args:
        first_event: the first signup.
        as_of: the night's cut-off.
        n_cutoffs: how many at most; fewer where days coincide or no history is left before them.
    """
    history = min(as_of - first_event, _LONGEST)
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    days = sorted({max(1, round(share * history / timedelta(days=1))) for share in _SHARES})[:n_cutoffs]
    planned = [midnight - timedelta(days=day) for day in days]
    return sorted(cutoff for cutoff in planned if cutoff > first_event)
