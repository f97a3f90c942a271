"""Fetching the locked jars, from a Maven repository that this test serves."""

import gc
import hashlib
import socket
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from jgo.maven import MavenContext

from graph.errors import StoreError
from jobs.local_store_jars import LockedJar, fetch_jars, read_lock


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder and keeps still about it."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the name is the parent's)
        return


@pytest.fixture(autouse=True)
def _jgo_leaves_refused_answers_open() -> Iterator[None]:
    """jgo does not close the answer to a request that failed; the collector does, and must not blame a later test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder in a Maven repository's layout, and its address."""
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def published(folder: Path, name: str, content: bytes, classifier: str = "") -> LockedJar:
    """Puts a jar into the repository; what the lock would say of it."""
    place = folder / "org" / "example" / name / "1.0"
    place.mkdir(parents=True, exist_ok=True)
    suffix = f"-{classifier}" if classifier else ""
    (place / f"{name}-1.0{suffix}.jar").write_bytes(content)
    coordinate = f"org.example:{name}:1.0" + (f":{classifier}" if classifier else "")
    return LockedJar(coordinate, len(content), hashlib.sha256(content).hexdigest())


def test_jars_arrive_in_the_locks_order(repository: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = repository
    jars = [published(folder, "b", b"bb"), published(folder, "a", b"a"), published(folder, "c", b"ccc", "linux-x86_64")]
    cache = tmp_path / "cache"
    told: list[tuple[str, int, int]] = []
    maven = MavenContext(repo_cache=cache, remote_repos={"test": address})
    paths = fetch_jars(cache, jars, lambda *step: told.append(step), maven)
    assert [path.read_bytes() for path in paths] == [b"bb", b"a", b"ccc"]
    assert [(done, total) for _, done, total in told] == [(1, 3), (2, 3), (3, 3)]


def test_a_jar_cut_short_is_fetched_again(repository: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = repository
    jar = published(folder, "a", b"whole")
    cache = tmp_path / "cache"
    maven = MavenContext(repo_cache=cache, remote_repos={"test": address})
    (path,) = fetch_jars(cache, [jar], context=maven)
    path.write_bytes(b"who")
    assert fetch_jars(cache, [jar], context=maven)[0].read_bytes() == b"whole"


def test_a_jar_that_differs_from_the_lock_is_refused_and_not_kept(repository: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = repository
    jar = published(folder, "a", b"what we locked")
    published(folder, "a", b"something else")
    cache = tmp_path / "cache"
    with pytest.raises(StoreError, match="sha256"):
        fetch_jars(cache, [jar], context=MavenContext(repo_cache=cache, remote_repos={"test": address}))
    assert not list(cache.rglob("*.jar"))


def test_a_jar_that_is_not_to_be_had_is_named(repository: tuple[Path, str], tmp_path: Path) -> None:
    _, address = repository
    jar = LockedJar("org.example:missing:1.0", 1, "0" * 64)
    cache = tmp_path / "cache"
    with pytest.raises(StoreError, match=r"`org\.example:missing:1\.0`") as raised:
        fetch_jars(cache, [jar], context=MavenContext(repo_cache=cache, remote_repos={"test": address}))
    assert address not in str(raised.value)


def test_without_a_network_the_remedy_is_told(tmp_path: Path) -> None:
    jar = LockedJar("org.example:a:1.0", 1, "0" * 64)
    cache = tmp_path / "cache"
    nobody = MavenContext(repo_cache=cache, remote_repos={"test": "http://127.0.0.1:1"}, timeout=2)
    with pytest.raises(StoreError, match="Check the network"):
        fetch_jars(cache, [jar], context=nobody, waits_seconds=(0,))


def test_a_network_that_fails_for_a_moment_is_tried_again(repository: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = repository
    jar = published(folder, "a", b"patient")
    cache = tmp_path / "cache"
    maven = MavenContext(repo_cache=cache, remote_repos={"test": address}, timeout=2)
    with pytest.MonkeyPatch.context() as patch:
        connect = socket.socket.connect
        refusals = iter(range(2))

        def refuse_twice(self: socket.socket, place: tuple[str, int]) -> None:
            if next(refusals, None) is not None:
                raise ConnectionRefusedError(111, "refused")
            connect(self, place)

        patch.setattr(socket.socket, "connect", refuse_twice)
        with pytest.raises(StoreError, match="Check the network"):
            fetch_jars(cache, [jar], context=maven, waits_seconds=())
        (path,) = fetch_jars(cache, [jar], context=maven, waits_seconds=(0, 0))
    assert path.read_bytes() == b"patient"


def test_the_lock_names_each_jar_once_with_its_hash() -> None:
    jars = read_lock()
    assert len({jar.coordinate for jar in jars}) == len(jars) > 200
    assert all(len(jar.sha256) == 64 and jar.n_bytes > 0 for jar in jars)
    assert any(jar.coordinate.startswith("org.neo4j.app:neo4j-server:") for jar in jars)
