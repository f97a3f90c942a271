"""The shortest path of two accounts over what they share; see `graph.queries`."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from graph import query_cypher as cypher
from graph.query_rows import MAX_HOLDERS, SECONDS, parse_evidence, refuse_outside, refuse_unknown_account
from graph.store import Ask, Row, Store

__all__ = ["MAX_HOPS", "Path", "shortest_path"]

MAX_HOPS = 6
MAX_SEEN = 60_000  # accounts and identifiers that a search may touch
_MAX_FAN = 1_000  # identifiers of an account, accounts of an identifier
_AT_ONCE = 1_000  # nodes a question to the server
_MAX_SHARED = 10  # identifiers told of a hop

Node = str | tuple[str, str]  # an account by its id, an identifier by its type and hash


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
    """What is known from one end: how each node was come to, and those come to last."""

    frontier: list[Node]
    came_from: dict[Node, Node | None]
    depth: int = 0
    is_cut: bool = False

    @classmethod
    def at(cls, account_id: str) -> "_Side":
        return cls([account_id], {account_id: None})

    def way_to(self, node: Node) -> list[Node]:
        """From `node` back to the end."""
        way: list[Node] = []
        place: Node | None = node
        while place is not None:
            way.append(place)
            place = self.came_from[place]
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
        n_seen = sum(len(side.came_from) for side in sides)
        is_exhaustive = not any(side.is_cut for side in sides) and (met is not None or n_seen < max_seen)
        if met is None:
            return Path([], n_seen, is_exhaustive)
        nodes = sides[0].way_to(met)[::-1] + sides[1].way_to(met)[1:]
        return Path(_hops(ask, [node for node in nodes if isinstance(node, str)]), n_seen, is_exhaustive)

    return store.read_together(work, seconds=SECONDS)


def _meet(ask: Ask, sides: tuple[_Side, _Side], max_hops: int, max_seen: int) -> Node | None:
    """A node in the middle of a shortest path; None where none was found."""
    while sides[0].depth + sides[1].depth < 2 * max_hops:
        side, other = sorted(sides, key=lambda one: len(one.frontier))
        if not side.frontier:
            return None
        found: list[Node] = []
        for before, node in _next(ask, side):
            if node in side.came_from:
                continue
            side.came_from[node] = before
            if node in other.came_from:
                return node
            found.append(node)
            if len(side.came_from) + len(other.came_from) >= max_seen:
                return None
        side.frontier = found
        side.depth += 1
    return None


def _next(ask: Ask, side: _Side) -> Iterator[tuple[Node, Node]]:
    """Each node of the frontier with each that it leads to; after one that meets the other side the rest is not asked for."""
    text = cypher.PATH_IDENTIFIERS if isinstance(side.frontier[0], str) else cypher.PATH_ACCOUNTS
    for start in range(0, len(side.frontier), _AT_ONCE):
        nodes = [node if isinstance(node, str) else list(node) for node in side.frontier[start : start + _AT_ONCE]]
        rows = ask(text, {"nodes": nodes, "max_fan": _MAX_FAN})
        steps = [(_node(row["node"]), _node(row["next"])) for row in rows]
        side.is_cut |= max(Counter(before for before, _ in steps).values(), default=0) >= _MAX_FAN
        yield from sorted(steps, key=str) if text is cypher.PATH_ACCOUNTS else steps


def _node(value: str | list[str]) -> Node:
    return value if isinstance(value, str) else (value[0], value[1])


def _hops(ask: Ask, accounts: Sequence[str]) -> list[Row]:
    hops = list(pairwise(accounts))
    values = {"accounts": accounts, "identifier_type": None, "max_identifiers": _MAX_FAN, "max_holders": MAX_HOLDERS}
    held: dict[str, dict[Node, Row]] = {account: {} for account in accounts}
    for row in ask(cypher.ACCOUNT_LINKS, values):
        link = {**row["link"], "n_accounts": row["n_accounts"]}
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
