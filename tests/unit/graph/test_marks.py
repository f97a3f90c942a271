"""Marks: by account, whatever the order and the cut; another one where anything of the account changed."""

from pathlib import Path

import polars as pl

from graph.marks import are_among, build_marks, differing_accounts
from graph.partitions import account_key, write_partitions

ROWS = pl.DataFrame(
    {"account_id": [f"a{n % 40}" for n in range(200)], "event_id": [f"e{n}" for n in range(200)], "value": [n % 7 for n in range(200)]}
)  # fmt: skip


def test_order_and_cut_change_no_mark_and_marks_lie_where_the_events_lie(tmp_path: Path) -> None:
    marks = build_marks(ROWS)
    assert marks.height == 40
    assert build_marks(ROWS.sample(fraction=1.0, shuffle=True, seed=1)).equals(marks)
    write_partitions(ROWS, tmp_path, 3, account_key(pl.col("account_id")))
    for part in range(3):
        own = build_marks(pl.read_parquet(tmp_path / f"{part}.parquet"))
        assert own.equals(marks.filter(pl.col("account") % 3 == part))


def test_what_came_went_or_changed_differs_and_nothing_else() -> None:
    changed = ROWS.with_columns(value=pl.when(pl.col("event_id") == "e3").then(9).otherwise("value"))
    less = changed.filter(pl.col("account_id") != "a5", pl.col("event_id") != "e7")
    now = pl.concat([less, ROWS.head(1).with_columns(account_id=pl.lit("new"))])
    differing = differing_accounts(build_marks(ROWS), build_marks(now))
    ids = pl.Series([f"a{n}" for n in range(40)] + ["new"])
    assert ids.filter(are_among(ids, differing)).to_list() == ["a3", "a5", "a7", "new"]
    assert differing_accounts(build_marks(ROWS), build_marks(ROWS)).is_empty()
