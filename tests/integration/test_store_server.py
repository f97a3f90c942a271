"""The local Neo4j as a process: what it answers, that it keeps what it has, and what it says when it cannot start."""

import http.client
import os
import signal
import stat
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest

from graph.errors import StoreError
from graph.store import StoreAddress, connect
from jobs.local_store import ServerSettings, default_cache, resolve_store, start, status
from jobs.local_store_jars import NEO4J_VERSION


def get(address: str, path: str) -> int:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()


def test_it_runs_on_this_machine_alone_and_hides_its_password(neo4j_home: Path, neo4j_address: StoreAddress) -> None:
    found = status(neo4j_home)
    assert (found.state, found.version, found.uri) == ("running", NEO4J_VERSION, neo4j_address.uri)
    assert found.pid is not None
    assert found.http_uri is not None
    process = psutil.Process(found.pid)
    listening = {entry.laddr.ip for entry in process.net_connections("tcp") if entry.status == psutil.CONN_LISTEN}
    assert {ip.removeprefix("::ffff:") for ip in listening} == {"127.0.0.1"}
    assert not any(neo4j_address.password in word for word in process.cmdline())
    assert stat.S_IMODE((neo4j_home / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE(neo4j_home.stat().st_mode) == 0o700
    written = [path for path in (neo4j_home / "run").rglob("*") if path.is_file()]
    assert not any(neo4j_address.password.encode() in path.read_bytes() for path in written)
    assert get(found.http_uri, "/browser/") == 200  # the page in which investigators type Cypher
    with connect(neo4j_address) as store:
        assert store.version == NEO4J_VERSION


def test_starting_what_runs_changes_nothing(neo4j_home: Path, neo4j_address: StoreAddress) -> None:
    before = status(neo4j_home)
    assert start(neo4j_home, default_cache(os.environ)) == neo4j_address
    assert status(neo4j_home) == before
    assert resolve_store({}, neo4j_home) == neo4j_address


def test_data_outlives_a_server_that_is_killed(
    neo4j_home: Path, neo4j_address: StoreAddress, neo4j_settings: ServerSettings
) -> None:
    cache = default_cache(os.environ)
    with connect(neo4j_address) as store:
        store.run_apart("MERGE (n:Kept {name: 'kept'})")
    pid = status(neo4j_home).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    psutil.Process(pid).wait(60)
    assert status(neo4j_home).state == "stopped"
    with pytest.raises(StoreError, match="ringlight store start"):
        connect(neo4j_address)
    told: list[str] = []
    assert start(neo4j_home, cache, neo4j_settings, lambda text, done, total: told.append(text)) == neo4j_address
    assert any(text.startswith("starting Neo4j") for text in told)
    with connect(neo4j_address) as store:
        assert store.run_apart("MATCH (n:Kept) RETURN n.name AS name") == [{"name": "kept"}]
        store.run_apart("MATCH (n:Kept) DELETE n")


def test_a_port_that_is_taken_is_an_error_when_it_was_asked_for(neo4j_address: StoreAddress, tmp_path: Path) -> None:
    taken = urlsplit(neo4j_address.uri).port
    assert taken is not None
    with pytest.raises(StoreError, match=f"`bolt_port` must be a free port.*{taken}"):
        start(tmp_path / "home", default_cache(os.environ), ServerSettings(bolt_port=taken, exact_ports=True))
    assert status(tmp_path / "home").state == "stopped"


def test_java_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with pytest.raises(StoreError, match=r"console\.log") as raised:
        start(home, default_cache(os.environ), ServerSettings(heap_mebibytes=1))
    assert "heap" in str(raised.value).lower()
    assert "\n" not in str(raised.value)
    assert status(home).state == "stopped"
    left = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert str(home) not in left
