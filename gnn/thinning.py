"""Fewer accounts around those that were drawn: what a network needs to hear of an identifier is a mean, and a few holders tell it."""

from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.cutoffs import CutOff, Labelled
from gnn.tensors import with_usage
from graph.snapshot import is_shared

__all__ = ["thin"]


def thin(part: Labelled, n_most: int, seed: int) -> Labelled:
    """The examples with fewer accounts around them; those of a whole world as they are.

    Of each shared identifier's holders all that were drawn stay, and of the others `n_most`: those with the least random number, one
    an account, so that who is heard by one identifier is heard by others too, and the graph stays small.

    Args:
        part: examples of a cut-off; all of them were drawn.
        n_most: holders of an identifier that were not drawn.
        seed: of the random numbers.
    """
    cutoff = part.cutoff
    if cutoff.draw is None:
        return part
    is_drawn = cutoff.draw.is_drawn
    links = cutoff.snapshot.links.join(
        cutoff.snapshot.identifiers.filter(is_shared()).select("identifier"), on="identifier", maintain_order="left"
    )
    account, identifier = links["account"].to_numpy(), links["identifier"].to_numpy()
    number = np.random.default_rng(seed).random(len(is_drawn))
    stays = is_drawn[account]
    others = np.flatnonzero(~stays)
    stays[others[_least(identifier[others], number[account[others]], n_most)]] = True
    kept = is_drawn.copy()
    kept[account[stays]] = True
    place = np.cumsum(kept) - 1
    return replace(part, cutoff=_only(cutoff, links.filter(pl.Series(stays)), kept), account=place[part.account])


def _least(group: NDArray[np.int32], value: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """The rows with the n least values of each group."""
    order = np.lexsort((value, group))
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    rank = np.arange(len(order)) - np.repeat(starts, np.diff(np.append(starts, len(order))))
    return order[rank < n]


def _only(cutoff: CutOff, links: pl.DataFrame, kept: NDArray[np.bool_]) -> CutOff:
    """The cut-off with these accounts and links; identifiers keep their numbers and what all of their holders' links say."""
    assert cutoff.draw is not None
    number = np.flatnonzero(kept)
    place = pl.Series((np.cumsum(kept) - 1).astype(np.int32))
    snapshot = cutoff.snapshot
    own = pl.Series(np.arange(len(number), dtype=np.int32))
    return CutOff(
        replace(
            snapshot,
            accounts=snapshot.accounts[number].with_columns(account=own),
            identifiers=with_usage(snapshot),
            links=links.with_columns(account=place.gather(links["account"])),
            pairs=snapshot.pairs.clear(),
            pair_evidence=snapshot.pair_evidence.clear(),
            clusters=snapshot.clusters[number].with_columns(account=own),
        ),
        cutoff.features[number],
        None if cutoff.near is None else cutoff.near[number],
        replace(cutoff.draw, is_drawn=cutoff.draw.is_drawn[number]),
    )
