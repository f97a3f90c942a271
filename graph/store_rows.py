"""What of a night goes to Neo4j: kinds of nodes and relationships, declared once, and the rows of each.

A node is only a key; all that can change from night to night stands on a relationship (a score, a ring's status, an embedding).
So a change never touches a node that readers see, and a night differs from the one before by relationships that come and go.

    (:Account)-[:LINKED]->(:Identifier)     also labelled by type: :Device, :NationalId ...
    (:Account)-[:PAIRED]->(:Account)        from account_a to account_b
    (:Account)-[:MEMBER_OF]->(:Cluster)
    (:Account)-[:SUSPECTED_IN]->(:Ring)-[:STANDS_AS]->(:Status)
    (:Account)-[:SCORED]->(:Model)
    (:Account)-[:EMBEDDED]->(:EmbeddingVersion)
    (:Account)-[:LABELLED]->(:Outcome)
    (:Account)-[:BECAUSE]->(:Reason)
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import polars as pl
import polars.selectors as cs

from graph.implied import HOLDERS, drop_implied
from graph.lake import Night
from graph.schema import IDENTIFIERS

__all__ = [
    "EDGES",
    "KINDS",
    "NODES",
    "REMOVAL_ORDER",
    "STORE_TABLES",
    "EdgeKind",
    "End",
    "Kind",
    "NodeKind",
    "count_lake",
    "fingerprint",
    "identifier_label",
    "read_added",
    "read_all",
    "read_empty_lists",
    "read_removed",
]

STORE_VERSION = 2
STORE_TABLES = ("labels", "links", "identities", "pairs", "clusters", "scores", "rings", "reasons", "embeddings")

Frame = Callable[[Night], pl.LazyFrame]


@dataclass(frozen=True)
class NodeKind:
    """A kind of node.

    Attributes:
        name: what counts and messages call it.
        label: its label in Neo4j.
        keys: columns of the frame that name it, properties of the node.
        rows: its rows in a night, each key once.
        by_label: the frame has a column `label`, a second label of the node.
    """

    name: str
    label: str
    keys: tuple[str, ...]
    rows: Frame
    by_label: bool = False


@dataclass(frozen=True)
class End:
    """One end of a relationship: the label of its node, and which column of the row holds which key of it."""

    label: str
    columns: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class EdgeKind:
    """A kind of relationship.

    Attributes:
        name: what counts and messages call it.
        type: its type in Neo4j.
        start, end: its nodes.
        properties: columns that become properties.
        rows: its rows in a night: the ends' columns and the properties.
        keys: those of `properties` that tell two relationships between the same two nodes apart.
        times: those of `properties` that are points in time.
        batch_rows: rows a transaction.
    """

    name: str
    type: str
    start: End
    end: End
    properties: tuple[str, ...]
    rows: Frame
    keys: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    batch_rows: int = 2_500  # links: 4.0 CPU-s of the server for 127,102; 4.7 at 5,000, 5.3 at 10,000

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that name one relationship."""
        return tuple(column for column, _ in (*self.start.columns, *self.end.columns)) + self.keys


Kind = NodeKind | EdgeKind


def identifier_label(identifier_type: str) -> str:
    """The label of an identifier type: `national_id` is `NationalId`."""
    return "".join(part.capitalize() for part in identifier_type.split("_"))


def read_all(kind: Kind, night: Night, batch_rows: int) -> Iterator[pl.DataFrame]:
    """All rows of a kind in a night, in frames of at most `batch_rows`."""
    return _batches(kind.rows(night), batch_rows)


def read_added(kind: Kind, night: Night, before: Night, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Rows of `night` that `before` lacks or holds otherwise, in frames of at most `batch_rows`."""
    return _batches(_differing(kind, night, before), batch_rows)


def read_removed(kind: Kind, night: Night, before: Night, batch_rows: int) -> Iterator[pl.DataFrame]:
    """Names of the rows of `before` that `night` lacks or holds otherwise, in frames of at most `batch_rows`."""
    return _batches(_differing(kind, before, night).select(_names(kind)), batch_rows)


def read_empty_lists(kind: EdgeKind, night: Night) -> tuple[list[str], Iterator[pl.DataFrame]]:
    """The properties of a kind that are lists, and the rows in which one of them is empty or holds nothing but an empty text: names and lists,
    in frames of `batch_rows`."""
    rows = kind.rows(night)
    schema = rows.collect_schema()
    lists = [name for name in kind.properties if isinstance(schema[name], pl.List)]
    if not lists:
        return [], iter(())
    texts = pl.List(pl.String)
    is_empty = pl.any_horizontal(
        pl.col(name).list.join("") == "" if schema[name] == texts else pl.col(name).list.len() == 0 for name in lists
    )
    return lists, _batches(rows.filter(is_empty).select(*kind.names, *lists), kind.batch_rows)


def count_lake(night: Night) -> dict[str, int]:
    """Rows of each kind in a night."""
    counts = pl.collect_all([kind.rows(night).select(pl.len()) for kind in KINDS])
    return {kind.name: int(count.item()) for kind, count in zip(KINDS, counts, strict=True)}


def fingerprint(night: Night) -> str:
    """Hex sha256 over the tables that the store shows, and over the version of this layout."""
    total = hashlib.sha256(f"store {STORE_VERSION}".encode())
    for table in STORE_TABLES:
        path = night.folder / f"{table}.parquet"
        for part in sorted(path.glob("*.parquet")) if path.is_dir() else [path]:
            with part.open("rb") as stream:
                total.update(f"{table}/{part.name}:".encode() + hashlib.file_digest(stream, "sha256").digest())
    return total.hexdigest()


def _names(kind: Kind) -> tuple[str, ...]:
    return kind.keys if isinstance(kind, NodeKind) else kind.names


def _differing(kind: Kind, night: Night, other: Night) -> pl.LazyFrame:
    names = list(_names(kind))
    rows, others = kind.rows(night), kind.rows(other)
    compared = [] if isinstance(kind, NodeKind) else [name for name in kind.properties if name not in names]
    if not compared:
        return rows.join(others.select(names), on=names, how="anti")
    joined = rows.join(
        others.select(*names, *compared, pl.lit(True).alias("is_there")), on=names, how="left", suffix="_other"
    )
    changed = pl.any_horizontal(pl.col(name).ne_missing(pl.col(f"{name}_other")) for name in compared)
    return joined.filter(pl.col("is_there").is_null() | changed).select(*names, *compared)


def _batches(rows: pl.LazyFrame, batch_rows: int) -> Iterator[pl.DataFrame]:
    # Times go as microseconds: packing them as times costs the driver twenty times what all else costs it.
    for frame in rows.with_columns(cs.datetime().to_physical()).collect_batches(chunk_size=batch_rows):
        yield from frame.iter_slices(batch_rows)


def _distinct(table: str, *columns: str) -> Frame:
    return lambda night: night.scan(table).select(columns).drop_nulls().unique()


def _identifiers(night: Night) -> pl.LazyFrame:
    labels = {name: identifier_label(name) for name in IDENTIFIERS}
    return (
        night.scan("links")
        .select("identifier_type", "identifier")
        .unique()
        .with_columns(pl.col("identifier_type").replace_strict(labels, default="OtherIdentifier").alias("label"))
    )


def _pairs(night: Night) -> pl.LazyFrame:
    types = pl.col("evidence").list.eval(pl.element().struct.field("identifier_type").unique().sort())
    return night.scan("pairs").select(
        "account_a", "account_b", "weight_bits", types.alias("identifier_types"), _as_json("evidence")
    )


def _memberships(night: Night) -> pl.LazyFrame:
    return night.scan("clusters").join(night.scan("identities"), on="account_id", how="left")


def _reasons(night: Night) -> pl.LazyFrame:
    names = ["account_id", "code", "text"]  # said twice is said once
    reasons = night.scan("reasons").unique(subset=names, keep="first", maintain_order=True)
    return reasons.select(*names, "contribution", _as_json("evidence"))


def _standings(night: Night) -> pl.LazyFrame:
    """Rings with their place in the queue (from 1), and what two or more of their members share that is no hub and follows from nothing else."""
    suspected = night.scan("scores").select("account_id", "ring_id").drop_nulls()
    shared = (
        night.scan("links")
        .filter(pl.col("weight") > 0)
        .select("account_id", "identifier_type", "identifier")
        .join(suspected, on="account_id")
        .group_by("ring_id", "identifier_type", "identifier")
        .agg(n=pl.len(), holders=HOLDERS)
        .filter(pl.col("n") > 1)
    )
    said = (
        drop_implied(shared, "ring_id")
        .group_by("ring_id")
        .agg(n_shared=pl.len().cast(pl.Int64), shared_types=pl.col("identifier_type").unique().sort())
    )
    placed = night.scan("rings").with_row_index("place", offset=1).with_columns(pl.col("place").cast(pl.Int64))
    return placed.join(said, on="ring_id", how="left", maintain_order="left").with_columns(
        pl.col("n_shared").fill_null(0), pl.col("shared_types").fill_null([])
    )


def _as_json(column: str) -> pl.Expr:
    """A list of structs as compact JSON: a property of Neo4j cannot hold structs."""
    rows = pl.col(column).fill_null([]).list.eval(pl.element().struct.json_encode()).list.join(",")
    return pl.format("[{}]", rows).alias(column)


_ACCOUNT = End("Account", (("account_id", "account_id"),))


def _one(label: str, column: str) -> End:
    return End(label, ((column, column),))


NODES: tuple[NodeKind, ...] = (
    NodeKind("accounts", "Account", ("account_id",), _distinct("clusters", "account_id")),
    NodeKind("identifiers", "Identifier", ("identifier_type", "identifier"), _identifiers, by_label=True),
    NodeKind("clusters", "Cluster", ("cluster_id",), _distinct("clusters", "cluster_id")),
    NodeKind("rings", "Ring", ("ring_id",), _distinct("rings", "ring_id")),
    NodeKind("statuses", "Status", ("status",), _distinct("rings", "status")),
    NodeKind("models", "Model", ("model_version",), _distinct("scores", "model_version")),
    NodeKind(
        "embedding_versions",
        "EmbeddingVersion",
        ("embedding_version",),
        _distinct("embeddings", "embedding_version"),
    ),
    NodeKind("outcomes", "Outcome", ("outcome",), _distinct("labels", "outcome")),
    NodeKind("reason_codes", "Reason", ("code",), _distinct("reasons", "code")),
)

EDGES: tuple[EdgeKind, ...] = (
    EdgeKind(
        "links",
        "LINKED",
        _ACCOUNT,
        End("Identifier", (("identifier_type", "identifier_type"), ("identifier", "identifier"))),
        ("first_seen", "last_seen", "n_events", "weight"),
        lambda night: night.scan("links"),
        times=("first_seen", "last_seen"),
    ),
    EdgeKind(
        "pairs",
        "PAIRED",
        End("Account", (("account_a", "account_id"),)),
        End("Account", (("account_b", "account_id"),)),
        ("weight_bits", "identifier_types", "evidence"),
        _pairs,
    ),
    EdgeKind("memberships", "MEMBER_OF", _ACCOUNT, _one("Cluster", "cluster_id"), ("identity_id",), _memberships),
    EdgeKind(
        "scores",
        "SCORED",
        _ACCOUNT,
        _one("Model", "model_version"),
        ("score", "rank"),
        lambda night: night.scan("scores").drop("ring_id"),
    ),
    EdgeKind(
        "suspicions",
        "SUSPECTED_IN",
        _ACCOUNT,
        _one("Ring", "ring_id"),
        (),
        lambda night: night.scan("scores").select("account_id", "ring_id").drop_nulls(),
    ),
    EdgeKind(
        "standings",
        "STANDS_AS",
        _one("Ring", "ring_id"),
        _one("Status", "status"),
        ("ring_version", "score", "n_accounts", "first_seen", "reasons", "place", "n_shared", "shared_types"),
        _standings,
        times=("first_seen",),
    ),
    EdgeKind(
        "embeddings",
        "EMBEDDED",
        _ACCOUNT,
        _one("EmbeddingVersion", "embedding_version"),
        ("embedding",),
        lambda night: night.scan("embeddings"),
        batch_rows=1_000,
    ),
    EdgeKind(
        "labels",
        "LABELLED",
        _ACCOUNT,
        _one("Outcome", "outcome"),
        ("known_time",),
        lambda night: night.scan("labels"),
        times=("known_time",),
    ),
    EdgeKind(
        "reasons",
        "BECAUSE",
        _ACCOUNT,
        _one("Reason", "code"),
        ("text", "contribution", "evidence"),
        _reasons,
        keys=("text",),
    ),
)

KINDS: tuple[Kind, ...] = (*NODES, *EDGES)
"""In the order of writing."""

REMOVAL_ORDER: tuple[Kind, ...] = (*EDGES, *NODES)
"""In the order of deleting: relationships before their nodes."""
