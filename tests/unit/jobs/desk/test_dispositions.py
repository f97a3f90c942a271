"""Verdicts: written once, superseded never changed, and read by a night as they stood at its as-of."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from gnn.examples import latest_outcomes
from graph.errors import InputError
from graph.schema import TABLES
from jobs.desk.dispositions import (
    DISPOSITIONS,
    Disposition,
    mark_of_dispositions,
    read_dispositions,
    record_disposition,
    remembered_evidence,
    ring_dispositions,
    shared_evidence,
    standing_dispositions,
    to_outcomes,
)

NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
DEVICE, CARD = ("device", "ab" * 32), ("instrument", "cd" * 32)


def day(n: int) -> datetime:
    return NOON + timedelta(days=n)


def said(disposition_id: str, **more: Any) -> Disposition:
    given: dict[str, Any] = {
        "disposition_id": disposition_id,
        "ring_id": "c1",
        "ring_version": "v1",
        "night": date(2026, 6, 20),
        "verdict": "confirmed_ring",
        "reason": "one device, one week",
        "account_ids": ("a", "b"),
        "actor": "ida",
        "time": NOON,
    }
    return Disposition(**(given | more))


def outcomes(lake: Path, as_of: datetime) -> dict[str, str]:
    rows = latest_outcomes(to_outcomes(read_dispositions(lake), as_of), as_of)
    return dict(rows.select("account_id", "outcome").iter_rows())


def test_a_verdict_is_read_back_as_it_was_given(tmp_path: Path) -> None:
    given = said("d1", verdict="household", reason="a family\nof four, Zoë says", evidence=(DEVICE, CARD))
    record_disposition(tmp_path, given)
    record_disposition(tmp_path, given)  # once more changes nothing
    assert read_dispositions(tmp_path) == (given,)
    with pytest.raises(InputError, match="must be new"):
        record_disposition(tmp_path, replace(given, reason="another"))
    assert read_dispositions(tmp_path) == (given,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("disposition_id", "a b"),
        ("ring_id", ""),
        ("verdict", "guilty"),
        ("reason", " \n "),
        ("reason", "x" * 5_000),
        ("account_ids", ()),
        ("account_ids", ("a", "a")),
        ("account_ids", ("",)),
        ("actor", " "),
        ("time", datetime(2026, 6, 20)),  # noqa: DTZ001
        ("evidence", (("phone", "+44 20 7946 0000"),)),
        ("evidence", (DEVICE, DEVICE)),
        ("night", "yesterday"),
    ],
)
def test_what_is_malformed_is_refused_by_its_field_without_its_value(tmp_path: Path, field: str, value: Any) -> None:
    with pytest.raises(InputError, match=field) as error:
        record_disposition(tmp_path, said(**{"disposition_id": "d1", field: value}))
    assert "7946" not in str(error.value)
    assert read_dispositions(tmp_path) == ()


def test_more_is_needed_may_name_nobody(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d1", verdict="needs_more", account_ids=()))
    assert to_outcomes(read_dispositions(tmp_path), day(1)).is_empty()


def test_only_what_stands_can_be_superseded(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d1"))
    with pytest.raises(InputError, match="`d0`"):
        record_disposition(tmp_path, said("d2", supersedes="d0"))
    with pytest.raises(InputError, match="time"):
        record_disposition(tmp_path, said("d2", supersedes="d1", time=day(-1)))
    record_disposition(tmp_path, said("d2", supersedes="d1", time=day(1)))
    with pytest.raises(InputError, match="`d2` supersedes already"):
        record_disposition(tmp_path, said("d3", supersedes="d1", time=day(2)))
    with pytest.raises(InputError, match="`d4`"):
        record_disposition(tmp_path, said("d4", supersedes="d4", time=day(2)))
    assert [each.disposition_id for each in read_dispositions(tmp_path)] == ["d1", "d2"]


def test_a_second_verdict_on_a_ring_names_the_one_that_stands(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d1"))
    record_disposition(tmp_path, said("d2", ring_id="c2"))
    for supersedes in (None, "d2"):
        with pytest.raises(InputError, match="`d1`"):
            record_disposition(tmp_path, said("d3", supersedes=supersedes))
    record_disposition(tmp_path, said("d3", supersedes="d1"))
    assert [each.disposition_id for each in standing_dispositions(tmp_path)] == ["d2", "d3"]


def test_a_night_reads_what_stood_at_its_as_of(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d1", time=day(0)))
    record_disposition(tmp_path, said("d2", time=day(2), supersedes="d1", account_ids=("a",)))
    record_disposition(tmp_path, said("d3", time=day(4), supersedes="d2", verdict="household"))
    record_disposition(tmp_path, said("d4", time=day(6), supersedes="d3", verdict="needs_more"))
    synthetic, benign = "confirmed_synthetic", "confirmed_benign"
    assert outcomes(tmp_path, day(0)) == {}  # exclusive
    assert outcomes(tmp_path, day(1)) == {"a": synthetic, "b": synthetic}
    assert outcomes(tmp_path, day(2)) == {"a": synthetic, "b": synthetic}
    assert outcomes(tmp_path, day(3)) == {"a": synthetic}  # b was taken back
    assert outcomes(tmp_path, day(5)) == {"a": benign, "b": benign}
    assert outcomes(tmp_path, day(7)) == {}  # all was taken back
    assert [each.disposition_id for each in standing_dispositions(tmp_path, day(3))] == ["d2"]
    assert [each.disposition_id for each in standing_dispositions(tmp_path)] == ["d4"]


def test_of_two_that_stand_the_later_holds_for_an_account(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d2", time=day(2), ring_id="c2", verdict="household", account_ids=("b", "c")))
    record_disposition(tmp_path, said("d1", time=day(1)))
    assert outcomes(tmp_path, day(3)) == {
        "a": "confirmed_synthetic",
        "b": "confirmed_benign",
        "c": "confirmed_benign",
    }


def test_outcomes_keep_the_contract_and_their_ids_follow_from_verdict_and_account_alone() -> None:
    one, other = said("d1"), said("d2", ring_id="c2", account_ids=("c",))
    rows = to_outcomes([one, other], day(1))
    assert rows.schema == pl.Schema({column.name: column.dtype for column in TABLES["outcomes"].columns})
    assert rows["event_id"].n_unique() == 3
    assert set(rows["source"]) == {"investigator"}
    assert rows.equals(to_outcomes([other, one], day(9)))
    assert rows["event_time"].to_list() == rows["known_time"].to_list() == [NOON] * 3
    assert to_outcomes([], day(1)).schema == rows.schema


def test_only_standing_households_are_remembered() -> None:
    home = said("d1", verdict="household", evidence=(DEVICE, CARD))
    ring = said("d2", evidence=(DEVICE,))
    taken_back = said("d3", verdict="needs_more", supersedes="d1", time=day(2))
    told = [home, ring, taken_back]
    assert remembered_evidence(told, day(1)).rows() == [("d1", *DEVICE), ("d1", *CARD)]
    assert remembered_evidence(told, day(3)).is_empty()


def test_the_mark_moves_with_what_a_night_reads_and_with_nothing_else() -> None:
    first = said("d1")
    later = said("d2", time=day(2), supersedes="d1", verdict="household", evidence=(DEVICE,))
    assert mark_of_dispositions([first], day(1)) == mark_of_dispositions([first, later], day(1))
    assert mark_of_dispositions([first], day(3)) != mark_of_dispositions([first, later], day(3))
    assert mark_of_dispositions([], day(1)) != mark_of_dispositions([first], day(1))
    forgotten = replace(later, evidence=())
    assert mark_of_dispositions([first, later], day(3)) != mark_of_dispositions([first, forgotten], day(3))
    undecided = said("d3", ring_id="c9", verdict="needs_more")
    assert mark_of_dispositions([first], day(3)) == mark_of_dispositions([first, undecided], day(3))


def test_the_history_of_a_ring_follows_it_under_its_other_ids(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d1"))
    record_disposition(tmp_path, said("d2", ring_id="c7", supersedes="d1"))
    record_disposition(tmp_path, said("d3", ring_id="c8"))
    DISPOSITIONS.append(
        tmp_path, said("d4", ring_id="c7")
    )  # a lake may have two that stand, from before the second was refused
    assert [each.disposition_id for each in ring_dispositions(tmp_path, "c1")] == ["d1", "d2"]
    assert [each.disposition_id for each in ring_dispositions(tmp_path, "c7")] == ["d1", "d2", "d4"]


def test_shared_evidence_is_what_two_or_more_hold(made_night: Any, tmp_path: Path) -> None:
    night = made_night(tmp_path)
    links = night.scan("links").collect()
    farm = [f"farm{n:02d}" for n in range(8)]
    found = shared_evidence(night, farm)
    assert [kind for kind, _ in found] == ["address", "device", "instrument", "instrument"]
    for kind, identifier in found:
        holders = links.filter((pl.col("identifier_type") == kind) & (pl.col("identifier") == identifier))
        assert len(set(holders["account_id"]) & set(farm)) > 1
    assert [kind for kind, _ in shared_evidence(night, farm[:1])] == []
    record_disposition(tmp_path, said("d1", evidence=found))  # fits as it is


def test_a_line_that_is_no_verdict_is_refused_by_its_number(tmp_path: Path) -> None:
    record_disposition(tmp_path, said("d1"))
    log = tmp_path / "desk" / "dispositions.jsonl"
    with log.open("a") as file:
        file.write('{"disposition_id":"d2"}\n')
    with pytest.raises(InputError, match="line 2"):
        read_dispositions(tmp_path)


def test_what_is_read_again_is_what_stands_in_the_file(tmp_path: Path) -> None:
    log = tmp_path / "desk" / "dispositions.jsonl"
    record_disposition(tmp_path, said("d1"))
    assert [each.disposition_id for each in read_dispositions(tmp_path)] == ["d1"]
    first = log.read_bytes()
    with log.open("ab") as file:  # as another process writes
        file.write(first.replace(b'"d1"', b'"d2"'))
    assert [each.disposition_id for each in read_dispositions(tmp_path)] == ["d1", "d2"]
    with log.open("ab") as file:
        file.write(first.replace(b'"d1"', b'"d3"').rstrip(b"\n"))  # its end is yet to come
    for _ in range(2):
        assert [each.disposition_id for each in read_dispositions(tmp_path)] == ["d1", "d2", "d3"]
    log.write_bytes(
        first.replace(b'"d1"', b'"d4"') * 1 + first.replace(b'"d1"', b'"d5"') * 1
    )  # put back from elsewhere
    assert [each.disposition_id for each in read_dispositions(tmp_path)] == ["d4", "d5"]
    log.unlink()
    assert read_dispositions(tmp_path) == ()
