"""The night on a real Ray: wrong input leaves nothing behind, a killed night goes on to the same bytes, odd but legal input runs."""

import contextlib
import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from graph.errors import GateError
from graph.lake import NIGHT_TABLES, Night
from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.cli import main
from jobs.night import SilentProgress
from jobs.promotions import read_decisions
from jobs.settings import read_settings
from jobs.simulate import simulate
from jobs.steps import STEPS

pytestmark = pytest.mark.usefixtures("one_ray")

DAY = date(2026, 6, 30)
KEY = "5a" * 32
NO_STORE = frozenset({"store"})
QUICK = {"train.n_seeds": 1, "train.with_controls": False, "train.min_positives": 5, "train.n_cutoffs": 1}


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the run may catch it."""


@pytest.fixture(autouse=True)
def plain_place(tmp_path, monkeypatch):
    """No settings, key or store from wherever the tests run."""
    monkeypatch.chdir(tmp_path)
    for name in ("NEO4J_URI", "NEO4J_USERNAME", "NEO4J_PASSWORD", "RAY_ADDRESS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RINGLIGHT_KEY", KEY)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """Events of a small made world; tests that change them take a copy."""
    out = tmp_path_factory.mktemp("world")
    simulate(out, n_accounts=400, n_days=120, seed=11, until=DAY)
    return out / "events"


@pytest.fixture
def events(world, tmp_path):
    return Path(shutil.copytree(world, tmp_path / "events"))


@pytest.fixture(scope="module")
def whole(trained_world, tmp_path_factory):
    """The night of the world with a model, run in one go."""
    lake = tmp_path_factory.mktemp("lakes") / "whole"
    run(trained_world, lake, **QUICK)
    night = lake / "nights" / DAY.isoformat()
    assert not pl.read_parquet(night / "scores.parquet").is_empty()
    return night


@pytest.fixture(scope="module")
def small(world, tmp_path_factory):
    """The night of the small world, which has too few outcomes for a model."""
    lake = tmp_path_factory.mktemp("lakes") / "small"
    run(world, lake)
    return lake / "nights" / DAY.isoformat()


def request_of(events, lake, day=DAY, after_step=lambda name: None, is_full=False, **settings):
    return NightRequest(
        events=events,
        lake=lake,
        date=day,
        settings=read_settings(settings),
        progress=SilentProgress(),
        session=contextlib.nullcontext,
        random_hex=secrets.token_hex,
        key=KEY,
        without=NO_STORE,
        is_full=is_full,
        after_step=after_step,
    )


def run(*args, **named):
    outcome = NightOutcome()
    run_night(request_of(*args, **named), outcome)
    return outcome


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def nightly(events, lake, *more, day="2026-06-30"):
    return main(["nightly", "--events", str(events), "--lake", str(lake), "--as-of", day, "--no-store", *more])


def table_of(events, name):
    """All rows of a table, and a function that puts others in their place."""
    rows = pl.read_parquet(events / name / "**/*.parquet")

    def replace(frame):
        shutil.rmtree(events / name)
        (events / name).mkdir()
        frame.write_parquet(events / name / "part.parquet")

    return rows, replace


def drop_table(events):
    shutil.rmtree(events / "signups")


def drop_identifiers(events):
    for name in ("profiles", "logins", "instruments", "payments"):
        shutil.rmtree(events / name)


def drop_column(events):
    rows, replace = table_of(events, "logins")
    replace(rows.drop("device_id"))


def spoil_type(events):
    rows, replace = table_of(events, "payments")
    replace(rows.with_columns(amount_minor=pl.lit("a lot")))


def drop_zone(events):
    rows, replace = table_of(events, "signups")
    replace(rows.with_columns(pl.col("event_time").dt.replace_time_zone(None)))


def empty_signups(events):
    rows, replace = table_of(events, "signups")
    replace(rows.clear())


def spoil_file(events):
    (events / "logins" / "torn.parquet").write_bytes(b"PAR1 torn")


def drop_everything(events):
    shutil.rmtree(events)
    events.mkdir()
    (events / "holiday.txt").touch()


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (drop_table, "signups"),
        (drop_identifiers, "profiles"),
        (drop_column, "device_id"),
        (spoil_type, "amount_minor"),
        (drop_zone, "event_time"),
        (empty_signups, "signups"),
        (spoil_file, "torn.parquet"),
        (drop_everything, "signups"),
        (shutil.rmtree, "--events"),
    ],
)
def test_wrong_input_is_refused_in_words_and_leaves_nothing(events, tmp_path, capsys, spoil, named):
    spoil(events)
    assert nightly(events, tmp_path / "deep" / "lake") == 2
    error = capsys.readouterr().err
    assert named in error
    assert "Traceback" not in error
    assert not (tmp_path / "deep").exists()


def test_every_fault_stands_in_one_message(events, tmp_path, capsys):
    drop_column(events)
    spoil_type(events)
    spoil_file(events)
    assert nightly(events, tmp_path / "lake") == 2
    error = capsys.readouterr().err
    assert all(name in error for name in ("device_id", "amount_minor", "torn.parquet"))


def test_an_as_of_before_the_first_event_is_refused(world, tmp_path, capsys):
    assert nightly(world, tmp_path / "lake", day="2001-01-01") == 2
    assert "--as-of" in capsys.readouterr().err
    assert not (tmp_path / "lake").exists()


def test_a_lake_that_cannot_be_written_is_refused(world, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert nightly(world, tmp_path / "file" / "lake") == 2
    assert "--lake" in capsys.readouterr().err


def test_too_many_rejected_rows_refuse_the_night(events, tmp_path, capsys):
    rows, replace = table_of(events, "signups")
    replace(rows.head(rows.height // 2))
    assert nightly(events, tmp_path / "lake") == 4
    assert "quarantine_share" in capsys.readouterr().err
    rejected = pl.read_parquet(tmp_path / "lake/nights/.2026-06-30.partial/quarantine/*.parquet")
    assert set(rejected["reason"]) == {"no_signup"}
    assert not (tmp_path / "lake/current").exists()
    assert not any((tmp_path / "lake/restricted").rglob("*.parquet"))


@pytest.mark.parametrize(("uri", "code"), [("bolt://127.0.0.1:1", 3), ("gopher://127.0.0.1:1", 2)])
def test_a_store_that_does_not_answer_is_told_before_anything_is_written(
    world, tmp_path, capsys, monkeypatch, uri, code
):
    monkeypatch.setenv("NEO4J_URI", uri)
    monkeypatch.setenv("NEO4J_PASSWORD", "wrong")
    lake = tmp_path / "lake"
    assert main(["nightly", "--events", str(world), "--lake", str(lake), "--as-of", "2026-06-30"]) == code
    assert uri in capsys.readouterr().err
    assert not lake.exists()


def test_a_store_without_a_password_is_a_configuration_fault(world, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("NEO4J_URI", "bolt://127.0.0.1:1")
    lake = tmp_path / "lake"
    assert main(["nightly", "--events", str(world), "--lake", str(lake), "--as-of", "2026-06-30"]) == 2
    assert "NEO4J_PASSWORD" in capsys.readouterr().err


def test_a_held_lake_ends_with_5(world, tmp_path, capsys):
    from jobs.lock import hold_lake

    lake = tmp_path / "lake"
    lake.mkdir()
    with hold_lake(lake, DAY):
        assert nightly(world, lake) == 5
    assert str(os.getpid()) in capsys.readouterr().err


def test_killed_between_any_two_steps_the_night_goes_on_to_the_same_bytes(trained_world, whole, tmp_path):
    ran = []

    def kill(name):
        ran.append(name)
        raise Killed

    steps = [name for name in STEPS if name not in NO_STORE]
    for name in steps:
        with pytest.raises(Killed):
            run(trained_world, tmp_path / "lake", after_step=kill, **QUICK)
        assert not (tmp_path / "lake" / "current").exists(), name
    run(trained_world, tmp_path / "lake", after_step=kill, **QUICK)  # only publishes
    assert sorted(ran) == sorted(steps)
    assert contents(tmp_path / "lake" / "nights" / DAY.isoformat()) == contents(whole)
    assert list((tmp_path / "lake" / "restricted" / "work").iterdir()) == []


def test_a_process_killed_in_the_middle_of_a_step_goes_on_to_the_same_bytes(world, small, tmp_path):
    command = [
        sys.executable,
        "-m",
        "jobs",
        "nightly",
        "--events",
        str(world),
        "--lake",
        "lake",
        "--as-of",
        "2026-06-30",
    ]
    with subprocess.Popen([*command, "--no-store"], stderr=subprocess.PIPE, text=True, start_new_session=True) as child:
        for line in child.stderr:
            if line.startswith("links ..."):
                os.killpg(child.pid, signal.SIGKILL)
                break
    assert (tmp_path / "lake/nights/.2026-06-30.partial").is_dir()
    assert not (tmp_path / "lake/current").exists()
    assert "ingest" not in run(world, tmp_path / "lake").seconds
    assert contents(tmp_path / "lake/nights/2026-06-30") == contents(small)


def test_the_same_night_in_another_lake_gives_the_same_bytes_in_every_table(world, small, tmp_path):
    run(world, tmp_path / "lake")
    assert contents(tmp_path / "lake" / "nights" / DAY.isoformat()) == contents(small)


def test_a_forced_second_run_trains_the_same_model_and_writes_the_same_bytes(trained_world, whole):
    before = contents(whole.parent.parent / "models")
    outcome = NightOutcome()
    run_night(request_of(trained_world, whole.parent.parent, **QUICK), outcome)
    assert outcome.was_complete
    bytes_before = contents(whole)
    run_night(dataclasses.replace(request_of(trained_world, whole.parent.parent, **QUICK), force=True), outcome)
    assert contents(whole) == bytes_before
    assert contents(whole.parent.parent / "models") == before


def check_tables(lake, n_accounts, day=DAY):
    night = Night(lake / "nights" / day.isoformat(), day)
    for name in NIGHT_TABLES:
        assert night.read(name).schema == NIGHT_TABLES[name], name
    for name in ("clusters", "identities"):
        assert night.read(name)["account_id"].n_unique() == night.read(name).height == n_accounts
    return night


def test_without_any_label_there_are_links_and_clusters_and_the_report_says_why_no_scores(events, tmp_path):
    shutil.rmtree(events / "outcomes")
    n_accounts = table_of(events, "signups")[0].height
    run(events, tmp_path / "lake")
    night = check_tables(tmp_path / "lake", n_accounts)
    for name in ("labels", "scores", "rings", "reasons", "embeddings"):
        assert night.read(name).is_empty(), name
    assert json.loads((night.folder / "report.json").read_text())["no_model"]


def test_one_account_is_a_world(events, tmp_path):
    one = table_of(events, "signups")[0].head(1)
    for folder in list(events.iterdir()):
        rows, replace = table_of(events, folder.name)
        replace(rows.join(one.select("account_id"), on="account_id", how="semi"))
    run(events, tmp_path / "lake")
    check_tables(tmp_path / "lake", 1)


def test_empty_optional_tables_are_legal(events, tmp_path):
    for name in ("instruments", "payments", "id_checks", "outcomes"):
        rows, replace = table_of(events, name)
        replace(rows.clear())
    n_accounts = table_of(events, "signups")[0].height
    run(events, tmp_path / "lake")
    check_tables(tmp_path / "lake", n_accounts)


def test_repeated_events_change_nothing(events, small, tmp_path):
    rows, _ = table_of(events, "logins")
    rows.head(100).write_parquet(events / "logins" / "again.parquet")
    run(events, tmp_path / "lake")
    again = contents(tmp_path / "lake/nights/2026-06-30")
    before = contents(small)
    for name in NIGHT_TABLES:
        assert again[f"{name}.parquet"] == before[f"{name}.parquet"], name


def test_a_few_rejected_rows_are_counted_and_left_out(events, tmp_path):
    rows, replace = table_of(events, "logins")
    replace(rows.with_columns(device_id=pl.when(pl.int_range(pl.len()) < 5).then(None).otherwise("device_id")))
    outcome = run(events, tmp_path / "lake")
    assert outcome.results["ingest"].facts["tables"]["logins"]["n_rejected"] == 5
    assert pl.read_parquet(tmp_path / "lake/nights/2026-06-30/quarantine/logins.parquet").height == 5


def test_never_without_a_model_says_what_to_do(world, tmp_path, capsys):
    assert nightly(world, tmp_path / "lake", "--train", "never") == 2
    assert "--train auto" in capsys.readouterr().err
    assert not (tmp_path / "lake").exists()


def test_an_unknown_model_is_refused_with_those_that_are(world, tmp_path, capsys):
    assert nightly(world, tmp_path / "lake", "--model", "absent") == 2
    assert "`absent`" in capsys.readouterr().err
    assert not (tmp_path / "lake").exists()


def test_the_next_night_uses_the_model_and_the_one_a_week_later_trains_anew(trained_world, whole, tmp_path):
    lake = Path(shutil.copytree(whole.parent.parent, tmp_path / "lake"))
    version = json.loads((whole / "report.json").read_text())["model"]["version"]
    quick = QUICK | {"train.on_drift": False}
    next_day = run(trained_world, lake, date(2026, 7, 1), **quick).results["train"]
    assert (next_day.models, next_day.facts["trained"]) == ([version], False)
    week_later = run(trained_world, lake, date(2026, 7, 7), **quick).results["train"]
    assert week_later.facts["trained"]
    assert week_later.models != [version]
    never = run(trained_world, lake, date(2026, 7, 2), **quick, **{"train.mode": "never"}).results["train"]
    assert never.models == [version]  # not the later one, which knows more
    decisions = read_decisions(lake / "models")
    assert [(each.as_of, each.version, each.kind) for each in decisions] == [
        (DAY, version, "promoted"),
        (date(2026, 7, 7), week_later.models[0], "promoted"),
    ]
    drift = json.loads((lake / "nights/2026-07-01/report.json").read_text())["drift"]
    assert drift["since"] == DAY.isoformat()
    assert drift["scores"]["model"] == drift["scores"]["model_before"] == version
    assert drift["inputs"]["highest"][0]["index"] > 0  # accounts are a day older
    assert drift["not_compared"] is None
    assert set(drift["embeddings"]) == {"norm", "highest_dimension", "moved_share"}


def test_a_training_that_sees_the_future_refuses_the_night_and_names_a_model_that_does_not(
    trained_world, whole, tmp_path
):
    """Sessions that lost when they became known: the graph of an earlier cut-off holds links of later."""
    lake = Path(shutil.copytree(whole.parent.parent, tmp_path / "lake"))
    before = contents(lake / "models")
    later = date(2026, 7, 7)

    def forget_when_known(name):
        if name != "features":
            return
        for path in sorted((lake / "restricted/work" / later.isoformat() / "events/logins").glob("*.parquet")):
            logins = pl.read_parquet(path)
            logins.with_columns(known_time=pl.col("known_time").min()).write_parquet(path)

    with pytest.raises(GateError) as refused:
        run(trained_world, lake, later, after_step=forget_when_known, is_full=True, **QUICK)
    assert refused.value.exit_code == 4
    told = str(refused.value)
    for leak in ("later edges: ", "link(s) first seen later"):
        assert leak in told
    assert f"`--model {next(iter(before)).split('/')[0]}`" in told
    assert (lake / "current").read_text().strip() == DAY.isoformat()
    assert not (lake / "nights" / later.isoformat()).exists()
    assert contents(lake / "models") == before
