"""A small night made by hand: two rings, a household and loners, in the tables that a night leaves; and a real Neo4j to show it."""

import hashlib
import itertools
import logging
import os
import socket
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import settings

from graph.lake import EMBEDDING_DIM, NIGHT_TABLES, Night, night_folder, write_table
from graph.store import Store, StoreAddress, connect, drop_all
from jobs.local_store import ServerSettings, default_cache, start, status, stop

# Examples follow from the test's own text: a run that failed once fails again, and a change that is right does not fail by luck of
# the draw. `make fuzz` draws new ones. No deadline: machines are shared, and how long an example takes says nothing.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("fuzz", deadline=None, print_blob=True)
settings.load_profile("fixed")

MadeNight = Callable[..., Night]

DAY = date(2026, 3, 31)
FARM, CHAIN, HOME, CROWD = "c-farm", "c-chain", "c-home", "c-crowd"
N_FARM, N_CHAIN, N_HOME, N_LONERS = 8, 70, 4, 40


def _hash(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


def _members(n_crowd: int = 0) -> list[tuple[str, str]]:
    """(account, cluster): eight on one device, seventy in a chain of cards, a home at one address, loners, a crowd if wanted."""
    farm = [(f"farm{i:02d}", FARM) for i in range(N_FARM)]
    chain = [(f"chain{i:02d}", CHAIN) for i in range(N_CHAIN)]
    home = [(f"home{i:02d}", HOME) for i in range(N_HOME)]
    crowd = [(f"crowd{i:04d}", CROWD) for i in range(n_crowd)]
    return farm + chain + home + [(f"alone{i:02d}", f"c-alone{i:02d}") for i in range(N_LONERS)] + crowd


def _identifiers(account: str, cluster: str) -> list[tuple[str, str]]:
    number = int(account.lstrip("abcdefghijklmnopqrstuvwxyz"))
    own = [("email", f"{account}@example.org"), ("device", f"own-{account}")]
    if cluster == FARM:
        return [*own, ("device", "farm-device"), ("instrument", f"farm-card-{number // 4}"), ("address", "drop")]
    if cluster == CHAIN:
        return [*own, ("instrument", f"card-{number}"), ("instrument", f"card-{number + 1}")]
    if cluster == CROWD:  # twenties on a device, in pairs at an address, and held together by cards
        crowd = [("device", f"crowd-device-{number // 20}"), ("address", f"crowd-home-{number // 2}")]
        return [*own, *crowd, ("instrument", f"crowd-card-{(number + 1) // 2}")]
    return [*own, ("address", "home")] if cluster == HOME else own


def night_tables(day: date, with_model: bool, embedding_version: str, n_crowd: int) -> dict[str, pl.DataFrame]:
    """The tables of the small night; without a model, those that a model makes are empty."""
    as_of = datetime(day.year, day.month, day.day, tzinfo=UTC)
    random = np.random.default_rng(7)
    members = _members(n_crowd)
    accounts = [account for account, _ in members]
    is_ring = np.array([cluster in (FARM, CHAIN, CROWD) for _, cluster in members])
    score = np.where(is_ring, 0.9, 0.05) + random.uniform(-0.04, 0.04, len(members))
    rank = (-score).argsort().argsort() + 1
    link_rows = [
        {
            "account_id": account,
            "identifier_type": kind,
            "identifier": _hash(value),
            "first_seen": as_of - timedelta(days=30 + int(account[-2:])),
            "last_seen": as_of - timedelta(days=2),
            "n_events": 3,
            "weight": 4.5,
        }
        for account, cluster in members
        for kind, value in _identifiers(account, cluster)
    ]
    pair_rows = []
    for left, right in itertools.pairwise(members):
        shared = set(_identifiers(*left)) & set(_identifiers(*right))
        if shared:
            evidence = [
                {
                    "identifier_type": kind,
                    "identifier": _hash(value),
                    "bits": 6.0,
                    "n_accounts": 2,
                    "gap_days": 1.0,
                    "is_concurrent": True,
                    "is_crossed": False,
                }
                for kind, value in sorted(shared)
            ]
            pair_rows.append(
                {
                    "account_a": left[0],
                    "account_b": right[0],
                    "weight_bits": 6.0 * len(shared),
                    "evidence": evidence,
                }
            )
    rings = [
        {
            "ring_id": ring,
            "ring_version": _hash(ring)[:16],
            "score": value,
            "n_accounts": n,
            "first_seen": as_of - timedelta(days=90),
            "reasons": ["8 accounts share one device", "opened within 14 days"],
            "status": "suspected",
        }
        for ring, value, n in ((FARM, 0.97, N_FARM), (CHAIN, 0.91, N_CHAIN), (CROWD, 0.88, n_crowd))
        if n
    ]
    tables: dict[str, pl.DataFrame] = {
        "labels": pl.DataFrame(
            {
                "account_id": ["farm00", "farm01", "chain00", "home00", "alone00"],
                "outcome": ["confirmed_synthetic"] * 3 + ["confirmed_benign"] * 2,
                "known_time": [as_of - timedelta(days=5)] * 5,
            }
        ),
        "links": pl.DataFrame(link_rows).sort("account_id", "identifier_type", "identifier"),
        "identities": pl.DataFrame({"account_id": accounts, "identity_id": [f"p-{a}" for a in accounts]}),
        "pairs": pl.DataFrame(pair_rows),
        "clusters": pl.DataFrame({"account_id": accounts, "cluster_id": [cluster for _, cluster in members]}),
        "lineage": pl.DataFrame(
            {"cluster_id": [FARM, CHAIN, HOME], "event": ["grew", "merged", "born"], "parents": [[FARM], [CHAIN], []]},
            schema=NIGHT_TABLES["lineage"],
        ),
    }
    empty = {name: pl.DataFrame(schema=schema) for name, schema in NIGHT_TABLES.items()}
    if not with_model:
        return empty | tables
    vectors = random.normal(size=(len(members), EMBEDDING_DIM)) + 3.0 * is_ring[:, None]
    return (
        empty
        | tables
        | {
            "scores": pl.DataFrame(
                {
                    "account_id": accounts,
                    "score": score,
                    "rank": rank,
                    "ring_id": [cluster if ring else None for (_, cluster), ring in zip(members, is_ring, strict=True)],
                    "model_version": ["m1"] * len(members),
                }
            ),
            "rings": pl.DataFrame(rings),
            "amounts": pl.DataFrame(
                {
                    "ring_id": [CHAIN, FARM],
                    "currency": ["EUR"] * 2,
                    "n_payments": [31, 12],
                    "amount_minor": [95_000, 431_900],
                }
            ),
            "reasons": pl.DataFrame(
                [
                    {
                        "account_id": account,
                        "code": "shared_device",
                        "text": "shares a device with 7 accounts",
                        "evidence": [
                            {"identifier_type": "device", "identifier": _hash("farm-device"), "account_id": "farm00"}
                        ],
                        "contribution": 1.5,
                    }
                    for account, cluster in members
                    if cluster == FARM
                ],
                schema=NIGHT_TABLES["reasons"],
            ),
            "embeddings": pl.DataFrame(
                {
                    "account_id": accounts,
                    "embedding": vectors.astype(np.float32).tolist(),
                    "embedding_version": [embedding_version] * len(members),
                },
                schema=NIGHT_TABLES["embeddings"],
            ),
        }
    )


@pytest.fixture(scope="session")
def made_night() -> MadeNight:
    """Writes the small night into a lake, makes it the current one, and returns it; with `n_crowd` accounts in a third ring."""

    def make(
        lake: Path, day: date = DAY, with_model: bool = True, embedding_version: str = "e1", n_crowd: int = 0
    ) -> Night:
        folder = night_folder(lake, day)
        folder.mkdir(parents=True)
        for name, table in night_tables(day, with_model, embedding_version, n_crowd).items():
            write_table(table, folder, name)
        (lake / "current").write_text(f"{day.isoformat()}\n")
        return Night(folder, day)

    return make


@pytest.fixture(scope="session")
def made_truth() -> pl.DataFrame:
    """What the accounts of the small night are in truth; one of them is unknown to it."""
    members = _members()
    return pl.DataFrame(
        {
            "account_id": [account for account, _ in members] + ["stranger"],
            "ring_id": [cluster if cluster in (FARM, CHAIN) else None for _, cluster in members] + [None],
            "archetype": [{FARM: "farm", CHAIN: "chain"}.get(cluster) for _, cluster in members] + [None],
            "group": [{FARM: "ring", CHAIN: "ring", HOME: "household"}.get(cluster, "single") for _, cluster in members]
            + ["single"],
            "person_id": [account for account, _ in members] + ["stranger"],
        }
    )


def _free_port() -> int:
    """A port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Gives a port that nobody listens on right now."""
    return _free_port


@pytest.fixture(scope="session")
def neo4j_settings() -> ServerSettings:
    """Ports and memory of the session's server, the same each time it is started."""
    return ServerSettings(
        bolt_port=_free_port(), http_port=_free_port(), exact_ports=True, heap_mebibytes=768, page_cache_mebibytes=128
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


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """An S3-compatible server on loopback."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URL of a new bucket on the session's server, with credentials for it in the environment."""
    import boto3

    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    given = {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL_S3": s3_endpoint,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    name = f"b-{uuid.uuid4().hex}"
    client = boto3.client("s3")
    client.create_bucket(Bucket=name)
    client.close()
    return f"s3://{name}"
