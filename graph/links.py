"""Links: which account was seen with which identifier, from when to when, how often; and how rare each identifier is."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.junk import find_junk
from graph.numbering import dense_numbers, first_rows, group_rows, order_identifiers, order_rows, total_holders
from graph.schema import IDENTIFIERS

__all__ = [
    "LINK_COLUMNS",
    "Numbered",
    "build_links",
    "name_identifiers",
    "number_identifiers",
    "number_links",
    "rarity_ceiling",
]

LINK_COLUMNS = ("first_seen", "last_seen", "n_events")
_TYPES = pl.Enum(sorted(IDENTIFIERS))


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


def build_links(sightings: pl.DataFrame) -> pl.DataFrame:
    """One row for each account and identifier. Links of a partition by account are the whole's links of those accounts.

    Returns:
        account_id, identifier_type, identifier (hex), first_seen, last_seen, n_events i64; sorted by the first three.
    """
    return (
        sightings.group_by("account_id", "identifier_type", "identifier")
        .agg(
            first_seen=pl.col("event_time").min(),
            last_seen=pl.col("event_time").max(),
            n_events=pl.len().cast(pl.Int64),
        )
        .sort("account_id", "identifier_type", "identifier")
    )


def rarity_ceiling(n_accounts: int) -> float:
    """Bits that an identifier held by one of `n_accounts` carries: log2, in whole bits.

    Whole bits, so that a growing number of accounts moves weights once per doubling and not every night.
    """
    return float(math.ceil(math.log2(max(n_accounts, 2))))


def name_identifiers(links: pl.DataFrame, known: pl.DataFrame | None = None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Gives identifiers provisional numbers, so that their hashes are left behind.

    Args:
        links: as `build_links` gives them.
        known: identifier_type, hash of identifiers that keep the numbers 0..m-1; None for none.

    Returns:
        names (identifier_type, hash; the row is the provisional number, the known ones first), and the links with their
        `identifier` as a provisional number, i32, and without the hash.
    """
    columns = ["identifier_type", "hash"]
    named = links.select("identifier_type", hash="identifier").rechunk()
    numbers = dense_numbers(*named.get_columns())
    names = named[first_rows(numbers)]
    if known is not None:
        found = known.select(*columns, known=pl.int_range(pl.len(), dtype=pl.Int32)).join(
            names.with_row_index("row"), on=columns
        )
        is_new = np.ones(names.height, dtype=np.bool_)
        is_new[found["row"].to_numpy()] = False
        place = known.height - 1 + np.cumsum(is_new, dtype=np.int32)
        place[found["row"].to_numpy()] = found["known"].to_numpy()
        names, numbers = pl.concat([known.select(columns), names.filter(is_new)], rechunk=True), place[numbers]
    return names, links.with_columns(pl.Series("identifier", numbers, dtype=pl.Int32))


def number_identifiers(links: pl.DataFrame, accounts: pl.DataFrame) -> Numbered:
    """Both at once, for links of all accounts as `build_links` gives them; see `name_identifiers` and `number_links`.

    Args:
        accounts: account, account_id, identity (see `graph.snapshot.Snapshot`).
    """
    names, held = name_identifiers(links)
    return number_links(names, held.join(accounts.select("account", "account_id"), on="account_id"), accounts)


def number_links(names: pl.DataFrame, links: pl.DataFrame, accounts: pl.DataFrame) -> Numbered:
    """Numbers identifiers by their history, and says how many hold each.

    The order is that of the first account that holds it, then type and times; the keyed hash parts only what is equal in all
    of it, so that another key or other names change no number that matters.

    Args:
        names: as `name_identifiers` gives them; those that no link has are left out.
        links: account i32 (see `graph.snapshot.Snapshot`), identifier i32 (a row of `names`), first_seen, last_seen, n_events.
        accounts: account, identity; see `graph.junk` for what is held against them.
    """
    account = links["account"].to_numpy()
    by_account = group_rows(account, accounts.height)[1]
    links = links[by_account]
    account, identifier = account[by_account], links["identifier"].to_numpy()
    first, last = (links[name].dt.epoch("us").to_numpy() for name in LINK_COLUMNS[:2])
    starts, rows = group_rows(identifier, names.height)
    n_accounts, n_identities, earliest, latest, n_events = total_holders(
        starts, rows, account, accounts["identity"].to_numpy(), first, last, links["n_events"].to_numpy()
    )
    kind = names["identifier_type"].cast(_TYPES).to_physical().cast(pl.Int64).to_numpy()
    keys = np.column_stack((kind, earliest, latest, n_accounts, n_events))
    order = order_identifiers(starts, rows, account, keys, accounts.height, names["hash"])
    final = np.full(names.height, -1, dtype=np.int32)
    final[order] = np.arange(order.shape[0], dtype=np.int32)
    numbered = links.select("account", *LINK_COLUMNS).insert_column(1, pl.Series("identifier", final[identifier]))
    numbered = numbered[order_rows(account, final[identifier], accounts.height, order.shape[0])]
    counted = names[order].with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("identifier"),
        n_accounts=pl.Series(n_accounts[order]),
        n_identities=pl.Series(n_identities[order]),
    )
    junk = find_junk(numbered, counted, accounts)
    return Numbered(_weigh(counted, junk, rarity_ceiling(accounts.height)), numbered, order)


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
