"""Where a cluster came from, over nights written to a lake."""

import json
from datetime import date
from io import StringIO
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from graph.errors import InputError
from graph.lake import Night, as_of_of, night_folder, nights_before, write_table
from graph.lineage import build_lineage, name_clusters, read_lineage, trace_lineage
from jobs.lineage import run

KEY = "00ff"
ACCOUNTS = pl.DataFrame(
    {"account": range(8), "account_id": [f"a{n}" for n in range(8)]}, schema_overrides={"account": pl.Int32}
)


def write_nights(lake: Path, *groups: list[int]) -> list[Night]:
    """A night for each grouping of eight accounts, a day apart, with the tables that lineage reads."""
    nights: list[Night] = []
    previous = None
    for day, group in enumerate(groups, start=1):
        night = Night(night_folder(lake, date(2026, 1, day)), date(2026, 1, day))
        night.folder.mkdir(parents=True)
        clusters = ACCOUNTS.select("account", cluster=pl.Series(group, dtype=pl.Int32))
        named = name_clusters(clusters, ACCOUNTS, previous, as_of_of(night.date), KEY)
        write_table(build_lineage(named, previous), night.folder, "lineage")
        write_table(named, night.folder, "clusters")
        made_from = {"date": nights[-1].date.isoformat()} if nights else None
        (night.folder / "manifest.json").write_text(json.dumps({"inputs": {"previous": made_from}}))
        previous = named.select("account_id", "cluster_id")
        nights.append(night)
    (lake / "current").write_text(f"{nights[-1].date}\n")
    return nights


def cluster_of(night: Night, account: str) -> str:
    name: str = night.read("clusters").filter(pl.col("account_id") == account)["cluster_id"].item()
    return name


def test_a_cluster_is_traced_through_mergers_and_splits_to_its_birth(tmp_path: Path) -> None:
    nights = write_nights(
        tmp_path,
        [0, 0, 0, 1, 1, 2, 3, 4],  # {0 1 2} {3 4}
        [0, 0, 0, 1, 1, 2, 3, 4],  # nothing
        [0, 0, 0, 0, 0, 2, 3, 4],  # merged
        [0, 0, 0, 0, 1, 1, 3, 4],  # 4 leaves and joins 5
    )
    first, small = cluster_of(nights[0], "a0"), cluster_of(nights[0], "a3")
    merged = trace_lineage(nights[:3], first)
    assert merged.filter(pl.col("date") == date(2026, 1, 3)).select("cluster_id", "event", "n_accounts").rows() == [
        (first, "merged", 5)
    ]
    assert set(merged.filter(event="merged")["parents"].item()) == {first, small}
    assert set(merged.filter(event="born")["cluster_id"]) == {first, small}
    assert merged.filter(pl.col("date") == date(2026, 1, 2)).is_empty()
    last = trace_lineage(nights, cluster_of(nights[3], "a4"))
    assert {first, small, cluster_of(nights[0], "a5")} <= set(last.filter(event="born")["cluster_id"])
    assert last["date"].is_sorted(descending=True)
    assert read_lineage(tmp_path, cluster_of(nights[3], "a4")).equals(last)
    assert read_lineage(tmp_path, first, nights[2].date).equals(merged)


def test_an_unknown_cluster_is_refused_by_name(tmp_path: Path) -> None:
    nights = write_nights(tmp_path, [0] * 8)
    with pytest.raises(InputError, match="`nobody`"):
        trace_lineage(nights, "nobody")


def test_a_night_put_in_between_later_is_no_ancestor(tmp_path: Path) -> None:
    first, second = write_nights(tmp_path, [0, 0, 1, 1, 2, 3, 4, 5], [0, 0, 0, 0, 2, 3, 4, 5])
    later = Night(night_folder(tmp_path, date(2026, 1, 5)), date(2026, 1, 5))
    second.folder.rename(later.folder)
    write_nights(tmp_path / "other", [0] * 8)[0].folder.rename(night_folder(tmp_path, date(2026, 1, 3)))
    assert [night.date for night in nights_before(tmp_path, later)] == [first.date, later.date]


def test_it_is_told_in_a_terminal(tmp_path: Path) -> None:
    nights = write_nights(tmp_path, [0, 0, 1, 1, 2, 3, 4, 5], [0, 0, 0, 0, 2, 3, 4, 5])
    out = StringIO()
    run(tmp_path, cluster_of(nights[1], "a0"), None, Console(file=out, width=120))
    told = out.getvalue()
    assert cluster_of(nights[0], "a2") in told
    assert "merged" in told
    assert "born" in told
