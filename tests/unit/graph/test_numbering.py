"""Rows found again, identifiers and links in order, work in parts and in blocks."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from graph import blocks, identity_codes, threads
from graph.blocks import sink_blocks
from graph.identities import resolve_records
from graph.identity_records import RECORD_SCHEMA
from graph.links import number_links
from graph.numbering import match_rows, order_rows
from graph.ready import load_compiled
from graph.threads import run_parts


@pytest.mark.parametrize("bits", [64, 3, 1])
def test_rows_are_matched_whatever_their_hashes(bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = pl.DataFrame.hash_rows
    shift = 64 - bits

    def weak(frame: pl.DataFrame, seed: int = 0) -> pl.Series:
        return whole(frame, seed) // 2**shift if seed < 3 else whole(frame, seed)

    monkeypatch.setattr(pl.DataFrame, "hash_rows", weak)
    known = pl.DataFrame({"kind": ["a", "b"] * 20, "hash": [f"{n}" for n in range(40)]})
    wanted = pl.DataFrame({"kind": ["b", "a", "a"], "hash": ["3", "3", "38"]})
    assert match_rows(known, wanted).tolist() == [3, -1, 38]
    assert match_rows(known, wanted.head(0)).tolist() == []
    assert match_rows(known.head(0), wanted).tolist() == [-1] * 3


@pytest.mark.parametrize("n_links", [0, 1, 500])
def test_links_are_ordered_by_account_and_identifier(n_links: int) -> None:
    random = np.random.default_rng(n_links)
    account = np.where(random.random(n_links) < 0.4, 3, random.integers(0, 9, n_links)).astype(np.int32)  # one has many
    identifier = random.permutation(n_links).astype(np.int32)
    assert order_rows(account, identifier, 9).tolist() == np.lexsort((identifier, account)).tolist()


@pytest.mark.parametrize("n_threads", [1, 2, 7])
def test_parts_make_up_the_whole(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.pl, "thread_pool_size", lambda: n_threads)
    for n in (0, 1, 5, 100):
        seen = np.zeros(n, dtype=np.int64)

        def mark(begin: int, end: int, seen: np.ndarray = seen) -> None:
            seen[begin:end] += 1

        run_parts(mark, n)
        assert (seen == 1).all()


@pytest.mark.parametrize("n_threads", [1, 3])
def test_what_a_part_raises_arrives(n_threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads.pl, "thread_pool_size", lambda: n_threads)

    def fail(_begin: int, end: int) -> None:
        if end == 10:
            raise ValueError("part")

    with pytest.raises(ValueError, match="part"):
        run_parts(fail, 10)


def test_compiled_code_loads(load: Callable[[], None] = load_compiled) -> None:
    load()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("as_bytes", [False, True])
def test_identifiers_are_ordered_by_who_holds_them_and_since_when(seed: int, as_bytes: bool) -> None:
    random = np.random.default_rng(seed)
    n_accounts, n_names, now = 6, 60, datetime(2026, 6, 1, tzinfo=UTC)
    kinds = random.choice(["device", "phone"], n_names).tolist()
    names = pl.DataFrame({"identifier_type": kinds, "hash": [f"{n:04x}" for n in random.permutation(n_names)]})
    if as_bytes:
        names = names.with_columns(pl.col("hash").str.decode("hex"))
    held = {(int(account), int(name)) for account, name in random.integers(0, (n_accounts, n_names), (120, 2))}
    rows = [  # few times and counts, so that many are equal in all but their holders, and some in these
        (account, name, now + timedelta(days=int(first)), now + timedelta(days=9), 1)
        for (account, name), first in zip(
            sorted(held, key=lambda _: random.random()), random.integers(0, 2, len(held)), strict=True
        )
    ]
    links = pl.DataFrame(
        rows,
        schema={"account": pl.Int32, "identifier": pl.Int32, "first_seen": pl.Datetime("us", "UTC"), "last_seen": pl.Datetime("us", "UTC"), "n_events": pl.Int64},
        orient="row",
    )  # fmt: skip
    accounts = pl.DataFrame(
        {"account": np.arange(n_accounts, dtype=np.int32), "identity": np.arange(n_accounts, dtype=np.int32)}
    )

    def place(name: int) -> tuple[object, ...]:
        own = sorted(row for row in rows if row[1] == name)
        return (
            own[0][0], kinds[name], min(row[2] for row in own), max(row[3] for row in own), len(own),
            sum(row[4] for row in own), [row[0] for row in own], names["hash"][name],
        )  # fmt: skip

    expected = sorted({row[1] for row in rows}, key=place)
    numbered = number_links(names, links, accounts)
    assert numbered.order.tolist() == expected
    assert numbered.identifiers["hash"].to_list() == [names["hash"][name] for name in expected]
    assert numbered.links.rows() == sorted((row[0], expected.index(row[1]), *row[2:]) for row in rows)


@pytest.mark.parametrize("n_rows", [0, 1, 4, 5, 9, 12])
@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_what_is_written_in_blocks_is_what_is_written_at_once(
    n_rows: int, compression: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "_BLOCK", 4)
    monkeypatch.setattr(blocks, "ROW_GROUP", 2)
    whole = pl.DataFrame({"n": np.arange(n_rows), "text": [f"t{n}" for n in range(n_rows)]})
    schema = dict(whole.schema)
    asked: list[tuple[int, int]] = []

    def make(begin: int, end: int) -> pl.DataFrame:
        asked.append((begin, end))
        return whole[begin:end]

    sink_blocks(make, n_rows, schema, tmp_path / "blocks", compression)
    level = 1 if compression == "zstd" else None
    whole.write_parquet(tmp_path / "whole", compression=compression, compression_level=level, row_group_size=2)
    assert (tmp_path / "blocks").read_bytes() == (tmp_path / "whole").read_bytes()
    assert all(end - begin <= 4 for begin, end in asked)


def test_people_are_the_same_whether_pairs_are_compared_at_once_or_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(4)
    records = pl.DataFrame(
        [
            {"account": n, "first": random.choice(["ann", "anna", "bo"]), "last": random.choice(["lee", "li"]),
             "birth_date": date(1990, 1, int(random.integers(1, 9))), "phone": f"555010{random.integers(0, 30)}"}
            for n in range(80)
        ],
        schema=RECORD_SCHEMA,
    )  # fmt: skip
    whole = resolve_records(records, 80)
    monkeypatch.setattr(identity_codes, "_AT_ONCE", 7)
    parts = resolve_records(records, 80)
    assert whole.n_pairs > 100
    assert parts.identity.equals(whole.identity)
    assert parts.weights == whole.weights
    for name in ("records", "pairs", "others"):
        assert getattr(parts.known, name).equals(getattr(whole.known, name))
