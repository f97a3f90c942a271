"""Pairs: two accounts with the evidence that joins them.

A small group of holders is joined pair by pair. A large one is joined along its arrivals, each account to the few that came
just before it: the group stays connected, and the cost stays linear. A hub joins nobody.
"""

import numpy as np
import polars as pl

from graph.implied import is_implied_evidence
from graph.lake import EVIDENCE_FIELDS
from graph.rules import FURTHER_IN_GROUP, RULES
from graph.schema import IDENTIFIERS
from graph.snapshot import SNAPSHOT_SCHEMAS, is_shared

__all__ = ["EVIDENCE_SCHEMA", "build_evidence", "merge_evidence", "name_pairs"]

ALL_PAIRS_LIMIT = 24  # up to so many holders all pairs are made: 276 at most
WINDOW = 4  # of a larger group each account meets so many that came before it
MIN_PAIR_BITS = 3.0
MICROSECONDS_A_DAY = 86_400_000_000
BITS_DECIMALS = 6  # coarser than the noise of summing in another order

EVIDENCE_SCHEMA: dict[str, pl.DataType] = {
    "account_a": pl.Int32(),
    "account_b": pl.Int32(),
    "identifier": pl.Int32(),
    "bits": pl.Float64(),
    "gap_days": pl.Float64(),
    "is_concurrent": pl.Boolean(),
}
CROSSED = "national_id"  # one number is one person's; a household may share any other element


def build_evidence(links: pl.DataFrame, identifiers: pl.DataFrame) -> pl.DataFrame:
    """What each shared identifier says of the pairs among its holders.

    Evidence of a partition by identifier is the whole's evidence of those identifiers.

    Args:
        links: account, identifier, first_seen, last_seen (see `graph.snapshot.Snapshot`).
        identifiers: the identifiers of these links.

    Returns:
        `EVIDENCE_SCHEMA`, one row a pair and identifier, account_a < account_b, sorted.
    """
    joining = identifiers.filter(is_shared())
    holders = (
        links.join(joining.select("identifier", "identifier_type", "n_accounts", "weight"), on="identifier")
        .with_columns(
            first=pl.col("first_seen").dt.epoch("us"),
            last=pl.col("last_seen").dt.epoch("us"),
            window=pl.when(pl.col("n_accounts") > ALL_PAIRS_LIMIT).then(WINDOW).otherwise(pl.col("n_accounts") - 1),
        )
        .sort("identifier", "first", "account")
    )
    left, right = _meet(holders["identifier"].to_numpy(), holders["window"].to_numpy())
    one, two = holders[left], holders[right]
    met = pl.DataFrame(
        {
            "account_a": one["account"].zip_with(one["account"] < two["account"], two["account"]),
            "account_b": one["account"].zip_with(one["account"] > two["account"], two["account"]),
            "identifier": one["identifier"],
            "identifier_type": one["identifier_type"],
            "weight": one["weight"],
            "gap_days": (two["first"] - one["first"]) / MICROSECONDS_A_DAY,
            # the later arrival's first use after the earlier one's last; negative where they overlap
            "apart_days": (two["first"] - one["last"]) / MICROSECONDS_A_DAY,
        }
    )
    return met.with_columns(_bits(), is_concurrent=_by_type("slack_days") >= pl.col("apart_days")).select(
        pl.col(name).cast(dtype) for name, dtype in EVIDENCE_SCHEMA.items()
    ).sort("account_a", "account_b", "identifier")  # fmt: skip


def merge_evidence(evidence: pl.DataFrame, identifiers: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Sums the evidence of each pair, the strongest of each group of types in full, further ones in part.

    Args:
        evidence: all rows of the pairs in question, as `build_evidence` gives them.
        identifiers: at least those that the evidence names.

    Returns:
        pairs of `MIN_PAIR_BITS` or more (ties: some of its evidence may tie alone, or two groups of types agree) and their evidence,
        as `graph.snapshot.Snapshot` describes them.
    """
    groups = {label: kind.group for label, kind in IDENTIFIERS.items()}
    alone = [label for label, rule in RULES.items() if rule.ties_alone]
    pair = ["account_a", "account_b"]
    named = evidence.join(identifiers.select("identifier", "identifier_type"), on="identifier")
    ranked = named.with_columns(group=pl.col("identifier_type").replace_strict(groups, return_dtype=pl.String)).sort(
        *pair, "group", "bits", "identifier", descending=[False, False, False, True, False]
    )
    ranked = ranked.filter(~is_implied_evidence())
    is_first = pl.struct(*pair, "group").rle_id().diff().fill_null(1) > 0
    counted = ranked.with_columns(
        bits=pl.when(is_first).then("bits").otherwise(FURTHER_IN_GROUP * pl.col("bits")).round(BITS_DECIMALS)
    ).sort(*pair, "bits", "identifier", descending=[False, False, True, False])
    summed = (
        counted.group_by(pair, maintain_order=True)
        .agg(
            weight_bits=pl.col("bits").sum().round(BITS_DECIMALS),
            ties=pl.col("identifier_type").is_in(alone).any() | (pl.col("group").n_unique() > 1),
        )
        .filter(pl.col("weight_bits") >= MIN_PAIR_BITS)
    )
    numbered = summed.select(*pair, pl.int_range(pl.len(), dtype=pl.Int32).alias("pair"))
    pieces = counted.join(numbered, on=pair, maintain_order="left")
    return summed, pieces.select(list(SNAPSHOT_SCHEMAS["pair_evidence"]))


def name_pairs(
    pairs: pl.DataFrame, pair_evidence: pl.DataFrame, identifiers: pl.DataFrame, accounts: pl.DataFrame
) -> pl.DataFrame:
    """The lake's pairs: ids in place of numbers, and of each piece of evidence whether it crosses two people's identities.

    One number is crossed where both accounts gave a name and a birth date with it, and these are not one person's: who left
    them out has not given another name.

    Who is one person may change for accounts whose pair did not, so it is asked of all pairs, at the end.

    Args:
        pairs, pair_evidence: see `graph.snapshot.Snapshot`; no pair is without evidence.
        identifiers: identifier_type, hash, n_accounts; the row is the identifier's number.
        accounts: account_id, identity, is_named bool (it gave a name and a birth date); the row is the account's number.
    """
    first, second = pairs["account_a"], pairs["account_b"]
    accounts = accounts.select("account_id", "identity", "is_named").rechunk()
    identity, is_named = accounts["identity"], accounts["is_named"]
    are_two = identity[first].ne_missing(identity[second]) & is_named[first] & is_named[second]
    named = identifiers.select("identifier_type", "n_accounts", "hash").rechunk()[pair_evidence["identifier"]]
    evidence = (
        pair_evidence.with_columns(
            pl.col("pair").set_sorted(),
            *named.drop("hash").get_columns(),
            identifier=named["hash"],
            is_crossed=are_two[pair_evidence["pair"]] & (named["identifier_type"] == CROSSED),
        )
        .group_by("pair", maintain_order=True)
        .agg(evidence=pl.struct(field.name for field in EVIDENCE_FIELDS))["evidence"]
    )
    ids = accounts["account_id"]
    return pl.DataFrame(
        {"account_a": ids[first], "account_b": ids[second], "weight_bits": pairs["weight_bits"], "evidence": evidence}
    )


def _meet(identifier: np.ndarray, window: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions (earlier, later) of holders of one identifier at most `window` places apart; rows sorted by identifier."""
    left, right = [], []
    for step in range(1, max(ALL_PAIRS_LIMIT, WINDOW + 1)):
        meets = np.flatnonzero((identifier[step:] == identifier[:-step]) & (window[step:] >= step))
        left.append(meets)
        right.append(meets + step)
    return np.concatenate(left), np.concatenate(right)


def _bits() -> pl.Expr:
    is_concurrent = pl.col("apart_days") <= _by_type("slack_days")
    in_step = pl.col("gap_days") <= _by_type("haste_days")
    bits = (
        pl.col("weight")
        * _by_type("reliability")
        * pl.when(is_concurrent).then(1.0).otherwise(_by_type("sequential"))
        * pl.when(in_step).then(1.0).otherwise(_by_type("unhurried"))
    )
    return bits.round(BITS_DECIMALS).alias("bits")


def _by_type(attribute: str) -> pl.Expr:
    values = {label: float(getattr(rule, attribute)) for label, rule in RULES.items()}
    return pl.col("identifier_type").replace_strict(values, return_dtype=pl.Float64)
