"""The chain: what runs, what is kept after a kill, what is published, and what is refused before anything is written.

The steps here are small but do what steps do: the first reads events and leaves raw values, the second leaves a table.
"""

import contextlib
import dataclasses
import json
import secrets
import shutil
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import polars as pl
import pytest
from pydantic import Field

from graph.errors import GateError, InputError, StoreError
from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.night import SilentProgress, StepConfig, StepResult
from jobs.settings import Settings

DAY = date(2026, 6, 30)
KEY = "5a" * 32


class Killed(BaseException):
    """Stands for SIGKILL: nothing of the run may catch it."""


def write_events(folder, n_accounts=5):
    times = [datetime(2026, 6, 1, hour, tzinfo=UTC) for hour in range(n_accounts)]
    ids = [f"a{number}" for number in range(n_accounts)]
    signups = pl.DataFrame({"event_id": ids, "event_time": times, "account_id": ids, "channel": ["web"] * n_accounts})
    logins = signups.drop("channel").with_columns(device_id=pl.lit("d1"))
    for name, table in (("signups", signups), ("logins", logins)):
        (folder / name).mkdir(parents=True, exist_ok=True)
        table.write_parquet(folder / name / "part.parquet")
    return folder


class GatherConfig(StepConfig):
    least: int = Field(1, description="fewest accounts")


class NoConfig(StepConfig):
    pass


class Trace(SilentProgress):
    def __init__(self):
        self.lines = []

    def say(self, text):
        self.lines.append(text)


@pytest.fixture
def ran():
    """Names of the steps that ran, in order."""
    return []


@pytest.fixture
def steps(ran):
    def gather(night, config):
        ran.append("gather")
        frame = pl.read_parquet(night.events / "signups" / "part.parquet")
        if frame.height < config.least:
            raise InputError(f"`signups` must hold {config.least} rows; got {frame.height}. Add some.")
        frame.write_parquet(night.work / "accounts.parquet")
        return StepResult({"accounts": frame.height}, intermediates=["accounts.parquet"], facts={"pair": (1, 2)})

    def table(night, config):
        ran.append("table")
        frame = pl.read_parquet(night.work / "accounts.parquet").select("account_id").sort("account_id")
        (night.out / "parts").mkdir(exist_ok=True)
        frame.write_parquet(night.out / "parts" / "0.parquet")
        return StepResult({"rows": frame.height}, outputs=["parts"], facts=night.results["gather"].facts)

    def feed(night, config):
        ran.append("feed")
        return StepResult({"fed": pl.read_parquet(night.out / "parts" / "*.parquet").height})

    return {
        "gather": SimpleNamespace(READS=(), Config=GatherConfig, run=gather),
        "table": SimpleNamespace(READS=("gather",), Config=NoConfig, run=table),
        "feed": SimpleNamespace(READS=("table",), Config=NoConfig, run=feed, SINK=True),
    }


@pytest.fixture
def request_of(tmp_path, steps):
    events = write_events(tmp_path / "events")

    def make(lake="lake", least=1, **changes):
        settings = Settings(steps={"gather": GatherConfig(least=least), "table": NoConfig(), "feed": NoConfig()})
        wish = {
            "events": events,
            "lake": tmp_path / lake,
            "date": DAY,
            "settings": settings,
            "progress": Trace(),
            "session": contextlib.nullcontext,
            "random_hex": secrets.token_hex,
            "key": KEY,
            "steps": steps,
        }
        return NightRequest(**(wish | changes))

    return make


def run(request):
    outcome = NightOutcome()
    run_night(request, outcome)
    return outcome


def kill_after(name):
    def after(finished):
        if finished == name:
            raise Killed

    return after


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "timings.json"
    }


def test_a_night_is_published_and_its_raw_values_are_gone(request_of, ran, tmp_path):
    outcome = run(request_of())
    assert ran == ["gather", "table", "feed"]
    assert outcome.folder == tmp_path / "lake/nights/2026-06-30"
    assert (tmp_path / "lake/current").read_text() == "2026-06-30\n"
    assert list((tmp_path / "lake/restricted/work").iterdir()) == []
    assert sorted(path.name for path in (tmp_path / "lake/nights").iterdir()) == ["2026-06-30"]


@pytest.mark.parametrize("step", ["gather", "table", "feed"])
def test_killed_after_any_step_and_started_again_gives_the_same_bytes(request_of, ran, tmp_path, step):
    run(request_of("whole"))
    ran.clear()
    with pytest.raises(Killed):
        run(request_of(after_step=kill_after(step)))
    assert not (tmp_path / "lake/nights/2026-06-30").exists()
    assert not (tmp_path / "lake/current").exists()
    run(request_of())
    assert ran == ["gather", "table", "feed"]  # none twice
    assert contents(tmp_path / "lake/nights") == contents(tmp_path / "whole/nights")


@pytest.mark.parametrize(
    "place", ["nights/.2026-06-30.partial/parts/0.parquet", "restricted/work/2026-06-30/accounts.parquet"]
)
def test_a_finished_step_whose_file_was_changed_is_done_again(request_of, ran, tmp_path, place):
    run(request_of("whole"))
    with pytest.raises(Killed):
        run(request_of(after_step=kill_after("table")))
    (tmp_path / "lake" / place).write_bytes(b"damaged")
    ran.clear()
    run(request_of())
    assert ran[-2:] == ["table", "feed"]
    assert contents(tmp_path / "lake/nights") == contents(tmp_path / "whole/nights")


@pytest.mark.parametrize(("decided", "again"), [([], ["feed"]), (["rollback"], ["table", "feed"])])
def test_a_step_whose_grounds_in_the_lake_changed_is_done_again(request_of, steps, ran, decided, again):
    grounds = []
    steps["table"].depends_on = lambda plan: [plan.date.isoformat(), *grounds]
    with pytest.raises(Killed):
        run(request_of(after_step=kill_after("table")))
    ran.clear()
    grounds += decided
    run(request_of())
    assert ran == again


def test_a_partial_night_of_other_events_is_discarded(request_of, ran, tmp_path):
    with pytest.raises(Killed):
        run(request_of(after_step=kill_after("table")))
    write_events(tmp_path / "events", n_accounts=7)
    ran.clear()
    assert run(request_of()).results["gather"].rows == {"accounts": 7}
    assert ran == ["gather", "table", "feed"]


def test_a_setting_of_one_step_makes_that_step_and_what_reads_it_run_again(request_of, ran):
    with pytest.raises(Killed):
        run(request_of(after_step=kill_after("table")))
    ran.clear()
    run(request_of(least=2))
    assert ran == ["gather", "table", "feed"]


def test_a_complete_night_is_left_alone_unless_forced(request_of, ran, tmp_path):
    run(request_of())
    before = contents(tmp_path / "lake")
    ran.clear()
    assert run(request_of()).was_complete
    assert ran == []
    assert not run(request_of(force=True)).was_complete
    assert ran == ["gather", "table", "feed"]
    assert contents(tmp_path / "lake") == before


def test_late_events_replace_a_complete_night(request_of, tmp_path):
    run(request_of())
    write_events(tmp_path / "events", n_accounts=7)
    run(request_of())
    assert pl.read_parquet(tmp_path / "lake/nights/2026-06-30/parts/*.parquet").height == 7


def test_a_failed_recomputation_leaves_the_complete_night(request_of, tmp_path):
    run(request_of())
    before = contents(tmp_path / "lake/nights/2026-06-30")
    with pytest.raises(InputError):
        run(request_of(least=100))
    assert contents(tmp_path / "lake/nights/2026-06-30") == before
    assert (tmp_path / "lake/restricted/work").is_dir()


def test_a_sink_left_out_can_be_fed_later_without_redoing_the_night(request_of, ran, tmp_path):
    run(request_of(without=frozenset({"feed"})))
    ran.clear()
    assert not run(request_of()).was_complete
    assert ran == ["feed"]
    assert run(request_of(without=frozenset({"feed"}))).was_complete
    assert run(request_of()).was_complete
    assert ran == ["feed"]


def test_current_moves_forward_only_unless_told(request_of, tmp_path):
    current = tmp_path / "lake/current"
    run(request_of())
    run(request_of(date=date(2026, 6, 15)))
    assert current.read_text() == "2026-06-30\n"
    run(request_of(date=date(2026, 7, 1)))
    assert current.read_text() == "2026-07-01\n"
    run(request_of(date=date(2026, 6, 15), set_current=True))
    assert current.read_text() == "2026-06-15\n"


def test_the_previous_night_is_the_latest_earlier_one(request_of, steps, tmp_path):
    seen = []
    inner = steps["gather"].run

    def gather(night, config):
        seen.append(night.previous.date if night.previous else None)
        return inner(night, config)

    steps["gather"].run = gather
    for day in (date(2026, 6, 10), date(2026, 6, 30), date(2026, 6, 20)):
        run(request_of(date=day))
    assert seen == [None, date(2026, 6, 10), date(2026, 6, 10)]


@pytest.mark.parametrize("moment", ["before", "between", "after"])
def test_a_kill_while_publishing_over_an_older_edition_is_mended(request_of, ran, tmp_path, monkeypatch, moment):
    """Killed before the first rename, between the two, or before the intermediate files are deleted."""
    import jobs.chain as chain
    import jobs.publish as publishing

    run(request_of())
    write_events(tmp_path / "events", n_accounts=7)
    publish, delete = chain.publish, publishing.delete

    def killed(night, final):
        if moment == "before":
            raise Killed
        if moment == "between":
            final.rename(final.with_name(f".{final.name}.old"))
            raise Killed
        with monkeypatch.context() as patch:
            patch.setattr(publishing, "delete", lambda path: None)
            publish(night, final)
        raise Killed

    monkeypatch.setattr(chain, "publish", killed)
    with pytest.raises(Killed):
        run(request_of())
    monkeypatch.setattr(chain, "publish", publish)
    assert publishing.delete is delete
    ran.clear()
    run(request_of())
    assert ran == []
    night = tmp_path / "lake/nights/2026-06-30"
    assert pl.read_parquet(night / "parts/*.parquet").height == 7
    assert [path.name for path in night.parent.iterdir()] == ["2026-06-30"]
    assert list((tmp_path / "lake/restricted/work").iterdir()) == []


def test_the_manifest_holds_neither_times_of_the_run_nor_places_nor_the_key(request_of, tmp_path):
    run(request_of("one"))
    run(request_of("two"))
    one = (tmp_path / "one/nights/2026-06-30/manifest.json").read_text()
    assert one == (tmp_path / "two/nights/2026-06-30/manifest.json").read_text()
    assert KEY not in one
    assert str(tmp_path) not in one
    manifest = json.loads(one)
    assert manifest["status"] == "complete"
    assert list(manifest["inputs"]["events"]) == ["logins/part.parquet", "signups/part.parquet"]
    assert manifest["steps"]["gather"]["facts"] == {"pair": [1, 2]}


@pytest.mark.parametrize("has_key", [True, False])
def test_refused_input_leaves_no_lake_behind(request_of, tmp_path, has_key):
    with pytest.raises(InputError):
        run(request_of("deep/lake", least=100, key=KEY if has_key else None))
    assert not (tmp_path / "deep").exists()


def test_a_missing_table_is_refused_before_the_lake_is_touched(request_of, tmp_path):
    (tmp_path / "events/signups/part.parquet").unlink()
    with pytest.raises(InputError, match="signups"):
        run(request_of())
    assert not (tmp_path / "lake").exists()


def test_a_sink_that_does_not_answer_is_refused_before_the_lake_is_touched(request_of, steps, ran, tmp_path):
    def check(plan, config):
        assert plan.lake == tmp_path / "lake"
        raise StoreError("no answer")

    steps["feed"].check = check
    with pytest.raises(StoreError):
        run(request_of())
    assert not (tmp_path / "lake").exists()
    assert ran == []
    run(request_of(without=frozenset({"feed"})))


def test_a_lake_that_cannot_be_made_is_an_input_error(request_of, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="--lake"):
        run(request_of("file/lake"))


def test_an_alarm_keeps_what_was_done_and_current_where_it_was(request_of, steps, ran, tmp_path):
    inner = steps["table"].run

    def refuse(night, config):
        raise GateError("too large")

    steps["table"].run = refuse
    with pytest.raises(GateError):
        run(request_of())
    assert not (tmp_path / "lake/current").exists()
    steps["table"].run = inner
    ran.clear()
    run(request_of())
    assert ran == ["table", "feed"]


def test_a_step_that_names_a_file_it_did_not_write_is_our_fault(request_of, steps):
    steps["table"].run = lambda night, config: StepResult(outputs=["absent.parquet"])
    with pytest.raises(FileNotFoundError):
        run(request_of())


def test_a_lake_of_another_version_is_refused_by_name(request_of, tmp_path):
    run(request_of())
    path = tmp_path / "lake/nights/2026-06-30/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"lake_version": 0}))
    with pytest.raises(InputError, match="version 0"):
        run(request_of())


def test_a_step_alone_is_recorded_and_the_night_goes_on_from_it(request_of, ran):
    with pytest.raises(InputError, match="the steps gather leave"):
        run_night(request_of(only="table"), NightOutcome())
    run_night(request_of(only="gather"), NightOutcome())
    run_night(request_of(only="table"), NightOutcome())
    assert not (request_of().lake / "nights" / "2026-06-30").exists()
    run_night(request_of(), NightOutcome())
    assert ran == ["gather", "table", "feed"]
    assert (request_of().lake / "current").read_text().strip() == "2026-06-30"


def test_another_key_than_the_nights_is_refused_before_anything_is_written(request_of):
    run_night(request_of(), NightOutcome())
    for key in ("5b" * 32, None):
        with pytest.raises(InputError, match="must be the key of the lake's nights"):
            run_night(request_of(date=date(2026, 7, 1), key=key), NightOutcome())
    lake = request_of().lake
    assert not (lake / "restricted" / "key").exists()
    assert [path.name for path in (lake / "nights").iterdir()] == ["2026-06-30"]


def test_raw_values_of_an_abandoned_night_go_with_the_next_complete_one(request_of, steps):
    def kill(name):
        raise Killed

    with pytest.raises(Killed):
        run_night(request_of(date=date(2026, 6, 29), after_step=kill), NightOutcome())
    work = request_of().lake / "restricted" / "work"
    assert [path.name for path in work.iterdir()] == ["2026-06-29"]
    run_night(request_of(), NightOutcome())
    assert list(work.iterdir()) == []


def test_a_step_whose_model_is_gone_is_done_again(request_of, steps, ran):
    inner = steps["table"].run

    def train(night, config):
        (night.lake / "models" / "m1").mkdir(parents=True, exist_ok=True)
        (night.lake / "models" / "m1" / "model.json").write_text("{}")
        return dataclasses.replace(inner(night, config), models=["m1"])

    def kill(name):
        if name == "table":
            raise Killed

    steps["table"].run = train
    with pytest.raises(Killed):
        run_night(request_of(after_step=kill), NightOutcome())
    shutil.rmtree(request_of().lake / "models")
    run_night(request_of(), NightOutcome())
    assert ran == ["gather", "table", "table", "feed"]


def test_accounts_are_cut_into_as_many_partitions_as_the_size_of_the_events_asks_for(request_of, steps, monkeypatch):
    found = []
    whole = steps["gather"].run
    steps["gather"].run = lambda night, config: found.append(night.n_partitions) or whole(night, config)
    monkeypatch.setattr("jobs.chain.PARTITION_BYTES", 1_000_000)
    run(request_of())  # a few kilobytes: the fewest
    n_bytes = sum(file.stat().st_size for file in request_of().events.glob("*/*"))
    monkeypatch.setattr("jobs.chain.PARTITION_BYTES", n_bytes / 9)
    run(request_of(force=True))
    run(request_of(force=True, settings=request_of().settings.model_copy(update={"n_partitions": 3})))
    assert found == [4, 16, 3]


def test_a_next_night_keeps_the_partitions_of_the_one_before_while_they_will_do(request_of, steps, monkeypatch):
    found = []
    whole = steps["gather"].run
    steps["gather"].run = lambda night, config: found.append(night.n_partitions) or whole(night, config)
    n_bytes = sum(file.stat().st_size for file in request_of().events.glob("*/*"))
    days = (DAY + timedelta(days=number) for number in range(6))
    for parts in (15.9, 16.1, 19.9, 20.1, 8.1, 7.9):  # of the size that a partition may have
        monkeypatch.setattr("jobs.chain.PARTITION_BYTES", n_bytes / parts)
        run(request_of(date=next(days)))
    assert found == [16, 16, 16, 32, 32, 8]
