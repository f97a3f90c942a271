"""The whole chain from events to a snapshot, in one process: what the night's jobs do in partitions, for one cut-off.

Training calls it for earlier cut-offs; tests hold the partitioned night against it.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from graph.accounts import HISTORY_TABLES, build_accounts, build_histories
from graph.cleaning import is_since_signup, signup_times
from graph.clusters import build_clusters
from graph.identities import resolve_records
from graph.identity_known import Known, nothing_known, renumber_known
from graph.identity_records import NORMALISED, RECORD_SCHEMA, build_records, carry_records, number_records, submit_anew
from graph.links import name_links, number_links
from graph.marks import MARK_SCHEMA, build_marks, find_differing, rows_to_look_at
from graph.normalise import Forms
from graph.pairs import EVIDENCE_SCHEMA, build_evidence, merge_evidence
from graph.sightings import build_links
from graph.snapshot import SNAPSHOT_SCHEMAS, Events, Snapshot
from graph.update import (
    Pairs,
    carry_evidence,
    carry_pairs,
    finish_links,
    merge_links,
    reorder_links,
    update_clusters,
)

__all__ = ["Comparisons", "Linkage", "build_linkage", "build_snapshot"]

_PARTS_AT_ONCE = 2


def _of_known_accounts(rows: pl.LazyFrame, signups: pl.DataFrame, as_of: datetime) -> pl.LazyFrame:
    """Rows known before `as_of` of accounts whose signup was known by then.

    Those that would have gone to quarantine then are none: an earlier signup that came to light later is not known yet.
    """
    joined = rows.filter(pl.col("known_time") < as_of).join(signups.lazy(), on="account_id", maintain_order="left")
    return joined.filter(is_since_signup()).drop("signup_time")


@dataclass(frozen=True)
class Comparisons:
    """What a cut-off knows of submissions.

    Attributes:
        known: the records, and pairs of them that were compared.
        accounts: account_id; the row is the account's number in `known`.
    """

    known: Known
    accounts: pl.DataFrame


def build_snapshot(
    events: Mapping[str, pl.DataFrame | pl.LazyFrame],
    as_of: datetime,
    key: str,
    seed: int,
    parts: Sequence[Mapping[str, pl.LazyFrame]] = (),
    compared: Comparisons | None = None,
) -> Snapshot:
    """The graph as of a cut-off.

    Args:
        events: clean events; later ones may be among them and change nothing. Of lazy ones only signups known by then, a part's profiles,
            and the histories of accounts that tie, are ever in memory.
        as_of: cut-off of knowledge, exclusive, UTC.
        key: of the keyed hash of identifiers, which breaks ties, too.
        seed: of the clusters' refinement.
        parts: the same events by partitions of accounts, so that links are made of two at a time; none, if they fit at once.
        compared: what any other cut-off knows of submissions, so that no two are compared again. It changes nothing: how two submissions
            agree follows from them alone.
    """
    signups = signup_times(events["signups"].lazy().filter(pl.col("known_time") < as_of).collect())

    def known_of(of: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
        return {name: _of_known_accounts(frame.lazy(), signups, as_of) for name, frame in of.items()}

    def linked(part: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> tuple[pl.DataFrame, pl.DataFrame]:
        own, forms = known_of(part), Forms(NORMALISED)
        links = build_links(own, key, forms)
        return links, build_records(own["profiles"].collect().rename({"account_id": "account"}), forms)

    with ThreadPoolExecutor(_PARTS_AT_ONCE) as pool:  # much of what makes links is one thread's work
        links, records = map(pl.concat, zip(*pool.map(linked, parts or (events,)), strict=True))
    named = name_links(links)
    del links  # its hashes are most of what is in memory here
    known = known_of(events)
    accounts = build_accounts(signups, known["profiles"], _histories_of(known), named.scan, key)
    accounts = accounts.with_columns(_persons(records, accounts, compared))
    numbered = number_links(named.names, named.number_accounts(accounts), accounts)
    del named
    pairs, evidence = merge_evidence(build_evidence(numbered.links, numbered.identifiers), numbered.identifiers)
    clusters = build_clusters(pairs, accounts.height, seed)
    return Snapshot(as_of, accounts, numbered.identifiers, numbered.links, pairs, evidence, clusters)


def _persons(records: pl.DataFrame, accounts: pl.DataFrame, compared: Comparisons | None) -> pl.Series:
    """Whose submitted identity is one person's, i32 by account; `account` of the records is the account's id."""
    known = nothing_known() if compared is None else renumber_known(compared.known, compared.accounts, accounts)
    return resolve_records(number_records(records, accounts), accounts.height, known=known).identity


def _histories_of(
    events: Mapping[str, pl.DataFrame | pl.LazyFrame],
) -> Callable[[pl.DataFrame], pl.DataFrame]:
    """`build_histories` of the accounts that a frame names."""

    def histories(accounts: pl.DataFrame) -> pl.DataFrame:
        wanted = accounts.lazy()
        return build_histories(
            {name: events[name].lazy().join(wanted, on="account_id", how="semi").collect() for name in HISTORY_TABLES}
        )

    return histories


@dataclass(frozen=True)
class Linkage:
    """A snapshot with what the next one can take over.

    Attributes:
        snapshot: the graph as of its cut-off.
        evidence: as `graph.pairs.build_evidence` gives it.
        marks: by table, as `graph.marks.build_marks` gives them.
        records: as `graph.identity_records.build_records` gives them; `account` is the account's id.
        known: what these records hold, and pairs of them that were compared.
    """

    snapshot: Snapshot
    evidence: pl.DataFrame
    marks: Mapping[str, pl.DataFrame]
    records: pl.DataFrame
    known: Known


def build_linkage(events: Events, as_of: datetime, key: str, seed: int, before: Linkage | None = None) -> Linkage:
    """The graph as of a cut-off, brought up to date from an earlier one: the same as `build_snapshot`.

    What no change touched is taken over; digests of the events, numbering and persons are made for all.

    Args:
        events: clean events known before `as_of`.
        before: what this gave for an earlier cut-off, whatever came, went or changed since; None builds all anew.
    """
    marks = {name: build_marks(events[name]) for name in HISTORY_TABLES}
    if before is None:
        before = _nothing(as_of)
    old = before.snapshot
    came = {name: events[name].filter(pl.col("known_time") >= old.as_of) for name in HISTORY_TABLES}
    differing = find_differing(before.marks, marks, {name: build_marks(rows) for name, rows in came.items()})
    own = {name: rows_to_look_at(events[name], came[name], differing) for name in HISTORY_TABLES}
    fresh = build_links(own, key)
    merged = merge_links(old.accounts, old.identifiers, old.links, differing, name_links(fresh))
    signups = signup_times(events["signups"])
    accounts = build_accounts(signups, events["profiles"].lazy(), _histories_of(events), merged.links, key)
    submitted = build_records(own["profiles"].rename({"account_id": "account"}))
    records, fresh_records = carry_records(before.records, differing, submitted)
    known = renumber_known(before.known, old.accounts, accounts)
    is_fresh = submit_anew(accounts["account_id"], differing, fresh_records)
    resolution = resolve_records(
        number_records(fresh_records, accounts),
        accounts.height,
        known=known,
        is_fresh=is_fresh.to_numpy(),
        read=lambda some: number_records(records, accounts[some]),
    )
    accounts = accounts.with_columns(resolution.identity)
    ordering, moved = reorder_links(merged, accounts)
    numbered, change = finish_links(ordering.ordered(), moved, old.identifiers, accounts)
    kept, lost = carry_evidence(before.evidence, change)
    touched = numbered.identifiers.filter(change.identifiers["is_touched"])
    found = build_evidence(numbered.links, touched)
    evidence = pl.concat([kept, found]).sort("account_a", "account_b", "identifier")
    again = pl.concat([lost, found.select("account_a", "account_b")]).unique()
    own_rows = evidence.join(again, on=["account_a", "account_b"], how="semi")
    looked_at = Pairs(*merge_evidence(own_rows, numbered.identifiers))
    carried, dirty = carry_pairs(Pairs(old.pairs, old.pair_evidence), again, looked_at, change)
    clusters = update_clusters(carried.pairs, old.clusters, dirty, change, seed)
    frames = (accounts, numbered.identifiers, numbered.links, carried.pairs, carried.evidence, clusters)
    snapshot = Snapshot(as_of, *frames)
    return Linkage(snapshot, evidence, marks, records, resolution.known)


def _nothing(as_of: datetime) -> Linkage:
    """The linkage of no events."""
    empty = Snapshot(as_of, **{name: pl.DataFrame(schema=schema) for name, schema in SNAPSHOT_SCHEMAS.items()})
    records = pl.DataFrame(schema={**RECORD_SCHEMA, "account": pl.String()})
    marks = {name: pl.DataFrame(schema=MARK_SCHEMA) for name in HISTORY_TABLES}
    return Linkage(empty, pl.DataFrame(schema=EVIDENCE_SCHEMA), marks, records, nothing_known())
