"""Links under final numbers: who holds which identifier, and how rare each identifier is."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.junk import find_junk
from graph.numbering import (
    count_distinct,
    dense_numbers,
    first_accounts,
    first_rows,
    group_rows,
    match_rows,
    order_identifiers,
    order_rows,
    total_holders,
)
from graph.schema import IDENTIFIERS, UTC_TIME
from graph.sightings import LINK_COLUMNS

__all__ = [
    "Numbered",
    "Ordered",
    "name_identifiers",
    "number_identifiers",
    "number_links",
    "order_links",
    "rarity_ceiling",
    "weigh_identifiers",
]

_TYPES = pl.Enum(sorted(IDENTIFIERS))
_AT_ONCE = 3_000_000  # identifiers that are ordered at once: each takes some 150 bytes meanwhile


@dataclass(frozen=True)
class Ordered:
    """Links with their final numbers, before it is known who is one person.

    Attributes:
        links: as `graph.snapshot.Snapshot` describes them.
        identifiers: identifier_type, hash, identifier, n_accounts, as there.
        order: int64[m], the provisional number of each identifier.
    """

    links: pl.DataFrame
    identifiers: pl.DataFrame
    order: NDArray[np.int64]


@dataclass(frozen=True)
class Numbered:
    """Links with their final numbers.

    Attributes:
        identifiers, links: as `graph.snapshot.Snapshot` describes them.
        order: int64[m], the provisional number of each identifier.
    """

    identifiers: pl.DataFrame
    links: pl.DataFrame
    order: NDArray[np.int64]


def rarity_ceiling(n_accounts: int) -> float:
    """Bits that an identifier held by one of `n_accounts` carries: log2, in whole bits.

    Whole bits, so that a growing number of accounts moves weights once per doubling and not every night.
    """
    return float(math.ceil(math.log2(max(n_accounts, 2))))


def name_identifiers(links: pl.DataFrame, known: pl.DataFrame | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Gives identifiers provisional numbers, so that their hashes are left behind.

    Args:
        links: as `graph.sightings.build_links` gives them.
        known: identifier_type, hash of identifiers that keep the numbers 0..m-1; None for none.

    Returns:
        names (identifier_type, hash; the row is the provisional number, the known ones first), and the links with their
        `identifier` as a provisional number, i32, and without the hash.
    """
    columns = ["identifier_type", "hash"]
    named = links.select("identifier_type", hash="identifier").rechunk()
    numbers = dense_numbers(*named.get_columns())
    names = named[first_rows(numbers)]
    if known is not None and known.height:
        known = known.select(columns).rechunk()
        row = match_rows(known, names)
        is_new = row < 0
        place = np.where(is_new, known.height - 1 + np.cumsum(is_new), row).astype(np.int32)
        names, numbers = pl.concat([known, names.filter(pl.Series(is_new))], rechunk=True), place[numbers]
    return names, links.with_columns(pl.Series("identifier", numbers, dtype=pl.Int32))


def number_identifiers(links: pl.DataFrame, accounts: pl.DataFrame) -> Numbered:
    """Both at once, for links of all accounts as `graph.sightings.build_links` gives them; see `name_identifiers` and `number_links`.

    Args:
        accounts: account, account_id, identity (see `graph.snapshot.Snapshot`).
    """
    names, held = name_identifiers(links)
    return number_links(names, held.join(accounts.select("account", "account_id"), on="account_id"), accounts)


def number_links(names: pl.DataFrame, links: pl.DataFrame, accounts: pl.DataFrame) -> Numbered:
    """Numbers identifiers, and says how many hold each; see `order_links` and `weigh_identifiers`."""
    return weigh_identifiers(order_links(names, links, accounts.height), accounts)


def order_links(
    names: pl.DataFrame, links: pl.DataFrame, n_accounts: int, is_touched: NDArray[np.bool_] | None = None
) -> Ordered:
    """Numbers identifiers by their history.

    The order is that of the first account that holds it, then type and times; the keyed hash parts only what is equal in all
    of it, so that another key or other names change no number that matters.

    Args:
        names: as `name_identifiers` gives them; those that no link has are left out.
        links: account i32 (see `graph.snapshot.Snapshot`), identifier i32 (a row of `names`), first_seen, last_seen, n_events.
        is_touched: bool[len(names)]; identifiers that are not are known to be in order among each other. None: nothing is known.
    """
    account, identifier = links["account"].to_numpy(), links["identifier"].to_numpy()
    first, last = (links[name].dt.epoch("us").to_numpy() for name in LINK_COLUMNS[:2])
    columns = (account, identifier, first, last, links["n_events"].to_numpy())
    first_account = first_accounts(account, identifier, names.height, n_accounts)
    is_open = first_account < n_accounts
    settled = np.empty(0, dtype=np.int64)
    if is_touched is not None:  # all that begin with one account are ordered anew where one of them is
        among = np.zeros(n_accounts + 1, dtype=np.bool_)
        among[first_account[is_touched]] = True
        settled = np.flatnonzero(is_open & ~among[first_account])
        is_open &= among[first_account]
    order = np.concatenate(
        [settled, *_order_blocks(names, columns, np.flatnonzero(is_open), first_account, n_accounts)]
    )
    order = order[np.argsort(first_account[order], kind="stable")]  # two runs: merged in one pass
    final = np.full(names.height, -1, dtype=np.int32)
    final[order] = np.arange(order.shape[0], dtype=np.int32)
    number = final[identifier]
    rows = order_rows(account, number, n_accounts)
    numbered = {
        "account": account[rows],
        "identifier": number[rows],
        "first_seen": first[rows],
        "last_seen": last[rows],
    }
    frame = pl.DataFrame(numbered | {"n_events": columns[-1][rows]})
    counted = names[order].with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("identifier"),
        n_accounts=pl.Series(np.bincount(number, minlength=order.shape[0]), dtype=pl.Int64),
    )
    return Ordered(frame.with_columns(pl.col("first_seen", "last_seen").cast(UTC_TIME)), counted, order)


def _order_blocks(
    names: pl.DataFrame,
    columns: tuple[NDArray[Any], ...],
    chosen: NDArray[np.int64],
    first_account: NDArray[np.int32],
    n_accounts: int,
) -> Iterator[NDArray[np.int64]]:
    """`_order` of the chosen identifiers, some `_AT_ONCE` at a time: those that begin with one account are ordered together, all others apart."""
    starts, rows = group_rows(first_account[chosen], n_accounts)
    ends = np.unique(np.searchsorted(starts, np.arange(_AT_ONCE, chosen.shape[0], _AT_ONCE)))
    for block in np.split(rows, starts[ends]):
        yield _order(names, columns, np.sort(chosen[block]), n_accounts)


def _order(
    names: pl.DataFrame, columns: tuple[NDArray[Any], ...], chosen: NDArray[np.int64], n_accounts: int
) -> NDArray[np.int64]:
    """The chosen identifiers in their final order, by their links: account, identifier, first, last, n_events."""
    place = np.full(names.height, -1, dtype=np.int32)
    place[chosen] = np.arange(chosen.shape[0], dtype=np.int32)
    rows = np.flatnonzero(place[columns[1]] >= 0)
    rows = rows[group_rows(columns[0][rows], n_accounts)[1]]
    account, identifier, first, last, n_events = (column[rows] for column in columns)
    starts, by_identifier = group_rows(place[identifier], chosen.shape[0])
    earliest, latest, total = total_holders(starts, by_identifier, first, last, n_events)
    own = names[chosen]
    kind = own["identifier_type"].cast(_TYPES).to_physical().cast(pl.Int64).to_numpy()
    keys = np.column_stack((kind, earliest, latest, np.diff(starts), total))
    return chosen[order_identifiers(starts, by_identifier, account, keys, n_accounts, own["hash"])]


def weigh_identifiers(ordered: Ordered, accounts: pl.DataFrame) -> Numbered:
    """Says how many persons hold each identifier, and what it weighs.

    Args:
        accounts: account, identity; see `graph.junk` for what is held against them.
    """
    account, identifier = ordered.links["account"].to_numpy(), ordered.links["identifier"].to_numpy()
    n_accounts = ordered.identifiers["n_accounts"].to_numpy()
    shared = np.flatnonzero((n_accounts > 1)[identifier])
    persons = accounts["identity"].to_numpy()[account[shared]]
    n_identities = np.maximum(count_distinct(identifier[shared], persons, n_accounts.shape[0]), 1)
    counted = ordered.identifiers.with_columns(n_identities=pl.Series(n_identities, dtype=pl.Int64))
    junk = find_junk(ordered.links, counted, accounts)
    return Numbered(_weigh(counted, junk, rarity_ceiling(accounts.height)), ordered.links, ordered.order)


def _weigh(counted: pl.DataFrame, junk: pl.Series, ceiling: float) -> pl.DataFrame:
    """The snapshot's identifiers: what more accounts hold than the type's cap, or is a placeholder, is a hub and joins nobody."""
    caps = {label: kind.cap for label, kind in IDENTIFIERS.items()}
    cap = pl.col("identifier_type").replace_strict(caps, return_dtype=pl.Int64)
    rarity = ceiling - pl.col("n_accounts").cast(pl.Float64).log(2)
    return counted.with_columns(
        is_hub=(pl.col("n_accounts") > cap) | pl.col("identifier").is_in(junk.implode())
    ).select(
        "identifier",
        "identifier_type",
        "hash",
        "n_accounts",
        "n_identities",
        "is_hub",
        weight=pl.when("is_hub").then(0.0).otherwise(rarity),
    )
