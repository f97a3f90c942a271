"""A ring as a case: what the night, the graph and the desk say of it, gathered into the value that files are made from."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from graph.errors import InputError
from graph.lake import Night, read_night
from graph.queries import RingGraph, read_ring_holders
from graph.ring_picture import shared_identifiers
from graph.store import Row
from jobs.casefile import (
    AuditLine,
    Case,
    CaseAccount,
    CaseLink,
    CaseNote,
    Moment,
    Position,
    Verdict,
    consider_innocent,
)
from jobs.console.audited import shown_or_masked
from jobs.console.kept_answers import of_one_night
from jobs.console.lake_rings import read_amounts
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.runtime import Console, graph_of
from jobs.desk.audit_reading import rows_about
from jobs.desk.claims import ring_claims
from jobs.desk.dispositions import DISPOSITIONS, ring_dispositions
from jobs.desk.notes import ring_notes
from jobs.desk.positions import read_positions
from jobs.desk.records import standing
from jobs.files import fingerprint

__all__ = ["read_case"]

MAX_AUDIT = 200
MAX_MOMENTS = 500
Name = tuple[str, str]  # identifier type and keyed hash
ROLES = {"confirmed_synthetic": "confirmed", "confirmed_benign": "cleared"}


def read_case(console: Console, ring_id: str, actor: str, at: datetime) -> Case:
    """The ring as it stands in the night that is shown, masked.

    Raises:
        Problem: 404, no such ring.
        StoreError: the graph cannot be read.
    """
    store = graph_of(console)
    try:
        day, (found, n_holders) = of_one_night(store, lambda: read_ring_holders(store, ring_id))
        night = read_night(console.lake, day)
    except InputError:
        raise Problem(404, "no-ring", "The night that is shown has no such ring.") from None
    named = with_names(found.links, console.keys.pseudonym)
    links = _links(found, named, n_holders)
    accounts = _accounts(found)
    times = [time for link in links for time in (link.first_seen, link.last_seen)]
    ring = found.ring
    verdicts = ring_dispositions(console.lake, ring_id)
    standing_ids = {each.disposition_id for each in standing(DISPOSITIONS, verdicts)}
    audited = rows_about(console.lake, shown_or_masked("ring_id", ring_id, console.keys.pseudonym), MAX_AUDIT)
    settings, model = _versions(night)
    return Case(
        case_id=f"{ring_id}@{ring['ring_version']}",
        ring_id=ring_id,
        ring_version=ring["ring_version"],
        night=night.date,
        model_version=model,
        config_version=settings,
        exported_by=actor,
        exported_at=at,
        is_masked=True,
        score=ring["score"],
        status=ring["status"],
        window=(min(times), max(times)) if times else None,
        reasons=tuple(ring["reasons"]),
        accounts=accounts,
        amounts=read_amounts(night).get(ring_id, ()),
        links=links,
        timeline=_timeline(links),
        explanations=consider_innocent(links, len(accounts)),
        steps=_steps(console, ring_id),
        verdicts=tuple(
            Verdict(
                each.time,
                each.actor,
                each.verdict,
                each.reason,
                each.ring_version,
                each.account_ids,
                each.disposition_id in standing_ids,
            )
            for each in verdicts
        ),
        notes=tuple(CaseNote(each.time, each.actor, each.text) for each in ring_notes(console.lake, ring_id)),
        audit=tuple(AuditLine(row.time, row.actor, row.action, row.result) for row in reversed(audited.rows)),
        is_audit_whole=audited.is_whole,
        positions=_positions(console, ring_id, named),
    )


def _accounts(found: RingGraph) -> tuple[CaseAccount, ...]:
    seen: dict[str, list[datetime]] = defaultdict(list)
    for link in found.links:
        seen[link["account_id"]] += [link["first_seen"], link["last_seen"]]
    return tuple(
        CaseAccount(
            account_id=row["account_id"],
            role=ROLES.get(row["outcome"], "suspected"),
            score=row["score"],
            rank=row["rank"],
            outcome=row["outcome"],
            first_seen=min(seen[row["account_id"]], default=None),
            last_seen=max(seen[row["account_id"]], default=None),
        )
        for row in found.accounts
    )


def _links(found: RingGraph, named: Sequence[Row], n_holders: Mapping[Name, int]) -> tuple[CaseLink, ...]:
    """One for each identifier; what most of the accounts hold first."""
    concurrent: dict[Name, bool | None] = {}
    for row in (row for pair in found.pairs for row in pair["evidence"]):
        name = row["identifier_type"], row["identifier"]
        concurrent[name] = concurrent.get(name) or row["is_concurrent"]
    hubs = {(row["identifier_type"], row["identifier"]) for row in found.links if row["is_hub"]}
    joining = set(shared_identifiers(found.links, limit=len(found.links))) - hubs
    held: dict[Name, list[Row]] = defaultdict(list)
    for row in named:
        held[row["identifier_type"], row["identifier"]].append(row)
    links = [
        replace(
            _link(rows), n_holders=n_holders.get(name), is_concurrent=concurrent.get(name), is_joining=name in joining
        )
        for name, rows in held.items()
    ]
    return tuple(sorted(links, key=lambda link: (-len(link.accounts), -link.weight, link.name)))


def _link(rows: Sequence[Row]) -> CaseLink:
    return CaseLink(
        identifier_type=rows[0]["identifier_type"],
        name=rows[0]["name"],
        accounts=tuple(sorted(row["account_id"] for row in rows)),
        weight=rows[0]["weight"],
        first_seen=min(row["first_seen"] for row in rows),
        last_seen=max(row["last_seen"] for row in rows),
    )


def _timeline(links: Sequence[CaseLink]) -> tuple[Moment, ...]:
    """When each shared identifier came and went."""
    shared = [link for link in links if len(link.accounts) > 1]
    moments = [
        Moment(time, f"{word} with {link.name}, which {len(link.accounts)} accounts hold")
        for link in shared
        for time, word in ((link.first_seen, "first seen"), (link.last_seen, "last seen"))
    ]
    return tuple(sorted(moments, key=lambda moment: (moment.time, moment.what))[:MAX_MOMENTS])


def _positions(console: Console, ring_id: str, named: Sequence[Row]) -> tuple[Position, ...]:
    """Where the console's picture has the nodes; its y grows downwards, the case's upwards."""
    kept = read_positions(console.lake, ring_id)
    if kept is None:
        return ()
    names = {f"i:{row['identifier_type']}:{row['identifier']}": row["name"] for row in named}
    names |= {f"a:{row['account_id']}": row["account_id"] for row in named}
    return tuple(Position(names[node], x, -y) for node, (x, y) in sorted(kept.nodes.items()) if node in names)


def _steps(console: Console, ring_id: str) -> tuple[str, ...]:
    words = {"claim": "claimed by", "release": "given back by", "take_over": "taken over by"}
    return tuple(
        f"{claim.time:%Y-%m-%d %H:%M} UTC: {words[claim.action]} {claim.actor}"
        for claim in ring_claims(console.lake, ring_id)
    )


def _versions(night: Night) -> tuple[str, str | None]:
    """Fingerprint of the night's settings, and its model."""
    try:
        manifest = json.loads((night.folder / "manifest.json").read_text(encoding="utf-8"))
        settings = fingerprint(manifest["settings"])[:16]
    except (OSError, ValueError, KeyError):
        settings = "unknown"
    models = night.scan("scores").select("model_version").head(1).collect()["model_version"].to_list()
    return settings, models[0] if models else None
