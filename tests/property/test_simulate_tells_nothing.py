"""No raw column tells a ring by itself: a model fitted on each one is near chance, with the account as the unit.

Rings are kept whole within a fold, so that what a model could learn is what rings have in common, not one ring's block of
phone numbers. What an account does is in other columns than what it is called: amounts, statuses and the like may tell a little.
"""

from datetime import UTC, date, datetime, timedelta

import lightgbm as lgb
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from jobs.simulate.world import make_block

UNTIL = date(2026, 6, 30)
START = datetime(2026, 6, 30, tzinfo=UTC) - timedelta(days=180)
HONEST = 7_000
CHARACTERS = 18
# what people do with money and machines, and until when they come back: behaviour, of which rings may have somewhat more
BEHAVIOUR = {
    ("payments", "amount_minor"),
    ("payments", "status"),
    ("payments", "event_time"),
    ("payments", "known_time"),
    ("logins", "event_time"),
    ("logins", "known_time"),
    ("logins", "is_emulator"),
    ("logins", "platform"),
    ("id_checks", "result"),
    ("instruments", "action"),
}


@pytest.fixture(scope="module")
def world():
    """Three blocks of 20,000 accounts, all rings and some of the others: tables with a row number, and the truth."""
    blocks = [make_block(20, block, 60_000, 180, START, 15.0) for block in range(3)]
    truth = pl.concat([truth for _, truth in blocks])
    in_ring = pl.col("ring_id").is_not_null()
    some = pl.concat([truth.filter(in_ring), truth.filter(~in_ring).sample(HONEST, seed=0)])
    tables = {
        name: pl.concat([frames[name].with_row_index("row_number") for frames, _ in blocks]).join(
            some.select("account_id"), on="account_id", how="semi"
        )
        for name in blocks[0][0]
        if name != "outcomes"
    }
    return tables, some


def features_of(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """Whatever a model could read out of one raw column: one row an account."""
    value, dtype = pl.col(column), table.schema[column]
    numbers: dict[str, pl.Expr] = {"null": value.is_null().cast(pl.Float64)}
    if dtype == pl.String:
        numbers["length"] = value.str.len_chars()
        numbers["digits"] = value.str.count_matches(r"\d")
        numbers["capitals"] = value.str.count_matches("[A-Z]")
        padded = value.fill_null("").str.pad_end(CHARACTERS, " ").cast(pl.Binary)
        for place in range(CHARACTERS):
            numbers[f"byte{place}"] = padded.bin.slice(place, 1).bin.reinterpret(dtype=pl.UInt8)
    elif isinstance(dtype, pl.Datetime):
        numbers |= {"time": value.to_physical(), "hour": value.dt.hour(), "weekday": value.dt.weekday()}
        numbers |= {"microsecond": value.dt.microsecond(), "fine": value.dt.microsecond() % 1000}
        numbers["second"] = value.dt.second().cast(pl.Float64)
    else:
        numbers["value"] = value.to_physical()
        numbers["last_digits"] = numbers["value"].cast(pl.Float64) % 100
    frame = table.select("account_id", "row_number", **{k: e.cast(pl.Float64) for k, e in numbers.items()})
    first = frame.sort("row_number").group_by("account_id", maintain_order=True).first().drop("row_number")
    averaged = [number for number in numbers if not number.startswith("byte")]
    mean = frame.group_by("account_id").agg(pl.col(*averaged, "row_number").mean().name.suffix("_mean"))
    return first.join(mean, on="account_id")


def auroc_of(features: pl.DataFrame, truth: pl.DataFrame) -> float:
    """Out of fold, whole rings apart; below .5 (worse than chance) is as little told as .5."""
    rows = truth.join(features, on="account_id").sort("account_id")
    is_ring = rows["ring_id"].is_not_null().to_numpy()
    rings = rows["ring_id"].rank("dense").fill_null(0).to_numpy()
    fold = np.where(is_ring, rings % 2, np.random.default_rng(0).integers(0, 2, len(rows)))
    x = rows.drop("account_id", "ring_id").to_numpy()
    scores = np.zeros(len(rows))
    for held_out in (0, 1):
        fit = fold != held_out
        model = lgb.LGBMClassifier(
            n_estimators=25,
            num_leaves=7,
            min_child_samples=40,
            learning_rate=0.1,
            n_jobs=1,
            verbosity=-1,
            random_state=0,
        )
        model.fit(x[fit], is_ring[fit])
        scores[~fit] = model.booster_.predict(x[~fit])
    return float(np.mean([roc_auc_score(is_ring[fold == f], scores[fold == f]) for f in (0, 1)]))


def test_no_raw_column_tells_a_ring(world):
    tables, truth = world
    known = truth.select("account_id", "ring_id")
    told = {}
    for name, table in tables.items():
        for column in table.columns:
            if column != "row_number":
                told[name, column] = auroc_of(features_of(table, column), known)
    assert {key: value for key, value in told.items() if value > (0.7 if key in BEHAVIOUR else 0.65)} == {}


def test_no_clock_tells_a_ring(world):
    """The calendar tells how long an account was used; hours, seconds and their fractions must tell nothing."""
    tables, truth = world
    known = truth.select("account_id", "ring_id")
    for name, table in tables.items():
        clock = features_of(table, "event_time").drop("null", "time", "null_mean", "time_mean", "row_number_mean")
        assert auroc_of(clock, known) < 0.6, name


def test_the_method_would_find_a_telling_column(world):
    tables, truth = world
    known = truth.select("account_id", "ring_id")
    ring = truth.select("account_id", is_ring=pl.col("ring_id").is_not_null())
    marked = (
        tables["signups"]
        .join(ring, on="account_id")
        .with_columns(
            event_id=pl.when("is_ring").then(pl.lit("0") + pl.col("event_id").str.slice(1)).otherwise("event_id")
        )
    )
    assert auroc_of(features_of(marked, "event_id"), known) > 0.9
