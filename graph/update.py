"""What a night takes over from the night before: a snapshot brought up to date equals one made anew.

Account ids and hashes stay from night to night, numbers do not: a late signup shifts all that come after it. So a `Change` maps
old numbers to new ones and marks what must be looked at again. Everything else is the old row with new numbers, because what
evidence, pairs and clusters are made of does not depend on the numbers, only on their order:

    an account is changed     it lost an event of the night before, or has one that ought to have been known then; or it came, or went
    an account is grown       it has what it had, and events that came to be known since
    an identifier is touched  a link of it came, went or moved; a holder changed places; or it weighs another number of bits
    a pair is touched         evidence of it was, or is, of a touched identifier
    an account is dirty       it is new, changed places, or one of its pairs came, went or weighs otherwise
    a component is dirty      one of its accounts is

`graph.build.build_snapshot` is the same made anew, and the tests' oracle.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numba import njit
from numpy.typing import NDArray

from graph.accounts import find_accounts
from graph.clusters import build_clusters
from graph.links import (
    Named,
    Numbered,
    Ordered,
    Ordering,
    match_names,
    order_links,
    rarity_ceiling,
    scan_named,
    weigh_identifiers,
)
from graph.marks import Differing, are_among
from graph.sightings import LINK_COLUMNS

__all__ = [
    "Change",
    "Merged",
    "Moved",
    "Pairs",
    "carry_evidence",
    "carry_pairs",
    "finish_links",
    "merge_links",
    "reorder_links",
    "update_clusters",
]

_PAIR = ["account_a", "account_b"]


@dataclass(frozen=True)
class Change:
    """How a snapshot differs from the one of the night before.

    Attributes:
        accounts: one row an account, in order. before i32 (its number then; null for a new one), is_moved bool (it is new, or
            its place among the others changed).
        identifiers: one row an identifier, in order. before i32 (null for a new one), is_touched bool.
    """

    accounts: pl.DataFrame
    identifiers: pl.DataFrame


@dataclass(frozen=True)
class Merged:
    """Links of the night before that stay, and those that take the place of the others, under provisional numbers.

    Attributes:
        accounts: account, account_id of the night before.
        names: identifier_type, hash; the row is the provisional number; those of the night before come first, as they were.
        kept: account i32 (then), identifier i32, first_seen, last_seen, n_events: links that stand.
        gone: the same, those that do not: of accounts that changed or are no more, and those that others were seen with again.
        fresh: account i32 (a row of `account_ids`), identifier i32, first_seen, last_seen, n_events: those that take their place, and new ones.
        account_ids: str, of accounts with fresh links.
    """

    accounts: pl.DataFrame
    names: pl.DataFrame
    kept: pl.DataFrame
    gone: pl.DataFrame
    fresh: pl.DataFrame
    account_ids: pl.Series

    def links(self) -> pl.LazyFrame:
        """All links with their account's id, as `graph.accounts.build_accounts` reads them."""
        kept = scan_named(self.kept, self.accounts["account_id"], self.names)
        return pl.concat([kept, scan_named(self.fresh, self.account_ids, self.names)])


def merge_links(
    accounts: pl.DataFrame, identifiers: pl.DataFrame, links: pl.DataFrame, differing: Differing, fresh: Named
) -> Merged:
    """Puts fresh links in the place of stale ones.

    Args:
        accounts, identifiers, links: the snapshot of the night before.
        differing: as `graph.marks.find_differing` gives it.
        fresh: links of changed accounts all, of grown ones those of the events that came; hashes as those of `identifiers` are.
    """
    names, place = match_names(fresh.names, identifiers.select("identifier_type", "hash").rechunk())
    named = fresh.links
    if identifiers.height:
        named = named.with_columns(identifier=pl.Series(place[named["identifier"].to_numpy()]))
    goes = are_among(accounts["account_id"], differing.changed).to_numpy()[links["account"].to_numpy()]
    again, whole = _add_to_links(accounts, links, named, fresh.account_ids, differing.grown)
    goes[again] = True
    return Merged(accounts, names, links.filter(~goes), links.filter(goes), whole, fresh.account_ids)


def _add_to_links(
    accounts: pl.DataFrame, links: pl.DataFrame, named: pl.DataFrame, account_ids: pl.Series, grown: pl.Series
) -> tuple[NDArray[np.int64], pl.DataFrame]:
    """The rows of the links of grown accounts that are among the fresh ones, too; and the fresh ones with what was seen in these."""
    if not links.height:
        return np.empty(0, dtype=np.int64), named
    is_grown = are_among(accounts["account_id"], grown)
    rows = np.flatnonzero(is_grown.to_numpy()[links["account"].to_numpy()])
    then = links[rows].rename({"account": "then"}).with_columns(row=rows)
    number = find_accounts(account_ids, accounts.filter(is_grown))
    numbered = named.with_columns(then=pl.Series(number[named["account"].to_numpy()], dtype=pl.Int32))
    both = numbered.join(then, on=["then", "identifier"], how="left", maintain_order="left", suffix="_then")
    whole = both.select(
        "account",
        "identifier",
        first_seen=pl.min_horizontal("first_seen", "first_seen_then"),
        last_seen=pl.max_horizontal("last_seen", "last_seen_then"),
        n_events=pl.sum_horizontal("n_events", "n_events_then"),
    )
    return both["row"].drop_nulls().to_numpy(), whole


@dataclass(frozen=True)
class Moved:
    """What changed of accounts and links, before it is known who is one person.

    Attributes:
        accounts: see `Change`.
        is_touched: bool, of each provisional number: links came, went or moved, or holders did.
    """

    accounts: pl.DataFrame
    is_touched: NDArray[np.bool_]


def reorder_links(merged: Merged, accounts: pl.DataFrame) -> tuple[Ordering, Moved]:
    """Numbers the links anew; what is not touched keeps its order.

    Args:
        merged: as `merge_links` gives it.
        accounts: account, account_id, as they are now.
    """
    columns = ["account", "identifier", *LINK_COLUMNS]
    new_number = find_accounts(merged.accounts["account_id"], accounts)
    kept, gone = (_renumber(part, {"account": new_number}).select(columns) for part in (merged.kept, merged.gone))
    fresh = Named(merged.account_ids, merged.names, merged.fresh).number_accounts(accounts).select(columns)
    changed = np.zeros(merged.accounts.height, dtype=np.bool_)
    changed[merged.gone["account"].unique().to_numpy()] = True
    account_change = _moved(new_number, changed, accounts.height)
    links = pl.concat([kept, fresh], rechunk=True) if kept.height else fresh
    is_touched = np.zeros(merged.names.height, dtype=np.bool_)
    is_touched[_differing(gone, fresh)] = True
    is_moved = account_change["is_moved"].to_numpy()
    is_touched[links["identifier"].to_numpy()[is_moved[links["account"].to_numpy()]]] = True
    return order_links(merged.names, links, accounts.height, is_touched), Moved(account_change, is_touched)


def finish_links(
    ordered: Ordered, moved: Moved, identifiers: pl.DataFrame, accounts: pl.DataFrame
) -> tuple[Numbered, Change]:
    """Weighs the identifiers, and says what changed.

    Args:
        ordered, moved: as `reorder_links` gives them.
        identifiers: of the snapshot of the night before.
        accounts: account, account_id, identity, as they are now.
    """
    numbered = weigh_identifiers(ordered, accounts)
    before = np.where(numbered.order < identifiers.height, numbered.order, -1).astype(np.int32)
    is_touched = _differ(numbered.identifiers, identifiers, before) | moved.is_touched[numbered.order]
    identifier_change = pl.DataFrame({"before": _known(before), "is_touched": is_touched})
    return numbered, Change(moved.accounts, identifier_change)


def _known(before: NDArray[np.int32]) -> pl.Series:
    """Old numbers, with null in place of -1."""
    series = pl.Series("before", before)
    return series.set(series < 0, None)


def _differ(now: pl.DataFrame, then: pl.DataFrame, before: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which identifiers are new, or say something else of those who share them."""
    differ = before < 0
    stayed = np.flatnonzero(~differ)
    for name in ("n_accounts", "is_hub", "weight"):
        differ[stayed] |= now[name].to_numpy()[stayed] != then[name].to_numpy()[before[stayed]]
    return differ


def _differing(gone: pl.DataFrame, fresh: pl.DataFrame) -> NDArray[np.int32]:
    """Provisional numbers of the identifiers of links that are not in both; some more than once."""
    if not gone.height:  # mostly a first night, of which all are fresh
        return fresh["identifier"].to_numpy()
    columns = gone.columns
    sides = [one.join(other, on=columns, how="anti")["identifier"] for one, other in ((gone, fresh), (fresh, gone))]
    return pl.concat(sides).to_numpy()


def _moved(now: NDArray[np.int32], changed: NDArray[np.bool_], n_accounts: int) -> pl.DataFrame:
    """`Change.accounts`: an account that stayed is moved unless all that stayed before it are before it still.

    Args:
        now: int32, the number that each account of the night before has now; -1 for none.
        changed: whether its events changed: where two cross, the changed one is taken to have moved.
    """
    before = np.full(n_accounts, -1, dtype=np.int32)
    stayed = np.flatnonzero(now >= 0)
    before[now[stayed]] = stayed
    survivors = np.flatnonzero(before >= 0)
    order = before[survivors]
    is_changed = changed[order]
    calm = ~is_changed & _between(order, ~is_changed)
    staying = calm | (is_changed & _between(order, calm))
    fits = staying & _between(order, staying)
    is_moved = np.ones(n_accounts, dtype=np.bool_)
    is_moved[survivors[fits]] = False
    return pl.DataFrame({"before": _known(before), "is_moved": is_moved})


@njit(cache=True, nogil=True)
def _between(order: NDArray[np.int32], chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which places lie above all chosen ones before them and below all chosen ones after them."""
    fits = np.ones(order.shape[0], dtype=np.bool_)
    highest = -1
    for place in range(order.shape[0]):
        fits[place] = order[place] >= highest
        if chosen[place]:
            highest = max(highest, order[place])
    lowest = np.iinfo(np.int32).max
    for place in range(order.shape[0] - 1, -1, -1):
        fits[place] &= order[place] <= lowest
        if chosen[place]:
            lowest = min(lowest, order[place])
    return fits


def carry_evidence(evidence: pl.DataFrame, change: Change) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Parts the evidence of the night before.

    Args:
        evidence: any part of it, as `graph.pairs.build_evidence` gives it, in the numbers of then.

    Returns:
        the rows that stand, in the numbers of now; and the pairs (account_a, account_b, of now) whose other rows do not.
    """
    accounts = _new_numbers(change.accounts)
    identifiers = _new_numbers(change.identifiers)
    now = _renumber(evidence, {"account_a": accounts, "account_b": accounts, "identifier": identifiers})
    untouched = np.append(~change.identifiers["is_touched"].to_numpy(), False)  # the last is that of -1
    stands = untouched[now["identifier"].to_numpy()]
    return now.filter(stands), _ordered_pairs(now.filter(~stands).filter(pl.min_horizontal(_PAIR) >= 0))


@dataclass(frozen=True)
class Pairs:
    """Pairs and their evidence, as `graph.snapshot.Snapshot` describes them."""

    pairs: pl.DataFrame
    evidence: pl.DataFrame


def carry_pairs(before: Pairs, touched: pl.DataFrame, fresh: Pairs, change: Change) -> tuple[Pairs, pl.Series]:
    """The pairs of now.

    Args:
        before: of the night before, in the numbers of then.
        touched: account_a, account_b of now: pairs that were looked at again.
        fresh: the touched pairs as `graph.pairs.merge_evidence` gives them now.

    Returns:
        the pairs, sorted by their accounts; and the accounts, i32, of pairs that came, went or weigh otherwise.
    """
    accounts = _new_numbers(change.accounts)
    then = _renumber(before.pairs.with_row_index("row"), {"account_a": accounts, "account_b": accounts})
    columns = [*_PAIR, "weight_bits", "ties"]
    then = then.select("row", *columns).with_columns(_ordered_pairs(then.select(_PAIR)).get_columns())
    kept = then.join(touched, on=_PAIR, how="anti").filter(pl.col("account_a") >= 0)
    looked_at = then.join(kept.select("row"), on="row", how="anti").select(columns)
    differ = [
        one.join(other, on=columns, how="anti").select(_PAIR)
        for one, other in ((looked_at, fresh.pairs.select(columns)), (fresh.pairs.select(columns), looked_at))
    ]
    dirty = pl.concat([frame[name] for frame in differ for name in _PAIR]).unique().sort()
    rows = pl.concat([kept["row"], pl.int_range(before.pairs.height, before.pairs.height + fresh.pairs.height, dtype=pl.UInt32, eager=True)])  # fmt: skip
    both = pl.concat([kept.select(columns), fresh.pairs.select(columns)]).with_columns(rows.alias("row")).sort(_PAIR)
    evidence = _gather_evidence(before, fresh, both["row"].to_numpy(), _new_numbers(change.identifiers))
    return Pairs(both.drop("row"), evidence), dirty.filter(dirty >= 0)


def _gather_evidence(
    before: Pairs, fresh: Pairs, rows: NDArray[np.uint32], identifiers: NDArray[np.int32]
) -> pl.DataFrame:
    """The evidence of pairs, in their order; `rows` counts those of before first."""
    carried = _renumber(before.evidence, {"identifier": identifiers})
    both = pl.concat([carried, fresh.evidence.with_columns(pl.col("pair") + before.pairs.height)], rechunk=True)
    n_pieces = np.bincount(both["pair"].to_numpy(), minlength=before.pairs.height + fresh.pairs.height)
    ends = np.cumsum(n_pieces)
    n_own = n_pieces[rows]
    offset = np.repeat(ends[rows] - np.cumsum(n_own), n_own)
    pair = np.repeat(np.arange(rows.shape[0], dtype=np.int32), n_own)
    return both[np.arange(offset.shape[0]) + offset].with_columns(pl.Series("pair", pair))


def update_clusters(
    pairs: pl.DataFrame, before: pl.DataFrame, dirty: pl.Series, change: Change, seed: int
) -> pl.DataFrame:
    """The clusters of now, as `graph.clusters.build_clusters` gives them; only components that changed are refined again.

    Args:
        pairs: of now.
        before: account, cluster of the night before.
        dirty: as `carry_pairs` gives it.
    """
    n_accounts = change.accounts.height
    is_dirty = change.accounts["is_moved"].to_numpy().copy()
    is_dirty[dirty.to_numpy()] = True
    if rarity_ceiling(before.height) != rarity_ceiling(n_accounts):  # what counts as a tie changed for all
        is_dirty[:] = True
    was = change.accounts.join(
        before.select(before="account", was="cluster"), on="before", how="left", maintain_order="left"
    )["was"]
    return build_clusters(pairs, n_accounts, seed, was, is_dirty)


def _new_numbers(rows: pl.DataFrame) -> NDArray[np.int32]:
    """Old number -> new number, -1 for what is no more; as long as the highest old number that is left."""
    before = rows["before"].fill_null(-1).to_numpy()
    numbers = np.full(before.max(initial=-1) + 1, -1, dtype=np.int32)
    numbers[before[before >= 0]] = np.flatnonzero(before >= 0)
    return numbers


def _renumber(rows: pl.DataFrame, numbers: dict[str, NDArray[np.int32]]) -> pl.DataFrame:
    """The rows with new numbers in the named columns; -1 for what is no more."""
    columns = []
    for name, new in numbers.items():
        padded = np.append(new, np.int32(-1))
        columns.append(pl.Series(name, padded[np.minimum(rows[name].to_numpy(), new.shape[0])], dtype=pl.Int32))
    return rows.with_columns(columns)


def _ordered_pairs(pairs: pl.DataFrame) -> pl.DataFrame:
    """Each pair with its smaller account first."""
    return pairs.select(account_a=pl.min_horizontal(_PAIR), account_b=pl.max_horizontal(_PAIR))
