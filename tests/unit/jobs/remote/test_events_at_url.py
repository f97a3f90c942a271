"""Event files at a URL: those that changed are fetched, those that are gone go, and a half-fetched one is not there."""

import threading
from pathlib import Path

import pytest

from graph.errors import InputError, StoreError
from jobs.night import SilentProgress
from jobs.remote.events import fetched_events
from jobs.remote.storage import Storage

FILES = {"signups/2026/a.parquet": "one", "logins/b.csv": "two", "logins/c.PARQUET": "three"}
OTHERS = ("readme.md", "logins/_draft.parquet", "logins/.hidden/x.csv", "weather/w.parquet", "logins/notes.txt")


class Watched(Storage):
    """Tells what is fetched, and fails where it is told to."""

    def __init__(self, url: str) -> None:
        super().__init__(url, "--events")
        self.fetched: list[str] = []
        self.fails: str | None = None

    def fetch(self, name, path):
        if name == self.fails:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.with_name(f".{path.name}.partial").write_text("hal")
            raise StoreError("the network")
        super().fetch(name, path)
        self.fetched.append(name)


@pytest.fixture
def storage(bucket):
    made = Watched(f"{bucket}/events")
    for name, text in FILES.items():
        made.write(name, text)
    for name in OTHERS:
        made.write(name, "other")
    return made


class Trace(SilentProgress):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def fetch(storage: Storage, place: Path, progress: SilentProgress) -> Path:
    with fetched_events(storage, place, progress) as folder:
        return folder


def contents(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_what_changed_is_fetched_and_what_is_gone_goes(storage, tmp_path):
    folder = fetch(storage, tmp_path, SilentProgress())
    assert contents(folder) == FILES
    assert sorted(storage.fetched) == sorted(FILES)
    storage.fetched.clear()
    assert fetch(storage, tmp_path, SilentProgress()) == folder
    assert storage.fetched == []
    storage.write("logins/b.csv", "owt")
    storage.write("payments/p.csv", "new")
    storage.remove(["signups/2026/a.parquet"])
    fetch(storage, tmp_path, SilentProgress())
    assert sorted(storage.fetched) == ["logins/b.csv", "payments/p.csv"]
    assert contents(folder) == {"logins/b.csv": "owt", "logins/c.PARQUET": "three", "payments/p.csv": "new"}


def test_what_was_changed_or_lost_in_the_place_is_fetched_anew(storage, tmp_path):
    folder = fetch(storage, tmp_path, SilentProgress())
    (folder / "logins/b.csv").write_text("by another hand")
    (folder / "logins/c.PARQUET").unlink()
    fetch(storage, tmp_path, SilentProgress())
    assert contents(folder) == FILES


def test_a_fetch_that_failed_goes_on_and_leaves_no_half_file(storage, tmp_path):
    storage.fails = "signups/2026/a.parquet"
    with pytest.raises(StoreError):
        fetch(storage, tmp_path, SilentProgress())
    storage.fails = None
    before = list(storage.fetched)
    folder = fetch(storage, tmp_path, SilentProgress())
    assert contents(folder) == FILES
    assert sorted(storage.fetched) == sorted(FILES)
    assert sorted(before) == ["logins/b.csv", "logins/c.PARQUET"]


def test_the_folder_is_its_owners_alone(storage, tmp_path):
    folder = fetch(storage, tmp_path, SilentProgress())
    assert folder.stat().st_mode & 0o077 == 0
    assert folder.parent.stat().st_mode & 0o077 == 0


def test_two_urls_have_two_folders(storage, bucket, tmp_path):
    other = Storage(f"{bucket}/other/events", "--events")
    other.write("signups/x.csv", "x")
    assert fetch(storage, tmp_path, SilentProgress()) != fetch(other, tmp_path, SilentProgress())


def test_a_place_without_events_is_refused(bucket, tmp_path):
    with pytest.raises(InputError, match="signups"):
        fetch(Storage(f"{bucket}/nothing", "--events"), tmp_path, SilentProgress())


def test_a_place_that_cannot_be_written_is_refused(storage, tmp_path):
    (tmp_path / "file").write_text("no folder")
    with pytest.raises(InputError, match="RINGLIGHT_PLACE"):
        fetch(storage, tmp_path / "file", SilentProgress())


def test_who_reads_keeps_the_files_as_they_are_until_it_has_done(storage, tmp_path):
    trace, found = Trace(), []

    def refresh():
        with fetched_events(storage, tmp_path, trace) as folder:
            found.append(contents(folder))

    with fetched_events(storage, tmp_path, SilentProgress()) as folder:
        storage.write("logins/b.csv", "owt")
        other = threading.Thread(target=refresh)
        other.start()
        while not trace.lines:  # it has found the place held, and said so
            assert other.is_alive()
        assert contents(folder) == FILES
    other.join(timeout=60)
    assert "waits" in trace.lines[0]
    assert found == [FILES | {"logins/b.csv": "owt"}]
    storage.fetched.clear()
    fetch(storage, tmp_path, SilentProgress())
    assert storage.fetched == []  # the index is the other's
