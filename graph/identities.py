"""Who is one person: accounts whose submitted identities are one person's share a number.

    profiles ── records ── values ── candidates ── levels ── weights ── rarities, bits ── persons
                identity_  identity_ identity_     identity_ identity_                    identity_
                records    values    blocking      comparison weights                     persons

All are pure functions. What a record holds and the levels of a pair follow from the submissions; how rare a value is, which blocks are
used, the weights and the bits also from all other records. So a later night takes over the former for records that did not change
(`graph.identity_known`), and finds the latter anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.average_link import agglomerate, bounded_components
from graph.errors import InputError
from graph.identity_blocking import bound_blocks, candidates, pairs_in_a_row
from graph.identity_codes import blocks_of, codes_of, distinct_codes, sides_of
from graph.identity_comparison import FIELDS, count_patterns, is_conflict, is_impossible, patterns_where, unpack_levels
from graph.identity_known import Compared, Known, keep, leave_out, look_up, look_up_any, merge_compared, nothing_known
from graph.identity_persons import inner_pairs
from graph.identity_rarity import rate_pairs
from graph.identity_records import build_records
from graph.identity_submitted import Submitted
from graph.identity_values import Values
from graph.identity_weights import PairBits, Weights, draw_pairs, estimate_weights, score_pairs, total_bits
from graph.snapshot import Events

__all__ = [
    "FieldEvidence",
    "PairEvidence",
    "Resolution",
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
        read: gives all records of the accounts of a series (i32, sorted), sorted as `records` are; needed where those are not all. It
            is asked for any account, up to four times.
    """
    known = nothing_known() if known is None else known
    is_fresh = np.ones(n_accounts, dtype=np.bool_) if is_fresh is None else is_fresh
    submitted = Submitted(records, known, is_fresh, read or _reader(records))
    del records  # the texts of all are the most that is in memory here
    values, bound = submitted.values, bound_blocks(submitted.values.held)
    drawn, in_a_row = draw_pairs(submitted.rows.digest), pairs_in_a_row(values, bound)
    touched = submitted.is_touched(bound)
    before, others = (submitted.carry(pairs) for pairs in (known.pairs, known.others))
    found = submitted.compare(candidates(values, bound, touched), before, others)
    further = submitted.compare(distinct_codes(drawn, in_a_row), found, before, others)
    pairs = merge_compared(leave_out(before, touched), found)
    linked = pairs, (in_a_row, look_up(further, in_a_row)[0])
    if weights is None:
        weights = estimate_weights(values, [patterns for _, patterns in linked], look_up(further, drawn)[0])
    identity, inner = _find_persons(submitted, n_accounts, linked, (others, further), weights)
    submitted.forget_texts()
    apart = distinct_codes(further[0], inner[0])
    patterns, is_inner = look_up(inner, apart)
    patterns[~is_inner] = look_up(further, apart[~is_inner])[0]
    noted = keep(submitted.rows, submitted.leads, values, pairs, (apart, patterns))
    n_records, n_pairs = values.held.shape[1], sum(codes.shape[0] for codes, _ in linked)
    return Resolution(pl.Series("identity", identity, dtype=pl.Int32), weights, n_records, n_pairs, noted)


def _reader(records: pl.DataFrame) -> Callable[[pl.Series], pl.DataFrame]:
    """Gives the records of some accounts."""
    return lambda some: records.filter(pl.col("account").is_in(some.implode()))


def _find_persons(
    submitted: Submitted, n_accounts: int, linked: Sequence[Compared], others: Sequence[Compared], weights: Weights
) -> tuple[NDArray[np.int32], Compared]:
    """Persons from pairs of records.

    Pairs of at least `LEAST_BITS` make components of accounts; within each, all pairs are compared, those too that no block
    gave, and the groups that agree on average are merged. Two accounts count by the best of their submissions.

    Args:
        linked: all candidates, in parts.
        others: further pairs that are known.

    Returns:
        int32[n_accounts], dense, numbered by smallest account; and the pairs within components that are no candidates.
    """
    account = submitted.rows.account
    # a conflict is never strong: most pairs need no rarities
    hopeless = patterns_where(count_patterns(*(patterns for _, patterns in linked)), is_conflict)
    hopeful = [~hopeless[patterns] for _, patterns in linked]
    codes, patterns = (
        np.concatenate([pairs[side][own] for pairs, own in zip(linked, hopeful, strict=True)]) for side in (0, 1)
    )
    bits = _score(submitted.values, codes, patterns, weights)
    strong = bits >= LEAST_BITS
    left, right = sides_of(codes[strong])
    component = bounded_components(n_accounts, account[left], account[right], bits[strong])
    within = np.sort(inner_pairs(component[account], account))
    patterns, is_linked = look_up_any(linked, within)
    inner = submitted.compare(within[~is_linked], *others)
    patterns[~is_linked] = inner[1]
    say = np.clip(_score(submitted.values, within, patterns, weights), FLOOR_BITS, CEILING_BITS)
    say[patterns_where(count_patterns(patterns), is_impossible)[patterns]] = IMPOSSIBLE_BITS
    left, right = sides_of(within)
    return agglomerate(component, account[left], account[right], say, LEAST_BITS), inner


def _score(
    values: Values, codes: NDArray[np.int64], patterns: NDArray[np.uint32], weights: Weights
) -> NDArray[np.float64]:
    """The bits of pairs."""
    bits = np.empty(codes.shape[0])
    for block in blocks_of(codes):
        levels = unpack_levels(patterns[block])
        bits[block] = total_bits(levels, rate_pairs(values, *sides_of(codes[block]), levels), weights)
    return bits


def explain_pair(records: pl.DataFrame, account_a: int, account_b: int, weights: Weights) -> PairEvidence:
    """Says field by field what speaks for two accounts being one person, by their best pair of submissions.

    Args:
        records: of all accounts, since the rarity of a value is its share of them; sorted by account and digest.
        account_a, account_b: two accounts.
        weights: as saved by the night.

    Raises:
        InputError: an account has submitted nothing to compare by.
    """
    n_accounts = int(records["account"].to_numpy().max(initial=-1)) + 1
    submitted = Submitted(records, nothing_known(), np.ones(n_accounts, dtype=np.bool_), _reader(records))
    of_a, of_b = (np.flatnonzero(submitted.rows.account == account) for account in (account_a, account_b))
    if not of_a.size or not of_b.size:
        raise InputError("Both accounts must have submitted an identity. There is nothing to compare.")
    one, other = np.repeat(of_a, of_b.size), np.tile(of_b, of_a.size)
    codes = distinct_codes(codes_of(one, other))
    levels = unpack_levels(submitted.compare(codes)[1])
    bits = score_pairs(levels, rate_pairs(submitted.values, *sides_of(codes), levels), weights)
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
