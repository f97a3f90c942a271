"""Who is one person: accounts whose submitted identities are one person's share a number.

    profiles ── records ── values ── candidates ── levels ── weights ── rarities, bits ── persons
                identity_  identity_ identity_     identity_ identity_                    identity_
                records    values    blocking      comparison weights                     persons

All are pure functions. What a record holds and the levels of a pair follow from the submissions; how rare a value is, which blocks are
used, the weights and the bits also from all other records. So a later night takes over the former for records that did not change
(`graph.identity_known`), and finds the latter anew.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.nchash`)
from numpy.typing import NDArray

from graph.errors import InputError
from graph.identity_blocking import are_used, bound_blocks, candidates, pairs_in_a_row
from graph.identity_comparison import (
    FIELDS,
    N_PATTERNS,
    compare_pairs,
    is_conflict,
    is_impossible,
    pack_levels,
    rate_pairs,
    unpack_levels,
)
from graph.identity_known import (
    Known,
    Pairs,
    carry_pairs,
    keep,
    leave_out,
    look_up,
    match_records,
    merge_pairs,
    nothing_known,
)
from graph.identity_persons import agglomerate, bounded_components, inner_pairs
from graph.identity_records import Encoded, build_records, digest_records, encode_records
from graph.identity_values import KEYS, VALUES, Values, count_values, hash_values, leading
from graph.identity_weights import PairBits, Weights, draw_pairs, estimate_weights, score_pairs, total_bits
from graph.snapshot import Events

__all__ = [
    "FieldEvidence",
    "PairEvidence",
    "Resolution",
    "build_identities",
    "explain_pair",
    "identity_records",
    "resolve",
    "resolve_records",
]

# Chosen on made households (`jobs.simulate.people`), one for all data. Below zero, since missing values leave many pairs of one
# person short of evidence, and a mean over many pairs does not share the doubt of each.
LEAST_BITS = -3.0
FLOOR_BITS, CEILING_BITS = -8.0, 20.0  # one pair's say in a mean
IMPOSSIBLE_BITS = -15.0  # the say of a pair that is surely two people


@dataclass(frozen=True)
class Resolution:
    """Who is one person, and by which weights.

    Attributes:
        identity: i32 for each account, in the accounts' order; dense, numbered by smallest account.
        weights: estimated, or those that were given.
        n_records, n_pairs: that were compared.
        known: what the next night need not compare again; see `resolve_records`.
    """

    identity: pl.Series
    weights: Weights
    n_records: int
    n_pairs: int
    known: Known


@dataclass(frozen=True)
class FieldEvidence:
    """One field's part: its name, the level's name, and bits for one person (positive) or against."""

    field: str
    level: str
    bits: float
    rarity_bits: float


@dataclass(frozen=True)
class PairEvidence:
    """Why two accounts are, or are not, one person; no raw value in it.

    Attributes:
        fields: one a field of `graph.identity_comparison.FIELDS`.
        prior_bits: log2 odds of one person before anything is compared.
        relatives_bits: taken off because two relatives would agree so too.
        rule_bits: taken off because given names or birth dates differ, or given for one name with one birth date.
        total_bits: the sum of all of these.
    """

    fields: tuple[FieldEvidence, ...]
    prior_bits: float
    relatives_bits: float
    rule_bits: float
    total_bits: float


def identity_records(events: Events, accounts: pl.DataFrame) -> pl.DataFrame:
    """The records of `events["profiles"]` for these accounts; see `graph.identity_records.build_records`."""
    return build_records(events["profiles"].join(accounts.select("account", "account_id"), on="account_id"))


def build_identities(events: Events, accounts: pl.DataFrame) -> pl.Series:
    """`identity` of each account by weights estimated from these events alone; see `Resolution`."""
    return resolve(events, accounts).identity


def resolve(events: Events, accounts: pl.DataFrame, weights: Weights | None = None) -> Resolution:
    """Finds the persons behind accounts.

    Args:
        events: at least profiles.
        accounts: account i32 (0..n-1), account_id.
        weights: of an earlier night; without them they are estimated. No labels are used.

    References:
        Fellegi and Sunter, "A theory for record linkage", JASA 64, 1969.
    """
    return resolve_records(identity_records(events, accounts), accounts.height, weights)


def resolve_records(
    records: pl.DataFrame,
    n_accounts: int,
    weights: Weights | None = None,
    known: Known | None = None,
    is_fresh: NDArray[np.bool_] | None = None,
    read: Callable[[pl.Series], pl.DataFrame] | None = None,
) -> Resolution:
    """As `resolve`, from records; those of parts may be put together and sorted.

    After a night whose comparisons are known it suffices to give the records of the accounts that changed; the result is the same.

    Args:
        records: of all accounts, or of the fresh ones.
        known: of an earlier night, its accounts renumbered (`graph.identity_known.renumber_known`).
        is_fresh: bool[n_accounts], all of the account's records are in `records`; None for all.
        read: gives all records of the accounts of a series (i32, sorted), sorted as `records` are; needed where those are not all.
    """
    known = nothing_known() if known is None else known
    is_fresh = np.ones(n_accounts, dtype=np.bool_) if is_fresh is None else is_fresh
    submitted = _Submitted(records, known, is_fresh, read or (lambda some: records.filter(_is_among("account", some))))
    values, bound = submitted.values, bound_blocks(submitted.values.count)
    drawn, in_a_row = draw_pairs(submitted.rows.digest), pairs_in_a_row(values, bound)
    touched = submitted.is_touched(bound)
    found = candidates(values, bound, touched)
    before, others = (submitted.carry(pairs) for pairs in (known.pairs, known.others))
    asked = np.unique(np.concatenate([found, drawn, in_a_row]))
    compared = submitted.compare(asked, before, others)
    pairs = merge_pairs(leave_out(before, touched), (found, look_up(compared, found)[0]))
    linked = merge_pairs(pairs, (in_a_row, look_up(compared, in_a_row)[0]))
    if weights is None:
        weights = estimate_weights(values, linked[1], look_up(compared, drawn)[0])
    identity, inner = _find_persons(submitted, n_accounts, linked, (others, compared), weights)
    apart = np.unique(np.concatenate([drawn, in_a_row, inner[0]]))
    patterns, is_inner = look_up(inner, apart)
    patterns[~is_inner] = look_up(compared, apart[~is_inner])[0]
    noted = keep(submitted.rows, submitted.leads, values, pairs, (apart, patterns))
    n_records = values.count.shape[1]
    return Resolution(pl.Series("identity", identity, dtype=pl.Int32), weights, n_records, linked[0].shape[0], noted)


def _is_among(column: str, some: pl.Series) -> pl.Expr:
    return pl.col(column).is_in(some.implode())


class _Submitted:
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
        digested = fresh.select("account", digest=digest_records(fresh))
        self.rows = match_records(known, digested, is_fresh)
        self._known, self._read, self._encoded = known.records, read, None
        source = self.rows.source
        self.is_new = source < 0
        value = self._carried("", np.uint64)
        fresh_rows = is_fresh[self.rows.account]
        for line, name in ((-2, "first"), (-1, "last")):
            word = fresh.select(pl.col(name).nchash.xxh3_64().fill_null(0)).to_series()  # type: ignore[attr-defined]
            value[line, fresh_rows] = word.to_numpy()
        self.leads = leading(value[-2], value[-1])
        self.is_new |= self.leads != np.append(known.records["leads"].to_numpy(), False)[source]
        new = np.flatnonzero(self.is_new)
        encoded = self._encode(new)
        value[:, new] = hash_values(encoded)[:, np.searchsorted(encoded.rows, new)]
        count = self._carried("n ", np.int32)
        stays = np.zeros(known.records.height, dtype=np.bool_)
        stays[source[~self.is_new]] = True
        gone = known.records.filter(pl.Series(~stays)).select(VALUES)
        count_values(value, count, self.is_new, np.stack([gone[name].to_numpy() for name in VALUES]))
        self.values = Values(value, count)

    def _carried(self, prefix: str, dtype: type) -> NDArray[Any]:
        """A line for each value: that of the record's source, 0 for a new one."""
        carried = np.zeros((len(VALUES), self.rows.source.shape[0]), dtype=dtype)
        if self._known.height:
            for line, name in enumerate(VALUES):
                np.take(self._known[prefix + name].to_numpy(), self.rows.source, out=carried[line], mode="clip")
            carried[:, self.rows.source < 0] = 0
        return carried

    def is_touched(self, bound: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Which records are new, or stand in a block that is used now and was not, or the other way round."""
        then = np.stack([self._known[f"n {name}"].to_numpy() for name in KEYS])
        bound_then = bound_blocks(then)
        touched = self.is_new.copy()
        stays = np.flatnonzero(~touched)
        for line in range(len(KEYS)):
            was = are_used(then[line], bound_then[line])[self.rows.source[stays]]
            touched[stays] |= was != are_used(self.values.count[line, stays], bound[line])
        return touched

    def carry(self, pairs: pl.DataFrame) -> Pairs:
        """Pairs of the night before whose records are as they were."""
        now = np.full(self._known.height, -1, dtype=np.int64)
        stays = np.flatnonzero(~self.is_new)
        now[self.rows.source[stays]] = stays
        return carry_pairs(pairs, now)

    def compare(self, wanted: NDArray[np.int64], *known: Pairs) -> Pairs:
        """Wanted pairs (sorted) with their patterns, looked up where they are known."""
        patterns, is_known = np.zeros(wanted.shape[0], dtype=np.uint32), np.zeros(wanted.shape[0], dtype=np.bool_)
        for pairs in known:
            found, is_there = look_up(pairs, wanted)
            patterns[is_there], is_known = found[is_there], is_known | is_there
        left, right = _sides(wanted[~is_known])
        encoded = self._encode(np.unique(np.concatenate([left, right])))
        places = (np.searchsorted(encoded.rows, side) for side in (left, right))
        patterns[~is_known] = pack_levels(compare_pairs(encoded, *places))
        return wanted, patterns

    def _encode(self, wanted: NDArray[np.int64]) -> Encoded:
        """At least the wanted rows (sorted); those of before, where they are among them."""
        if self._encoded is not None and np.isin(wanted, self._encoded.rows, assume_unique=True).all():
            return self._encoded
        accounts = np.unique(self.rows.account[wanted])
        is_asked = np.zeros(self.rows.account.max(initial=-1) + 1, dtype=np.bool_)
        is_asked[accounts] = True
        rows = np.flatnonzero(is_asked[self.rows.account])
        records = self._read(pl.Series(accounts, dtype=pl.Int32))
        self._encoded = encode_records(records, rows.astype(np.int32), self.leads[rows])
        return self._encoded


def _sides(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return codes >> 32, codes & 0xFFFFFFFF


def _find_persons(
    submitted: _Submitted, n_accounts: int, linked: Pairs, others: tuple[Pairs, ...], weights: Weights
) -> tuple[NDArray[np.int32], Pairs]:
    """Persons from pairs of records.

    Pairs of at least `LEAST_BITS` make components of accounts; within each, all pairs are compared, those too that no block
    gave, and the groups that agree on average are merged. Two accounts count by the best of their submissions.

    Args:
        linked: all candidates.
        others: further pairs that are known.

    Returns:
        int32[n_accounts], dense, numbered by smallest account; and the pairs within components that are no candidates.
    """
    account = submitted.rows.account
    hopeless = np.zeros(N_PATTERNS, dtype=np.bool_)  # a conflict is never strong: most pairs need no rarities
    distinct = np.flatnonzero(np.bincount(linked[1]))
    hopeless[distinct] = is_conflict(unpack_levels(distinct.astype(np.uint32)))
    hopeful = ~hopeless[linked[1]]
    codes, patterns = linked[0][hopeful], linked[1][hopeful]
    _, bits = _score(submitted.values, codes, patterns, weights)
    strong = bits >= LEAST_BITS
    left, right = _sides(codes[strong])
    component = bounded_components(n_accounts, account[left], account[right], bits[strong])
    within = np.sort(inner_pairs(component[account], account))
    patterns, is_linked = look_up(linked, within)
    inner = submitted.compare(within[~is_linked], *others)
    patterns[~is_linked] = inner[1]
    levels, bits = _score(submitted.values, within, patterns, weights)
    say = np.clip(bits, FLOOR_BITS, CEILING_BITS)
    say[is_impossible(levels)] = IMPOSSIBLE_BITS
    left, right = _sides(within)
    return agglomerate(component, account[left], account[right], say, LEAST_BITS), inner


def _score(
    values: Values, codes: NDArray[np.int64], patterns: NDArray[np.uint32], weights: Weights
) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Levels and bits of pairs."""
    levels = unpack_levels(patterns)
    return levels, total_bits(levels, rate_pairs(values, *_sides(codes), levels), weights)


def explain_pair(records: pl.DataFrame, account_a: int, account_b: int, weights: Weights) -> PairEvidence:
    """Says field by field what speaks for two accounts being one person, by their best pair of submissions.

    Args:
        records: of all accounts, since the rarity of a value is its share of them.
        account_a, account_b: two accounts.
        weights: as saved by the night.

    Raises:
        InputError: an account has submitted nothing to compare by.
    """
    submitted = _Submitted(
        records,
        nothing_known(),
        np.ones(records["account"].max() + 1 if records.height else 0, dtype=np.bool_),
        lambda some: records.filter(_is_among("account", some)),
    )
    of_a, of_b = (np.flatnonzero(submitted.rows.account == account) for account in (account_a, account_b))
    if not of_a.size or not of_b.size:
        raise InputError("Both accounts must have submitted an identity. There is nothing to compare.")
    one, other = np.repeat(of_a, of_b.size), np.tile(of_b, of_a.size)
    codes = np.unique(np.minimum(one, other) << 32 | np.maximum(one, other))
    levels = unpack_levels(submitted.compare(codes)[1])
    bits = score_pairs(levels, rate_pairs(submitted.values, *_sides(codes), levels), weights)
    return _evidence(levels, bits, int(bits.total.argmax()))


def _evidence(levels: NDArray[np.int8], bits: PairBits, pair: int) -> PairEvidence:
    fields = tuple(
        FieldEvidence(
            field, names[levels[pair, place]], float(bits.fields[pair, place]), float(bits.rarity[pair, place])
        )
        for place, (field, names) in enumerate(FIELDS.items())
    )
    return PairEvidence(
        fields, bits.prior, float(bits.relatives[pair]), float(bits.rule[pair]), float(bits.total[pair])
    )
