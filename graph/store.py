"""The graph store: a night of the lake as a graph in Neo4j, for people. The only module that knows the driver.

**How a night becomes visible at once.** One node, `(:Current {name: 'current'})-[:SHOWS]->(:Night)`, names the generation that
readers see. Each load is a new generation; every node and relationship carries the generations `since <= g < until` to which
it belongs. A load writes what is new with `since = g` and ends what is gone with `until = g`: neither is seen by readers of the
generation before, so a load may take its time, or die, and nobody notices. One write to the pointer then shows all of it.
After that, what no generation shows any more is swept. A load that died is cleared away by the next one.

Why so, and not two slots per property or a copy per night: the work is in proportion to what changed (most links do not, from
night to night), nothing is stored twice for longer than a load, a vector index stays one index, and killing the load at any point
needs no repair before the next one. Nodes are keys only, and what changes stands on relationships (`graph.store_rows`), so a
change never has to copy a node with all that hangs on it.

**How to read.** What investigators ask stands in `graph.queries`. `Store.read_current` runs any Cypher with the generation as `$g` and repeats it if the
pointer moved meanwhile.
By hand, in the browser:

    MATCH (c:Current) WITH c.generation AS g
    MATCH (a:Account)-[s:SCORED]->(:Model) WHERE s.since <= g < s.until AND s.rank <= 20
    RETURN a.account_id, s.score ORDER BY s.rank

The lake is the truth: whatever is wrong here is mended by loading the night anew.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date
from types import TracebackType
from typing import Any, Self, TypeVar

import neo4j
import neo4j.graph
import neo4j.time
from neo4j.exceptions import AuthError, ConfigurationError, DriverError, Neo4jError, ServiceUnavailable

from graph import store_cypher as cypher
from graph.errors import StoreError
from graph.store_address import StoreAddress
from graph.store_rows import KINDS, REMOVAL_ORDER

__all__ = [
    "Ask",
    "PlanStep",
    "Pointer",
    "Row",
    "Store",
    "StoreAddress",
    "check_version",
    "connect",
    "count_connections",
    "count_current",
    "current_date",
    "drop_all",
    "is_vacant",
]

_OLDEST = (5, 26)
_READ_TRIES = 5
_CONNECT_SECONDS = 15.0
_TIMED_OUT = "TransactionTimedOut"  # also the start of TransactionTimedOutClientConfiguration
_NOT_PLAIN = (dict, neo4j.graph.Node, neo4j.graph.Relationship, neo4j.time.DateTime, neo4j.time.Date)

Row = dict[str, Any]
Ask = Callable[[str, Mapping[str, Any]], list[Row]]
T = TypeVar("T")


@dataclass(frozen=True)
class PlanStep:
    """One operator of a query's plan.

    Attributes:
        operator: its name, such as `NodeUniqueIndexSeek`.
        details: what it does, in the server's words.
        is_leaf: it reads from no other operator: rows begin here.
    """

    operator: str
    details: str
    is_leaf: bool


@dataclass(frozen=True)
class Pointer:
    """The state of `(:Current)`.

    Attributes:
        generation: what readers see; 0 shows nothing.
        attempt: the generation that the last load wrote, shown or not.
        is_swept: nothing is left of the generations before.
        fingerprint: of the night that is shown, see `graph.store_rows.fingerprint`.
        counts: of each kind, as they were checked when it was shown.
        night: its as-of.
        imported: fingerprint of a night that an offline import left here and that no load has shown yet.
    """

    generation: int
    attempt: int
    is_swept: bool
    fingerprint: str | None
    counts: dict[str, int]
    night: date | None
    imported: str | None = None


class Store:
    """A connection to Neo4j; a context manager. Made by `connect`."""

    def __init__(self, driver: neo4j.Driver, uri: str, version: str) -> None:
        self._driver = driver
        self.uri = uri
        self.version = version

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._driver.close()

    def read_current(self, text: str, /, *, seconds: float | None = None, **parameters: Any) -> list[Row]:
        """Rows of a query on the night that is shown. The query finds its generation as `$g`.

        What it reads belongs to one night: if the pointer moved while it ran, it runs again. Ask for properties, as in
        `RETURN properties(r) AS link`: a whole relationship arrives without them.

        Args:
            seconds: how long the server may work on it; None for no bound but its own.

        Raises:
            StoreError: no night is loaded, the pointer never rests, time runs out, or the server fails.
        """
        return self.read_current_all([(text, parameters)], seconds=seconds)[0]

    def read_current_all(
        self, queries: Sequence[tuple[str, Mapping[str, Any]]], *, seconds: float | None = None
    ) -> list[list[Row]]:
        """Rows of several queries on one and the same night, within `seconds` together; see `read_current`."""
        return self.read_together(lambda ask: [ask(text, parameters) for text, parameters in queries], seconds=seconds)

    def read_together(self, work: Callable[[Ask], T], *, seconds: float | None = None) -> T:
        """What `work` makes of queries that follow from one another, all on one and the same night; see `read_current`.

        Args:
            work: called with a function that takes a query and its parameters and gives its rows. It may run more than once.
            seconds: how long all of it may take on the server.
        """

        def asked(tx: neo4j.ManagedTransaction) -> tuple[int, int, T]:
            before = _pointer(tx).generation
            if before == 0:
                raise StoreError(
                    f"`{self.uri}` must show a night; got none. Run `ringlight nightly` or `ringlight rebuild-store`."
                )
            found = work(lambda text, parameters: _rows(tx.run(text, {**parameters, "g": before})))
            return before, _pointer(tx).generation, found

        timed = neo4j.unit_of_work(timeout=seconds)(asked)
        for _ in range(_READ_TRIES):
            with _told(self.uri), self._driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
                before, after, found = session.execute_read(timed)
            if before == after:
                return found
        raise StoreError(f"`{self.uri}` must show one night while it is read; got a change each time. Try again.")

    def explain(self, text: str, **parameters: Any) -> list[PlanStep]:
        """How Neo4j would run a query, the last operator first; nothing is run."""
        with _told(self.uri), self._driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
            plan = session.run("EXPLAIN " + text, {"g": 0, **parameters}).consume().plan
        return list(_plan_steps(plan or {"operatorType": "None", "args": {}}))

    def write(self, statements: Sequence[tuple[str, Mapping[str, Any]]]) -> list[list[Row]]:
        """Runs statements in one transaction, retried on a transient failure; the rows of each."""

        return self.write_together(lambda ask: [ask(text, parameters) for text, parameters in statements])

    def write_together(self, work: Callable[[Ask], T]) -> T:
        """What `work` does in one transaction, retried on a transient failure: it may run more than once, also where its first run was kept
        and only the answer was lost.

        Args:
            work: called with a function that takes a statement and its parameters and gives its rows.
        """

        def asked(tx: neo4j.ManagedTransaction) -> T:
            return work(lambda text, parameters: tx.run(text, dict(parameters)).data())

        with _told(self.uri), self._driver.session() as session:
            return session.execute_write(asked)

    def run_apart(self, text: str, **parameters: Any) -> list[Row]:
        """Runs a statement that makes transactions of its own, or changes the schema; harmless to repeat."""
        with _told(self.uri), self._driver.session() as session:
            return session.run(text, parameters).data()

    def pointer(self) -> Pointer:
        """What is shown, and what loads have been begun."""
        with _told(self.uri), self._driver.session(default_access_mode=neo4j.READ_ACCESS) as session:
            return session.execute_read(_pointer)


def connect(address: StoreAddress) -> Store:
    """Connects to Neo4j and looks whether it is one that we can use.

    Raises:
        StoreError: not reachable, wrong user or password, or older than 5.26.
    """
    with _told(address.uri):
        driver = neo4j.GraphDatabase.driver(
            address.uri,
            auth=(address.username, address.password),
            connection_timeout=_CONNECT_SECONDS,
            connection_acquisition_timeout=_CONNECT_SECONDS,
            max_transaction_retry_time=60.0,
            notifications_min_severity=neo4j.NotificationMinimumSeverity.OFF,
            telemetry_disabled=True,
            user_agent="ringlight",
        )
    try:
        with _told(address.uri):
            driver.verify_connectivity()
            text = (
                "CALL dbms.components() YIELD name, versions WHERE name = 'Neo4j Kernel' RETURN versions[0] AS version"
            )
            version = str(driver.execute_query(text).records[0]["version"])
        check_version(address.uri, version)
    except StoreError:
        driver.close()
        raise
    return Store(driver, address.uri, version)


def check_version(uri: str, version: str) -> None:
    """Ends a connection to a Neo4j that lacks what we use (vector indexes on relationships, subqueries in transactions).

    Raises:
        StoreError: `version` is older than 5.26, the oldest with long support.
    """
    found = re.match(r"(\d+)\.(\d+)", version)
    if found is None or tuple(map(int, found.groups())) < _OLDEST:
        raise StoreError(f"`{uri}` must be Neo4j 5.26 or newer; got {version}. Upgrade it, or name another server.")


def current_date(store: Store) -> date | None:
    """The as-of of the night that is shown; None where none is."""
    return store.pointer().night


def count_current(store: Store) -> dict[str, int]:
    """Nodes and relationships of each kind in the night that is shown.

    Raises:
        StoreError: no night is loaded.
    """
    rows = store.read_current_all([(cypher.count_rows(kind), {}) for kind in KINDS])
    return {kind.name: int(row[0]["n_rows"]) for kind, row in zip(KINDS, rows, strict=True)}


def drop_all(store: Store) -> None:
    """Deletes everything that Ringlight wrote to this database, and only that; constraints and indexes stay.

    What is shown goes first, and the pointer last: a load after a drop that was killed then knows of what is left.
    """
    store.run_apart("MATCH (x:Night) DETACH DELETE x")
    for kind in REMOVAL_ORDER:
        store.run_apart(cypher.delete_all(kind))
    store.run_apart("MATCH (x:Current) DETACH DELETE x")


def is_vacant(store: Store) -> bool:
    """Whether this database holds nothing of anybody's: no node, and no index or constraint but those that Ringlight makes."""
    if store.run_apart("MATCH (n) RETURN count(n) AS n")[0]["n"]:
        return False
    indexes = store.run_apart("SHOW INDEXES YIELD name, type WHERE type <> 'LOOKUP' RETURN name")
    return {row["name"] for row in indexes} <= cypher.schema().keys()


def count_connections(store: Store) -> int:
    """Drivers' connections to the server, this one's too."""
    rows = store.run_apart("CALL dbms.listConnections() YIELD connector WHERE connector = 'bolt' RETURN count(*) AS n")
    return int(rows[0]["n"])


def _rows(result: neo4j.Result) -> list[Row]:
    """Rows as plain Python, as `Result.data` has them, at a third of its cost; the driver's own times become `datetime` in UTC."""
    names = result.keys()
    return [dict(zip(names, map(_plain, record.values()), strict=True)) for record in result]


def _plain(value: Any) -> Any:
    if isinstance(value, dict | neo4j.graph.Node):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], _NOT_PLAIN):
        return [_plain(inner) for inner in value]
    if isinstance(value, neo4j.time.DateTime):
        return value.to_native().astimezone(UTC)
    if isinstance(value, neo4j.time.Date):
        return value.to_native()
    if isinstance(value, neo4j.graph.Relationship):
        return (_plain(value.start_node), value.type, _plain(value.end_node))
    return value


def _plan_steps(plan: Mapping[str, Any]) -> Iterator[PlanStep]:
    children = plan.get("children", [])
    yield PlanStep(plan["operatorType"].partition("@")[0], plan["args"].get("Details", ""), not children)
    for child in children:
        yield from _plan_steps(child)


def _pointer(tx: neo4j.ManagedTransaction) -> Pointer:
    row = tx.run(cypher.POINTER).single(strict=True)
    return Pointer(
        row["generation"] or 0,
        row["attempt"] or 0,
        row["is_swept"] is not False,
        row["fingerprint"],
        json.loads(row["counts"] or "{}"),
        None if row["night"] is None else row["night"].to_native(),
        row["imported"],
    )


@contextmanager
def _told(uri: str) -> Iterator[None]:
    """Turns what the driver raises into one sentence; never with the values that a server's message may quote."""
    try:
        yield
    except AuthError as error:
        raise StoreError(
            f"`NEO4J_USERNAME` and `NEO4J_PASSWORD` must be those of `{uri}`; got {error.code}. Set them and try again."
        ) from error
    except ServiceUnavailable as error:
        raise StoreError(
            f"`{uri}` must be a Neo4j that answers; got none. Run `ringlight store start`, or check NEO4J_URI."
        ) from error
    except (ConfigurationError, ValueError) as error:
        raise StoreError(f"`NEO4J_URI` must read like bolt://127.0.0.1:7687; got `{uri}`. Correct it.") from error
    except Neo4jError as error:
        if _TIMED_OUT in (error.code or ""):
            raise StoreError(
                f"`{uri}` must answer within the time that a question may take; got no answer by then. Ask for less, or try again."
            ) from error
        raise StoreError(
            f"`{uri}` must do what it is asked; got {error.code}. See the server's log, then try again."
        ) from error
    except (DriverError, OSError) as error:
        raise StoreError(f"`{uri}` must stay connected; got {type(error).__name__}. Try again.") from error
