"""A console over a small lake made by hand, with event files, tokens of every role, and no graph store."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest

from graph.schema import TABLES
from graph.sightings import hash_identifier
from jobs.console.app import create_app
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import make_token
from jobs.key import make_private_folder

KEY = "5a" * 32
ORIGIN = "http://127.0.0.1:8484"
START = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
# Values that must come out of nothing but a reveal.
RAW = {
    "full_name": "Quirina Vandersloot",
    "email": "quirina.v@example.net",
    "phone": "+4915123456789",
    "national_id": "QX8812345Z",
    "address": "17 Gargoyle Lane",
    "postcode": "90817",
    "device_id": "dev-7f3a-raw-9911",
}


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@dataclass
class Served:
    """A console and what a test needs around it."""

    lake: Path
    events: Path
    clock: Clock
    tokens: dict[str, str]
    app: Any
    secrets: ConsoleSecrets

    def client(self, peer: str = "127.0.0.1", base: str = ORIGIN) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, client=(peer, 5000), raise_app_exceptions=True)
        return httpx.AsyncClient(transport=transport, base_url=base)

    async def ask(self, method: str, path: str, role: str | None = "investigator", **more: Any) -> httpx.Response:
        """One request, with the token of a role."""
        headers = dict(more.pop("headers", {}))
        if role is not None:
            headers["Authorization"] = f"Bearer {self.tokens[role]}"
        async with self.client(more.pop("peer", "127.0.0.1")) as client:
            return await client.request(method, path, headers=headers, **more)

    @property
    def audit(self) -> str:
        path = self.lake / "desk" / "audit.jsonl"
        return path.read_text() if path.exists() else ""


def write_events(folder: Path) -> Path:
    """One account's submissions, with the raw values."""
    row = {"event_id": "e1", "event_time": START - timedelta(days=60), "known_time": None, "account_id": "farm00"}
    own: dict[str, dict[str, Any]] = {
        "signups": {"channel": "app"},
        "profiles": {name: RAW[name] for name in ("full_name", "email", "phone", "national_id", "address", "postcode")},
        "logins": {"device_id": RAW["device_id"]},
    }
    for table, values in own.items():
        schema = {column.name: column.dtype for column in TABLES[table].columns}
        (folder / table).mkdir(parents=True)
        pl.DataFrame([row | values], schema=schema).write_parquet(folder / table / "part.parquet")
    return folder


def raw_hash(identifier_type: str, *columns: str) -> str:
    """The hash under which the lake knows one of the raw values."""
    found = hash_identifier(identifier_type, {column: RAW[column] for column in columns}, KEY)
    assert found is not None
    return found


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def serve(tmp_path, made_night, clock) -> Callable[..., Served]:
    """Makes a console over the small lake; `settings` are those of `[console]`."""

    def make(demo_token: str | None = None, with_tokens: bool = True, **settings: Any) -> Served:
        lake = tmp_path / "lake"
        if not lake.exists():
            made_night(lake)
            make_private_folder(lake / "restricted")
            write_events(tmp_path / "events")
        tokens = {}
        for role in Role if with_tokens else ():
            tokens[role.value], _ = make_token(
                lake,
                f"{role}-{secrets.token_hex(4)}",
                role,
                START + timedelta(days=30),
                secrets.token_hex,
                created_by="test",
                now=START,
                scopes=tuple(Scope),
            )
        config = ConsoleConfig.model_validate({"events": tmp_path / "events"} | settings)
        held = ConsoleSecrets(KEY, demo_token=demo_token)
        app = create_app(config, lake, None, secrets=held, clock=clock, random=secrets.token_urlsafe)
        return Served(lake, tmp_path / "events", clock, tokens, app, held)

    return make


@pytest.fixture
def served(serve) -> Served:
    return serve()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def raw() -> dict[str, str]:
    return RAW


@pytest.fixture
def hash_of_raw() -> Callable[..., str]:
    return raw_hash
