"""Properties of the chain from events to clusters, on small random worlds."""

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import networkx as nx
import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.build import build_snapshot
from graph.components import connected_components
from graph.lake import as_of_of
from graph.lineage import build_lineage, name_clusters
from graph.schema import TABLES
from graph.snapshot import SNAPSHOT_SCHEMAS, Snapshot, read_snapshot, write_snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
END = START + timedelta(days=100)
KEY = "00ff"
TINY = settings(max_examples=30)

# (account, device, day of the login, days until it was known)
LOGINS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 5), st.integers(0, 90), st.sampled_from([0, 0, 0, 30])), max_size=40
)


def make_events(
    logins: list[tuple[int, int, int, int]], prefix: str = "a", *, at_once: bool = False
) -> dict[str, pl.DataFrame]:
    """A world of 12 accounts that log in on 6 devices; `prefix` renames the accounts and reverses the order of their names."""
    names = [f"{prefix}{number if prefix == 'a' else 99 - number:02d}" for number in range(12)]
    events = {
        name: pl.DataFrame(schema={column.name: column.dtype for column in table.columns})
        for name, table in TABLES.items()
    }
    signed = [START if at_once else START + timedelta(hours=number, microseconds=number) for number in range(12)]
    events["signups"] = conform(
        "signups",
        {"event_id": [f"s{n}" for n in range(12)], "event_time": signed, "known_time": signed, "account_id": names, "channel": ["app"] * 12},
    )  # fmt: skip
    times = [START + timedelta(days=day, seconds=row) for row, (_, _, day, _) in enumerate(logins)]
    events["logins"] = conform(
        "logins",
        {
            "event_id": [f"l{row}" for row in range(len(logins))],
            "event_time": times,
            "known_time": [time + timedelta(days=login[3]) for time, login in zip(times, logins, strict=True)],
            "account_id": [names[login[0]] for login in logins],
            "device_id": [f"d{login[1]}" for login in logins],
        },
    )
    return events


def conform(table: str, values: dict[str, list[object]]) -> pl.DataFrame:
    schema = {column.name: column.dtype for column in TABLES[table].columns}
    n_rows = len(values["event_id"])
    return pl.DataFrame({name: values.get(name, [None] * n_rows) for name in schema}, schema=schema)


def snapshot_of(events: dict[str, pl.DataFrame], as_of: datetime = END, key: str = KEY) -> Snapshot:
    return build_snapshot(events, as_of, key, seed=0)


def assert_same(one: Snapshot, other: Snapshot, without: tuple[str, ...] = ()) -> None:
    for name in SNAPSHOT_SCHEMAS:
        left, right = getattr(one, name), getattr(other, name)
        drop = [column for column in without if column in left.columns]
        assert left.drop(drop).equals(right.drop(drop)), name


@given(LOGINS, st.randoms(use_true_random=False))
@TINY
def test_the_order_of_events_does_not_matter(logins: list[tuple[int, int, int, int]], random: object) -> None:
    events = make_events(logins)
    shuffled = {
        name: frame.sample(fraction=1, shuffle=True, seed=random.randrange(99)) for name, frame in events.items()
    }  # type: ignore[attr-defined]
    assert_same(snapshot_of(events), snapshot_of(shuffled))


@given(LOGINS)
@TINY
def test_later_knowledge_never_changes_an_earlier_snapshot(logins: list[tuple[int, int, int, int]]) -> None:
    as_of = START + timedelta(days=50)
    events = make_events(logins)
    known = {name: frame.filter(pl.col("known_time") < as_of) for name, frame in events.items()}
    assert_same(snapshot_of(events, as_of), snapshot_of(known, as_of))


@given(LOGINS, st.booleans())
@TINY
def test_names_and_key_change_no_number(logins: list[tuple[int, int, int, int]], at_once: bool) -> None:
    renamed = snapshot_of(make_events(logins, prefix="z", at_once=at_once), key="0001")
    assert_same(snapshot_of(make_events(logins, at_once=at_once)), renamed, without=("account_id", "hash"))


@given(LOGINS)
@TINY
def test_a_snapshot_comes_back_from_disk_as_it_was(logins: list[tuple[int, int, int, int]]) -> None:
    snapshot = snapshot_of(make_events(logins))
    with tempfile.TemporaryDirectory() as folder:
        write_snapshot(snapshot, Path(folder))
        assert_same(snapshot, read_snapshot(Path(folder), snapshot.as_of))


@given(st.integers(1, 60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=80))
@settings(max_examples=150)
def test_components_are_those_of_networkx(n_nodes: int, edges: list[tuple[int, int]]) -> None:
    edges = [(a % n_nodes, b % n_nodes) for a, b in edges]
    ends = np.array(edges, dtype=np.int32).reshape(-1, 2)
    labels = connected_components(n_nodes, ends[:, 0], ends[:, 1])
    oracle = nx.Graph(edges)
    oracle.add_nodes_from(range(n_nodes))
    ours = {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels)}
    assert ours == {frozenset(component) for component in nx.connected_components(oracle)}
    firsts = [int(np.flatnonzero(labels == label)[0]) for label in range(labels.max() + 1)]
    assert firsts == sorted(firsts)


PARTITIONS = st.lists(st.integers(0, 4), min_size=12, max_size=12)


def name_night(groups: list[int], previous: pl.DataFrame | None, day: int) -> pl.DataFrame:
    accounts = pl.DataFrame(
        {"account": range(12), "account_id": [f"a{n:02d}" for n in range(12)]}, schema_overrides={"account": pl.Int32}
    )
    clusters = accounts.select("account", cluster=pl.Series(groups, dtype=pl.Int32))
    return name_clusters(clusters, accounts, previous, as_of_of(datetime(2026, 1, day, tzinfo=UTC).date()), KEY)


@given(PARTITIONS, PARTITIONS)
@settings(max_examples=150)
def test_ids_stay_and_each_change_has_a_row(old: list[int], new: list[int]) -> None:
    first = name_night(old, None, 1).select("account_id", "cluster_id")
    second = name_night(new, first, 2)
    ids = dict(second.select("cluster", "cluster_id").unique().iter_rows())
    assert len(set(ids.values())) == len(ids)
    before = {tuple(sorted(group["account_id"])): name for (name,), group in first.group_by("cluster_id")}
    after = {tuple(sorted(group["account_id"])): name for (name,), group in second.group_by("cluster_id")}
    for members, name in after.items():
        if members in before:
            assert name == before[members]
    lineage = build_lineage(second, first)
    rows = dict(lineage.group_by("cluster_id").agg("event").iter_rows())
    for members, name in after.items():
        assert (name in rows) != (before.get(members) == name)
    for name in before.values():
        assert (name in after.values()) or rows[name] == ["ended"]
