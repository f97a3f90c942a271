"""What follows from something else that is shared is not said a second time."""

import polars as pl

from graph.implied import HOLDERS, drop_implied, is_implied


def shared(*rows: tuple[str, str, str, str]) -> list[tuple[str, str]]:
    links = pl.DataFrame(rows, schema=["ring", "account_id", "identifier_type", "identifier"], orient="row")
    held = links.group_by("ring", "identifier_type", "identifier").agg(n=pl.len(), holders=HOLDERS)
    kept = drop_implied(held, "ring")
    assert drop_implied(held.lazy(), "ring").collect().sort(pl.all()).equals(kept.sort(pl.all()))
    return sorted(kept.select("ring", "identifier").rows())


def test_a_building_stays_only_where_it_joins_more_than_one_address_does() -> None:
    found = shared(
        ("home", "a", "address", "flat"), ("home", "b", "address", "flat"), ("home", "b", "building", "house"), ("home", "a", "building", "house"),
        ("drop", "c", "address", "unit 1"), ("drop", "d", "address", "unit 1"), ("drop", "c", "building", "tower"), ("drop", "d", "building", "tower"), ("drop", "e", "building", "tower"),
        ("lone", "f", "building", "villa"), ("lone", "g", "building", "villa"),
    )  # fmt: skip
    assert found == [("drop", "tower"), ("drop", "unit 1"), ("home", "flat"), ("lone", "villa")]


def test_as_many_others_at_an_address_imply_nothing() -> None:
    assert shared(
        ("r", "a", "address", "x"), ("r", "b", "address", "x"), ("r", "c", "building", "y"), ("r", "d", "building", "y"),
    ) == [("r", "x"), ("r", "y")]  # fmt: skip


def test_of_two_accounts_a_building_is_implied_by_an_address() -> None:
    assert is_implied("building", {"address", "building"})
    assert not is_implied("building", {"building", "device"})
    assert not is_implied("address", {"address", "building"})
