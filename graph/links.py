"""Links under final numbers: who holds which identifier, and how rare each identifier is."""

import math
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.accounts import find_accounts
from graph.junk import find_junk
from graph.numbering import (
    build_holdings,
    count_distinct,
    dense_numbers,
    first_rows,
    match_rows,
    order_identifiers,
    order_rows,
)
from graph.schema import IDENTIFIERS
from graph.sightings import LINK_COLUMNS

__all__ = [
    "SORTED_TYPES",
    "Named",
    "Numbered",
    "Ordered",
    "Ordering",
    "match_names",
    "name_accounts",
    "name_identifiers",
    "name_links",
    "number_identifiers",
    "number_links",
    "order_links",
    "rarity_ceiling",
    "scan_named",
    "weigh_identifiers",
]

SORTED_TYPES = pl.Enum(sorted(IDENTIFIERS))


@dataclass(frozen=True)
class Ordering:
    """How links are numbered in the end: of many the rows are taken block by block.

    Attributes:
        links: as they were given.
        number: int32[n], the final number of each one's identifier.
        rows: int64[n], the place of each in its final order.
        identifiers, order: see `Ordered`.
    """

    links: pl.DataFrame
    number: NDArray[np.int32]
    rows: NDArray[np.int64]
    identifiers: pl.DataFrame
    order: NDArray[np.int64]

    def take(self, begin: int, end: int) -> pl.DataFrame:
        """Some of the links in their final order, as `graph.snapshot.Snapshot` describes them."""
        rows = self.rows[begin:end]
        columns = [self.links["account"].gather(rows), pl.Series("identifier", self.number[rows])]
        return pl.DataFrame([*columns, *(self.links[name].gather(rows) for name in LINK_COLUMNS)])

    def ordered(self) -> "Ordered":
        """All of them at once."""
        return Ordered(self.take(0, len(self.rows)), self.identifiers, self.order)


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


@dataclass(frozen=True)
class Named:
    """Links under provisional numbers: ids and hashes are left behind, each once.

    Attributes:
        account_ids: str; the row is the provisional number.
        names: identifier_type, hash; the row is the provisional number.
        links: account i32, identifier i32, first_seen, last_seen, n_events.
    """

    account_ids: pl.Series
    names: pl.DataFrame
    links: pl.DataFrame

    def scan(self) -> pl.LazyFrame:
        """The links as `graph.accounts.build_accounts` reads them."""
        return scan_named(self.links, self.account_ids, self.names)

    def number_accounts(self, accounts: pl.DataFrame) -> pl.DataFrame:
        """The links with the numbers that `accounts` (account, account_id) gives; those of others are left out."""
        return _renumber_accounts(self.links, find_accounts(self.account_ids, accounts))


def scan_named(links: pl.DataFrame, account_ids: pl.Series, names: pl.DataFrame) -> pl.LazyFrame:
    """Numbered links as account_id, identifier, identifier_type, first_seen, last_seen, n_events."""
    ids = (
        account_ids.to_frame("account_id").lazy().with_columns(pl.int_range(pl.len(), dtype=pl.Int32).alias("account"))
    )
    types = names.lazy().select(pl.int_range(pl.len(), dtype=pl.Int32).alias("identifier"), "identifier_type")
    columns = ["account_id", "identifier", "identifier_type", *LINK_COLUMNS]
    return links.lazy().join(ids, on="account").join(types, on="identifier").select(columns)


def _renumber_accounts(links: pl.DataFrame, number: NDArray[np.int32]) -> pl.DataFrame:
    numbered = links.with_columns(account=pl.Series(number[links["account"].to_numpy()], dtype=pl.Int32))
    return numbered if (number >= 0).all() else numbered.filter(pl.col("account") >= 0)


def name_links(links: pl.DataFrame) -> Named:
    """Gives accounts and identifiers provisional numbers, in the order of first sight.

    Args:
        links: as `graph.sightings.build_links` gives them.
    """
    account_ids, account = name_accounts(links)
    names, numbers = name_identifiers(links)
    numbered = links.select(pl.Series("account", account), pl.Series("identifier", numbers), *map(pl.col, LINK_COLUMNS))
    return Named(account_ids, names, numbered)


def name_accounts(links: pl.DataFrame) -> tuple[pl.Series, NDArray[np.int32]]:
    """The distinct ids of the accounts of links (account_id), in the order of first sight; and each link's, int32[n]."""
    numbers = dense_numbers(links["account_id"])
    return links["account_id"].gather(first_rows(numbers)), numbers


def name_identifiers(links: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int32]]:
    """The distinct identifiers of links, and the number of each link's.

    Args:
        links: identifier_type, identifier (its hash).

    Returns:
        names (identifier_type, hash), in the order of first sight; and int32[n], rows of these.
    """
    named = links.select("identifier_type", hash="identifier").rechunk()
    numbers = dense_numbers(*named.get_columns())
    return named[first_rows(numbers)], numbers


def match_names(names: pl.DataFrame, known: pl.DataFrame) -> tuple[pl.DataFrame, NDArray[np.int32]]:
    """Puts names after those that are known.

    Args:
        names, known: identifier_type, hash; each distinct.

    Returns:
        the known ones, then the others in their order; and the row there of each of `names`, int32[n].
    """
    if not known.height:
        return names, np.arange(names.height, dtype=np.int32)
    row = match_rows(known, names)
    is_new = row < 0
    place = np.where(is_new, known.height - 1 + np.cumsum(is_new), row).astype(np.int32)
    return pl.concat([known, names.filter(pl.Series(is_new))], rechunk=True), place


def number_identifiers(links: pl.DataFrame, accounts: pl.DataFrame) -> Numbered:
    """Both at once, for links of all accounts as `graph.sightings.build_links` gives them; see `name_links` and `number_links`.

    Args:
        accounts: account, account_id, identity (see `graph.snapshot.Snapshot`).
    """
    named = name_links(links)
    return number_links(named.names, named.number_accounts(accounts), accounts)


def number_links(names: pl.DataFrame, links: pl.DataFrame, accounts: pl.DataFrame) -> Numbered:
    """Numbers identifiers, and says how many hold each; see `order_links` and `weigh_identifiers`."""
    return weigh_identifiers(order_links(names, links, accounts.height).ordered(), accounts)


def order_links(
    names: pl.DataFrame, links: pl.DataFrame, n_accounts: int, is_touched: NDArray[np.bool_] | None = None
) -> Ordering:
    """Numbers identifiers by their history.

    The order is that of the first account that holds it, then type and times; the keyed hash parts only what is equal in all
    of it, so that another key or other names change no number that matters.

    Args:
        names: identifier_type, hash (text or bytes); those that no link has are left out.
        links: account i32 (see `graph.snapshot.Snapshot`), identifier i32 (a row of `names`), first_seen, last_seen, n_events.
        is_touched: bool[len(names)]; identifiers that are not are known to be in order among each other. None: nothing is known.
    """
    order, n_holders = _final_order(names, links, n_accounts, is_touched)
    final = np.full(names.height, -1, dtype=np.int32)
    final[order] = np.arange(order.shape[0], dtype=np.int32)
    number = final[links["identifier"].to_numpy()]
    rows = order_rows(links["account"].to_numpy(), number, n_accounts)
    counted = names[order].with_columns(
        pl.int_range(pl.len(), dtype=pl.Int32).alias("identifier"),
        n_accounts=pl.Series(n_holders[order], dtype=pl.Int64),
    )
    return Ordering(links, number, rows, counted, order)


def _final_order(
    names: pl.DataFrame, links: pl.DataFrame, n_accounts: int, is_touched: NDArray[np.bool_] | None
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """The provisional numbers of the identifiers that anybody holds, in their final order; and by how many each of `names` is held."""
    account, identifier = links["account"].to_numpy(), links["identifier"].to_numpy()
    first, last = (links[name].dt.epoch("us").to_numpy() for name in LINK_COLUMNS[:2])
    n_events = links["n_events"].to_numpy()
    kind = names["identifier_type"].cast(SORTED_TYPES).to_physical().cast(pl.Int8).to_numpy()
    holdings = build_holdings(kind, account, identifier, first, last, n_events, n_accounts)
    first_account = holdings.first_account
    is_open = first_account < n_accounts
    settled = np.empty(0, dtype=np.int64)
    if is_touched is not None:  # all that begin with one account are ordered anew where one of them is
        among = np.zeros(n_accounts + 1, dtype=np.bool_)
        among[first_account[is_touched]] = True
        settled = np.flatnonzero(is_open & ~among[first_account])
        is_open &= among[first_account]
    chosen = np.flatnonzero(is_open)
    opened = order_identifiers(chosen, holdings, account, identifier, n_accounts, names["hash"])
    order = np.concatenate([settled, opened])
    return order[np.argsort(first_account[order], kind="stable")], holdings.n_holders  # two runs: merged in one pass


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
