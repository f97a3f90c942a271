"""Fetches the jars of the local Neo4j: exactly those of `local_store_jars.lock`, each checked by its sha256.

A download that was cut short leaves a short file under the right name; so each jar is checked on every start, and one that
does not match is fetched once more before it counts as a fault. 225 downloads meet a passing fault of the network sooner or
later, so each is tried again after a while.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests
from filelock import FileLock
from jgo.maven import MavenContext

from graph.errors import StoreError

__all__ = ["LOCK_FILE", "NEO4J_VERSION", "LockedJar", "fetch_jars", "hash_lock", "read_lock"]

NEO4J_VERSION = "2026.08.1"
LOCK_FILE = Path(__file__).with_name("local_store_jars.lock")
_THREADS = 8
_TIMEOUT_SECONDS = 60
_WAITS_SECONDS = (1.0, 3.0, 9.0, 27.0)  # before each further try

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class LockedJar:
    """One line of the lock: what Maven calls it, its size, and the hash it must have."""

    coordinate: str
    n_bytes: int
    sha256: str


def read_lock(path: Path = LOCK_FILE) -> list[LockedJar]:
    """The jars that the lock names, in its order (which is the class path's)."""
    jars = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            coordinate, n_bytes, sha256 = line.split()
            jars.append(LockedJar(coordinate, int(n_bytes), sha256))
    return jars


def hash_lock(path: Path = LOCK_FILE) -> str:
    """Hex sha256 of the lock: what was made for one class path does not fit another."""
    return _sha256(path)


def fetch_jars(
    cache: Path,
    jars: Sequence[LockedJar],
    progress: Progress | None = None,
    context: MavenContext | None = None,
    waits_seconds: Sequence[float] = _WAITS_SECONDS,
) -> list[Path]:
    """Brings every jar into `cache` (a Maven repository's layout) and checks it.

    Args:
        cache: folder that holds the jars; made if missing, safe to share between processes.
        jars: what to fetch.
        progress: called with a text, the jars done and the jars in all.
        context: Maven repositories to ask; Maven Central by default.
        waits_seconds: how long to wait before each further try when the network fails.

    Returns:
        Path of each jar, in the order of `jars`.

    Raises:
        StoreError: no network through all tries, a jar that the repository lacks, or one whose sha256 differs twice.
    """
    cache.mkdir(parents=True, exist_ok=True)
    maven = context or MavenContext(repo_cache=cache, timeout=_TIMEOUT_SECONDS)
    with FileLock(cache / ".lock"), ThreadPoolExecutor(_THREADS) as pool:
        paths: list[Path] = []
        for path in _in_order(pool, maven, jars, waits_seconds):
            paths.append(path)
            if progress:
                progress("fetching Neo4j", len(paths), len(jars))
    return paths


def _in_order(
    pool: ThreadPoolExecutor, maven: MavenContext, jars: Sequence[LockedJar], waits_seconds: Sequence[float]
) -> Iterator[Path]:
    tasks = [pool.submit(_fetch, maven, jar, waits_seconds) for jar in jars]
    try:
        for task in tasks:
            yield task.result()
    finally:
        for task in tasks:
            task.cancel()


def _fetch(maven: MavenContext, jar: LockedJar, waits_seconds: Sequence[float]) -> Path:
    for _ in range(2):
        path = _resolve(maven, jar, waits_seconds)
        if _sha256(path) == jar.sha256:
            return path
        path.unlink()
    raise StoreError(
        f"`{jar.coordinate}` must have the sha256 {jar.sha256[:16]}... that jobs/local_store_jars.lock names; got another "
        "twice. Something between here and the Maven repository changes files: fetch from elsewhere."
    )


def _resolve(maven: MavenContext, jar: LockedJar, waits_seconds: Sequence[float]) -> Path:
    """The jar's file, downloaded if need be; a fault of the network is waited out, an answer that refuses is not."""
    group, name, version, *classifier = jar.coordinate.split(":")
    artifact = maven.project(group, name).at_version(version).artifact(*classifier)
    waits = list(waits_seconds)
    while True:
        try:
            return Path(artifact.resolve())
        except (requests.RequestException, OSError, RuntimeError) as error:
            if waits and isinstance(error, requests.ConnectionError | requests.Timeout):
                time.sleep(waits.pop(0))
                continue
            raise StoreError(
                f"`{jar.coordinate}` must be to be had from the Maven repository; got {type(error).__name__}. "
                "Check the network and run `ringlight store start` again: what has arrived is kept."
            ) from error


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
