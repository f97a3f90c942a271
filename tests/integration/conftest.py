"""A real Neo4j for the whole session, on free ports of 127.0.0.1, with all it keeps in a temporary folder."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph.store import Store, StoreAddress, connect, drop_all
from jobs.local_store import ServerSettings, default_cache, start, status, stop


def free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def neo4j_settings() -> ServerSettings:
    """Ports and memory of the session's server, the same each time it is started."""
    return ServerSettings(
        bolt_port=free_port(), http_port=free_port(), exact_ports=True, heap_mebibytes=768, page_cache_mebibytes=128
    )


@pytest.fixture(scope="session")
def neo4j_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("neo4j")


@pytest.fixture(scope="session")
def neo4j_address(neo4j_home: Path, neo4j_settings: ServerSettings) -> Iterator[StoreAddress]:
    """The session's server, running."""
    address = start(neo4j_home, default_cache(os.environ), neo4j_settings)
    yield address
    assert stop(neo4j_home) is True
    assert status(neo4j_home).state == "stopped"
    assert stop(neo4j_home) is False


@pytest.fixture
def store(neo4j_address: StoreAddress) -> Iterator[Store]:
    """A connection to the session's server, emptied."""
    with connect(neo4j_address) as connected:
        drop_all(connected)
        yield connected
