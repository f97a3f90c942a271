"""A ring as it is drawn: members, what several of them hold, and communities to fold a large one by. Pure.

Above some hundreds of elements nobody reads a picture; then each community is drawn as one node. Communities are those of the constant Potts
model (`graph.clusters`) over members and the identifiers that they share, hubs aside, at the finest resolution that leaves few enough of them.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graph.clusters import part_by_potts
from graph.schema import IDENTIFIERS

__all__ = ["FOLD_ABOVE", "MAX_COMMUNITIES", "RingPicture", "build_picture", "fold_accounts", "shared_identifiers"]

FOLD_ABOVE = 300  # accounts and identifiers
MAX_COMMUNITIES = 120
MAX_SHARED = 1_500  # identifiers drawn
MAX_DRAWN_PAIRS = 3_000
_ELEMENTS_EACH = 8  # of a community, at least, on average
_RESOLUTIONS = tuple(0.5 / 2**step for step in range(14))
_SEED = 0

Row = dict[str, Any]
Name = tuple[str, str]


@dataclass(frozen=True)
class RingPicture:
    """What is drawn of a ring.

    Attributes:
        ring_id, ring_version: of the ring.
        accounts: its members, the riskiest first: account_id, score, outcome, cluster_id, community, first_seen (of what it holds; None
            for nothing).
        identifiers: what two members or more hold, most members first: identifier_type, identifier, is_hub, weight (bits), n_accounts (holders
            in the whole night), n_members, community (None for a hub, which belongs to none).
        holds: account_id, identifier_type, identifier, first_seen, last_seen, n_events: of these.
        pairs: account_a, account_b, weight_bits, identifier_types, evidence; the strongest first.
        communities: community (0, 1, ... by its riskiest member), n_accounts, n_identifiers, max_score.
        is_folded: more accounts and identifiers than anybody reads: to be drawn folded.
        n_accounts_left_out, n_holds_left_out, n_pairs_left_out: what the bounds left out.
    """

    ring_id: str
    ring_version: str
    accounts: list[Row]
    identifiers: list[Row]
    holds: list[Row]
    pairs: list[Row]
    communities: list[Row]
    is_folded: bool
    n_accounts_left_out: int
    n_holds_left_out: int
    n_pairs_left_out: int


def shared_identifiers(links: Sequence[Row], limit: int = MAX_SHARED) -> list[Name]:
    """(identifier_type, identifier) of what two of the accounts or more hold, most of them first, hubs last.

    A building whose holders all give one address is left out.

    Args:
        links: account_id, identifier_type, identifier, is_hub; one an account and identifier.
        limit: so many at most.
    """
    n_members = Counter((row["identifier_type"], row["identifier"]) for row in links)
    hubs = {(row["identifier_type"], row["identifier"]) for row in links if row["is_hub"]}
    holders: dict[Name, set[str]] = {name: set() for name, n in n_members.items() if n > 1}
    for row in links:
        if (name := (row["identifier_type"], row["identifier"])) in holders:
            holders[name].add(row["account_id"])
    said = {(label, frozenset(of)) for (label, _), of in holders.items()}
    shared = [name for name, of in holders.items() if (IDENTIFIERS[name[0]].within, frozenset(of)) not in said]
    return sorted(shared, key=lambda name: (name in hubs, -n_members[name], name))[:limit]


def build_picture(
    ring: Row,
    accounts: Sequence[Row],
    links: Sequence[Row],
    pairs: Sequence[Row],
    n_holders: Mapping[Name, int],
    *,
    n_accounts_left_out: int = 0,
    n_links_left_out: int = 0,
) -> RingPicture:
    """The picture of a ring from the rows of its graph, as `graph.queries.RingGraph` has them; the same rows make the same picture.

    Args:
        n_holders: of each shared identifier, how many accounts of the night hold it.
        n_links_left_out: links that the rows lack already.
    """
    names = shared_identifiers(links)
    drawn = set(names)
    seen: dict[str, list[Any]] = defaultdict(list)
    holders: dict[Name, list[Row]] = defaultdict(list)
    n_undrawn: Counter[Name] = Counter()
    for row in links:
        seen[row["account_id"]].append(row["first_seen"])
        name = row["identifier_type"], row["identifier"]
        if name in drawn:
            holders[name].append(row)
        else:
            n_undrawn[name] += 1
    community = fold_accounts(
        [row["account_id"] for row in accounts], [held for name in names for held in holders[name]]
    )
    told = [
        {key: row[key] for key in ("account_id", "score", "outcome", "cluster_id")}
        | {"community": community[row["account_id"]], "first_seen": min(seen[row["account_id"]], default=None)}
        for row in accounts
    ]
    identifiers = [_identifier(name, holders[name], community, n_holders) for name in names]
    strongest = sorted(pairs, key=lambda row: (-row["weight_bits"], row["account_a"], row["account_b"]))
    return RingPicture(
        ring["ring_id"],
        ring["ring_version"],
        told,
        identifiers,
        [_hold(row) for name in names for row in sorted(holders[name], key=lambda row: str(row["account_id"]))],
        strongest[:MAX_DRAWN_PAIRS],
        _communities(told, identifiers),
        len(told) + len(identifiers) > FOLD_ABOVE,
        n_accounts_left_out,
        n_links_left_out + sum(n for n in n_undrawn.values() if n > 1),
        max(0, len(strongest) - MAX_DRAWN_PAIRS),
    )


def fold_accounts(accounts: Sequence[str], holds: Sequence[Row]) -> dict[str, int]:
    """The community of each account, 0, 1, ... in the order of their first accounts.

    At most `MAX_COMMUNITIES`, and no more than leaves each eight elements on average; where accounts share too little for so few, the
    smallest communities are taken together in the last.

    Args:
        accounts: the ring's members, the riskiest first.
        holds: account_id, identifier_type, identifier, weight (bits), is_hub: of what they share, each once.
    """
    order = sorted(accounts)
    held = [
        (row["account_id"], (row["identifier_type"], row["identifier"]), float(row["weight"]))
        for row in holds
        if not row["is_hub"]
    ]
    names = sorted({name for _, name, _ in held})
    account_place = {account: number for number, account in enumerate(order)}
    name_place = {name: number for number, name in enumerate(names, start=len(order))}
    n_nodes = len(order) + len(names)
    most = min(MAX_COMMUNITIES, max(1, n_nodes // _ELEMENTS_EACH))
    ties = sorted((account_place[account], name_place[name], weight) for account, name, weight in held)
    source, target = (np.array([tie[end] for tie in ties], dtype=np.int32) for end in (0, 1))
    weight = np.array([tie[2] for tie in ties], dtype=np.float64)
    weight /= weight.max(initial=1.0)
    found = np.arange(len(order))
    for resolution in _RESOLUTIONS if ties else ():  # Leiden takes no graph without a tie
        found = part_by_potts(n_nodes, source, target, weight, _SEED, resolution)[: len(order)]
        if len(np.unique(found)) <= most:
            break
    return _numbered(accounts, dict(zip(order, _gathered(found, most).tolist(), strict=True)))


def _gathered(found: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """The communities, the smallest of too many as one."""
    _, place, sizes = np.unique(found, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    gathered: NDArray[np.int64] = np.minimum(rank, most - 1)[place]
    return gathered


def _numbered(accounts: Sequence[str], found: Mapping[str, int]) -> dict[str, int]:
    numbers: dict[int, int] = {}
    return {account: numbers.setdefault(found[account], len(numbers)) for account in accounts}


def _identifier(name: Name, rows: Sequence[Row], community: Mapping[str, int], n_holders: Mapping[Name, int]) -> Row:
    is_hub = bool(rows[0]["is_hub"])
    held = Counter(community[row["account_id"]] for row in rows)
    return {
        "identifier_type": name[0],
        "identifier": name[1],
        "is_hub": is_hub,
        "weight": rows[0]["weight"],
        "n_accounts": n_holders.get(name, len(rows)),
        "n_members": len(rows),
        "community": None if is_hub else min(held, key=lambda number: (-held[number], number)),
    }


def _hold(row: Row) -> Row:
    return {
        key: row[key] for key in ("account_id", "identifier_type", "identifier", "first_seen", "last_seen", "n_events")
    }


def _communities(accounts: Sequence[Row], identifiers: Sequence[Row]) -> list[Row]:
    n_identifiers = Counter(row["community"] for row in identifiers)
    members: dict[int, list[Row]] = defaultdict(list)
    for row in accounts:
        members[row["community"]].append(row)
    return [
        {
            "community": number,
            "n_accounts": len(rows),
            "n_identifiers": n_identifiers[number],
            "max_score": max((row["score"] for row in rows if row["score"] is not None), default=None),
        }
        for number, rows in sorted(members.items())
    ]
