"""The graph without some of its links: what it would be had these accounts not been seen with these values.

The events stay as they are, but do not name the values. Who is one person stays as it was, since that is judged by all that was
submitted together and is no link; so does what is a hub. Accounts and identifiers keep their numbers.
"""

import numpy as np
import polars as pl

from graph.clusters import build_clusters
from graph.links import rarity_ceiling
from graph.pairs import build_evidence, merge_evidence
from graph.schema import IDENTIFIERS
from graph.sightings import hash_values
from graph.snapshot import SNAPSHOT_SCHEMAS, Events, Snapshot

__all__ = ["mark_values", "mask_values", "without_links"]

_PAIR = ["account_a", "account_b"]
_LINK = ["account", "identifier"]


def without_links(snapshot: Snapshot, links: pl.DataFrame, seed: int, n_world: int | None = None) -> Snapshot:
    """The snapshot without these links: counts, rarities, pairs and clusters as they then are.

    Only what the links touch is made anew: their identifiers, the pairs that share one of these, and the components of such pairs.
    The same as a snapshot of masked events (`mask_values`), but for numbers, persons and hubs (see the module).

    Args:
        snapshot: the graph as of a night, or a part of it.
        links: account i32, identifier i32; those that the snapshot lacks change nothing. An account's only building goes with all of its
            addresses, and they with it; of several buildings nobody can say here which address is in which.
        seed: of the clusters' refinement.
        n_world: accounts of the world of which the snapshot is a part; all, if None.

    Returns:
        a snapshot; an identifier that nobody holds any more stays, with `n_accounts` 0.
    """
    n_world = snapshot.accounts.height if n_world is None else n_world
    gone = snapshot.links.join(_with_kin(snapshot, links.select(_LINK).unique()), on=_LINK, how="semi")
    kept = snapshot.links.join(gone, on=_LINK, how="anti", maintain_order="left")
    identifiers = _recount(snapshot, gone, kept, rarity_ceiling(n_world))
    touched = identifiers.join(gone.select("identifier").unique(), on="identifier", how="semi")
    joined = kept.join(touched.select("identifier"), on="identifier", how="semi")
    before = snapshot.pair_evidence.join(touched.select("identifier"), on="identifier", how="semi")["pair"].unique()
    again = pl.concat([snapshot.pairs.select(_PAIR)[before], build_evidence(joined, touched).select(_PAIR)]).unique()
    pairs, evidence = _replace_pairs(
        snapshot, again, merge_evidence(_evidence_of(kept, identifiers, again), identifiers)
    )
    is_dirty = np.zeros(snapshot.accounts.height, dtype=np.bool_)
    is_dirty[pl.concat([again[name] for name in _PAIR]).unique().to_numpy()] = True
    clusters = build_clusters(pairs, snapshot.accounts.height, seed, snapshot.clusters["cluster"], is_dirty, n_world)
    return Snapshot(snapshot.as_of, snapshot.accounts, identifiers, kept, pairs, evidence, clusters)


def _with_kin(snapshot: Snapshot, links: pl.DataFrame) -> pl.DataFrame:
    """These links, and those that the same events made: who was seen at no address was seen in no building."""
    own = snapshot.links.join(links.select("account").unique(), on="account", how="semi").select(_LINK)
    own = own.join(snapshot.identifiers.select("identifier", "identifier_type"), on="identifier")
    is_gone = own.join(links.with_columns(is_gone=True), on=_LINK, how="left").with_columns(
        pl.col("is_gone").fill_null(False)
    )
    parts = [links]
    for label, kind in IDENTIFIERS.items():
        if kind.within is None:
            continue
        inner = is_gone.filter(pl.col("identifier_type") == label).filter(pl.len().over("account") == 1)
        outer = is_gone.filter(pl.col("identifier_type") == kind.within)
        left_nowhere = outer.filter(pl.col("is_gone").all().over("account"))
        parts.append(inner.join(left_nowhere, on="account", how="semi").select(_LINK))
        parts.append(outer.join(inner.filter("is_gone"), on="account", how="semi").select(_LINK))
    return pl.concat(parts).unique()


def _recount(snapshot: Snapshot, gone: pl.DataFrame, kept: pl.DataFrame, ceiling: float) -> pl.DataFrame:
    """Identifiers with fewer holders. Counts are lowered and not taken anew, so that a part's stay those of the whole."""
    persons = snapshot.accounts.select("account", "identity")
    touched = gone.select("identifier").unique()
    held = [
        links.join(touched, on="identifier", how="semi")
        .join(persons, on="account")
        .group_by("identifier")
        .agg(
            pl.len().cast(pl.Int64).alias(f"n_{when}"), pl.col("identity").n_unique().cast(pl.Int64).alias(f"p_{when}")
        )
        for when, links in (("before", snapshot.links), ("after", kept))
    ]
    fewer = (
        held[0]
        .join(held[1], on="identifier", how="left")
        .select(
            "identifier",
            lost=pl.col("n_before") - pl.col("n_after").fill_null(0),
            lost_persons=pl.col("p_before") - pl.col("p_after").fill_null(0),
        )
    )
    rarity = ceiling - pl.col("n_accounts").clip(lower_bound=1).cast(pl.Float64).log(2)
    return (
        snapshot.identifiers.join(fewer, on="identifier", how="left", maintain_order="left")
        .with_columns(
            n_accounts=pl.col("n_accounts") - pl.col("lost").fill_null(0),
            n_identities=pl.col("n_identities") - pl.col("lost_persons").fill_null(0),
        )
        .with_columns(weight=pl.when(pl.col("lost").is_null() | pl.col("is_hub")).then("weight").otherwise(rarity))
        .select(list(SNAPSHOT_SCHEMAS["identifiers"]))
    )


def _evidence_of(links: pl.DataFrame, identifiers: pl.DataFrame, pairs: pl.DataFrame) -> pl.DataFrame:
    """All evidence of some pairs, from every identifier that two of their accounts hold."""
    accounts = pl.concat([pairs.select(account=name) for name in _PAIR]).unique()
    shared = (
        links.join(accounts, on="account", how="semi")
        .group_by("identifier")
        .agg(n=pl.len())
        .filter(pl.col("n") > 1)
        .select("identifier")
    )
    named = identifiers.join(shared, on="identifier", how="semi")
    held = links.join(shared, on="identifier", how="semi")
    return build_evidence(held, named).join(pairs, on=_PAIR, how="semi")


def _replace_pairs(
    snapshot: Snapshot, again: pl.DataFrame, fresh: tuple[pl.DataFrame, pl.DataFrame]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Pairs and evidence, with the fresh ones in the place of those that were looked at again."""
    old = snapshot.pairs.with_columns(was=pl.int_range(pl.len(), dtype=pl.Int32))
    new = fresh[0].with_columns(was=-1 - pl.int_range(pl.len(), dtype=pl.Int32))  # below zero: of the fresh ones
    both = pl.concat([old.join(again, on=_PAIR, how="anti"), new.select(old.columns)]).sort(_PAIR)
    number = both.select(pair="was", now=pl.int_range(pl.len(), dtype=pl.Int32))
    pieces = pl.concat([snapshot.pair_evidence, fresh[1].with_columns(pair=-1 - pl.col("pair"))])
    evidence = (
        pieces.join(number, on="pair")
        .with_columns(pair="now")
        .sort("pair", "bits", "identifier", descending=[False, True, False])
    )
    return both.drop("was"), evidence.select(list(SNAPSHOT_SCHEMAS["pair_evidence"]))


def mark_values(events: Events, key: str) -> dict[str, pl.DataFrame]:
    """Event tables with the keyed hash of each identifier that a row names, as column `identifier_<type>`."""
    marked = dict(events)
    for kind in IDENTIFIERS.values():
        if kind.table in events:
            hashes = hash_values(events[kind.table], kind, key)
            marked[kind.table] = marked[kind.table].with_columns(hashes.alias(f"identifier_{kind.label}"))
    return marked


def mask_values(marked: Events, links: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """Events that name the values of some links no more: the first column that a value is made of is null in their rows.

    What else is made of that column (a building beside its address) goes with it.

    Args:
        marked: as `mark_values` gives them.
        links: account_id, identifier_type, hash.

    Returns:
        the events, without the marks; all rows stay.
    """
    masked = dict(marked)
    for kind in IDENTIFIERS.values():
        if kind.table not in masked:
            continue
        mark = f"identifier_{kind.label}"
        own = links.filter(pl.col("identifier_type") == kind.label).select("account_id", pl.col("hash").alias(mark))
        rows = masked[kind.table].join(
            own.unique().with_columns(is_gone=True), on=["account_id", mark], how="left", maintain_order="left"
        )
        first = kind.columns[0]
        null = pl.lit(None, dtype=rows.schema[first])
        masked[kind.table] = rows.with_columns(
            pl.when(pl.col("is_gone").is_null()).then(first).otherwise(null).alias(first)
        ).drop("is_gone", mark)
    return masked
