"""The Cypher of the store, made from the kinds in `graph.store_rows`; text only, no driver.

Every node and relationship carries `since` and `until`: it belongs to the generations `since <= g < until`. What will be there
until further notice has `until = FOREVER`. What is closed carries `closed` too, with an index on it, so that sweeping costs what
it removes and not what there is.

Rows go to the server by columns: `$account_id[i]` for the `i`-th of `$n_rows`. Beside rows as maps that takes half of the driver's CPU and a sixth
of the server's, which would read each name anew in every row.
"""

from collections.abc import Mapping, Sequence

from graph.lake import EMBEDDING_DIM
from graph.store_rows import KINDS, EdgeKind, End, Kind, NodeKind

__all__ = [
    "BEGIN",
    "EMBEDDING_INDEX",
    "FOREVER",
    "HOLD",
    "POINTER",
    "SWEPT",
    "SWITCH",
    "close_all",
    "close_rows",
    "count_rows",
    "delete_all",
    "delete_unfinished",
    "insert",
    "is_empty",
    "live",
    "reopen_unfinished",
    "schema",
    "seek",
    "set_lists",
    "sweep",
    "upsert",
]

FOREVER = 2**53  # exact also where a client reads numbers as doubles
EMBEDDING_INDEX = "embedding_cosine"
_BATCH_ROWS = 10_000
_ROWS = "UNWIND range(0, $n_rows - 1) AS i"

POINTER = """
OPTIONAL MATCH (c:Current {name: 'current'})
OPTIONAL MATCH (c)-[:SHOWS]->(n:Night)
RETURN c.generation AS generation, c.attempt AS attempt, c.is_swept AS is_swept, c.fingerprint AS fingerprint,
       c.counts AS counts, c.imported AS imported, n.date AS night
"""
BEGIN = """
MERGE (c:Current {name: 'current'})
ON CREATE SET c.generation = 0, c.attempt = 0, c.is_swept = true
SET c.attempt = c.attempt + 1, c.batch = 0
REMOVE c.imported
RETURN c.attempt AS attempt, c.generation AS generation
"""
# Takes the write lock of the pointer, and then looks: while a batch runs no other load can begin, and after one has begun none of ours
# can. The number of the last batch tells a batch that is sent again, for its answer was lost, that it was written.
HOLD = """
MATCH (c:Current {name: 'current'}) SET c.is_held = true
WITH c WHERE c.attempt = $g
WITH c, c.batch AS done SET c.batch = $batch
RETURN done
"""
SWITCH = """
MATCH (c:Current {name: 'current', attempt: $g})
OPTIONAL MATCH (c)-[:SHOWS]->(old:Night)
DETACH DELETE old
SET c.generation = $g, c.fingerprint = $fingerprint, c.counts = $counts, c.is_swept = false
REMOVE c.imported
CREATE (c)-[:SHOWS]->(:Night {date: $date, as_of: $as_of, generation: $g})
RETURN c.generation AS generation
"""
SWEPT = "MATCH (c:Current {name: 'current', generation: $g}) SET c.is_swept = true"


def live(name: str) -> str:
    """The condition under which the node or relationship `name` belongs to generation `$g`."""
    return f"{name}.since <= $g < {name}.until"


def seek(name: str, label: str, keys: Mapping[str, str], onward: str = "") -> str:
    """Finds the node `name` by its keys, and what lies `onward` from it, always by the index of its constraint.

    Where Neo4j's statistics lag behind a load its planner would read the whole index instead, and keep that plan.

    Args:
        keys: each key's Cypher expression, in the order of the constraint.
    """
    found = ", ".join(f"{key}: {value}" for key, value in keys.items())
    return f"MATCH ({name}:{label} {{{found}}}){onward}\nUSING INDEX SEEK {name}:{label}({', '.join(keys)})"


def schema() -> dict[str, str]:
    """Constraints and indexes by name; each is harmless where it exists."""
    unique, ordinary, node, edge = "CREATE CONSTRAINT", "CREATE INDEX", "FOR (x:", "FOR ()-[x:"
    made = {"current_name": f"{unique} current_name IF NOT EXISTS {node}Current) REQUIRE x.name IS UNIQUE"}
    for kind in KINDS:
        name = f"{kind.name}_closed"
        if isinstance(kind, NodeKind):
            keys = ", ".join(f"x.{key}" for key in kind.keys)
            key = f"{kind.name}_key"
            made[key] = f"{unique} {key} IF NOT EXISTS {node}{kind.label}) REQUIRE ({keys}) IS UNIQUE"
            made[name] = f"{ordinary} {name} IF NOT EXISTS {node}{kind.label}) ON (x.closed)"
        else:
            made[name] = f"{ordinary} {name} IF NOT EXISTS {edge}{kind.type}]-() ON (x.closed)"
    made["identifier_hash"] = f"{ordinary} identifier_hash IF NOT EXISTS {node}Identifier) ON (x.identifier)"
    made["score_rank"] = f"{ordinary} score_rank IF NOT EXISTS {edge}SCORED]-() ON (x.rank)"
    made["standing_place"] = f"{ordinary} standing_place IF NOT EXISTS {edge}STANDS_AS]-() ON (x.place)"
    # m and ef_construction: a third of the CPU of the defaults; building this index is the dearest part of a load.
    made[EMBEDDING_INDEX] = (
        f"CREATE VECTOR INDEX {EMBEDDING_INDEX} IF NOT EXISTS {edge}EMBEDDED]-() ON (x.embedding) OPTIONS "
        f"{{indexConfig: {{`vector.dimensions`: {EMBEDDING_DIM}, `vector.similarity_function`: 'cosine', "
        "`vector.hnsw.m`: 8, `vector.hnsw.ef_construction`: 50}}"
    )
    return made


def insert(kind: Kind) -> str:
    """Writes rows as of generation `$g`, of which nothing is there: twice is two. Returns how many rows found their place."""
    if isinstance(kind, NodeKind):
        label = f":$({_cell('label')})" if kind.by_label else ""
        return (
            f"{_ROWS} CREATE (n:{kind.label}{label} {{{_keys(kind)}, since: $g, until: $forever}}) "
            "RETURN count(n) AS n_rows"
        )
    values = "".join(f", {name}: {_value(kind, name)}" for name in kind.properties)
    return (
        f"{_ROWS} {_ends(kind)} WHERE s.until > $g AND e.until > $g "
        f"CREATE (s)-[r:{kind.type} {{since: $g, until: $forever{values}}}]->(e) RETURN count(r) AS n_rows"
    )


def upsert(kind: NodeKind) -> str:
    """Writes rows as of generation `$g`, some of which are there. Returns how many rows found their place."""
    label = f" SET n:$({_cell('label')})" if kind.by_label else ""
    return (
        f"{_ROWS} MERGE (n:{kind.label} {{{_keys(kind)}}}) ON CREATE SET n.since = $g "
        f"SET n.until = $forever REMOVE n.closed{label} RETURN count(n) AS n_rows"
    )


def set_lists(kind: EdgeKind, names: Sequence[str]) -> str:
    """Sets the lists `names` of relationships that generation `$g` wrote; done twice it is as done once."""
    keys = "".join(f", {key}: {_cell(key)}" for key in kind.keys)
    values = ", ".join(f"r.{name} = {_cell(name)}" for name in names)
    return f"{_ROWS} {_ends(kind)} MATCH (s)-[r:{kind.type} {{since: $g{keys}}}]->(e) SET {values} RETURN count(r) AS n_rows"


def close_rows(kind: Kind) -> str:
    """Ends what rows name, from generation `$g` on. Returns how many were found."""
    if isinstance(kind, NodeKind):
        found = seek("x", kind.label, {key: _cell(key) for key in kind.keys})
    else:
        keys = f" {{{', '.join(f'{key}: {_cell(key)}' for key in kind.keys)}}}" if kind.keys else ""
        found = f"{_ends(kind)} MATCH (s)-[x:{kind.type}{keys}]->(e)"
    return (
        f"{_ROWS} {found} WHERE x.since < $g AND x.until > $g SET x.until = $g, x.closed = $g RETURN count(x) AS n_rows"
    )


def close_all(kind: Kind) -> str:
    """Ends all that is open, from generation `$g` on; in transactions of its own."""
    return _in_batches(kind, "x.since < $g AND x.until > $g", "SET x.until = $g, x.closed = $g")


def delete_unfinished(kind: Kind) -> str:
    """Deletes what loads before `$g` wrote and never showed; in transactions of its own."""
    return _in_batches(kind, "$current < x.since < $g", "DETACH DELETE x" if isinstance(kind, NodeKind) else "DELETE x")


def reopen_unfinished(kind: Kind) -> str:
    """Opens again what loads before `$g` closed and never took from view; in transactions of its own."""
    return _in_batches(kind, "$current < x.closed < $g", "SET x.until = $forever REMOVE x.closed")


def sweep(kind: Kind) -> str:
    """Deletes what no generation from `$g` on shows; in transactions of its own."""
    return _in_batches(kind, "x.closed <= $g", "DETACH DELETE x" if isinstance(kind, NodeKind) else "DELETE x")


def delete_all(kind: Kind) -> str:
    """Deletes every one of its kind; in transactions of its own."""
    return _in_batches(kind, "x.since IS NOT NULL", "DETACH DELETE x" if isinstance(kind, NodeKind) else "DELETE x")


def is_empty() -> str:
    """Whether there is no node of any kind, whoever's: then all can be inserted."""
    there = " OR ".join(f"EXISTS {{ MATCH (:{kind.label}) }}" for kind in KINDS if isinstance(kind, NodeKind))
    return f"RETURN NOT ({there}) AS is_empty"


def count_rows(kind: Kind) -> str:
    """How many belong to generation `$g`."""
    return f"{_match(kind)} WHERE {live('x')} RETURN count(x) AS n_rows"


def _match(kind: Kind) -> str:
    return f"MATCH (x:{kind.label})" if isinstance(kind, NodeKind) else f"MATCH ()-[x:{kind.type}]->()"


def _in_batches(kind: Kind, condition: str, action: str) -> str:
    return f"{_match(kind)} WHERE {condition} CALL (x) {{ {action} }} IN TRANSACTIONS OF {_BATCH_ROWS} ROWS"


def _keys(kind: NodeKind) -> str:
    return ", ".join(f"{key}: {_cell(key)}" for key in kind.keys)


def _cell(column: str) -> str:
    return f"${column}[i]"


def _value(kind: EdgeKind, name: str) -> str:
    """A time goes as microseconds since the epoch: `graph.store_rows` says why."""
    cell = _cell(name)
    if name not in kind.times:
        return cell
    # not datetime.fromEpoch: of a time before the epoch it would want a remainder that is not negative
    since_epoch = f"datetime({{epochSeconds: 0}}) + duration({{microseconds: {cell}}})"
    return f"CASE WHEN {cell} IS NULL THEN null ELSE {since_epoch} END"


def _ends(kind: EdgeKind) -> str:
    return f"{_at('s', kind.start)} {_at('e', kind.end)}"


def _at(name: str, end: End) -> str:
    return seek(name, end.label, {key: _cell(column) for column, key in end.columns})
