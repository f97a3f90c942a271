"""Marks: by account, whatever the order and the cut; another one where anything of the account changed."""

from pathlib import Path

import polars as pl

from graph.marks import are_among, build_marks, differing_accounts, find_differing, rows_to_look_at
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


def test_who_only_gained_what_came_to_be_known_since_has_grown_and_anything_else_is_a_change() -> None:
    came = pl.DataFrame(
        {"account_id": ["a1", "a1", "a2", "new"], "event_id": ["c1", "c2", "c3", "c4"], "value": [1, 2, 3, 4]}
    )
    backdated = came.head(1).with_columns(account_id=pl.lit("a4"), event_id=pl.lit("late"))
    lost = ROWS.filter(pl.col("event_id") != "e2")  # a2 gains one and loses one
    now = pl.concat([lost.filter(pl.col("account_id") != "a5"), came, backdated])
    differing = find_differing({"t": build_marks(ROWS)}, {"t": build_marks(now)}, {"t": build_marks(came)})
    ids = pl.Series([f"a{n}" for n in range(40)] + ["new"])
    assert ids.filter(are_among(ids, differing.grown)).to_list() == ["a1", "new"]
    assert ids.filter(are_among(ids, differing.changed)).to_list() == ["a2", "a4", "a5"]
    looked_at = rows_to_look_at(now, came, differing)
    assert set(looked_at["account_id"]) == {"a1", "a2", "a4", "new"}
    assert set(looked_at.filter(pl.col("account_id") == "a1")["event_id"]) == {"c1", "c2"}
    assert looked_at.filter(pl.col("account_id") == "a2").height == 5  # four that stay and the one that came
    assert looked_at["event_id"].is_unique().all()


def test_one_table_in_which_an_account_changed_is_enough() -> None:
    came = ROWS.head(1).with_columns(event_id=pl.lit("c1"))
    grown, changed = pl.concat([ROWS, came]), ROWS.filter(pl.col("event_id") != "e0")
    nothing = build_marks(ROWS.clear())
    differing = find_differing(
        {"one": build_marks(ROWS), "two": build_marks(ROWS)},
        {"one": build_marks(grown), "two": build_marks(changed)},
        {"one": build_marks(came), "two": nothing},
    )
    assert differing.grown.is_empty() and differing.changed.len() == 1
