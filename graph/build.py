"""The whole chain from events to a snapshot, in one process: what the night's jobs do in partitions, for one cut-off.

Training calls it for earlier cut-offs; tests hold the partitioned night against it.
"""

from datetime import datetime

import polars as pl

from graph.accounts import HISTORY_TABLES, build_accounts, build_histories
from graph.cleaning import EARLIEST_BEFORE_SIGNUP, signup_times
from graph.clusters import build_clusters
from graph.identities import build_identities
from graph.links import build_links, number_identifiers
from graph.pairs import build_evidence, merge_evidence
from graph.snapshot import Events, Snapshot

__all__ = ["build_snapshot", "events_before"]


def events_before(events: Events, as_of: datetime) -> dict[str, pl.DataFrame]:
    """What was known before `as_of` of accounts whose signup was known by then."""
    known = {name: frame.filter(pl.col("known_time") < as_of) for name, frame in events.items()}
    signups = signup_times(known["signups"])
    return {name: _of_known_accounts(frame, signups) for name, frame in known.items()}


def _of_known_accounts(rows: pl.DataFrame, signups: pl.DataFrame) -> pl.DataFrame:
    """Rows that would not have gone to quarantine then: an earlier signup that came to light later is not known yet."""
    joined = rows.join(signups, on="account_id", maintain_order="left")
    return joined.filter(pl.col("event_time") >= pl.col("signup_time") - EARLIEST_BEFORE_SIGNUP).drop("signup_time")


def build_snapshot(events: Events, sightings: pl.DataFrame, as_of: datetime, key: str, seed: int) -> Snapshot:
    """The graph as of a cut-off.

    Args:
        events: clean events; later ones may be among them and change nothing.
        sightings: of the same events, as `graph.sightings.build_sightings` gives them.
        as_of: cut-off of knowledge, exclusive, UTC.
        key: of the keyed hash that breaks ties.
        seed: of the clusters' refinement.
    """
    known = events_before(events, as_of)
    signups = signup_times(known["signups"])
    seen = _of_known_accounts(sightings.filter(pl.col("known_time") < as_of), signups)
    links_by_name = build_links(seen)
    histories = build_histories({name: known[name] for name in HISTORY_TABLES})
    accounts = build_accounts(known, histories, links_by_name, key)
    accounts = accounts.with_columns(build_identities(known, accounts))
    identifiers, links = number_identifiers(links_by_name, accounts)
    pairs = merge_evidence(build_evidence(links, identifiers), identifiers)
    clusters = build_clusters(pairs, accounts.height, seed)
    return Snapshot(as_of, accounts, identifiers, links, pairs, clusters)
