"""Dispositions: investigators' verdicts on rings, and what the next night reads of them.

A disposition is never changed, only superseded. What it says of accounts holds from its own time until that of the one that
supersedes it, so a night of an earlier as-of finds what stood then, whenever it is run.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import polars as pl
from pydantic import ConfigDict, Field, StringConstraints

from gnn.examples import BENIGN, SYNTHETIC
from graph.errors import InputError
from graph.implied import HOLDERS, drop_implied
from graph.lake import Night
from graph.schema import TABLES
from jobs.desk.records import (
    STRICT,
    AccountId,
    Id,
    Kind,
    Name,
    Text,
    UtcTime,
    history,
    refuse_superseded,
    standing,
)
from jobs.files import fingerprint

__all__ = [
    "DISPOSITIONS",
    "INVESTIGATOR",
    "REMEMBERED_SCHEMA",
    "Disposition",
    "mark_of_dispositions",
    "read_dispositions",
    "record_disposition",
    "remembered_evidence",
    "ring_dispositions",
    "shared_evidence",
    "standing_dispositions",
    "to_outcomes",
]

INVESTIGATOR = "investigator"  # the outcomes' source, by which rings are confirmed
OUTCOMES = {"confirmed_ring": SYNTHETIC, "household": BENIGN}  # what a verdict says of each chosen member
REMEMBERED_SCHEMA: dict[str, pl.DataType] = {
    "disposition_id": pl.String(),
    "identifier_type": pl.String(),
    "hash": pl.String(),
}

Verdict = Literal["confirmed_ring", "household", "needs_more"]
Evidence = tuple[
    Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")],
    Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")],  # a keyed hash, so that no raw value gets in
]


@dataclass(frozen=True)
class Disposition:
    """One verdict.

    Attributes:
        disposition_id: its own id, new for each.
        ring_id, ring_version: the ring as it was looked at.
        night: the night in which it was looked at.
        verdict: `confirmed_ring`, `household` (people who live together, or another honest reason), or `needs_more`, which says
            nothing of the accounts.
        reason: in words, for who reads the case later.
        account_ids: the members chosen; at least one, unless more is needed.
        actor: who decided.
        time: when, UTC.
        supersedes: the disposition that it stands in place of.
        evidence: identifier type and keyed hash of what these members share at that version (`shared_evidence`); of a
            household, what is remembered.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    disposition_id: Id
    ring_id: Name
    ring_version: Name
    night: date
    verdict: Verdict
    reason: Text
    account_ids: Annotated[tuple[AccountId, ...], Field(max_length=50_000)]
    actor: Name
    time: UtcTime
    supersedes: Id | None = None
    evidence: Annotated[tuple[Evidence, ...], Field(max_length=50_000)] = ()


DISPOSITIONS = Kind(
    "dispositions", Disposition, "disposition_id", "investigators' verdicts on rings; the next night's outcomes"
)


def record_disposition(lake: Path, disposition: Disposition) -> None:
    """Writes a disposition down, on the disk before this returns. The same one once more changes nothing.

    Raises:
        InputError: it is malformed (every fault is listed), its id stands with other content, `supersedes` names none, or one that is
            superseded already, or another verdict stands on the ring and it supersedes none of these.
        LakeHeldError, StoreError: it could not be written.
    """

    def check(earlier: Sequence[Disposition]) -> None:
        if faults := list(_faults(disposition)):
            raise InputError(f"`Disposition` must be well formed; got {len(faults)} fault(s):", faults)
        refuse_superseded(DISPOSITIONS, disposition, earlier)
        _refuse_second(disposition, earlier)

    DISPOSITIONS.append(lake, disposition, check)


def read_dispositions(lake: Path) -> tuple[Disposition, ...]:
    """All dispositions, superseded ones too, in the order in which they were written.

    Raises:
        InputError: a line is none.
    """
    return DISPOSITIONS.read(lake)


def standing_dispositions(lake: Path, as_of: datetime | None = None) -> tuple[Disposition, ...]:
    """The dispositions that none supersedes.

    Args:
        as_of: what stood then: those before it alone count, superseding too. None: now.
    """
    return standing(DISPOSITIONS, read_dispositions(lake), as_of)


def ring_dispositions(lake: Path, ring_id: str) -> tuple[Disposition, ...]:
    """The history of a ring: all its dispositions in order, with those under other ids of it that supersede or are superseded."""
    return history(DISPOSITIONS, read_dispositions(lake), ring_id)


def to_outcomes(dispositions: Sequence[Disposition], as_of: datetime) -> pl.DataFrame:
    """What the dispositions that stood at the as-of say of accounts, as rows of the contract's `outcomes`.

    Args:
        dispositions: all of them, superseded ones too.
        as_of: cut-off of knowledge, exclusive, UTC.

    Returns:
        the columns of `graph.schema.TABLES["outcomes"]`, one row a disposition and chosen member, sorted by event_time and
        event_id; `event_id` follows from disposition and account alone.
    """
    rows = [
        {
            "event_id": f"desk:{each.disposition_id}:{account_id}",
            "event_time": each.time,
            "known_time": each.time,
            "account_id": account_id,
            "outcome": OUTCOMES[each.verdict],
            "source": INVESTIGATOR,
            "actor": each.actor,
            "ring_id": each.ring_id,
            "ring_version": each.ring_version,
            "reason": each.reason,
        }
        for each in standing(DISPOSITIONS, dispositions, as_of)
        if each.verdict in OUTCOMES
        for account_id in each.account_ids
    ]
    schema = {column.name: column.dtype for column in TABLES["outcomes"].columns}
    return pl.DataFrame(rows, schema=schema).sort("event_time", "event_id")


def remembered_evidence(dispositions: Sequence[Disposition], as_of: datetime) -> pl.DataFrame:
    """What households share by the dispositions that stood at the as-of: it makes no new case by itself.

    Returns:
        `REMEMBERED_SCHEMA`, sorted.
    """
    rows = [
        (each.disposition_id, *evidence)
        for each in standing(DISPOSITIONS, dispositions, as_of)
        if each.verdict == "household"
        for evidence in each.evidence
    ]
    return pl.DataFrame(rows, schema=REMEMBERED_SCHEMA, orient="row").unique().sort(list(REMEMBERED_SCHEMA))


def mark_of_dispositions(dispositions: Sequence[Disposition], as_of: datetime) -> str:
    """Fingerprint of what a night of the as-of reads of them: the same for histories that come to the same."""
    outcomes = to_outcomes(dispositions, as_of).with_columns(pl.col("event_time", "known_time").dt.epoch("us"))
    return fingerprint([outcomes.rows(), remembered_evidence(dispositions, as_of).rows()])


def shared_evidence(night: Night, account_ids: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """What two or more of these accounts share in a night, hubs and what follows from others aside: (identifier type, keyed hash), sorted.

    It is what `ring_version` is made of, where the accounts are all of a ring's members.
    """
    held = (
        night.scan("links")
        .filter(pl.col("account_id").is_in(list(account_ids)) & (pl.col("weight") > 0))  # a hub weighs nothing
        .group_by("identifier_type", "identifier")
        .agg(n=pl.len(), holders=HOLDERS)
        .filter(pl.col("n") > 1)
    )
    names = drop_implied(held).select("identifier_type", "identifier").sort("identifier_type", "identifier")
    return tuple((kind, identifier) for kind, identifier in names.collect().iter_rows())


def _refuse_second(disposition: Disposition, earlier: Sequence[Disposition]) -> None:
    """One verdict stands on a ring: the next says which it supersedes, so nobody overrules what he has not seen."""
    own = history(DISPOSITIONS, earlier, disposition.ring_id)
    standing_ids = [each.disposition_id for each in standing(DISPOSITIONS, own)]
    if standing_ids and disposition.supersedes not in standing_ids:
        raise InputError(
            f"`supersedes` must name the verdict that stands on the ring, `{standing_ids[-1]}`; got `{disposition.supersedes}`. Read it, and supersede that one."
        )


def _faults(disposition: Disposition) -> Iterator[str]:
    """What no single field shows."""
    if disposition.verdict in OUTCOMES and not disposition.account_ids:
        yield "`account_ids` must name at least one member, unless the verdict is needs_more; got none. Choose who is meant."
    for name in ("account_ids", "evidence"):
        values: tuple[object, ...] = getattr(disposition, name)
        if len(set(values)) < len(values):
            yield f"`{name}` must name each once; got {len(values) - len(set(values))} repeated."
