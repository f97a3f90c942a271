"""Weights of agreement: a Fellegi-Sunter model with three kinds of pairs, estimated by EM without labels.

A pair of records is of one person, of two relatives (a household, two people who share a number), or of strangers. Each kind has
its own odds of each level of each field, independent within the kind; what a household shares by its nature (family name, place,
phone, a borrowed number) so speaks for relatives and not for one person. EM runs on the counts of distinct patterns of levels, over
all pairs: those that no block gives are taken for strangers. Sources: Fellegi and Sunter, "A theory for record linkage", JASA 64,
1969; Winkler, "Using the EM algorithm for weight computation in the Fellegi-Sunter model", Proc. ASA Survey Research Methods,
1988; more than two kinds: Larsen and Rubin, JASA 96, 2001.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graph.errors import InputError
from graph.identity_codes import codes_of, distinct_codes
from graph.identity_comparison import (
    BIRTH,
    FIELDS,
    GIVEN,
    count_patterns,
    is_conflict,
    is_impossible,
    is_one_submission,
    unpack_levels,
)
from graph.identity_rarity import BACKGROUND, RARITY_STEP, RATED
from graph.identity_values import VALUES, Values

__all__ = ["PairBits", "Weights", "draw_pairs", "estimate_weights", "score_pairs", "total_bits"]

VERSION = 1
ITERATIONS, TOLERANCE = 40, 1e-4  # of the share of pairs of one person
RANDOM_RECORDS, RANDOM_PAIRS, RANDOM_PAIRS_PER_RECORD = 50_000, 200_000, 50
PRIOR_PAIRS = 50.0  # what is believed beforehand weighs as this many pairs of one person
PRIOR_RANDOM_PAIRS = 5_000.0  # the same for pairs of strangers
LEAST_ODDS = 1e-7
TWINS = 0.03  # relatives with one birth date
NAMESAKES = 0.03  # relatives with one given name
CONFLICT_BITS = -8.0  # at most, for a pair in conflict
SUBMITTED_BITS = 0.0  # at least, for a pair of one name and one birth date

# odds of levels beforehand, without `missing`
SAME: dict[str, tuple[float, ...]] = {
    "given_name": (0.03, 0.03, 0.05, 0.03, 0.08, 0.06, 0.03, 0.69),
    "family_name": (0.05, 0.03, 0.01, 0.04, 0.08, 0.01, 0.03, 0.75),
    "birth_date": (0.01, 0.01, 0.02, 0.02, 0.07, 0.02, 0.85),
    "national_id": (0.03, 0.07, 0.90),
    "email": (0.28, 0.04, 0.08, 0.05, 0.55),
    "phone": (0.30, 0.05, 0.65),
    "place": (0.35, 0.02, 0.08, 0.02, 0.08, 0.03, 0.07, 0.35),
}
STRANGERS: dict[str, tuple[float, ...]] = {
    "given_name": (0.968, 0.004, 0.004, 0.004, 0.003, 0.006, 0.001, 0.010),
    "family_name": (0.985, 0.004, 0.001, 0.003, 0.002, 0.001, 0.001, 0.003),
    "birth_date": (0.935, 0.025, 0.028, 0.004, 0.0072, 0.0001, 0.0007),
    "national_id": (0.9998, 0.0001, 0.0001),
    "email": (0.996, 0.0025, 0.0005, 0.0005, 0.0005),
    "phone": (0.9988, 0.0002, 0.0010),
    "place": (0.984, 0.008, 0.003, 0.001, 0.001, 0.001, 0.001, 0.001),
}
RELATED: dict[str, tuple[float, ...]] = {
    "family_name": (0.25, 0.01, 0.01, 0.05, 0.04, 0.01, 0.01, 0.62),
    "national_id": (0.93, 0.02, 0.05),
    "email": (0.87, 0.04, 0.02, 0.02, 0.05),
    "phone": (0.74, 0.01, 0.25),
    "place": (0.15, 0.02, 0.10, 0.02, 0.08, 0.03, 0.05, 0.55),
}


@dataclass(frozen=True)
class Weights:
    """What `estimate_weights` found; everything that the bits of a pair need.

    Attributes:
        same, related, strangers: field -> odds of each level of `FIELDS` among pairs of that kind where the field is not missing
            in either record; the first, `missing`, is 1 in all three and says nothing.
        share_same, share_related: of all pairs.
        n_records: that they were estimated on.
    """

    same: dict[str, tuple[float, ...]]
    related: dict[str, tuple[float, ...]]
    strangers: dict[str, tuple[float, ...]]
    share_same: float
    share_related: float
    n_records: int

    def to_json(self) -> str:
        """The weights as JSON text; `from_json` gives them back exactly."""
        return json.dumps({"version": VERSION, **asdict(self)}, indent=1)

    @staticmethod
    def from_json(text: str) -> "Weights":
        """Reads what `to_json` wrote.

        Raises:
            InputError: other fields, levels or version.
        """
        raw: dict[str, Any] = json.loads(text)
        if raw.pop("version", None) != VERSION:
            raise InputError(f"Identity weights must be of version {VERSION}. Estimate them anew.")
        kinds = {kind: {field: tuple(odds) for field, odds in raw.pop(kind).items()} for kind in KINDS}
        if any({f: len(o) for f, o in kinds[kind].items()} != N_LEVELS for kind in KINDS):
            raise InputError("Identity weights must have the fields and levels of this version. Estimate them anew.")
        return Weights(
            kinds["same"],
            kinds["related"],
            kinds["strangers"],
            raw["share_same"],
            raw["share_related"],
            raw["n_records"],
        )


KINDS = ("same", "related", "strangers")
COUNTED = {field: VALUES.index(field.replace("_", " ")) for field in ("birth_date", "national_id", "email", "phone")}
N_LEVELS = {field: len(levels) for field, levels in FIELDS.items()}


@dataclass(frozen=True)
class PairBits:
    """What speaks for one person rather than anything else, in bits; arrays of float64.

    Attributes:
        total: [n_pairs], log2 odds of one person, the sum of all below; rules included.
        fields: [n_pairs, n_fields], each field's share at the mean rarity of its level.
        rarity: [n_pairs, n_fields], what the shared value's own rarity adds.
        prior: log2 odds before anything is compared.
        relatives: [n_pairs], what is taken off because relatives would agree so too, 0 or less.
        rule: [n_pairs], what is taken off for a conflict (`graph.identity_comparison.is_conflict`), or given for one name with one
            birth date.
    """

    total: NDArray[np.float64]
    fields: NDArray[np.float64]
    rarity: NDArray[np.float64]
    prior: float
    relatives: NDArray[np.float64]
    rule: NDArray[np.float64]


def score_pairs(levels: NDArray[np.int8], rarities: NDArray[np.uint8], weights: Weights) -> PairBits:
    """The bits of pairs: total = prior + sum of fields + sum of rarity + relatives + rule.

    Args:
        levels, rarities: as `graph.identity_comparison.compare_pairs` gives them.
    """
    shape = levels.shape
    fields, rarity = np.zeros(shape), np.zeros(shape)
    related = np.full(shape[0], np.log2(weights.share_related) - np.log2(_share_strangers(weights)))
    for number, field in enumerate(FIELDS):
        level = levels[:, number]
        same, kin, others = (np.array(getattr(weights, kind)[field]) for kind in KINDS)
        fields[:, number] = np.log2(same / others)[level]
        is_rated = np.isin(level, RATED[field])
        own = np.where(is_rated, rarities[:, number] * -RARITY_STEP, np.log2(others)[level])
        rarity[:, number] = np.where(is_rated, np.log2(others)[level] - own, 0.0)
        if number in (GIVEN, BIRTH):
            apart = NAMESAKES if number == GIVEN else TWINS
            top = level == N_LEVELS[field] - 1
            odds = np.where(top, apart + (1 - apart) * np.exp2(own), kin[level])
            related += np.log2(odds) - own
        else:
            related += np.log2(kin)[level] - own
    relatives = -np.logaddexp2(0.0, related)
    prior = float(np.log2(weights.share_same) - np.log2(_share_strangers(weights)))
    total = prior + fields.sum(axis=1) + rarity.sum(axis=1) + relatives
    judged = _ruled(levels, total)
    return PairBits(judged, fields, rarity, prior, relatives, judged - total)


def total_bits(levels: NDArray[np.int8], rarities: NDArray[np.uint8], weights: Weights) -> NDArray[np.float64]:
    """`score_pairs(...).total` in one pass, for millions of pairs."""
    n_levels = max(N_LEVELS.values())
    same, kin, others = (
        np.zeros((len(FIELDS), n_levels)),
        np.zeros((len(FIELDS), n_levels)),
        np.zeros((len(FIELDS), n_levels)),
    )
    is_rated = np.zeros((len(FIELDS), n_levels), dtype=np.bool_)
    for number, field in enumerate(FIELDS):
        for table, kind in ((same, weights.same), (kin, weights.related), (others, weights.strangers)):
            table[number, : N_LEVELS[field]] = np.log2(kind[field])
        is_rated[number, list(RATED[field])] = True
    apart = np.zeros(len(FIELDS))
    apart[GIVEN], apart[BIRTH] = NAMESAKES, TWINS
    top = np.array([length - 1 for length in N_LEVELS.values()])
    base = np.log2(_share_strangers(weights))
    total = np.empty(levels.shape[0])
    _sum(
        levels, rarities, same, kin, others, is_rated, apart, top,
        np.log2(weights.share_same) - base, np.log2(weights.share_related) - base, total,
    )  # fmt: skip
    return _ruled(levels, total)


@njit(cache=True, nogil=True)
def _sum(
    levels: NDArray[np.int8],
    rarities: NDArray[np.uint8],
    same: NDArray[np.float64],
    kin: NDArray[np.float64],
    others: NDArray[np.float64],
    is_rated: NDArray[np.bool_],
    apart: NDArray[np.float64],
    top: NDArray[np.int64],
    prior: float,
    prior_kin: float,
    total: NDArray[np.float64],
) -> None:
    for pair in range(levels.shape[0]):
        bits, related = prior, prior_kin
        for field in range(levels.shape[1]):
            level = levels[pair, field]
            own = rarities[pair, field] * -RARITY_STEP if is_rated[field, level] else others[field, level]
            bits += same[field, level] - own
            if apart[field] > 0 and level == top[field]:
                related += np.log2(apart[field] + (1 - apart[field]) * 2.0**own) - own
            else:
                related += kin[field, level] - own
        total[pair] = bits - (np.log2(1 + 2.0**related) if related < 60 else related)


def _ruled(levels: NDArray[np.int8], total: NDArray[np.float64]) -> NDArray[np.float64]:
    """The bits after the rules: at most `CONFLICT_BITS` in conflict, at least `SUBMITTED_BITS` for one submitted identity."""
    judged = np.where(is_conflict(levels), np.minimum(total, CONFLICT_BITS), total)
    return np.where(is_one_submission(levels), np.maximum(judged, SUBMITTED_BITS), judged)


def _share_strangers(weights: Weights) -> float:
    return 1.0 - weights.share_same - weights.share_related


def draw_pairs(digests: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pairs of records at random: records are drawn by their digests, and each meets those next to it in the digests' order.

    So a record that comes or goes mostly changes the pairs about it alone; where the number drawn passes a bound, up to half of
    them. What is submitted again counts once, so that two who submit the same never meet here: who agrees in all is no stranger.

    Args:
        digests: uint64[n], of what each record says.

    Returns:
        int64[n_pairs], codes (`graph.identity_codes`), sorted. At most `RANDOM_PAIRS` and as many again.
    """
    n_records = digests.shape[0]
    mixed = _scattered(digests)
    halvings = max(n_records // RANDOM_RECORDS, 1).bit_length() - 1
    drawn = np.flatnonzero(mixed >> np.uint64(64 - halvings) == 0 if halvings else np.ones(n_records, dtype=np.bool_))
    ring = drawn[np.unique(mixed[drawn], return_index=True)[1]]
    n_wanted = min(RANDOM_PAIRS, RANDOM_PAIRS_PER_RECORD * n_records)
    n_steps = min(-(-n_wanted // max(ring.shape[0], 1)), ring.shape[0] // 2)
    met = [(np.roll(ring, -step), ring) for step in range(1, n_steps + 1)]
    codes = [codes_of(one, other) for one, other in met]
    return distinct_codes(*codes)


def _scattered(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    value = (value + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    scattered: NDArray[np.uint64] = value ^ (value >> np.uint64(31))
    return scattered


def estimate_weights(values: Values, patterns: Sequence[NDArray[np.uint32]], drawn: NDArray[np.uint32]) -> Weights:
    """Estimates the weights from the pairs that blocks give and from pairs at random.

    Args:
        values: of all records.
        patterns: of all candidates, in parts; see `graph.identity_comparison.pack_levels`.
        drawn: of the pairs that `draw_pairs` gives.
    """
    n_records = values.held.shape[1]
    n_all = (n_records + BACKGROUND) * (n_records + BACKGROUND - 1) / 2
    levels, counts = _distinct(*patterns)
    return _maximise(levels, counts, _met_at_random(values, drawn), n_all, n_records)


def _distinct(*patterns: NDArray[np.uint32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Distinct rows of levels and how often each occurs."""
    counts = count_patterns(*patterns)
    distinct = np.flatnonzero(counts)
    return unpack_levels(distinct.astype(np.uint32)).astype(np.int64), counts[distinct].astype(np.float64)


def _met_at_random(values: Values, drawn: NDArray[np.uint32]) -> list[NDArray[np.float64]]:
    """For each field, the odds of its levels among pairs at large. What is equal is counted exactly."""
    levels, counts = _distinct(drawn)
    odds = []
    for number, (field, n_levels) in enumerate(N_LEVELS.items()):
        seen = np.bincount(levels[:, number], weights=counts, minlength=n_levels)[1:].astype(np.float64)
        if field in COUNTED:
            seen[-1] = _share_equal(values.held[COUNTED[field]]) * seen.sum()
        before = np.array(STRANGERS[field])
        odds.append((seen + PRIOR_RANDOM_PAIRS * before) / (seen.sum() + PRIOR_RANDOM_PAIRS))
    return odds


def _share_equal(count: NDArray[np.int32]) -> float:
    """Of all pairs of records that hold some value, those that hold the same."""
    n = float(np.count_nonzero(count))
    return float((count.astype(np.int64) - (count > 0)).sum() / max(n * (n - 1.0), 1.0))


def _maximise(
    patterns: NDArray[np.int64],
    counts: NDArray[np.float64],
    met: list[NDArray[np.float64]],
    n_all: float,
    n_records: int,
) -> Weights:
    """EM over the patterns; `met` is what pairs at large show, of which those of one person and relatives are a part."""
    fields = list(FIELDS)
    same = [np.array(SAME[field]) / sum(SAME[field]) for field in fields]
    strangers = [odds.copy() for odds in met]
    related = [_related(field, odds, None) for field, odds in zip(fields, strangers, strict=True)]
    share_same = share_related = max(0.3 * n_records, 1.0) / n_all
    impossible = is_impossible(patterns.astype(np.int8))
    for _ in range(ITERATIONS):
        by_kind = [
            share * _likelihood(patterns, odds)
            for share, odds in (
                (share_same, same),
                (share_related, related),
                (1 - share_same - share_related, strangers),
            )
        ]
        by_kind[0][impossible] = 0.0
        whole = by_kind[0] + by_kind[1] + by_kind[2]
        n_same, n_related = counts * by_kind[0] / whole, counts * by_kind[1] / whole
        before, share_same = share_same, max(n_same.sum(), 1.0) / n_all
        share_related = max(n_related.sum(), 1.0) / n_all
        for number, field in enumerate(fields):
            same[number] = _updated(patterns[:, number], n_same, np.array(SAME[field]))
            rest = met[number] - share_same * same[number] - share_related * related[number]
            strangers[number] = np.maximum(rest / (1 - share_same - share_related), LEAST_ODDS)
            kin = None
            if field in RELATED:
                kin = _updated(patterns[:, number], n_related, np.array(RELATED[field]))
            related[number] = _related(field, strangers[number], kin)
        if abs(share_same - before) <= TOLERANCE * before:
            break
    same_odds, related_odds, strangers_odds = (
        {field: (1.0, *map(float, odds)) for field, odds in zip(fields, kind, strict=True)}
        for kind in (same, related, strangers)
    )
    return Weights(same_odds, related_odds, strangers_odds, float(share_same), float(share_related), n_records)


def _likelihood(patterns: NDArray[np.int64], odds: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    found = np.ones(patterns.shape[0])
    for number, levels in enumerate(odds):
        found *= np.concatenate([[1.0], levels])[patterns[:, number]]
    return found


def _updated(
    levels: NDArray[np.int64], weight: NDArray[np.float64], before: NDArray[np.float64]
) -> NDArray[np.float64]:
    seen = np.bincount(levels, weights=weight, minlength=before.shape[0] + 1)[1:]
    odds: NDArray[np.float64] = np.maximum(seen + PRIOR_PAIRS * before / before.sum(), 1e-12)
    updated: NDArray[np.float64] = np.maximum(odds / odds.sum(), LEAST_ODDS)
    return updated


def _related(field: str, strangers: NDArray[np.float64], found: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Relatives' given names and birth dates are as strangers', but for namesakes and twins."""
    if field in RELATED:
        return np.array(RELATED[field]) / sum(RELATED[field]) if found is None else found
    apart = NAMESAKES if field == "given_name" else TWINS
    odds = (1 - apart) * strangers
    odds[-1] += apart
    return odds
