"""A lake at a URL: readers see whole nights at every moment of a push, a push that was killed is finished, secrets stay."""

import json
import shutil
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import pytest

from graph.errors import InputError, LakeHeldError
from jobs.night import SilentProgress
from jobs.remote.lake import CURRENT, list_lake, whole_nights
from jobs.remote.mirror import Mirror
from jobs.remote.reach import lake_to_read, lake_to_write
from jobs.remote.storage import Storage

FIRST, SECOND, THIRD = date(2026, 6, 28), date(2026, 6, 29), date(2026, 6, 30)
SAY = SilentProgress()


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("RINGLIGHT_KEY", "5a" * 32)


@pytest.fixture(params=["file"])
def url(request, tmp_path):
    """On a local disk; `on_s3` asks for a server, too."""
    return f"{request.getfixturevalue('bucket') if request.param == 's3' else f'file://{tmp_path}/bucket'}/lake"


on_s3 = pytest.mark.parametrize("url", ["file", "s3"], indirect=True)


@pytest.fixture
def changes(monkeypatch):
    """Every change of the storage, in order: ("put", name), ("remove", name); `changes.kill` says before which to die.

    Who is dead saves no index.
    """

    class Changes(list):
        kill: int | None = None
        is_dead = False

        def add(self, *change):
            if self.kill is not None and len(self) >= self.kill:
                self.is_dead = True
                raise Killed
            self.append(change)

        def begin(self, kill=None):
            self.kill, self.is_dead = kill, False
            self.clear()

    seen = Changes()
    put, remove, save = Storage.put, Storage.remove, Mirror.save

    def put_seen(self, path, name):
        seen.add("put", name)
        return put(self, path, name)

    def remove_seen(self, names):
        for name in names:
            if not name.startswith("lock"):
                seen.add("remove", name)
            remove(self, [name])

    monkeypatch.setattr(Storage, "put", put_seen)
    monkeypatch.setattr(Storage, "remove", remove_seen)
    monkeypatch.setattr(Mirror, "save", lambda self: None if seen.is_dead else save(self))
    monkeypatch.setattr("jobs.remote.storage.SIDE_BY_SIDE", 1)  # an order that is the same each time
    return seen


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def make_night(lake: Path, day: date, edition: str = "1") -> None:
    """What a night leaves, with what must stay in the place."""
    night = lake / "nights" / str(day)
    shutil.rmtree(night, ignore_errors=True)
    tables = ["scores.parquet", "clusters.parquet", "links.parquet/0.parquet", f"only-{edition}.parquet"]
    for table in [*tables, "timings.json"]:
        write(night / table, f"{table} of {day} {edition}")
    write(night / "manifest.json", json.dumps({"tables": sorted(tables), "edition": edition, "date": str(day)}))
    model = lake / "models" / f"m-{day}"
    write(model / "weights", "w")
    write(model / "model.json", "{}")
    write(lake / "models" / "promotions.jsonl", f"until {day} {edition}\n")
    for zone in ("state", "restricted/state"):
        shutil.rmtree(lake / zone / str(day), ignore_errors=True)
        write(lake / zone / str(day) / "part", f"{zone} {day} {edition}")
        write(lake / zone / str(day) / "mark", f"mark {day} {edition}")
        for old in sorted((lake / zone).iterdir())[:-2]:
            shutil.rmtree(old)
    for secret in ("restricted/key", "restricted/faults.log", f"restricted/work/{day}/events/x.parquet"):
        write(lake / secret, "secret")
    write(lake / "nights" / f".{day}.partial" / "x", "draft")
    write(lake / ".lock.holder", "x")
    write(lake / "metrics.prom", "x")
    write(lake / "current", f"{day}\n")


@contextmanager
def night_at(url: str, place: Path, day: date):
    with lake_to_write(url, day, "night", place, SAY) as lake:
        yield lake


def assert_readable(url: str, place: Path, editions: dict[date, set[str]]) -> date | None:
    """What a reader gets is a whole night, every table of the edition that its manifest names; the night."""
    shutil.rmtree(place, ignore_errors=True)
    with lake_to_read(url, [None], place, SAY) as (lake, (day,)):
        if day is None:
            return None
        night = lake / "nights" / str(day)
        manifest = json.loads((night / "manifest.json").read_text())
        assert manifest["edition"] in editions[day]
        for table in manifest["tables"]:
            assert (night / table).read_text() == f"{table} of {day} {manifest['edition']}"
    return day


def names(url: str) -> set[str]:
    return set(list_lake(Storage(url, "--lake")))


@on_s3
def test_data_goes_first_then_what_makes_it_whole_then_current(url, tmp_path, changes):
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
    order = [name for _, name in changes]
    night = [name for name in order if name.startswith(f"nights/{FIRST}/")]
    state = [name for name in order if "state/" in name]
    assert night[-1] == f"nights/{FIRST}/manifest.json"
    assert [name for name in state if name.startswith("state/")][-1] == f"state/{FIRST}/mark"
    assert state[-1] == f"restricted/state/{FIRST}/mark"
    assert order.index(night[-1]) < order.index(state[0])
    assert max(order.index(name) for name in order if name.startswith("models/")) < order.index(night[0])
    assert order[-1] == CURRENT


@on_s3
def test_secrets_and_drafts_stay_in_the_place(url, tmp_path):
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
        write(lake / "desk/dispositions.jsonl", "a line\n")
    sent = set(Storage(url, "--lake").list())
    assert {name.split("/")[0] for name in sent} == {"nights", "models", "state", "restricted", "desk", "current"}
    assert {name for name in sent if name.startswith("restricted/")} == {
        f"restricted/state/{FIRST}/part",
        f"restricted/state/{FIRST}/mark",
    }
    assert not [name for name in sent if "/." in name or name.startswith(".")]


@on_s3
def test_a_new_place_has_what_the_old_one_had(url, tmp_path):
    with night_at(url, tmp_path / "one", FIRST) as lake:
        make_night(lake, FIRST)
        write(lake / "desk/dispositions.jsonl", "a line\n")
    with night_at(url, tmp_path / "one", SECOND) as lake:
        make_night(lake, SECOND)
    with night_at(url, tmp_path / "two", THIRD) as lake:
        got = {path.relative_to(lake).as_posix() for path in lake.rglob("*") if path.is_file()} - {
            ".lock",
            ".lock.holder",
        }
        there = names(url)
        older = {name for name in there if name.startswith(f"nights/{FIRST}/") and not name.endswith("manifest.json")}
        states = {name for name in there if "state/" in name and str(FIRST) in name}
        assert got == there - older - states
        assert (lake / "restricted").stat().st_mode & 0o077 == 0
        assert (lake / "desk").stat().st_mode & 0o077 == 0


@on_s3
def test_what_lies_there_is_neither_fetched_nor_sent_again(url, tmp_path, changes, monkeypatch):
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
    changes.clear()
    fetched = []
    fetch = Storage.fetch
    monkeypatch.setattr(Storage, "fetch", lambda self, name, path: fetched.append(name) or fetch(self, name, path))
    with night_at(url, tmp_path, SECOND):
        pass
    assert fetched == []
    assert changes == []


def test_states_that_no_night_begins_from_are_dropped(url, tmp_path):
    for day in (FIRST, SECOND, THIRD):
        with night_at(url, tmp_path / str(day), day) as lake:
            make_night(lake, day)
    states = {name.rsplit("/", 2)[1] for name in names(url) if "state/" in name}
    assert states == {str(SECOND), str(THIRD)}
    assert whole_nights(names(url)) == [FIRST, SECOND, THIRD]


@pytest.mark.slow
@pytest.mark.parametrize("edition", ["a new night", "the same night again"])
def test_a_push_that_is_killed_anywhere_leaves_whole_nights_and_is_finished(tmp_path, changes, edition):
    day = SECOND if edition == "a new night" else FIRST
    n_changes, kill = None, 0
    while n_changes is None or kill <= n_changes:
        changes.begin()
        url, place, reader = f"file://{tmp_path}/bucket/lake-{kill}", tmp_path / f"place-{kill}", tmp_path / "reader"
        for earlier in (date(2026, 6, 27), FIRST):
            with night_at(url, place, earlier) as lake:
                make_night(lake, earlier)
        changes.begin(kill)
        try:
            with night_at(url, place, day) as lake:
                make_night(lake, day, "2")
        except Killed:
            pass
        else:
            n_changes = len(changes)
        changes.begin()
        editions = {date(2026, 6, 27): {"1"}, FIRST: {"1", "2"} if day == FIRST else {"1"}, SECOND: {"2"}}
        read = assert_readable(url, reader, editions)
        assert read in {FIRST, day if day == SECOND else date(2026, 6, 27)}  # while it is replaced, the one before
        with night_at(url, place, THIRD):  # the next run; it finds the night made and publishes it
            pass
        assert assert_readable(url, reader, editions | {day: {"2"}}) == day
        assert f"nights/{day}/only-2.parquet" in names(url)
        assert f"nights/{day}/only-1.parquet" not in names(url)
        kill += 1
    assert kill > 10


def test_a_fetch_that_is_killed_anywhere_leaves_whole_nights_and_goes_on(url, tmp_path, monkeypatch):
    for day, edition in ((FIRST, "1"), (SECOND, "1")):
        with night_at(url, tmp_path / "maker", day) as lake:
            make_night(lake, day, edition)
    fetch, calls, n_all = Storage.fetch, [], None
    monkeypatch.setattr("jobs.remote.storage.SIDE_BY_SIDE", 1)

    def fetch_until(self, name, path):
        if len(calls) == kill:
            raise Killed
        calls.append(name)
        fetch(self, name, path)

    monkeypatch.setattr(Storage, "fetch", fetch_until)
    for kill in range(30):
        place, n_calls = tmp_path / f"place-{kill}", len(calls)
        calls.clear()
        try:
            with night_at(url, place, THIRD):
                n_all = len(calls)
                break
        except Killed:
            n_calls = len(calls)
        for manifest in place.glob("*/mirror/nights/2*/manifest.json"):
            if manifest.parent.name == str(SECOND):
                assert all((manifest.parent / table).exists() for table in json.loads(manifest.read_text())["tables"])
        calls.clear()
        with monkeypatch.context() as alive:
            alive.setattr(Storage, "fetch", lambda self, name, path: calls.append(name) or fetch(self, name, path))
            with night_at(url, place, THIRD) as lake:
                assert (lake / "nights" / str(SECOND) / "scores.parquet").read_text() == f"scores.parquet of {SECOND} 1"
                assert (lake / "restricted/state" / str(SECOND) / "mark").is_file()
        fetched_again = n_calls + len(calls)
        calls.clear()
        assert fetched_again < 30
    assert n_all is not None
    assert n_all > 10


def test_what_another_machine_published_holds(url, tmp_path):
    for place, edition in (("one", "1"), ("two", "2")):
        with night_at(url, tmp_path / place, FIRST) as lake:
            make_night(lake, FIRST, edition)
    with night_at(url, tmp_path / "one", FIRST) as lake:
        assert json.loads((lake / "nights" / str(FIRST) / "manifest.json").read_text())["edition"] == "2"
        assert (lake / "nights" / str(FIRST) / "scores.parquet").read_text().endswith(" 2")
        assert not (lake / "nights" / str(FIRST) / "only-1.parquet").exists()


def test_a_night_that_was_deleted_there_goes_here(url, tmp_path):
    for day in (FIRST, SECOND):
        with night_at(url, tmp_path, day) as lake:
            make_night(lake, day)
    storage = Storage(url, "--lake")
    storage.remove([name for name in names(url) if name.startswith(f"nights/{FIRST}/")])
    with night_at(url, tmp_path, THIRD) as lake:
        assert [path.name for path in sorted((lake / "nights").glob("2*"))] == [str(SECOND)]
    assert whole_nights(names(url)) == [SECOND]


def test_a_url_that_lost_all_is_refused(url, tmp_path):
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
    Storage(url, "--lake").remove(names(url))
    with pytest.raises(InputError, match="`current` is gone"), night_at(url, tmp_path, SECOND):
        pass
    assert names(url) == set()


@pytest.mark.parametrize(
    ("here", "there", "both"),
    [("ab", "a", "ab"), ("a", "ab", "ab"), ("ab", "ab", "ab"), ("ab", "ac", None)],
)
def test_a_log_that_grew_here_and_there_loses_no_line(url, tmp_path, here, there, both):
    log = "desk/dispositions.jsonl"
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
        write(lake / log, "")
    storage = Storage(url, "--lake")
    storage.write(log, there)
    write(lake / log, here)
    if both is None:
        with pytest.raises(InputError, match="by hand"), night_at(url, tmp_path, SECOND):
            pass
        assert ((lake / log).read_text(), storage.read(log)) == (here, there)
        return
    with night_at(url, tmp_path, SECOND):
        assert (lake / log).read_text() == both
    assert storage.read(log) == both


def test_the_log_of_a_desk_that_is_gone_is_missed(url, tmp_path):
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
        write(lake / "desk/dispositions.jsonl", "a line\n")
    Storage(url, "--lake").remove(["desk/dispositions.jsonl"])
    with pytest.raises(InputError, match="backup"), night_at(url, tmp_path, SECOND):
        pass
    assert (lake / "desk/dispositions.jsonl").is_file()


def test_a_run_that_lost_the_lock_publishes_nothing_more(url, tmp_path):
    with night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
    with pytest.raises(LakeHeldError), night_at(url, tmp_path, SECOND) as lake:
        make_night(lake, SECOND)
        Storage(url, "--lake").write("lock", json.dumps({"token": "another", "time": 9e9}))
    assert whole_nights(names(url)) == [FIRST]
    assert Storage(url, "--lake").read(CURRENT).strip() == str(FIRST)


def test_a_night_that_failed_publishes_nothing(url, tmp_path):
    with pytest.raises(ZeroDivisionError), night_at(url, tmp_path, FIRST) as lake:
        make_night(lake, FIRST)
        raise ZeroDivisionError
    assert set(Storage(url, "--lake").list()) == set()


def test_a_lake_at_a_url_needs_its_key_from_the_environment(url, tmp_path, monkeypatch):
    monkeypatch.delenv("RINGLIGHT_KEY")
    with pytest.raises(InputError, match="RINGLIGHT_KEY"), night_at(url, tmp_path, FIRST):
        pass


def test_a_reader_of_histories_gets_them_of_all_nights_and_the_rest_of_one(url, tmp_path):
    for day in (FIRST, SECOND):
        with night_at(url, tmp_path / "one", day) as lake:
            make_night(lake, day)
            write(lake / "nights" / str(day) / "lineage.parquet", "x")
    with lake_to_read(url, [None], tmp_path / "two", SAY, with_lineage=True) as (lake, days):
        assert days == [SECOND]
        assert {path.name for path in (lake / "nights" / str(FIRST)).iterdir()} == {
            "manifest.json",
            "lineage.parquet",
            "clusters.parquet",
        }
        assert (lake / "nights" / str(SECOND) / "scores.parquet").is_file()
        assert not (lake / "state").exists()
        assert not (lake / "restricted/state").exists()
    with lake_to_read(url, [FIRST], tmp_path / "two", SAY, with_records=True) as (lake, days):
        assert days == [FIRST]
        assert (lake / "nights" / str(FIRST) / "scores.parquet").is_file()
        assert (lake / "restricted/state" / str(FIRST) / "part").is_file()


def test_a_folder_is_given_as_it_is(tmp_path):
    with lake_to_write(tmp_path / "lake", FIRST, "night", None, SAY) as lake:
        assert lake == tmp_path / "lake"
    with lake_to_read(str(tmp_path / "lake"), [None], None, SAY) as found:
        assert found == (tmp_path / "lake", [None])
    assert not (tmp_path / "lake").exists()
