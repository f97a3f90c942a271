"""What of a night goes to the store, and what of it differs from the night before; no server."""

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph import store_cypher as cypher
from graph.lake import NIGHT_TABLES, Night, write_table
from graph.schema import IDENTIFIERS
from graph.store_rows import (
    KINDS,
    EdgeKind,
    Kind,
    count_lake,
    fingerprint,
    identifier_label,
    read_added,
    read_all,
    read_removed,
)

START = datetime(1965, 3, 1, tzinfo=UTC)  # before the epoch: times are counted from it
ACCOUNTS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.tuples(
        st.sampled_from(["c1", "c2"]), st.integers(0, 2), st.sampled_from([None, "r1"]), st.sets(st.sampled_from("xyz"))
    ),
    min_size=1,
)


def written(folder: Path, accounts: dict[str, tuple[str, int, str | None, set[str]]]) -> Night:
    """A night in which each account has a cluster, a score that is also its vector, a ring or none, and devices."""
    folder.mkdir(parents=True)
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in NIGHT_TABLES}
    for name, (cluster, number, ring, devices) in sorted(accounts.items()):
        rows["clusters"].append({"account_id": name, "cluster_id": cluster})
        rows["identities"].append({"account_id": name, "identity_id": f"p{number}"})
        rows["scores"].append(
            {"account_id": name, "score": float(number), "rank": 1, "ring_id": ring, "model_version": "m"}
        )
        rows["embeddings"].append({"account_id": name, "embedding": [float(number)] * 64, "embedding_version": "m"})
        for device in sorted(devices):
            times = {"first_seen": START, "last_seen": START + timedelta(days=number)}
            link = {"identifier_type": "device", "identifier": device, "n_events": number, "weight": 1.0}
            rows["links"].append({"account_id": name, **link, **times})
            evidence = {"identifier_type": "device", "identifier": device, "bits": float(number)}
            rows["pairs"].append(
                {"account_a": name, "account_b": name + device, "weight_bits": 1.0, "evidence": [evidence]}
            )
    for table, schema in NIGHT_TABLES.items():
        write_table(pl.DataFrame(rows[table], schema=schema), folder, table)
    return Night(folder, date(2026, 6, 1))


def names_of(kind: Kind) -> tuple[str, ...]:
    return kind.names if isinstance(kind, EdgeKind) else kind.keys


def content(kind: Kind, frames: list[pl.DataFrame]) -> dict[str, str]:
    """Rows by name, each as text."""
    rows = [row for frame in frames for row in frame.to_dicts()]
    found = {json.dumps([row[name] for name in names_of(kind)]): json.dumps(row, sort_keys=True) for row in rows}
    assert len(found) == len(rows), f"a row of {kind.name} comes twice"
    return found


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=ACCOUNTS, after=ACCOUNTS)
def test_what_was_less_what_is_gone_plus_what_is_new_is_what_is(
    before: dict[str, tuple[str, int, str | None, set[str]]],
    after: dict[str, tuple[str, int, str | None, set[str]]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("nights")
    old, new = written(folder / "old", before), written(folder / "new", after)
    for kind in KINDS:
        was, there = content(kind, list(read_all(kind, old, 3))), content(kind, list(read_all(kind, new, 3)))
        gone = content(kind, list(read_removed(kind, new, old, 3)))
        fresh = content(kind, list(read_added(kind, new, old, 3)))
        kept = {name: row for name, row in was.items() if name not in gone}
        assert not kept.keys() & fresh.keys()
        assert kept | fresh == there
        assert all(was.get(name) != row for name, row in fresh.items())
    assert (fingerprint(old) == fingerprint(new)) == (before == after)


def test_batches_are_no_larger_than_asked_and_counts_agree(tmp_path: Path) -> None:
    night = written(tmp_path / "night", {name: ("c1", 1, None, {"x", "y"}) for name in "abcdefg"})
    counts = count_lake(night)
    for kind in KINDS:
        heights = [frame.height for frame in read_all(kind, night, 4)]
        assert max(heights, default=0) <= 4
        assert sum(heights) == counts[kind.name]
    assert counts["links"] == 14
    assert counts["identifiers"] == 2


def test_every_identifier_type_has_a_label_of_its_own() -> None:
    labels = [identifier_label(name) for name in IDENTIFIERS]
    assert len(set(labels)) == len(IDENTIFIERS)
    assert all(re.fullmatch(r"[A-Z][A-Za-z]*", label) for label in labels)
    assert identifier_label("national_id") == "NationalId"


def test_a_table_in_parts_is_read_like_one_in_a_file(tmp_path: Path) -> None:
    night = written(tmp_path / "night", {name: ("c1", 1, "r1", {"x"}) for name in "abcd"})
    whole = {kind.name: content(kind, list(read_all(kind, night, 10))) for kind in KINDS}
    links = night.read("links")
    path = night.folder / "links.parquet"
    path.unlink()
    path.mkdir()
    links.head(1).write_parquet(path / "part-0.parquet")
    links.tail(-1).write_parquet(path / "part-1.parquet")
    assert {kind.name: content(kind, list(read_all(kind, night, 10))) for kind in KINDS} == whole
    assert len(fingerprint(night)) == 64


def test_constraints_and_indexes_bear_the_name_they_are_known_by() -> None:
    for name, text in cypher.schema().items():
        assert f" {name} IF NOT EXISTS " in text
