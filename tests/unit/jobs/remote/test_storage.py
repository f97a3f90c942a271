"""Object storage by URL: an S3-compatible server, a local disk and memory behave alike, and what goes wrong is one sentence."""

import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from graph.errors import InputError, StoreError
from jobs.remote.storage import Entry, Storage
from jobs.remote.urls import is_url


@pytest.fixture(params=["s3", "file", "memory"])
def storage(request, tmp_path):
    if request.param == "s3":
        return Storage(f"{request.getfixturevalue('bucket')}/lake", "--lake")
    return Storage(f"{request.param}://{tmp_path}/lake-{uuid.uuid4().hex}", "--lake")


def test_a_url_may_name_an_account_of_azure():
    with pytest.raises(InputError, match="`adlfs`"):
        Storage("abfs://container@account.dfs.core.windows.net/lake", "--lake")


@pytest.mark.parametrize("text", ["s3://b/x", "file:///x", "gs://b", "abfs://c@a/x", "memory://x"])
def test_what_has_a_scheme_is_a_url(text):
    assert is_url(text)


@pytest.mark.parametrize("text", ["lake", "/data/lake", "../lake", "C:/lake", "s3:/bucket/lake", "s3"])
def test_what_has_none_is_a_folder(text):
    assert not is_url(text)


def test_files_go_there_and_come_back(storage, tmp_path):
    assert storage.list() == {}
    assert storage.entry("a/b.bin") is None
    assert storage.read("a/b.bin") is None
    content = bytes(range(256)) * 100
    (tmp_path / "one").write_bytes(content)
    put = storage.put(tmp_path / "one", "a/b.bin")
    storage.write("c", "text")
    assert storage.entry("a/b.bin") == put
    assert {name: entry.size for name, entry in storage.list().items()} == {"a/b.bin": len(content), "c": 4}
    assert storage.list()["a/b.bin"] == put
    assert list(storage.list("a")) == ["a/b.bin"]
    assert storage.list("b") == {}
    storage.fetch("a/b.bin", tmp_path / "back/again")
    assert (tmp_path / "back/again").read_bytes() == content
    assert storage.read("c") == "text"
    storage.remove(["c", "never"])
    assert list(storage.list()) == ["a/b.bin"]


def test_another_content_has_another_mark(storage, tmp_path):
    (tmp_path / "one").write_bytes(b"1234")
    before = storage.put(tmp_path / "one", "a")
    (tmp_path / "one").write_bytes(b"4321")
    after = storage.put(tmp_path / "one", "a")
    assert before.size == after.size
    assert before.mark != after.mark


@pytest.mark.parametrize("storage", ["s3", "file"], indirect=True)  # memory looks first and then writes
def test_of_several_who_create_at_once_one_does(storage):
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda number: storage.create("lock", str(number)), range(8)))
    assert sorted(made) == [False] * 7 + [True]
    assert storage.read("lock") == str(made.index(True))
    assert not storage.create("lock", "again")


def test_several_are_fetched_at_once_and_a_fault_of_one_ends_all(storage, tmp_path):
    names = [f"n{number}" for number in range(20)]
    for name in names:
        storage.write(name, name * 3)
    heard = []
    storage.fetch_all([(name, tmp_path / name) for name in names], heard.append, "files")
    assert heard == names
    assert all((tmp_path / name).read_text() == name * 3 for name in names)
    heard.clear()
    with pytest.raises(InputError):
        storage.fetch_all([("n1", tmp_path / "x"), ("absent", tmp_path / "y")], heard.append, "files")
    assert heard == ["n1"]
    assert not (tmp_path / "y").exists()


def test_entries_are_told_in_order_as_they_were_put(storage, tmp_path):
    (tmp_path / "one").write_bytes(b"1")
    (tmp_path / "two").write_bytes(b"22")
    heard = {}
    storage.put_all([(tmp_path / "one", "1"), (tmp_path / "two", "2")], heard.__setitem__, "files")
    assert heard == storage.list()
    assert all(isinstance(entry, Entry) for entry in heard.values())


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("zzz://bucket/lake", "scheme that fsspec knows"),
        ("gs://bucket/lake", "`gcsfs`"),
        ("abfs://container/lake", "`adlfs`"),
        ("s3://", "must name a place"),
        ("ftp://user:word@host/lake", "without credentials"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(url, told):
    with pytest.raises(InputError) as caught:
        Storage(url, "--lake")
    assert told in str(caught.value)
    assert "word" not in str(caught.value)


def test_a_missing_bucket_is_told(bucket):
    for ask in (lambda s: s.list(), lambda s: s.create("lock", "x"), lambda s: s.write("x", "x")):
        with pytest.raises(InputError, match="bucket does not exist"):
            ask(Storage("s3://no-such-bucket/lake", "--lake"))


def test_missing_credentials_are_told(bucket, monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID"):
        Storage(f"{bucket}/lake", "--lake").list()


def test_a_server_that_does_not_answer_is_worth_another_try(bucket, free_port, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(StoreError, match="Try again"):
        Storage(f"{bucket}/lake", "--lake").list()


def test_a_kind_of_storage_that_cannot_do_it_is_told():
    with pytest.raises(InputError, match="can be written"):
        Storage("http://127.0.0.1:9/lake", "--lake").remove(["lock"])  # fsspec deletes nothing over http
