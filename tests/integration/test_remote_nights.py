"""Nights whose events and lake lie on object storage, on a real S3-compatible server and a real Ray, by the command line."""

import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from graph.lake import night_folder
from jobs.cli import main
from jobs.remote.lake import list_lake
from jobs.remote.storage import Storage
from jobs.simulate import simulate

pytestmark = pytest.mark.usefixtures("one_ray")

FIRST, SECOND = date(2026, 6, 29), date(2026, 6, 30)
KEY = "5a" * 32
QUICK = ["train.n_seeds=1", "train.with_controls=false", "train.min_positives=5", "train.n_cutoffs=1"]
DIFFER = ("timings.json",)


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path):
    """The key, the place, and no settings from wherever the tests run."""
    monkeypatch.setenv("RINGLIGHT_KEY", KEY)
    monkeypatch.setenv("RINGLIGHT_PLACE", str(tmp_path / "place"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def small_world(tmp_path_factory) -> Path:
    """Events with too few outcomes for a model: a night of seconds."""
    return simulate(tmp_path_factory.mktemp("world"), n_accounts=300, n_days=60, seed=7, until=SECOND).events


def nightly(events: object, lake: object, day: date, *more: str) -> int:
    settings = [part for each in QUICK for part in ("--set", each)]
    return main(
        ["nightly", "--events", str(events), "--lake", str(lake), "--as-of", str(day), "--no-store", *settings, *more]
    )


def contents(
    folder: Path, zones: tuple[str, ...] = ("nights", "models", "state", "restricted/state")
) -> dict[str, bytes]:
    files = [path for zone in zones for path in (folder / zone).rglob("*") if path.is_file()]
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in [*files, folder / "current"]}
    return {name: content for name, content in found.items() if not name.endswith(DIFFER)}


def test_nights_by_url_are_the_bytes_of_nights_on_folders(
    bucket, trained_world, tmp_path, capsys, uploaded, downloaded
):
    url, plain, events_url = f"{bucket}/lake", tmp_path / "plain", uploaded(trained_world)
    for day in (FIRST, SECOND):
        assert nightly(trained_world, plain, day) == 0
    assert nightly(events_url, url, FIRST) == 0
    shutil.rmtree(tmp_path / "place")  # another machine
    capsys.readouterr()
    assert nightly(events_url, url, SECOND) == 0
    told = capsys.readouterr().err
    assert f"The linkage is made from what the night {FIRST} left" in told
    assert f"The night {SECOND} is complete: {url}/nights/{SECOND}" in told
    there = downloaded(url)
    assert contents(there) == contents(plain)
    assert sorted(path.name for path in there.iterdir()) == ["current", "models", "nights", "restricted", "state"]
    assert [path.name for path in (there / "restricted").iterdir()] == ["state"]
    assert nightly(events_url, url, SECOND) == 0
    assert "is complete already" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "place")
    assert main(["show", "--lake", url]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert main(["show", "--lake", str(plain)]) == 0
    assert shown[:-1] == capsys.readouterr().out.splitlines()[:-1]  # the last line names the report's path
    assert main(["models", "list", "--lake", url]) == 0


def test_a_push_that_was_killed_leaves_the_former_night_and_is_finished(
    bucket, small_world, tmp_path, capsys, monkeypatch, uploaded, downloaded
):
    class Killed(BaseException):
        """Stands for SIGKILL."""

    url, events_url = f"{bucket}/lake", uploaded(small_world)
    assert nightly(events_url, url, FIRST) == 0
    put = Storage.put

    def put_until(self, path, name):
        if name == f"nights/{SECOND}/scores.parquet":
            raise Killed
        return put(self, path, name)

    with monkeypatch.context() as killing:
        killing.setattr(Storage, "put", put_until)
        with pytest.raises(Killed):
            nightly(events_url, url, SECOND)
    half = set(list_lake(Storage(url, "--lake")))
    assert f"nights/{SECOND}/manifest.json" not in half
    assert any(name.startswith(f"nights/{SECOND}/") for name in half)
    monkeypatch.setenv("RINGLIGHT_PLACE", str(tmp_path / "reader"))
    capsys.readouterr()
    assert main(["show", "--lake", url]) == 0
    assert str(FIRST) in capsys.readouterr().out
    monkeypatch.setenv("RINGLIGHT_PLACE", str(tmp_path / "place"))
    assert nightly(events_url, url, SECOND) == 0
    told = capsys.readouterr().err
    assert "is complete already" in told
    assert f"publishing nights/{SECOND}" in told
    there = downloaded(url)
    plain = tmp_path / "plain"
    for day in (FIRST, SECOND):
        assert nightly(small_world, plain, day) == 0
    assert contents(there) == contents(plain)


def test_a_step_alone_works_in_the_place_and_publishes_nothing(bucket, small_world, capsys, uploaded, downloaded):
    url, events_url = f"{bucket}/lake", uploaded(small_world)
    flags = ["--events", events_url, "--lake", url, "--as-of", str(FIRST)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    command = [sys.executable, "-m", "jobs.steps.ingest", *flags]
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert Storage(url, "--lake").list() == {}
    assert nightly(events_url, url, FIRST) == 0
    assert "ingest done already" in capsys.readouterr().err
    assert night_folder(downloaded(url), FIRST).is_dir()


@pytest.mark.parametrize(
    ("flags", "unset", "code", "told"),
    [
        ({"lake": "zzz://bucket/lake"}, (), 2, "scheme that fsspec knows"),
        ({"lake": "gs://bucket/lake"}, (), 2, "`gcsfs`"),
        ({"lake": "s3://no-such-bucket/lake"}, (), 2, "bucket does not exist"),
        ({"events": "s3://no-such-bucket/events"}, (), 2, "bucket does not exist"),
        ({}, ("RINGLIGHT_KEY",), 2, "RINGLIGHT_KEY"),
        ({}, ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"), 2, "AWS_ACCESS_KEY_ID"),
        ({"held": "yes"}, (), 5, "another-host"),
    ],
)
def test_what_stops_a_night_at_a_url_is_one_sentence(bucket, tmp_path, capsys, monkeypatch, flags, unset, code, told):
    url = flags.get("lake", f"{bucket}/lake")
    if "held" in flags:
        Storage(url, "--lake").write("lock", '{"host": "another-host", "pid": 1, "token": "x", "time": 9e9}')
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for name in unset:
        monkeypatch.delenv(name)
    assert nightly(flags.get("events", f"{bucket}/events"), url, FIRST) == code
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1, error


@pytest.mark.parametrize("command", [["console"], ["audit", "verify"], ["token", "list"]], ids=" ".join)
def test_commands_that_need_a_folder_say_so(command, capsys):
    assert main([*command, "--lake", "s3://bucket/lake"]) == 2
    assert "must be a folder for this command" in capsys.readouterr().err
