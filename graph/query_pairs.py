"""Why two accounts are linked, and why not; see `graph.queries`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from graph import query_cypher as cypher
from graph.implied import is_implied
from graph.pairs import ALL_PAIRS_LIMIT, build_evidence
from graph.query_rows import MAX_IDENTIFIERS, SECONDS, parse_evidence, read_held, refuse_unknown_account
from graph.schema import IDENTIFIERS, UTC_TIME
from graph.store import Ask, Row, Store

__all__ = ["WhyNot", "compare_held", "why_linked", "why_not"]

Held = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class WhyNot:
    """Why two accounts are not paired, in rows.

    Attributes:
        weight_bits: of the pair; None where there is none, which is when the rest explains it.
        shared: what both hold all the same: identifier_type, identifier, n_accounts, is_hub, bits (what it says of two accounts by itself; 0 for
            a hub), gap_days (between their first uses), is_concurrent (their tenures overlap), hindrance (`hub`, `large_group`: of more than 24
            holders each meets only the four that came before it, or `too_few_bits`; None where they are paired).
        by_type: identifier_type, n_a, n_b, n_shared: how many each holds, and both; of all types.
    """

    weight_bits: float | None
    shared: list[Row]
    by_type: list[Row]


def why_linked(store: Store, account_a: str, account_b: str) -> Row | None:
    """The evidence that joins two accounts, in any order.

    Returns:
        weight_bits, and evidence (list of `graph.lake.EVIDENCE`, the strongest first); None where they are not paired: see `why_not`.
    """
    rows = store.read_current(cypher.PAIRS, seconds=SECONDS, hops=[[account_a, account_b]])
    return {"weight_bits": rows[0]["weight_bits"], "evidence": parse_evidence(rows[0]["evidence"])} if rows else None


def why_not(store: Store, account_a: str, account_b: str) -> WhyNot:
    """What two accounts that are not paired hold both all the same, why that did not join them, and what each holds of each type.

    Each account's first `MAX_IDENTIFIERS` identifiers are compared.
    """

    def work(ask: Ask) -> WhyNot:
        both = {"account_a": account_a, "account_b": account_b}
        for name, account in both.items():
            refuse_unknown_account(ask, name, account)
        pairs = ask(cypher.PAIRS, {"hops": [list(both.values())]})
        one, other = (
            {(row["identifier_type"], row["identifier"]): row for row in read_held(ask, account, MAX_IDENTIFIERS)}
            for account in both.values()
        )
        return compare_held(one, other, pairs[0]["weight_bits"] if pairs else None)

    return store.read_together(work, seconds=SECONDS)


def compare_held(one: Held, other: Held, weight_bits: float | None) -> WhyNot:
    """The answer of `why_not` from what two accounts hold.

    Args:
        one, other: rows as `graph.queries.Account.identifiers`, by type and hash.
        weight_bits: of their pair, if there is one.
    """
    both = [name for name in one if name in other]
    kinds = {label for label, _ in both}
    shared = [name for name in both if not is_implied(name[0], kinds)]
    by_type = [
        {
            "identifier_type": label,
            "n_a": sum(name[0] == label for name in one),
            "n_b": sum(name[0] == label for name in other),
            "n_shared": sum(name[0] == label for name in shared),
        }
        for label in IDENTIFIERS
    ]
    rows = [_compare(one[name], other[name], weight_bits is not None) for name in shared]
    rows.sort(key=lambda row: (-row["bits"], row["identifier_type"], row["identifier"]))
    return WhyNot(weight_bits, rows, by_type)


def _compare(one: Mapping[str, Any], other: Mapping[str, Any], is_paired: bool) -> Row:
    """What an identifier that two hold says of them by itself: by the rules that made the pairs."""
    links = pl.DataFrame(
        {"account": [0, 1], "identifier": [0, 0]}, schema={"account": pl.Int32, "identifier": pl.Int32}
    ).with_columns(pl.Series(name, [one[name], other[name]], dtype=UTC_TIME) for name in ("first_seen", "last_seen"))
    # As of two holders, or the group's window might part them; what it weighs is the real group's. A hub is compared as if it said 1 bit.
    identifier = pl.DataFrame(
        {
            "identifier": pl.Series([0], dtype=pl.Int32),
            "identifier_type": [one["identifier_type"]],
            "n_accounts": pl.Series([2], dtype=pl.Int64),
            "is_hub": [False],
            "weight": [one["weight"] or 1.0],
        }
    )
    said = build_evidence(links, identifier).row(0, named=True)
    hindrance = "hub" if one["is_hub"] else "large_group" if one["n_accounts"] > ALL_PAIRS_LIMIT else "too_few_bits"
    return {
        **{name: one[name] for name in ("identifier_type", "identifier", "is_hub", "n_accounts")},
        "bits": 0.0 if one["is_hub"] else said["bits"],
        "gap_days": said["gap_days"],
        "is_concurrent": said["is_concurrent"],
        "hindrance": None if is_paired else hindrance,
    }
