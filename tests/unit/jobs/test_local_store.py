"""The local Neo4j without starting it: addresses, ports, processes that are not ours."""

import json
import os
import socket
import stat
from pathlib import Path

import pytest

from graph.errors import InputError, StoreError
from graph.store_address import StoreAddress
from jobs.local_store import ServerSettings, default_cache, refuse_foreign, resolve_store, status, stop
from jobs.local_store_java import adopt_archive, argument_file, java_options
from jobs.local_store_process import free_port_from


def test_the_server_that_the_environment_names_goes_first(tmp_path: Path) -> None:
    named = {"NEO4J_URI": "neo4j://graph.example:7687", "NEO4J_PASSWORD": "secret-word"}
    assert resolve_store(named, tmp_path) == StoreAddress("neo4j://graph.example:7687", "neo4j", "secret-word")
    assert resolve_store({**named, "NEO4J_USERNAME": "ann"}, tmp_path).username == "ann"


def test_a_named_server_needs_a_password(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NEO4J_PASSWORD"):
        resolve_store({"NEO4J_URI": "neo4j://graph.example:7687"}, tmp_path)


def test_a_password_never_shows_in_what_is_printed() -> None:
    assert "secret-word" not in repr(StoreAddress("bolt://127.0.0.1:7687", "neo4j", "secret-word"))


def test_without_a_server_the_remedy_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="ringlight store start"):
        resolve_store({}, tmp_path)


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_a_named_server_is_not_ours(verb: str) -> None:
    with pytest.raises(InputError, match=f"not ours to {verb}"):
        refuse_foreign({"NEO4J_URI": "bolt://graph.example:7687"}, verb)
    refuse_foreign({}, verb)


def test_the_cache_is_where_the_user_says(tmp_path: Path) -> None:
    assert default_cache({"RINGLIGHT_CACHE": str(tmp_path)}) == tmp_path
    assert default_cache({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "ringlight"
    assert default_cache({}).name == "ringlight"


def test_a_taken_port_gives_way_or_is_an_error() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        taken = holder.getsockname()[1]
        if taken < 65_000:
            assert taken < free_port_from(taken, exact=False, name="bolt_port") <= taken + 99
        with pytest.raises(StoreError, match=f"`bolt_port` must be a free port.*{taken}"):
            free_port_from(taken, exact=True, name="bolt_port")


@pytest.mark.parametrize("text", [None, "", "{}", "not json", '{"pid": 1}'])
def test_a_folder_without_a_server_is_stopped(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "server.json").write_text(text)
    assert status(tmp_path).state == "stopped"
    assert stop(tmp_path) is False


def test_a_process_that_took_over_the_number_is_left_alone(tmp_path: Path) -> None:
    ours = {"pid": os.getpid(), "bolt_port": 7687, "http_port": 7474, "archives": str(tmp_path)}
    (tmp_path / "server.json").write_text(json.dumps(ours))
    assert status(tmp_path).state == "stopped"
    assert stop(tmp_path) is False  # we are still here


def test_an_argument_file_is_its_owners_and_survives_odd_paths(tmp_path: Path) -> None:
    path = argument_file(tmp_path / "x.args", ["-cp", 'a b"c\\d'], ["Main"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == '"-cp"\n"a b\\"c\\\\d"\n"Main"\n'


def test_the_archive_that_a_server_leaves_is_used_by_the_next(tmp_path: Path) -> None:
    home, archives = tmp_path / "home", tmp_path / "archives"
    (home / "run").mkdir(parents=True)
    first = java_options(512, home, archives)
    left = next(Path(word.split("=", 1)[1]) for word in first if word.startswith("-XX:ArchiveClassesAtExit="))
    left.write_bytes(b"classes")
    adopt_archive(home, archives)
    assert not left.exists()
    second = java_options(512, home, archives)
    assert not any(word.startswith("-XX:ArchiveClassesAtExit=") for word in second)
    used = next(word for word in second if word.startswith("-XX:SharedArchiveFile=")).split("=", 1)[1].split(os.pathsep)
    assert [Path(path).is_file() for path in used] == [True, True]
    assert Path(used[1]).read_bytes() == b"classes"


def test_memory_is_what_the_settings_say(tmp_path: Path) -> None:
    assert "-Xmx640m" in java_options(640, tmp_path, tmp_path / "archives")
    assert ServerSettings().heap_mebibytes == 1024
