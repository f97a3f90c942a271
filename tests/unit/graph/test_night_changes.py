"""What became of rings between two nights: told by members, by hand and against a count of sets."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graph.errors import InputError
from graph.lake import NIGHT_TABLES, Night, write_table
from graph.night_changes import RING_CHANGES, NightChanges, compare_nights

FIRST, SECOND = date(2026, 6, 1), date(2026, 6, 2)
SEEN = datetime(2026, 1, 5, tzinfo=UTC)

Rings = dict[str, str]  # ring_id -> its members, a letter each, in the order of the queue


def written(folder: Path, day: date, rings: Rings, held: dict[str, str] | None = None, codes: str = "") -> Night:
    """A night of these rings; `held`: identifier -> its holders (an upper-case name is a hub); `codes`: of member `a`."""
    members = [(account, ring) for ring, names in rings.items() for account in names]
    rows: dict[str, list[dict[str, object]]] = {
        "scores": [
            {"account_id": account, "score": 0.5, "rank": rank, "ring_id": ring, "model_version": "m"}
            for rank, (account, ring) in enumerate([*members, ("loner", None)], start=1)
        ],
        "rings": [
            {
                "ring_id": ring,
                "ring_version": names,
                "score": 0.9 - place / 10 - day.day / 100,
                "n_accounts": len(names),
            }
            for place, (ring, names) in enumerate(rings.items())
        ],
        "links": [
            {
                "account_id": account,
                "identifier_type": "device",
                "identifier": name,
                "first_seen": SEEN,
                "weight": 0.0 if name.isupper() else 5.0,
            }
            for name, holders in (held or {}).items()
            for account in holders
        ],
        "reasons": [{"account_id": "a", "code": code, "text": code, "contribution": 1.0} for code in codes],
    }
    folder.mkdir(parents=True)
    for table, schema in NIGHT_TABLES.items():
        write_table(pl.DataFrame(rows.get(table, []), schema=schema), folder, table)
    return Night(folder, day)


def compared(folder: Path, before: Rings, now: Rings) -> NightChanges:
    return compare_nights(written(folder / "before", FIRST, before), written(folder / "now", SECOND, now))


def row_of(found: NightChanges, ring: str) -> dict[str, object]:
    return found.rings.row(by_predicate=pl.col("ring_id") == ring, named=True)


@pytest.mark.parametrize(
    ("before", "now", "ring", "expected"),
    [
        ({}, {"r": "ab"}, "r", {"change": "new", "was": None, "n_added": 2, "added": ["a", "b"]}),
        ({"r": "ab"}, {"r": "ab"}, "r", {"change": "unchanged", "was": "r", "n_added": 0, "n_removed": 0}),
        ({"r": "ab"}, {"r": "abc"}, "r", {"change": "grew", "added": ["c"], "removed": []}),
        ({"r": "abc"}, {"r": "ab"}, "r", {"change": "shrank", "removed": ["c"], "n_accounts_before": 3}),
        ({"r": "abc"}, {"r": "abd"}, "r", {"change": "changed", "added": ["d"], "removed": ["c"]}),
        ({"r": "ab", "s": "cd"}, {"r": "abcd"}, "r", {"change": "merged", "parents": ["r", "s"], "added": ["c", "d"]}),
        ({"r": "ab", "s": "cd"}, {"r": "abcd"}, "s", {"change": "ended", "heirs": ["r"], "removed": ["c", "d"]}),
        ({"r": "abcd"}, {"r": "ab", "t": "cd"}, "t", {"change": "split", "parents": ["r"], "was": None}),
        ({"r": "abcd"}, {"r": "ab", "t": "cd"}, "r", {"change": "shrank", "removed": ["c", "d"], "heirs": []}),
        ({"r": "ab"}, {}, "r", {"change": "ended", "heirs": [], "n_removed": 2, "n_accounts": None}),
        # named after another cluster: the same ring goes on, and no ring ended
        ({"r": "abc"}, {"t": "abcd"}, "t", {"change": "grew", "was": "r", "added": ["d"], "n_removed": 0}),
        ({"r": "abcde"}, {"t": "abc", "u": "de"}, "t", {"change": "shrank", "was": "r", "removed": ["d", "e"]}),
        ({"r": "abcde"}, {"t": "abc", "u": "de"}, "u", {"change": "split", "was": None, "parents": ["r"]}),
    ],
)
def test_what_became_of_a_ring(
    tmp_path: Path, before: Rings, now: Rings, ring: str, expected: dict[str, object]
) -> None:
    row = row_of(compared(tmp_path, before, now), ring)
    assert {name: row[name] for name in expected} == expected


def test_scores_places_and_order(tmp_path: Path) -> None:
    found = compared(tmp_path, {"r": "ab", "s": "cd", "t": "ef"}, {"s": "cd", "r": "abg", "n": "hi"})
    assert found.rings["ring_id"].to_list() == ["n", "r", "s", "t"]
    row = row_of(found, "r")
    assert (row["place_before"], row["place"]) == (1, 2)
    assert row["score_before"] == pytest.approx(0.89)
    assert row["score"] == pytest.approx(0.78)
    assert (found.before, found.now) == (FIRST, SECOND)


def test_why_is_what_members_came_to_share_and_their_reasons(tmp_path: Path) -> None:
    before = written(tmp_path / "before", FIRST, {"r": "abc"}, {"old": "ab", "kept": "bc", "own": "a"}, "xy")
    now = written(
        tmp_path / "now",
        SECOND,
        {"t": "abcd"},
        {"kept": "bc", "own": "a", "new": "abd", "two": "cd", "HUB": "abcd"},
        "yz",
    )
    row = row_of(compare_nights(before, now, max_listed=1), "t")
    assert row["identifiers_came"] == [{"identifier_type": "device", "identifier": "new", "n_members": 3}]
    assert (row["n_identifiers_came"], row["n_identifiers_went"]) == (2, 1)
    assert row["identifiers_went"] == [{"identifier_type": "device", "identifier": "old", "n_members": 2}]
    assert (row["codes_came"], row["codes_went"]) == (["z"], ["x"])


def test_lists_are_capped_and_counts_are_not(tmp_path: Path) -> None:
    before = written(tmp_path / "before", FIRST, {"r": "ab"})
    found = compare_nights(before, written(tmp_path / "now", SECOND, {"r": "abcdefg"}), max_listed=2)
    row = row_of(found, "r")
    assert (row["added"], row["n_added"]) == (["c", "d"], 5)


def test_nights_are_compared_forward_only(tmp_path: Path) -> None:
    night = written(tmp_path / "night", SECOND, {"r": "ab"})
    with pytest.raises(InputError, match="a night before 2026-06-02"):
        compare_nights(night, night)


NIGHT = st.dictionaries(st.sampled_from("abcdefghij"), st.sampled_from(["r", "s", "t"])).map(
    lambda of: {ring: "".join(sorted(a for a in of if of[a] == ring)) for ring in sorted(set(of.values()))}
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=NIGHT, now=NIGHT)
def test_members_and_totals_add_up(before: Rings, now: Rings, tmp_path_factory: pytest.TempPathFactory) -> None:
    found = compared(tmp_path_factory.mktemp("nights"), before, now)
    rows = found.rings.to_dicts()
    live = [row for row in rows if row["change"] != "ended"]
    assert sorted(row["ring_id"] for row in live) == sorted(now)
    went_on = [row["was"] for row in live if row["was"]] + [row["ring_id"] for row in rows if row["change"] == "ended"]
    assert sorted(went_on) == sorted(before), "each earlier ring goes on in one, or ended"
    for row in live:
        own, old = set(now[row["ring_id"]]), set(before.get(row["was"], ""))
        assert (set(row["added"]), set(row["removed"])) == (own - old, old - own)
        assert set(row["parents"]) == {ring for ring, names in before.items() if own & set(names)}
        assert (row["change"] == "new") == (not row["parents"] and row["was"] is None)
        assert (row["change"] == "unchanged") == (own == old)
    assert sum(found.totals[name] for name in RING_CHANGES) == len(rows)
    suspected, was = set("".join(now.values())), set("".join(before.values()))
    assert found.totals["n_newly_suspected"] == len(suspected - was)
    assert found.totals["n_no_longer_suspected"] == len(was - suspected)
