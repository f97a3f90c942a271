"""The shortest path of two accounts over what they share; see `graph.queries`."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from graph import query_cypher as cypher
from graph.query_rows import MAX_HOLDERS, SECONDS, parse_evidence, refuse_outside, refuse_unknown_account, with_times
from graph.store import Ask, Row, Store

__all__ = ["MAX_HOPS", "Path", "shortest_path"]

MAX_HOPS = 6
MAX_SEEN = 60_000  # accounts and identifiers that a search may touch
_MAX_FAN = 1_000  # identifiers of an account, accounts of an identifier
_AT_ONCE = 1_000  # nodes a question to the server
_MAX_SHARED = 10  # identifiers told of a hop


@dataclass(frozen=True)
class Path:
    """How two accounts are tied.

    Attributes:
        hops: from the first to the second: account_a, account_b, weight_bits and evidence (of their pair; None and empty where they share
            something and are no pair), shared (list of identifier_type, identifier, weight, is_hub, first_seen, last_seen, n_events, n_accounts:
            the links of account_a, the rarest ten first). Empty where there is no path.
        n_seen: accounts and identifiers that were looked at.
        is_exhaustive: no bound cut the search short: without hops there is no path within `max_hops`, and what was found is the shortest.
    """

    hops: list[Row]
    n_seen: int
    is_exhaustive: bool


@dataclass
class _Side:
    """What is known from one end: how each node was come to, accounts and identifiers apart, and those come to last.

    An identifier is its type and hash with a blank between, as the texts have it.
    """

    frontier: list[str]
    came_from: tuple[dict[str, str | None], dict[str, str | None]]
    depth: int = 0
    is_cut: bool = False

    @classmethod
    def at(cls, account_id: str) -> "_Side":
        return cls([account_id], ({account_id: None}, {}))

    @property
    def n_seen(self) -> int:
        return sum(map(len, self.came_from))

    def accounts_to(self, node: str, kind: int) -> list[str]:
        """The accounts from `node` back to the end, itself first where it is one."""
        way: list[str] = []
        place: str | None = node
        while place is not None:
            if kind == 0:
                way.append(place)
            place, kind = self.came_from[kind][place], 1 - kind
        return way


def shortest_path(
    store: Store, account_a: str, account_b: str, *, max_hops: int = MAX_HOPS, max_seen: int = MAX_SEEN
) -> Path:
    """A shortest path of two accounts, each next to the one before it by an identifier that both hold and that is no hub.

    A pair rests on such identifiers, so this follows pairs too, and what groups too large for all their pairs share. Searched from both ends, a
    step at a time from the narrower one, over accounts and identifiers; of equally short paths one is taken by an order of names.

    Args:
        max_hops: steps from account to account, at most `MAX_HOPS`.
        max_seen: accounts and identifiers looked at, after which the search gives up.

    Raises:
        InputError: the night that is shown has not both accounts, or `max_hops` is out of bounds.
        StoreError: see `graph.queries`.
    """
    refuse_outside("max_hops", max_hops, MAX_HOPS)

    def work(ask: Ask) -> Path:
        for name, account in (("account_a", account_a), ("account_b", account_b)):
            refuse_unknown_account(ask, name, account)
        if account_a == account_b:
            return Path([], 1, True)
        sides = _Side.at(account_a), _Side.at(account_b)
        met = _meet(ask, sides, max_hops, max_seen)
        n_seen = sum(side.n_seen for side in sides)
        is_exhaustive = not any(side.is_cut for side in sides) and (met is not None or n_seen < max_seen)
        if met is None:
            return Path([], n_seen, is_exhaustive)
        begin, end = (side.accounts_to(*met) for side in sides)
        return Path(_hops(ask, begin[::-1] + end[1 - met[1] :]), n_seen, is_exhaustive)

    return store.read_together(work, seconds=SECONDS)


def _meet(ask: Ask, sides: tuple[_Side, _Side], max_hops: int, max_seen: int) -> tuple[str, int] | None:
    """A node in the middle of a shortest path, and 0 for an account or 1 for an identifier; None where none was found."""
    while sides[0].depth + sides[1].depth < 2 * max_hops:
        side, other = sorted(sides, key=lambda one: len(one.frontier))
        if not side.frontier:
            return None
        kind = 1 - side.depth % 2
        found: list[str] = []
        for before, node in _next(ask, side):
            if node in side.came_from[kind]:
                continue
            side.came_from[kind][node] = before
            if node in other.came_from[kind]:
                return node, kind
            found.append(node)
            if side.n_seen + other.n_seen >= max_seen:
                return None
        side.frontier = found
        side.depth += 1
    return None


def _next(ask: Ask, side: _Side) -> Iterator[tuple[str, str]]:
    """Each node of the frontier with each that it leads to; after one that meets the other side the rest is not asked for."""
    text = cypher.PATH_ACCOUNTS if side.depth % 2 else cypher.PATH_IDENTIFIERS
    for start in range(0, len(side.frontier), _AT_ONCE):
        for row in ask(text, {"nodes": side.frontier[start : start + _AT_ONCE], "max_fan": _MAX_FAN}):
            side.is_cut |= len(row["next"]) >= _MAX_FAN
            for node in sorted(row["next"]):
                yield row["node"], node


def _hops(ask: Ask, accounts: Sequence[str]) -> list[Row]:
    hops = list(pairwise(accounts))
    values = {"accounts": accounts, "identifier_type": None, "max_identifiers": _MAX_FAN, "max_holders": MAX_HOLDERS}
    held: dict[str, dict[tuple[str, str], Row]] = {account: {} for account in accounts}
    for row in ask(cypher.ACCOUNT_LINKS, values):
        link = {**with_times(row["link"]), "n_accounts": row["n_accounts"]}
        if not link["is_hub"]:
            held[row["account_id"]][link["identifier_type"], link["identifier"]] = link
    pairs = {
        (row["account_a"], row["account_b"]): row for row in ask(cypher.PAIRS, {"hops": [list(hop) for hop in hops]})
    }
    told = []
    for hop in hops:
        shared = [held[hop[0]][name] for name in held[hop[0]].keys() & held[hop[1]].keys()]
        shared.sort(key=lambda link: (-link["weight"], link["identifier_type"], link["identifier"]))
        pair = pairs.get(hop)
        told.append(
            {
                "account_a": hop[0],
                "account_b": hop[1],
                "weight_bits": None if pair is None else pair["weight_bits"],
                "evidence": [] if pair is None else parse_evidence(pair["evidence"]),
                "shared": shared[:_MAX_SHARED],
            }
        )
    return told
