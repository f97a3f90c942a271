"""All records of a night: what they hold, and the texts of those that are to be compared.

Of records that were there the night before nothing is read but what is compared with a new one.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.nchash`)
from numpy.typing import NDArray

from graph.identity_blocking import are_used, bound_blocks
from graph.identity_codes import blocks_of, sides_of
from graph.identity_comparison import compare_pairs, pack_levels
from graph.identity_known import Compared, Known, carry_compared, look_up_any, match_records
from graph.identity_records import Encoded, digest_records, encode_records
from graph.identity_values import KEYS, VALUES, Values, count_values, hash_values, leading

__all__ = ["Submitted"]


class Submitted:
    """All records of a night by what they hold, and those that need be as texts, which are read when they are first asked for.

    Attributes:
        rows: all records.
        leads: bool[n], see `graph.identity_values.leading`.
        values: what they hold.
        is_new: bool[n], the record is not as it was the night before.
    """

    def __init__(
        self, fresh: pl.DataFrame, known: Known, is_fresh: NDArray[np.bool_], read: Callable[[pl.Series], pl.DataFrame]
    ) -> None:
        """Takes over what stands, and counts.

        Args:
            fresh, known, is_fresh, read: see `graph.identities.resolve_records`.
        """
        digested = fresh.select("account", digest=digest_records(fresh))
        self.rows = match_records(known, digested, is_fresh)
        self._known, self._read = known.records, read
        self._encoded: Encoded | None = None
        source = self.rows.source
        self.is_new = source < 0
        value = self._carried("", np.uint64)
        for line, name in ((-2, "first"), (-1, "last")):
            word = fresh.select(pl.col(name).nchash.xxh3_64().fill_null(0)).to_series()  # type: ignore[attr-defined]
            value[line, is_fresh[self.rows.account]] = word.to_numpy()
        self.leads = leading(value[-2], value[-1])
        self.is_new |= self.leads != np.append(known.records["leads"].to_numpy(), False)[source]
        encoded = self._encode(self.is_new, fresh if is_fresh.all() else None)
        new = np.flatnonzero(self.is_new)
        place = np.searchsorted(encoded.rows, new)
        for line, hashed in enumerate(hash_values(encoded)):
            value[line, new] = hashed[place]
        count = self._carried("n ", np.int32)
        stays = np.zeros(known.records.height, dtype=np.bool_)
        stays[source[~self.is_new]] = True
        gone = known.records.filter(pl.Series(~stays)).select(VALUES)
        count_values(value, count, self.is_new, np.stack([gone[name].to_numpy() for name in VALUES]))
        self.values = Values(value, count)

    def _carried(self, prefix: str, dtype: type) -> NDArray[Any]:
        """A line for each value: that of the record's source, 0 for a new one."""
        carried: NDArray[Any] = np.zeros((len(VALUES), self.rows.source.shape[0]), dtype=dtype)
        if self._known.height:
            for line, name in enumerate(VALUES):
                np.take(self._known[prefix + name].to_numpy(), self.rows.source, out=carried[line], mode="clip")
            carried[:, self.rows.source < 0] = 0
        return carried

    def is_touched(self, bound: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which records are new, or stand in a block that is used now and was not, or the other way round: bool[n]."""
        then = np.stack([self._known[f"n {name}"].to_numpy() for name in KEYS])
        bound_then = bound_blocks(then)
        touched = self.is_new.copy()
        stays = np.flatnonzero(~touched)
        for line in range(len(KEYS)):
            was = are_used(then[line], bound_then[line])[self.rows.source[stays]]
            touched[stays] |= was != are_used(self.values.held[line, stays], bound[line])
        return touched

    def carry(self, pairs: pl.DataFrame) -> Compared:
        """Pairs of the night before whose records are as they were."""
        now = np.full(self._known.height, -1, dtype=np.int64)
        stays = np.flatnonzero(~self.is_new)
        now[self.rows.source[stays]] = stays
        return carry_compared(pairs, now)

    def compare(self, wanted: NDArray[np.int64], *known: Compared) -> Compared:
        """Wanted pairs (int64[n], sorted) with their patterns, looked up where they are known."""
        patterns, is_known = look_up_any(known, wanted)
        is_asked = np.zeros(self.is_new.shape[0], dtype=np.bool_)
        for block in blocks_of(wanted):
            for side in sides_of(wanted[block][~is_known[block]]):
                is_asked[side] = True
        encoded = self._encode(is_asked)
        place = np.empty(self.is_new.shape[0], dtype=np.int64)
        place[encoded.rows] = np.arange(encoded.rows.shape[0])
        for block in blocks_of(wanted):
            left, right = sides_of(wanted[block][~is_known[block]])
            patterns[block][~is_known[block]] = pack_levels(compare_pairs(encoded, place[left], place[right]))
        return wanted, patterns

    def forget_texts(self) -> None:
        """Lets the texts go; they are read again if they are asked for."""
        self._encoded = None

    def _encode(self, is_asked: NDArray[np.bool_], every: pl.DataFrame | None = None) -> Encoded:
        """At least the rows that are asked for; what was read last, where they are among it.

        Args:
            every: all records, where they are at hand.
        """
        if self._encoded is not None and is_asked[self._encoded.rows].sum() == is_asked.sum():
            return self._encoded
        if every is not None:
            rows, records = np.arange(every.height, dtype=np.int32), every
        else:
            is_read = np.zeros(self.rows.account.max(initial=-1) + 1, dtype=np.bool_)
            is_read[self.rows.account[is_asked]] = True
            rows = np.flatnonzero(is_read[self.rows.account]).astype(np.int32)
            records = self._read(pl.Series(np.flatnonzero(is_read), dtype=pl.Int32))
        self._encoded = encode_records(records, rows, self.leads[rows])
        return self._encoded
