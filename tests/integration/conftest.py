"""The console over a real Neo4j that shows the small night: what tests of its API and of its pages share."""

import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from graph.lake import Night, current_night, write_table
from graph.schema import TABLES
from graph.sightings import hash_identifier
from graph.store import Store, connect, drop_all
from graph.store_load import load_night
from jobs.console.app import create_app
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.console.warming import warm
from jobs.key import make_private_folder
from jobs.remote.storage import Storage
from jobs.simulate import simulate
from jobs.tasks import connected

KEY = "5a" * 32
TOKEN = "demo-token"
PHONE = "+4915123456789"
AT = datetime(2026, 4, 1, tzinfo=UTC)
GENEROUS = {
    "requests_per_minute": 100_000, "searches_per_minute": 100_000, "reveals_per_hour": 100_000, "exports_per_hour": 100_000,
}  # fmt: skip


@pytest.fixture(scope="module")
def one_ray() -> Iterator[None]:
    """One Ray for all nights of a module: its start takes longer than they do."""
    with connected(None, 2):
        yield


@pytest.fixture
def uploaded(bucket: str) -> Callable[[Path], str]:
    """Puts an event folder into the bucket and gives its URL."""

    def put(events: Path) -> str:
        storage = Storage(f"{bucket}/events", "--events")
        for path in sorted(events.rglob("*.parquet")):
            storage.put(path, path.relative_to(events).as_posix())
        return storage.url

    return put


@pytest.fixture
def downloaded(tmp_path: Path) -> Callable[[str], Path]:
    """Brings all objects of a lake at a URL to a folder, as they are."""

    def fetch(url: str) -> Path:
        storage, folder = Storage(url, "--lake"), tmp_path / "there"
        storage.fetch_all([(name, folder / name) for name in storage.list()], lambda name: None, "lake")
        return folder

    return fetch


@pytest.fixture(scope="session")
def trained_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Events of a world with enough known outcomes for a model: half of the ring accounts are found out in the last week.

    Read by several modules: who changes events takes a copy.
    """
    out = tmp_path_factory.mktemp("trained_world")
    simulate(out, n_accounts=1500, n_days=120, seed=3, until=date(2026, 6, 30))
    found_at = pl.lit(datetime(2026, 6, 25, tzinfo=UTC), dtype=pl.Datetime("us", "UTC"))
    found = pl.read_parquet(out / "truth/accounts.parquet").filter(pl.col("ring_id").is_not_null()).sort("account_id")
    found.gather_every(2).select(
        "account_id",
        event_id="account_id",
        event_time=found_at,
        outcome=pl.lit("confirmed_synthetic"),
        source=pl.lit("chargeback"),
    ).write_parquet(out / "events/outcomes/found.parquet")
    return out / "events"


@pytest.fixture(scope="module")
def phone_hash() -> str:
    found = hash_identifier("phone", {"phone": PHONE}, KEY)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def console_lake(tmp_path_factory, made_night, phone_hash) -> Path:
    """Two small nights. In the later one two members of a ring hold a phone number that the event folder has raw; in the earlier one
    that ring is not there."""
    root = tmp_path_factory.mktemp("console")
    before: Night = made_night(root / "lake", date(2026, 3, 30))
    scores = before.read("scores").with_columns(ring_id=pl.col("ring_id").replace("c-farm", None))
    write_table(scores, before.folder, "scores")
    write_table(before.read("rings").filter(pl.col("ring_id") != "c-farm"), before.folder, "rings")
    night: Night = made_night(root / "lake")
    make_private_folder(root / "lake" / "restricted")
    links = night.read("links")
    held = links.filter(pl.col("account_id").is_in(["farm00", "farm01"]) & (pl.col("identifier_type") == "email"))
    more = held.with_columns(identifier_type=pl.lit("phone"), identifier=pl.lit(phone_hash))
    write_table(pl.concat([links, more]).sort("account_id", "identifier_type", "identifier"), night.folder, "links")
    row = {"event_id": "e1", "event_time": AT - timedelta(days=60), "account_id": "farm00", "phone": PHONE}
    signup = {"event_id": "s1", "event_time": AT - timedelta(days=60), "account_id": "farm00", "channel": "app"}
    for table, values in (("profiles", row), ("signups", signup)):
        schema = {column.name: column.dtype for column in TABLES[table].columns}
        (root / "events" / table).mkdir(parents=True)
        pl.DataFrame([values], schema=schema).write_parquet(root / "events" / table / "part.parquet")
    return root / "lake"


@pytest.fixture(scope="module")
def console_store(neo4j_address, console_lake) -> Iterator[Store]:
    """The server, showing the later night."""
    with connect(neo4j_address) as store:
        drop_all(store)
        load_night(store, current_night(console_lake), allow_older=True)
        yield store
        drop_all(store)


@pytest.fixture(scope="module")
def console_app(console_store, console_lake) -> Any:
    """The console, with a demo token that signs in whoever has it, and no rate that a test could reach."""
    config = ConsoleConfig.model_validate({"events": console_lake.parent / "events"} | GENEROUS)
    held = ConsoleSecrets(KEY, demo_token=TOKEN)
    made = create_app(config, console_lake, console_store, secrets=held, clock=lambda: AT, random=secrets.token_urlsafe)
    warm(made.state.console)  # as the command does: a server that makes its plan for a question may run out of time
    return made
