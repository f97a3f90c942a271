"""What the patterns of a made world leave in its events: each ring's and each honest group's mark, seen from outside."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from jobs.simulate.world import make_block

START = datetime(2026, 6, 30, tzinfo=UTC) - timedelta(days=180)


@pytest.fixture(scope="module")
def town():
    """The event tables of two blocks and their truth."""
    blocks = [make_block(12, block, 40_000, 180, START, 15.0) for block in (0, 1)]
    tables = {name: pl.concat([frames[name] for frames, _ in blocks]) for name in blocks[0][0]}
    tables["profiles"] = tables["profiles"].with_columns(pl.col("phone", "national_id").str.replace_all("[- ]", ""))
    return tables, pl.concat([truth for _, truth in blocks])


def holders(table: pl.DataFrame, truth: pl.DataFrame, by: str, *of: str) -> pl.DataFrame:
    """How many accounts of one `by` (a ring, say) meet on one thing: columns by, n; one row a thing."""
    rows = table.drop_nulls(list(of)).join(truth.drop_nulls(by), on="account_id")
    return rows.group_by(by, *of).agg(n=pl.col("account_id").n_unique()).select(by, "n")


def rings_of(truth: pl.DataFrame, archetype: str) -> pl.DataFrame:
    return truth.filter(pl.col("archetype") == archetype)


def in_group(truth: pl.DataFrame, *names: str) -> pl.DataFrame:
    return truth.filter(pl.all_horizontal(pl.col("sharing").list.contains(name) for name in names))


def largest(table: pl.DataFrame, members: pl.DataFrame, *of: str) -> int:
    return int(holders(table, members, "ring_id", *of)["n"].max() or 0)


def test_farms_share_handsets_that_are_reset(town):
    tables, truth = town
    farms = rings_of(truth, "device_farm")
    assert largest(tables["logins"], farms, "device_id") >= 5
    seen = tables["logins"].join(farms, on="account_id").group_by("ring_id", "device_id")
    shared = seen.agg(
        n=pl.col("account_id").n_unique(), first=pl.col("event_time").min(), last=pl.col("event_time").max()
    )
    assert (shared.filter(pl.col("n") > 1).select(pl.col("last") - pl.col("first"))["last"].max()) <= timedelta(days=60)


def test_chains_are_long_and_thin(town):
    tables, truth = town
    chains = rings_of(truth, "chain")
    members = chains.group_by("ring_id").len()["len"].max()
    links = (("logins", "device_id"), ("instruments", "instrument_id"))
    assert all(2 <= largest(tables[table], chains, column) <= 3 < members for table, column in links)


def test_phone_farms_meet_only_where_the_money_goes(town):
    tables, truth = town
    farms = rings_of(truth, "phone_farm").filter(~pl.col("sharing").list.contains("shelter"))
    assert largest(tables["payments"], farms, "counterparty_id") >= 4
    assert largest(tables["logins"], farms, "device_id") <= 2
    assert largest(tables["instruments"], farms, "instrument_id") <= 2
    assert largest(tables["profiles"], farms, "phone") == largest(tables["profiles"], farms, "national_id") == 1


def test_tumbled_numbers_differ_by_a_digit(town):
    tables, truth = town
    members = rings_of(truth, "tumbled_ids").select("account_id", "ring_id")
    numbers = tables["profiles"].join(members, on="account_id").drop_nulls("national_id").unique("account_id")
    near = 0
    for _, ring in numbers.group_by("ring_id"):
        written = ring["national_id"].to_list()
        near += sum(any(sum(a != b for a, b in zip(x, y, strict=True)) == 1 for y in written) for x in written)
    assert near / numbers.height > 0.5


def test_one_number_has_many_names_and_one_name_many_numbers(town):
    tables, truth = town
    profiles = tables["profiles"].with_columns(pl.col("full_name").str.to_lowercase())
    borrowed = profiles.join(rings_of(truth, "borrowed_number"), on="account_id").drop_nulls("national_id")
    assert borrowed.group_by("national_id").agg(pl.col("full_name").n_unique())["full_name"].max() >= 4
    invented = profiles.join(rings_of(truth, "many_numbers"), on="account_id")
    assert invented.group_by("full_name", "birth_date").agg(pl.col("national_id").n_unique())["national_id"].max() >= 4


def silent_before_paying_out(tables: dict[str, pl.DataFrame], members: pl.DataFrame) -> float:
    """Share of those who paid a ring's sink that had no session between 24 and 3 days before."""
    paid = tables["payments"].join(members, on="account_id")
    sinks = paid.filter(pl.col("account_id").n_unique().over("ring_id", "counterparty_id") >= 4)
    burst = sinks.group_by("account_id").agg(burst=pl.col("event_time").min())
    before = (
        tables["logins"].join(burst, on="account_id").select("account_id", ago=pl.col("burst") - pl.col("event_time"))
    )
    awake = before.filter(pl.col("ago").is_between(timedelta(days=3), timedelta(days=24)))["account_id"].n_unique()
    return 1 - awake / burst.height


def test_sleepers_fall_silent_until_they_pay_out_together(town):
    tables, truth = town
    assert silent_before_paying_out(tables, rings_of(truth, "sleeper")) > 0.85
    assert silent_before_paying_out(tables, rings_of(truth, "device_farm")) < 0.75


def test_mules_arrive_slowly_and_are_mostly_real(town):
    tables, truth = town
    mules = rings_of(truth, "mule")
    arrival = tables["signups"].join(mules, on="account_id").group_by("ring_id")
    spread = arrival.agg(width=pl.col("event_time").max() - pl.col("event_time").min(), n=pl.len())
    assert spread.filter(pl.col("n") >= 4)["width"].max() > timedelta(days=20)
    assert mules["sharing"].list.contains("household").mean() > 0.2


def test_a_crew_comes_back_with_the_cards_of_the_first(town):
    tables, truth = town
    crews = rings_of(truth, "comeback")
    opened = tables["signups"].select("account_id", opened="event_time")
    links = tables["instruments"].join(crews, on="account_id").join(opened, on="account_id")
    cards = links.group_by("instrument_id").agg(pl.col("opened").min().alias("a"), pl.col("opened").max().alias("b"))
    assert (cards["b"] - cards["a"]).max() > timedelta(days=15)


def test_rings_pay_out_in_a_burst_of_which_some_is_reversed(town):
    tables, truth = town
    ringed = truth.drop_nulls("ring_id").select("account_id", "ring_id")
    paid = tables["payments"].join(ringed, on="account_id").group_by("ring_id", "counterparty_id")
    sinks = paid.agg(
        n=pl.col("account_id").n_unique(),
        width=pl.col("event_time").max() - pl.col("event_time").min(),
        back=(pl.col("status") == "reversed").mean(),
    ).filter(pl.col("n") >= 5)
    assert sinks["width"].median() <= timedelta(days=2)
    assert 0.05 < sinks["back"].mean() < 0.4


def test_families_share_a_name_a_home_and_a_line(town):
    tables, truth = town
    families = in_group(truth, "household").filter(pl.col("ring_id").is_null())
    people = tables["profiles"].join(families, on="account_id").unique("account_id", keep="first", maintain_order=True)
    surname = pl.col("full_name").str.to_lowercase().str.split(" ").list.last()
    homes = people.group_by("postcode").agg(n=pl.len(), names=surname.n_unique(), years=pl.col("birth_date").dt.year())
    homes = homes.filter(pl.col("n").is_between(3, 7))
    assert (homes["names"] < homes["n"]).mean() > 0.8
    generations = homes["years"].list.max() - homes["years"].list.min()
    assert (generations > 18).mean() > 0.5


def test_small_employers_pay_two_to_ten(town):
    tables, truth = town
    staff = in_group(truth, "payroll")
    assert tables["instruments"].join(staff, on="account_id")["kind"].is_in(["bank_account"]).any()
    shared = tables["instruments"].group_by("instrument_id").agg(pl.col("account_id").n_unique())["account_id"]
    assert shared.max() <= 12


def test_counters_shelters_and_carriers_are_shared_by_dozens_to_hundreds(town):
    tables, truth = town
    logins = tables["logins"]
    users = logins.group_by("device_id").agg(pl.col("account_id").n_unique(), pl.col("event_time").max() - START)
    assert users["account_id"].max() >= 30
    counter = logins.join(in_group(truth, "shop_tablet"), on="account_id").group_by("device_id")
    assert counter.agg(pl.col("account_id").n_unique())["account_id"].max() >= 20
    behind = logins.drop_nulls("ip").group_by("ip").agg(pl.col("account_id").n_unique())["account_id"]
    assert (behind >= 200).sum() >= 20
    prepaid = tables["instruments"].join(in_group(truth, "shelter"), on="account_id")["kind"] == "prepaid_card"
    assert prepaid.mean() > 0.4


def test_a_used_phone_has_one_owner_after_the_other(town):
    tables, truth = town
    owners = in_group(truth, "refurbished_device").filter(
        pl.col("ring_id").is_null()
        & ~pl.col("sharing").list.contains("second_account")
        & ~pl.col("sharing").list.contains("family_tablet")
        & ~pl.col("sharing").list.contains("shop_tablet")
        & ~pl.col("sharing").list.contains("shelter")
        & ~pl.col("sharing").list.contains("dormitory")
    )
    used = tables["logins"].join(owners, on="account_id", how="semi").group_by("device_id", "account_id")
    tenures = used.agg(since=pl.col("event_time").min(), until=pl.col("event_time").max()).sort("since")
    pairs = (
        tenures.group_by("device_id", maintain_order=True).agg("since", "until").filter(pl.col("since").list.len() == 2)
    )
    overlap = pairs.select(pl.col("since").list.get(1) < pl.col("until").list.get(0))["since"]
    assert len(overlap) > 30
    assert not overlap.any()


def test_honest_people_fail_checks_emulate_and_have_payments_reversed(town):
    tables, truth = town
    honest = truth.filter(pl.col("ring_id").is_null())
    assert tables["id_checks"].join(honest, on="account_id").select((pl.col("result") != "pass").mean()).item() > 0.05
    assert (
        tables["payments"].join(honest, on="account_id").select((pl.col("status") == "reversed").mean()).item() > 0.005
    )
    assert tables["logins"].join(honest, on="account_id")["is_emulator"].mean() > 0.003
