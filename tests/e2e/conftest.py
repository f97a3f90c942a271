"""The console in a real Chromium: a small night in a real Neo4j, served by uvicorn on a free port, and a page that keeps all that goes wrong.

A test that has `page` fails if the browser says an error, a page throws, a request fails, or the Content-Security-Policy refuses anything.
"""

import logging
import os
import re
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import uvicorn
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Playwright, Request, expect, sync_playwright

from graph.lake import Night, current_night, write_table
from graph.schema import IDENTIFIERS, TABLES
from graph.sightings import hash_identifier
from graph.store import Store, connect
from graph.store_load import load_night
from jobs.console.app import create_app
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import make_token
from jobs.key import make_private_folder

KEY = "5a" * 32
START = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)
N_CROWD = 160  # with what they share above 300, so the ring is shown folded
SEARCHED = "phone"
ARTEFACTS = Path(__file__).parents[2] / "artefacts" / "e2e"
ARGUMENTS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip

# What one account submitted: to be seen after a reveal and at no other time.
RAW = {
    "full_name": "Quirina Vandersloot",
    "birth_date": "1987-03-14",
    "email": "Quirina.V@example.net",
    "phone": "0049 1512 3456789",
    "national_id": "QX8812345Z",
    "address": "17 Gargoyle Lane",
    "postcode": "ZK90817Q",
    "device_id": "dev-7f3a-raw-9911",
    "ip": "91.198.174.192",
    "instrument_id": "card-raw-4417-0042",
}

expect.set_options(timeout=15_000)


def require_chromium(environment: Mapping[str, str]) -> str:
    """The browser that RINGLIGHT_CHROMIUM names, or `chromium` on the PATH.

    Without one the test is skipped; where CI is set it fails, so that nobody takes it for run.
    """
    found = shutil.which(environment.get("RINGLIGHT_CHROMIUM") or "chromium", path=environment.get("PATH", os.defpath))
    if found is None:
        why = "no Chromium: run `make chromium`, or name one by RINGLIGHT_CHROMIUM"
        if environment.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return found


@pytest.fixture(scope="session")
def chromium_rule() -> Callable[[Mapping[str, str]], str]:
    """What says whether there is a browser, and what follows where there is none."""
    return require_chromium


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser."""
    return require_chromium(os.environ)


@dataclass
class Traffic:
    """All that the console was asked and answered, as its server saw it: (method, path with query, body) and (content type, body)."""

    asked: list[tuple[str, str, bytes]] = field(default_factory=list, repr=False)
    answered: list[tuple[str, bytes]] = field(default_factory=list, repr=False)

    def around(self, app: Any) -> Any:
        """The application, written down."""

        async def recorded(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            asked, answered, media = bytearray(), bytearray(), ""

            async def read() -> Any:
                message = await receive()
                asked.extend(message.get("body", b""))
                return message

            async def write(message: Any) -> None:
                nonlocal media
                if message["type"] == "http.response.start":
                    media = dict(message["headers"]).get(b"content-type", b"").decode()
                answered.extend(message.get("body", b""))
                await send(message)

            await app(scope, read, write)
            url = scope["raw_path"].decode() + "?" + scope["query_string"].decode()
            self.asked.append((scope["method"], url, bytes(asked)))
            self.answered.append((media, bytes(answered)))

        return recorded


@dataclass
class Served:
    """A console that listens, and what a test needs around it.

    Attributes:
        tokens: role to token.
        hidden: raw values, and what normalising makes of them, none of which may be seen before a reveal.
        said: records of the log since it listens.
    """

    origin: str
    lake: Path
    tokens: dict[str, str]
    raw: dict[str, str]
    traffic: Traffic
    said: list[str]

    @property
    def audit(self) -> str:
        """The audit as it stands in the file."""
        return (self.lake / "desk" / "audit.jsonl").read_text()


def write_raw_events(folder: Path) -> None:
    """What two accounts submitted; they have a phone number in common."""
    common = {"event_time": START - timedelta(days=60), "known_time": None, "account_id": "farm00"}
    profile = {name: RAW[name] for name in ("full_name", "email", "phone", "national_id", "address", "postcode")}
    rows: dict[str, list[dict[str, Any]]] = {
        "signups": [{"channel": "app"}, {"channel": "app", "account_id": "farm01"}],
        "profiles": [
            profile | {"birth_date": date.fromisoformat(RAW["birth_date"])},
            {"phone": RAW["phone"], "account_id": "farm01"},
        ],
        "logins": [{"device_id": RAW["device_id"], "ip": RAW["ip"]}],
        "instruments": [{"instrument_id": RAW["instrument_id"], "kind": "prepaid_card", "action": "link"}],
    }
    for table, values in rows.items():
        schema = {column.name: column.dtype for column in TABLES[table].columns}
        (folder / table).mkdir(parents=True)
        made = [common | {"event_id": f"{table}-{number}"} | row for number, row in enumerate(values)]
        pl.DataFrame(made, schema=schema).write_parquet(folder / table / "part.parquet")


def add_raw_links(night: Night) -> None:
    """Gives the accounts of the small night what they submitted, and all of a ring and a few loners one hub."""
    links = night.read("links")
    pattern = links.filter(pl.col("account_id") == "farm00").head(1)
    held = [
        (account_id, label, hashed, 4.5)
        for label in IDENTIFIERS
        if (hashed := hash_identifier(label, dict(RAW), KEY)) is not None
        for account_id in (("farm00", "farm01") if label == SEARCHED else ("farm00",))
    ]
    hub = [*(f"farm{number:02d}" for number in range(8)), *(f"alone{number:02d}" for number in range(12))]
    held += [(account_id, "ip", "ab" * 32, 0.0) for account_id in hub]
    held += [(account_id, "phone", "cd" * 32, 4.5) for account_id in ("farm02", "alone05")]  # a way out of the ring
    added = pl.DataFrame(held, schema=["account_id", "identifier_type", "identifier", "weight"], orient="row")
    rest = pattern.select(pl.exclude("account_id", "identifier_type", "identifier", "weight"))
    made = added.join(rest, how="cross").select(links.columns)
    write_table(pl.concat([links, made]).sort("account_id", "identifier_type", "identifier"), night.folder, "links")


@pytest.fixture(scope="session")
def made_lake(tmp_path_factory: pytest.TempPathFactory, made_night: Callable[..., Night]) -> Path:
    """A lake with the small night and a large ring, and the event folder beside it; to be copied, not written to."""
    root = tmp_path_factory.mktemp("made")
    add_raw_links(made_night(root / "lake", n_crowd=N_CROWD))
    make_private_folder(root / "lake" / "restricted")
    write_raw_events(root / "events")
    return root / "lake"


@pytest.fixture(scope="module")
def shown(neo4j_address: Any, made_lake: Path) -> Iterator[Store]:
    """The server, showing the night; where it shows it already, nothing is loaded."""
    with connect(neo4j_address) as store:
        load_night(store, current_night(made_lake), allow_older=True)
        yield store


class Kept(logging.Handler):
    """Keeps what the log says."""

    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.INFO)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        self._said.append(f"{record.name} {record.getMessage()}")


Serve = Callable[..., Served]


@pytest.fixture(scope="module")
def serve(made_lake: Path, free_port: Callable[[], int]) -> Iterator[Serve]:
    """Serves a lake, with a token for each role; what it serves ends with the module."""
    running: list[tuple[uvicorn.Server, threading.Thread, Kept]] = []

    def begin(lake: Path, store: Store, now: datetime = START) -> Served:
        port, began = free_port(), time.monotonic()
        tokens = {
            role.value: make_token(
                lake, role.value, role, now + timedelta(days=30), secrets.token_hex,
                created_by="test", now=now, scopes=tuple(Scope),
            )[0]
            for role in Role
        }  # fmt: skip
        config = ConsoleConfig.model_validate(
            {"port": port, "events": made_lake.parent / "events", "requests_per_minute": 100_000,
             "searches_per_minute": 100_000, "reveals_per_hour": 100_000, "exports_per_hour": 100_000}
        )  # fmt: skip
        app = create_app(
            config, lake, store, secrets=ConsoleSecrets(KEY), random=secrets.token_urlsafe,
            clock=lambda: now + timedelta(seconds=time.monotonic() - began),
        )  # fmt: skip
        traffic, said = Traffic(), list[str]()
        kept = Kept(said)
        logging.getLogger().addHandler(kept)
        settings = uvicorn.Config(
            traffic.around(app), host="127.0.0.1", port=port, access_log=False, proxy_headers=False, log_config=None,
            ws="none", lifespan="off",
        )  # fmt: skip
        server = uvicorn.Server(settings)
        thread = threading.Thread(target=server.run, name=f"console on {port}")
        thread.start()
        running.append((server, thread, kept))
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        return Served(f"http://127.0.0.1:{port}", lake, tokens, RAW, traffic, said)

    yield begin
    for server, thread, kept in running:
        server.should_exit = True
        thread.join(30)
        logging.getLogger().removeHandler(kept)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def console(chromium: str, made_lake: Path, shown: Store, serve: Serve, tmp_path_factory: Any) -> Served:
    """A console on a copy of the lake, whose desk nobody has written to."""
    lake = tmp_path_factory.mktemp("console") / "lake"
    shutil.copytree(made_lake, lake)
    return serve(lake, shown)


@pytest.fixture(scope="module")
def driver() -> Iterator[Playwright]:
    """What drives the browser; it ends with the module, for while it runs no event loop can."""
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(chromium: str, driver: Playwright) -> Iterator[Browser]:
    """A browser with a new profile."""
    launched = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
    yield launched
    launched.close()


@dataclass
class Faults:
    """What went wrong in the pages of a test. `allow` takes a pattern that a fault may match: an answer that the test provokes."""

    found: list[str] = field(default_factory=list)
    allowed: list[re.Pattern[str]] = field(default_factory=list)

    def allow(self, pattern: str) -> None:
        self.allowed.append(re.compile(pattern))

    @property
    def left(self) -> list[str]:
        return [text for text in self.found if not any(pattern.search(text) for pattern in self.allowed)]

    def watch(self, context: BrowserContext) -> None:
        """Writes down what goes wrong in any page of the context."""
        context.on(
            "console",
            lambda said: (
                said.type in ("error", "warning") and self.found.append(f"console: {said.text} {said.location}")
            ),
        )
        context.on("weberror", lambda fault: self.found.append(f"page: {fault.error}"))
        context.on("requestfailed", self._failed)
        context.expose_binding("keepViolation", lambda _, text: self.found.append(f"policy: {text}"))
        context.add_init_script(
            "addEventListener('securitypolicyviolation',"
            " event => keepViolation(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`), true)"
        )

    def _failed(self, asked: Request) -> None:
        # a browser that leaves a page gives up the icon that it still loads; whoever cannot get it gets another failure
        if not (asked.failure == "net::ERR_ABORTED" and asked.url.endswith("/mark.svg")):
            self.found.append(f"request: {asked.url} {asked.failure}")


NewContext = Callable[..., BrowserContext]


@pytest.fixture
def faults() -> Iterator[Faults]:
    """What went wrong; the test fails at its end if anything did that it did not provoke."""
    kept = Faults()
    yield kept
    assert not kept.left, "\n".join(kept.left)


@pytest.fixture
def new_context(browser: Browser, console: Served, faults: Faults) -> Iterator[NewContext]:
    """Makes a context (cookies, viewport, scheme of its own), signed in as a role or as nobody."""
    made = []

    def make(role: str | None = "investigator", served: Served = console, **options: Any) -> BrowserContext:
        usual = {"viewport": {"width": 1280, "height": 800}, "accept_downloads": True, "reduced_motion": "reduce"}
        context = browser.new_context(base_url=served.origin, **usual | options)
        made.append(context)
        faults.watch(context)
        if role is not None:
            answer = context.request.post(
                "/auth/session", data={"token": served.tokens[role]}, headers={"Origin": served.origin}
            )
            assert answer.status == 201
        return context

    yield make
    for context in made:
        context.close()


@pytest.fixture
def page(new_context: NewContext) -> Page:
    """A page of an investigator."""
    return new_context().new_page()


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Callable[..., Path]:
    """Keeps a picture of a page under `artefacts/e2e/`, which git ignores."""

    def take(page: Page, name: str, full: bool = False) -> Path:
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTEFACTS / f"{name}.png"
        page.screenshot(path=path, full_page=full)
        return path

    return take


@pytest.fixture(scope="session")
def violations() -> Callable[..., list[str]]:
    """What axe-core finds against the accessibility of a page as it is now, by all rules or those named: one line a rule and element."""
    axe = Axe()

    def look(page: Page, *rules: str) -> list[str]:
        only = {"runOnly": {"type": "rule", "values": rules}} if rules else {}
        found = axe.run(page, options=only).response["violations"]
        return [
            f"{each['id']} ({each['impact']}): {each['help']}: {node['target']} {node.get('failureSummary', '')}"
            for each in found
            for node in each["nodes"]
        ]

    return look
