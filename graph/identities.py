"""Who is one person: accounts whose submitted identities are one person's share a number.

    profiles ── records ── blocks ── candidates ── levels and rarities ── weights ── bits ── persons
                identity_  identity_               identity_              identity_          identity_
                records    blocking                comparison             weights            persons

All are pure functions. A pair's levels follow from its two records; its rarities also from how many records hold the shared value;
its bits also from the weights. So a later night looks up the levels of pairs of records that did not change (`graph.identity_known`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.errors import InputError
from graph.identity_blocking import build_blocks, candidates
from graph.identity_comparison import FIELDS, compare_pairs, is_impossible
from graph.identity_known import Known, known_levels, note_levels, recognisable
from graph.identity_persons import agglomerate, bounded_components, inner_pairs
from graph.identity_records import Encoded, build_records, encode_records
from graph.identity_weights import PairBits, Weights, estimate_weights, score_pairs, total_bits
from graph.snapshot import Events

__all__ = [
    "FieldEvidence",
    "PairEvidence",
    "Resolution",
    "build_identities",
    "explain_pair",
    "find_persons",
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
    records: pl.DataFrame, n_accounts: int, weights: Weights | None = None, known: Known | None = None
) -> Resolution:
    """As `resolve`, from records; those of parts may be put together and sorted.

    Args:
        known: of an earlier night, its accounts renumbered (`graph.identity_known.renumber_known`); it saves time and changes nothing.
    """
    encoded = encode_records(records)
    left, right = candidates(build_blocks(encoded))
    own = recognisable(records, encoded)
    held = None if known is None else known_levels(known, own, left, right)
    levels, rarities = compare_pairs(encoded, left, right, held)
    if weights is None:
        weights = estimate_weights(encoded, levels)
    bits = total_bits(levels, rarities, weights)
    identity = find_persons(encoded, n_accounts, left, right, bits, weights)
    noted = note_levels(own, left, right, levels)
    return Resolution(pl.Series("identity", identity, dtype=pl.Int32), weights, records.height, left.shape[0], noted)


def find_persons(
    records: Encoded,
    n_accounts: int,
    left: NDArray[np.int32],
    right: NDArray[np.int32],
    bits: NDArray[np.float64],
    weights: Weights,
) -> NDArray[np.int32]:
    """Persons from scored pairs of records.

    Pairs of at least `LEAST_BITS` make components of accounts; within each, all pairs are compared, those too that no block
    gave, and the groups that agree on average are merged. Two accounts count by the best of their submissions.

    Returns:
        int32[n_accounts], dense, numbered by smallest account.
    """
    account = records.account
    strong = bits >= LEAST_BITS
    component = bounded_components(n_accounts, account[left[strong]], account[right[strong]], bits[strong])
    left, right = inner_pairs(component[account], account)
    levels, rarities = compare_pairs(records, left, right)
    say = np.clip(total_bits(levels, rarities, weights), FLOOR_BITS, CEILING_BITS)
    say[is_impossible(levels)] = IMPOSSIBLE_BITS
    return agglomerate(component, account[left], account[right], say, LEAST_BITS)


def explain_pair(records: pl.DataFrame, account_a: int, account_b: int, weights: Weights) -> PairEvidence:
    """Says field by field what speaks for two accounts being one person, by their best pair of submissions.

    Args:
        records: of all accounts, since the rarity of a value is its share of them.
        account_a, account_b: two accounts.
        weights: as saved by the night.

    Raises:
        InputError: an account has submitted nothing to compare by.
    """
    encoded = encode_records(records)
    of_a, of_b = (np.flatnonzero(encoded.account == account).astype(np.int32) for account in (account_a, account_b))
    if not of_a.size or not of_b.size:
        raise InputError("Both accounts must have submitted an identity. There is nothing to compare.")
    left, right = np.repeat(of_a, of_b.size), np.tile(of_b, of_a.size)
    levels, rarities = compare_pairs(encoded, left, right)
    bits = score_pairs(levels, rarities, weights)
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
