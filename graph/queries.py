"""What investigators ask of the graph, as functions of a store: rings, accounts, identifiers, neighbours, paths, and why two are linked.

Every answer is of the night that Neo4j shows, the whole of an answer of one night, and bounded: in steps from where it begins, in how
wide each step may be, in rows, and in seconds on the server (`SECONDS`). What a bound left out is counted in the answer. Rows
are plain dicts; times are UTC; an identifier is named by its type and the hex of its keyed hash. No person's text reaches a query but as
a parameter. The texts stand in `graph.query_cypher`.

An identifier over its type's cap, or one that is a placeholder, is a hub (`is_hub`): it is named, and nothing is followed through it.

Raises, all of them:
    StoreError: no night is loaded, the server fails, or time runs out.
    InputError: what is asked about is not in the night that is shown.

See Also:
    graph.night_changes: two nights, which Neo4j does not hold. graph.identifier_search: from a typed text to hashes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graph import query_cypher as cypher
from graph.errors import InputError
from graph.query_pairs import WhyNot, why_linked, why_not
from graph.query_paths import Path, shortest_path
from graph.query_rows import (
    MAX_HOLDERS,
    MAX_IDENTIFIERS,
    MAX_LIMIT,
    SECONDS,
    named_identifiers,
    parse_evidence,
    read_held,
    refuse_outside,
    refuse_unknown_account,
    with_times,
)
from graph.ring_picture import RingPicture, build_picture, shared_identifiers
from graph.store import Ask, Row, Store

__all__ = [
    "MAX_LIMIT",
    "MAX_MEMBERS",
    "MAX_QUEUE",
    "MAX_TERMS",
    "SECONDS",
    "Account",
    "Neighbours",
    "Path",
    "RingGraph",
    "RingPicture",
    "WhyNot",
    "find_identifiers",
    "find_term",
    "nearest_accounts",
    "neighbours",
    "parse_evidence",
    "read_account",
    "read_queue",
    "read_ring_graph",
    "read_ring_holders",
    "read_ring_picture",
    "read_whole_queue",
    "shortest_path",
    "why_linked",
    "why_not",
]

MAX_TERMS = 200  # identifiers looked up at once
MAX_MEMBERS = 1_500  # of a ring
MAX_REASONS = 20  # of an account
MAX_PAIRS = 100  # of a member
MAX_QUEUE = 50_000  # rings
_AT_ONCE = 2_000
_CANDIDATES = 200


@dataclass(frozen=True)
class RingGraph:
    """A ring with its subgraph.

    Attributes:
        ring: as `read_queue` gives it.
        accounts: its members, the riskiest first: account_id, score, rank, outcome, cluster_id, identity_id, n_identifiers, reasons (list of
            code, text, contribution, evidence).
        links: account_id, identifier_type, identifier, weight, is_hub, first_seen, last_seen, n_events; of each member what most
            accounts hold comes first, hubs last.
        pairs: account_a, account_b, weight_bits, identifier_types, evidence (parsed); both are among `accounts`.
        n_accounts_left_out, n_links_left_out: what the bounds left out.
    """

    ring: Row
    accounts: list[Row]
    links: list[Row]
    pairs: list[Row]
    n_accounts_left_out: int
    n_links_left_out: int


@dataclass(frozen=True)
class Account:
    """What is known of an account.

    Attributes:
        account: account_id, score, rank, ring_id, cluster_id, identity_id, outcome, n_identifiers, reasons (list of code, text, contribution,
            evidence; what raises the score most first).
        identifiers: identifier_type, identifier, weight, is_hub, first_seen, last_seen, n_events, n_accounts; what most
            accounts hold first, hubs last.
        n_identifiers_left_out: what the bound left out.
    """

    account: Row
    identifiers: list[Row]
    n_identifiers_left_out: int


@dataclass(frozen=True)
class Neighbours:
    """Accounts that share an identifier with one.

    Attributes:
        accounts: account_id, score, rank, ring_id, outcome, bits (sum of the weights of what is shared), shared (list of identifier_type,
            identifier, weight, is_hub, first_seen, last_seen, n_events: the neighbour's own link); most bits first.
        n_found: neighbours in all, before `limit`.
        not_followed: identifiers that many hold: as `Account.identifiers`.
    """

    accounts: list[Row]
    n_found: int
    not_followed: list[Row]


def read_queue(
    store: Store,
    *,
    statuses: Sequence[str] | None = None,
    min_score: float | None = None,
    min_accounts: int | None = None,
    identifier_type: str | None = None,
    after: int | None = None,
    limit: int = 50,
) -> list[Row]:
    """Rings in the order of the night: first the one whose case is expected to stop the most.

    Args:
        statuses, min_score, min_accounts: keep rings with one of these statuses, at least this score, at least so many accounts.
        identifier_type: keep rings of which two or more members share an identifier of this type that is no hub.
        after: the `place` of the last row seen, for the rows that follow it.
        limit: rows at most, 1 to `MAX_LIMIT`.

    Returns:
        ring_id, ring_version, score, n_accounts, first_seen, reasons, status, place (1 for the first), n_shared (identifiers that several
        members share), shared_types (of these).
    """
    refuse_outside("limit", limit, MAX_LIMIT)
    rows = store.read_current(
        cypher.QUEUE,
        seconds=SECONDS,
        statuses=None if statuses is None else list(statuses),
        min_score=min_score,
        min_accounts=min_accounts,
        identifier_type=identifier_type,
        after=after or 0,
        limit=limit,
    )
    return [with_times(row) for row in rows]


def read_whole_queue(store: Store, *, max_rings: int = MAX_QUEUE) -> list[Row]:
    """All rings of the night in its order, as `read_queue` gives them.

    Args:
        max_rings: rings at most, the first ones.
    """
    any_ring = {"statuses": None, "min_score": None, "min_accounts": None, "identifier_type": None}

    def work(ask: Ask) -> list[Row]:
        found: list[Row] = []
        while len(found) < max_rings:
            limit = min(_AT_ONCE, max_rings - len(found))
            rows = ask(cypher.QUEUE, {**any_ring, "after": found[-1]["place"] if found else 0, "limit": limit})
            found += [with_times(row) for row in rows]
            if len(rows) < limit:
                break
        return found

    return store.read_together(work, seconds=SECONDS)


def read_ring_graph(
    store: Store, ring_id: str, *, max_accounts: int = MAX_MEMBERS, max_identifiers: int = MAX_IDENTIFIERS
) -> RingGraph:
    """A ring with its members, what they hold, what joins them, and why each is suspected.

    Args:
        max_accounts: members at most, the riskiest first.
        max_identifiers: links a member at most.
    """

    return store.read_together(lambda ask: _ask_ring(ask, ring_id, max_accounts, max_identifiers), seconds=SECONDS)


def read_ring_holders(store: Store, ring_id: str) -> tuple[RingGraph, dict[tuple[str, str], int]]:
    """A ring as `read_ring_graph` gives it, and how many accounts of the night hold each of its `shared_identifiers`, hubs too."""

    def work(ask: Ask) -> tuple[RingGraph, list[Row]]:
        found = _ask_ring(ask, ring_id, MAX_MEMBERS, MAX_IDENTIFIERS)
        wanted = named_identifiers(shared_identifiers(found.links))
        return found, ask(
            cypher.HOLDERS, {"wanted": wanted, "max_holders": MAX_HOLDERS, "max_identifiers": len(wanted)}
        )

    found, rows = store.read_together(work, seconds=SECONDS)
    return found, {(row["identifier_type"], row["identifier"]): int(row["n_accounts"]) for row in rows}


def read_ring_picture(store: Store, ring_id: str) -> RingPicture:
    """A ring as it is drawn: its members, what two of them or more hold, what joins them, and communities to fold by."""
    found, n_holders = read_ring_holders(store, ring_id)
    return build_picture(
        found.ring,
        found.accounts,
        found.links,
        found.pairs,
        n_holders,
        n_accounts_left_out=found.n_accounts_left_out,
        n_links_left_out=found.n_links_left_out,
    )


def _ask_ring(ask: Ask, ring_id: str, max_accounts: int, max_identifiers: int) -> RingGraph:
    values: dict[str, Any] = {"ring_id": ring_id, "max_accounts": max_accounts, "max_reasons": MAX_REASONS}
    rings = ask(cypher.RING, values)
    if not rings:
        raise InputError(
            f"`ring_id` must be a ring of the night that is shown; got `{ring_id}`. `ringlight show` lists them."
        )
    accounts = [_with_reasons(row) for row in ask(cypher.RING_ACCOUNTS, values)]
    names = {"accounts": [row["account_id"] for row in accounts]}
    held = ask(cypher.RING_LINKS, {**names, "max_identifiers": max_identifiers})
    links = [{"account_id": row["account_id"], **with_times(link)} for row in held for link in row["links"]]
    joined = ask(cypher.RING_PAIRS, {**names, "max_pairs": MAX_PAIRS})
    pairs = [
        {"account_a": row["account_a"], **pair, "evidence": parse_evidence(pair["evidence"])}
        for row in joined
        for pair in row["pairs"]
    ]
    return RingGraph(
        with_times(rings[0]),
        accounts,
        links,
        pairs,
        max(0, rings[0]["n_accounts"] - len(accounts)),
        sum(row["n_identifiers"] for row in accounts) - len(links),
    )


def read_account(store: Store, account_id: str, *, max_identifiers: int = MAX_IDENTIFIERS) -> Account:
    """An account: where it stands, why, and what it holds.

    Args:
        max_identifiers: identifiers at most.
    """

    def work(ask: Ask) -> Account:
        rows = ask(cypher.ACCOUNT, {"account_id": account_id, "max_reasons": MAX_REASONS})
        if not rows:
            refuse_unknown_account(ask, "account_id", account_id)
        links = read_held(ask, account_id, max_identifiers)
        return Account(_with_reasons(rows[0]), links, rows[0]["n_identifiers"] - len(links))

    return store.read_together(work, seconds=SECONDS)


def find_term(
    store: Store, wanted: Sequence[tuple[str, str]], account_id: str, *, limit: int = 50
) -> tuple[Row | None, list[Row]]:
    """What a search term is, in one look at the night: an account's id, identifiers, or neither.

    Args: see `find_identifiers`.

    Returns:
        the account as `read_account` has it (None for no account's id), and `find_identifiers`.
    """
    values = _find_values(wanted, limit)

    def work(ask: Ask) -> tuple[list[Row], list[Row]]:
        account = ask(cypher.ACCOUNT, {"account_id": account_id, "max_reasons": MAX_REASONS})
        return account, ask(cypher.FIND, values) if wanted else []

    account, rows = store.read_together(work, seconds=SECONDS)
    return _with_reasons(account[0]) if account else None, _gathered(wanted, rows)


def find_identifiers(store: Store, wanted: Sequence[tuple[str, str]], *, limit: int = 50) -> list[Row]:
    """Which of these identifiers anybody holds, and who; exact.

    Args:
        wanted: (identifier_type, hash), at most `MAX_TERMS`: see `graph.identifier_search.hash_search_term`.
        limit: accounts an identifier at most, 1 to `MAX_LIMIT`: the riskiest of its first `MAX_HOLDERS`.

    Returns:
        In the order asked: identifier_type, identifier, n_accounts, is_hub, accounts (list of account_id, score, rank, ring_id, outcome,
        first_seen, last_seen, n_events, the riskiest first).
    """
    return _gathered(wanted, store.read_current(cypher.FIND, seconds=SECONDS, **_find_values(wanted, limit)))


def _find_values(wanted: Sequence[tuple[str, str]], limit: int) -> dict[str, Any]:
    refuse_outside("limit", limit, MAX_LIMIT)
    if len(wanted) > MAX_TERMS:
        raise InputError(f"`wanted` must be at most {MAX_TERMS} identifiers; got {len(wanted)}. Ask for fewer at once.")
    return {
        "wanted": named_identifiers(list(dict.fromkeys(wanted))), "max_holders": MAX_HOLDERS, "limit": limit,
    }  # fmt: skip


def _gathered(wanted: Sequence[tuple[str, str]], rows: Sequence[Row]) -> list[Row]:
    """Rows of holders as one row an identifier, in the order asked."""
    found: dict[tuple[str, str], Row] = {}
    for row in rows:
        name = row["identifier_type"], row["identifier"]
        facts = {key: row[key] for key in ("identifier_type", "identifier", "n_accounts")}
        found.setdefault(name, {**facts, "is_hub": row["weight"] == 0, "accounts": []})["accounts"].append(
            with_times(row["account"])
        )
    return [found[name] for name in dict.fromkeys(wanted) if name in found]


def neighbours(
    store: Store, account_id: str, *, identifier_type: str | None = None, limit: int = 50, max_holders: int = 200
) -> Neighbours:
    """Accounts that hold an identifier of this one.

    Args:
        identifier_type: only what is shared of this type.
        limit: accounts at most, 1 to `MAX_LIMIT`.
        max_holders: an identifier that more accounts hold is named and not followed, nor is a hub.
    """
    refuse_outside("limit", limit, MAX_LIMIT)
    refuse_outside("max_holders", max_holders, MAX_HOLDERS)

    def work(ask: Ask) -> Neighbours:
        refuse_unknown_account(ask, "account_id", account_id)
        links = read_held(ask, account_id, MAX_IDENTIFIERS, identifier_type)
        is_wide = [row["is_hub"] or row["n_accounts"] > max_holders for row in links]
        followed = [
            (row["identifier_type"], row["identifier"])
            for row, wide in zip(links, is_wide, strict=True)
            if not wide and row["n_accounts"] > 1
        ]
        values = {"account_id": account_id, "max_holders": max_holders, "limit": limit}
        rows = ask(cypher.NEIGHBOURS, {**values, "wanted": named_identifiers(followed)})
        n_found = rows[0]["n_found"] if rows else 0
        for row in rows:
            row["shared"] = [with_times(link) for link in row["shared"]]
        accounts = [{key: value for key, value in row.items() if key != "n_found"} for row in rows]
        return Neighbours(accounts, n_found, [row for row, wide in zip(links, is_wide, strict=True) if wide])

    return store.read_together(work, seconds=SECONDS)


def nearest_accounts(store: Store, account_id: str, k: int = 10) -> list[Row]:
    """The `k` accounts whose embeddings are most like this one's, by cosine.

    Returns:
        Rows of account_id and similarity ((1 + cosine) / 2, 0..1), most alike first; fewer than `k` where there are fewer; none
        for an account without an embedding. The index is approximate.
    """
    refuse_outside("k", k, MAX_LIMIT)
    # As many candidates as are asked for is how hard the index looks: few would miss near ones. It also holds what a load in
    # progress has written, so more are asked for until enough belong to this night.
    n_asked = max(_CANDIDATES, 2 * k + 1)
    while True:
        rows = store.read_current(cypher.NEAREST, seconds=SECONDS, account_id=account_id, k=k, n_asked=n_asked)
        if len(rows) >= k or n_asked > 16 * max(_CANDIDATES, k):
            return rows
        n_asked *= 4


def _with_reasons(row: Row) -> Row:
    return {**row, "reasons": [{**one, "evidence": parse_evidence(one["evidence"])} for one in row["reasons"]]}
