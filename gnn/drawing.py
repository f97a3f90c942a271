"""A draw of a large world to train on: whole groups of accounts, and around them all who share an identifier with one of them.

Features and counts are made on the whole world before, so a draw changes none of them. What is read of a drawn account through its
identifiers and pairs is all there; one step further, what neighbours hear of theirs, only in part.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from graph.snapshot import Snapshot, is_shared

__all__ = ["Draw", "cut_out", "draw_accounts", "part_of", "stands_for"]


@dataclass(frozen=True)
class Draw:
    """What part of a world a part is.

    Attributes:
        is_drawn: bool [n accounts of the part]; the others stand around those who were drawn.
        n_world: accounts of the world.
        kind: of the groups that were drawn whole, as `gnn.folds.group_accounts` names them.
    """

    is_drawn: NDArray[np.bool_]
    n_world: int
    kind: str


def draw_accounts(groups: pl.DataFrame, n_most: int, seed: int) -> pl.Series:
    """Account ids of whole groups drawn at random, `n_most` accounts at most, in the accounts' order.

    A group that would take more than half of the room alone is left out.

    Args:
        groups: account, account_id, group, as `gnn.folds.group_accounts` gives them.
        n_most: accounts.
        seed: of the draw.
    """
    own = groups.sort("account")
    group = own["group"].to_numpy()
    size = np.bincount(group)
    order = np.random.default_rng(seed).permutation(len(size))
    order = order[size[order] <= max(1, n_most // 2)]
    chosen = np.zeros(len(size), dtype=np.bool_)
    chosen[order[np.cumsum(size[order]) <= n_most]] = True
    return own["account_id"].filter(pl.Series(chosen[group]))


def cut_out(snapshot: Snapshot, account_ids: pl.Series, kind: str) -> tuple[Snapshot, NDArray[np.int64], Draw]:
    """The part of a snapshot that a draw reads.

    Args:
        snapshot: the whole, as of any cut-off; it may lack some of the accounts.
        account_ids: who is drawn.
        kind: of the groups they were drawn in.

    Returns:
        The drawn accounts and all who hold a shared identifier (no hub) with one of them, numbered densely in the old order; of what
        they hold the shared identifiers and hubs that a drawn account holds, with the whole's counts; pairs, evidence and clusters
        among them. The old numbers of the accounts, int64 [n], ascending. Who of them is drawn.
    """
    is_drawn = snapshot.accounts["account_id"].is_in(account_ids.implode()).to_numpy()
    identifiers = snapshot.identifiers
    account, identifier = (snapshot.links[name].to_numpy() for name in ("account", "identifier"))
    touched = np.zeros(identifiers.height, dtype=np.bool_)
    touched[identifier[is_drawn[account]]] = True
    touched &= (identifiers["n_accounts"] > 1).to_numpy()
    joins = touched & identifiers.select(is_shared()).to_series().to_numpy()
    kept = is_drawn.copy()
    kept[account[joins[identifier]]] = True
    part, number = part_of(snapshot, kept, touched)
    return part, number, Draw(is_drawn[number], snapshot.accounts.height, kind)


def part_of(
    snapshot: Snapshot, kept: NDArray[np.bool_], touched: NDArray[np.bool_]
) -> tuple[Snapshot, NDArray[np.int64]]:
    """Some accounts of a snapshot with some of their identifiers, pairs, evidence and clusters among them.

    Args:
        kept: bool [n accounts].
        touched: bool [n identifiers].

    Returns:
        The part, numbered densely in the old order, with the whole's counts; the accounts' old numbers, int64 [k], ascending.
    """
    number, place, own = np.flatnonzero(kept), _places(touched), _places(kept)
    account, identifier = (snapshot.links[name].to_numpy() for name in ("account", "identifier"))
    chosen = kept[account] & touched[identifier]
    pairs = snapshot.pairs.with_row_index("pair")
    pairs = pairs.filter(pl.Series(kept[pairs["account_a"].to_numpy()] & kept[pairs["account_b"].to_numpy()]))
    part = Snapshot(
        snapshot.as_of,
        snapshot.accounts[number].with_columns(account=_numbers(len(number))),
        snapshot.identifiers.filter(pl.Series(touched)).with_columns(identifier=_numbers(int(touched.sum()))),
        snapshot.links.filter(pl.Series(chosen)).with_columns(
            account=pl.Series(own[account[chosen]]), identifier=pl.Series(place[identifier[chosen]])
        ),
        pairs.drop("pair").with_columns(pl.Series(name, own[pairs[name].to_numpy()]) for name in _ENDS),
        _evidence_of(snapshot, pairs["pair"], touched, place),
        snapshot.clusters[number].with_columns(
            pl.col("component", "cluster").rank("dense").cast(pl.Int32) - 1, account=_numbers(len(number))
        ),
    )
    return part, number


def stands_for(
    account: NDArray[np.int64],
    identifier: NDArray[np.int64],
    n_accounts: NDArray[np.int64],
    is_drawn: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """How many holders of its identifier each link stands for: a drawn account for itself, the others for all that are not drawn.

    Args:
        account, identifier: int64 [k], the links.
        n_accounts: int64 [m], holders of each identifier in the world.
        is_drawn: bool [n].

    Returns:
        float64 [k]; 1 where all of an identifier's holders are there.
    """
    is_own = is_drawn[account]
    n_own = np.bincount(identifier[is_own], minlength=len(n_accounts))
    n_other = np.bincount(identifier[~is_own], minlength=len(n_accounts))
    share = (n_accounts - n_own) / np.maximum(n_other, 1)
    return np.where(is_own, 1.0, share[identifier])


_ENDS = ("account_a", "account_b")


def _places(kept: NDArray[np.bool_]) -> NDArray[np.int32]:
    """The new number of each that is kept."""
    return (np.cumsum(kept) - 1).astype(np.int32)


def _numbers(n: int) -> pl.Series:
    return pl.Series(np.arange(n, dtype=np.int32))


def _evidence_of(
    snapshot: Snapshot, pairs: pl.Series, touched: NDArray[np.bool_], place: NDArray[np.int32]
) -> pl.DataFrame:
    """The evidence of some pairs, by rows of `snapshot.pairs`, that lies in touched identifiers."""
    row = np.full(snapshot.pairs.height, -1, dtype=np.int32)
    row[pairs.to_numpy()] = np.arange(len(pairs), dtype=np.int32)
    evidence = snapshot.pair_evidence
    pair, identifier = row[evidence["pair"].to_numpy()], evidence["identifier"].to_numpy()
    keep = (pair >= 0) & touched[identifier]
    return evidence.filter(pl.Series(keep)).with_columns(
        pair=pl.Series(pair[keep]), identifier=pl.Series(place[identifier[keep]])
    )
