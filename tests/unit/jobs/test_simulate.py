"""A made world: its bytes, its contract, its patterns, its refusals."""

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import phonenumbers
import polars as pl
import pytest

from graph.errors import InputError
from graph.schema import TABLES
from jobs.simulate import simulate
from jobs.simulate.draft import GROUPS, SHARING
from jobs.simulate.rings import ARCHETYPES
from jobs.simulate.world import ACCOUNTS_PER_BLOCK, make_block

UNTIL = date(2026, 6, 30)
END = datetime(2026, 6, 30, tzinfo=UTC)


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """A world of 10,000 accounts: its folder, its event tables and its truth."""
    out = tmp_path_factory.mktemp("town")
    simulate(out, n_accounts=10_000, n_days=180, seed=3, until=UNTIL)
    tables = {name: pl.read_parquet(out / "events" / name) for name in TABLES}
    return out, tables, pl.read_parquet(out / "truth" / "accounts.parquet")


def test_the_seed_fixes_every_byte(tmp_path):
    wish = {"n_accounts": 400, "n_days": 60, "until": UNTIL}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        simulate(tmp_path / name, seed=seed, **wish)
    first, again, other = (hashes(tmp_path / name) for name in "abc")
    assert first == again
    assert first.keys() == other.keys()
    assert all(first[name] != other[name] for name in first)


def test_blocks_do_not_depend_on_those_after_them():
    start = END - timedelta(days=30)
    alone, truth_alone = make_block(5, 0, ACCOUNTS_PER_BLOCK, 30, start, 6.0)
    followed, truth_followed = make_block(5, 0, 3 * ACCOUNTS_PER_BLOCK, 30, start, 6.0)
    second, truth_second = make_block(5, 1, ACCOUNTS_PER_BLOCK + 500, 30, start, 6.0)
    assert all(alone[name].equals(followed[name]) for name in TABLES)
    assert truth_alone.equals(truth_followed)
    for name in TABLES:
        assert set(alone[name]["event_id"]).isdisjoint(second[name]["event_id"])
    assert set(truth_alone["account_id"]).isdisjoint(truth_second["account_id"])
    assert set(truth_alone["person_id"]).isdisjoint(truth_second["person_id"])
    # carriers and large merchants are the country's, devices are their owners'
    assert not set(alone["logins"]["ip"]).isdisjoint(second["logins"]["ip"])
    assert set(alone["logins"]["device_id"]).isdisjoint(second["logins"]["device_id"])


@pytest.mark.parametrize("n_accounts", [1, 2, 10, 100])
def test_small_worlds_are_whole(tmp_path, n_accounts):
    made = simulate(tmp_path, n_accounts=n_accounts, n_days=20, seed=1, until=UNTIL)
    truth = pl.read_parquet(made.truth)
    signups = pl.read_parquet(made.events / "signups")
    assert signups["account_id"].sort().to_list() == truth["account_id"].sort().to_list()
    assert made.n_accounts == made.n_rows["signups"] == n_accounts == truth["account_id"].n_unique()
    assert {path.name for path in made.events.iterdir()} == set(TABLES)


def test_a_day_is_enough(tmp_path):
    made = simulate(tmp_path, n_accounts=300, n_days=1, seed=1, until=UNTIL)
    times = pl.read_parquet(made.events / "logins")["event_time"]
    assert times.min() >= END - timedelta(days=1, hours=1)
    assert times.max() < END


def test_tables_hold_the_contract(town):
    _, tables, _ = town
    opened = tables["signups"].select("account_id", opened="event_time")
    for name, table in tables.items():
        declared = {column.name: column for column in TABLES[name].columns}
        required = {column.name for column in declared.values() if not column.optional}
        assert required <= set(table.columns) <= set(declared)
        for column, dtype in table.schema.items():
            assert dtype == declared[column].dtype, (name, column)
            if declared[column].values:
                assert set(table[column]) <= set(declared[column].values)
        assert table.select(*required).null_count().row(0) == (0,) * len(required)
        assert table["event_id"].is_unique().all()
        assert (table["known_time"] >= table["event_time"]).all()
        assert (table["known_time"] < END).all()
        assert table["event_time"].is_sorted()
        joined = table.join(opened, on="account_id", how="left")
        assert joined["opened"].null_count() == 0
        assert (joined["event_time"] >= joined["opened"] - timedelta(days=1)).all()


def test_every_kind_occurs(town):
    _, _, truth = town
    assert set(truth["group"]) == set(GROUPS)
    assert set(truth["archetype"].drop_nulls()) == {kind.name for kind in ARCHETYPES}
    assert set(truth["sharing"].explode(empty_as_null=False)) == set(SHARING)
    assert (truth["ring_id"].is_null() == truth["archetype"].is_null()).all()
    assert ((truth["group"] == "ring") == truth["ring_id"].is_not_null()).all()
    assert truth.select(pl.col("sharing").list.contains(pl.col("group")).all()).item()
    assert 0.01 <= truth["ring_id"].is_not_null().mean() <= 0.015
    sizes = truth.drop_nulls("ring_id").group_by("ring_id").len()["len"]
    assert sizes.min() >= 3
    assert sizes.max() <= 60


def test_honest_patterns_occur_together(town):
    _, _, truth = town
    honest = truth.filter(pl.col("ring_id").is_null())
    kinds = ("payroll", "shop_tablet", "recycled_phone", "refurbished_device", "shelter", "dormitory", "second_account")
    both = honest.select(pl.col("sharing").list.set_intersection(list(kinds)).list.len())["sharing"]
    assert (both >= 2).sum() > 50
    second = honest.group_by("person_id").len().filter(pl.col("len") > 1)
    assert 0.005 < second.height / honest.height < 0.02


def test_tenures_on_recycled_numbers_do_not_overlap(town):
    """Of a number that two persons of `recycled_phone` gave, the first had parted with it 45 days before the second came."""
    _, tables, truth = town
    recycled = truth.filter(
        pl.col("sharing").list.contains("recycled_phone")
        & ~pl.col("sharing").list.contains("second_account")
        & ~pl.col("sharing").list.contains("family_mailbox")
        & ~pl.col("sharing").list.contains("shelter")
        & pl.col("ring_id").is_null()
    )
    profiles = (
        tables["profiles"]
        .join(recycled, on="account_id", how="semi")
        .with_columns(pl.col("phone").str.replace_all(" ", ""))
        .sort("event_time")
        .with_columns(until=pl.col("event_time").shift(-1).over("account_id"))
    )
    last = pl.concat([table.select("account_id", "event_time") for name, table in tables.items() if name != "outcomes"])
    last = last.group_by("account_id").agg(last=pl.col("event_time").max())
    held = (
        profiles.join(last, on="account_id")
        .with_columns(until=pl.coalesce("until", "last"))
        .group_by("phone", "account_id")
        .agg(pl.col("event_time").min(), pl.col("until").max())
        .sort("event_time")
    )
    pairs = (
        held.group_by("phone", maintain_order=True).agg("event_time", "until").filter(pl.col("until").list.len() == 2)
    )
    gap = pairs.select(pl.col("event_time").list.get(1) - pl.col("until").list.get(0))["event_time"]
    assert len(gap) > 20
    assert (gap >= timedelta(days=44)).mean() > 0.95


def test_outcomes_are_late_few_and_sometimes_wrong(town):
    _, tables, truth = town
    outcomes = (
        tables["outcomes"]
        .join(truth, on="account_id")
        .join(tables["signups"].select("account_id", opened="event_time"), on="account_id")
    )
    positive = outcomes.filter(pl.col("outcome") == "confirmed_synthetic")
    wrong = positive["ring_id"].is_null().mean()
    assert 0.05 < wrong < 0.35
    found = positive["account_id"].n_unique() - positive["ring_id"].null_count()
    assert 0.1 < found / truth["ring_id"].is_not_null().sum() < 0.5
    assert (positive["known_time"] - positive["opened"]).median() > timedelta(days=21)
    assert (outcomes["known_time"] > outcomes["event_time"]).any()
    assert (outcomes["outcome"] == "confirmed_benign").any()


def test_what_people_write_can_be_read(town):
    _, tables, _ = town
    profiles = tables["profiles"]
    for phone in profiles["phone"].head(300):
        assert phonenumbers.is_valid_number(phonenumbers.parse(phone, None))
    assert profiles["email"].str.contains(r"^[a-z._]+\d+@[a-z]+\.example$").all()
    assert profiles["national_id"].drop_nulls().str.contains(r"^\d{3}-?\d{2}-?\d{4}$").all()
    ip = tables["logins"]["ip"].drop_nulls()
    v6 = ip.str.contains(r"^([0-9a-f]{4}:){7}[0-9a-f]{4}$")
    v4 = ip.str.contains(r"^(\d{1,3}\.){3}\d{1,3}$")
    assert (v4 | v6).all()
    assert 0.1 < v6.mean() < 0.4


def test_the_mean_of_events_can_be_asked_for(tmp_path):
    for wanted in (8.0, 30.0):
        made = simulate(tmp_path, n_accounts=3000, n_days=90, seed=1, until=UNTIL, events_per_account=wanted)
        assert sum(made.n_rows.values()) / 3000 == pytest.approx(wanted, rel=0.12)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"n_accounts": 0}, "`--accounts` must be from 1"),
        ({"n_days": 0}, "`--days` must be from 1"),
        ({"seed": -1}, "`--seed` must be from 0"),
        ({"until": date(1900, 1, 1)}, "`--until` must be a date from 1980"),
        ({"events_per_account": 0.5}, "`--events-per-account` must be from 5"),
        ({"n_accounts": 0, "n_days": -3}, "2 options are out of their range"),
    ],
)
def test_wrong_arguments_are_named_and_nothing_is_written(tmp_path, change, named):
    wish = {"n_accounts": 5, "n_days": 5, "seed": 1, "until": UNTIL} | change
    with pytest.raises(InputError, match=named):
        simulate(tmp_path / "out", **wish)
    assert not (tmp_path / "out").exists()


def test_another_ones_folder_is_left_alone(tmp_path):
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "kept.txt").write_text("mine")
    with pytest.raises(InputError, match="holds other files"):
        simulate(tmp_path, n_accounts=5, n_days=5, seed=1, until=UNTIL)
    assert hashes(tmp_path).keys() == {"events/kept.txt"}


def test_a_file_or_a_folder_below_a_file_is_no_place(tmp_path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match="`OUT` must be a folder that can be written"):
            simulate(out, n_accounts=5, n_days=5, seed=1, until=UNTIL)


def test_a_world_is_replaced_whole(tmp_path):
    simulate(tmp_path / "a", n_accounts=50, n_days=30, seed=1, until=UNTIL)
    simulate(tmp_path / "b", n_accounts=80, n_days=30, seed=2, until=UNTIL)
    simulate(tmp_path / "a", n_accounts=80, n_days=30, seed=2, until=UNTIL)
    assert hashes(tmp_path / "a") == hashes(tmp_path / "b")


def test_progress_counts_blocks(tmp_path):
    seen = []
    simulate(
        tmp_path, n_accounts=20, n_days=5, seed=1, until=UNTIL, progress=lambda done, total: seen.append((done, total))
    )
    assert seen == [(1, 1)]
