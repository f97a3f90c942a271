"""`ray job submit` on a real Ray: a step alone, then the night that goes on from it."""

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest

from graph.lake import read_night
from jobs.remote.storage import Storage
from jobs.simulate import simulate

RAY = [sys.executable, "-m", "ray.scripts.scripts"]
DAY = date(2026, 6, 30)


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


def own_ports() -> list[str]:
    """Ports of a node's agent, whose defaults are one for all: nodes share this machine, and other runs are on it."""
    return [
        f"--{name}-port={free_port()}" for name in ("dashboard-agent-listen", "dashboard-agent-grpc", "metrics-export")
    ]


def n_alive(dashboard: int, token: str) -> int:
    """How many nodes the cluster has, by its state API."""
    url = f"http://127.0.0.1:{dashboard}/api/v0/nodes"
    answer = httpx.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    if answer.status_code != 200:  # it is still coming up
        return 0
    return sum(node["state"] == "ALIVE" for node in answer.json()["data"]["result"]["result"])


@contextlib.contextmanager
def running_ray(n_nodes: int = 0) -> Iterator[dict[str, str]]:
    """A Ray of its own with a job server, on loopback, behind a token; the environment of a client of it.

    Args:
        n_nodes: beside the head, which then runs no tasks.
    """
    port, dashboard = free_port(), free_port()
    environment = os.environ | {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RINGLIGHT_KEY": "5a" * 32,
    }
    for name in ("RAY_ADDRESS", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):  # a local Ray of a test before sets the second
        environment.pop(name, None)
    start = [*RAY, "start", "--block", "--node-ip-address=127.0.0.1"]
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory(prefix="rl-", dir="/tmp") as folder:  # a short path: Ray's sockets lie below it
        head = [*start, "--head", f"--num-cpus={0 if n_nodes else 2}", f"--port={port}", f"--temp-dir={folder}"]
        head += ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", *own_ports()]
        started = [subprocess.Popen(head, **quiet)]
        try:
            end = time.monotonic() + 180
            while not listens(dashboard):
                assert started[0].poll() is None, "ray start ended"
                assert time.monotonic() < end, "the job server never listened"
                time.sleep(0.5)
            node = [*start, f"--address=127.0.0.1:{port}", "--num-cpus=1"]
            for number in range(1, n_nodes + 1):
                started.append(subprocess.Popen([*node, *own_ports()], **quiet))
                while n_alive(dashboard, environment["RAY_AUTH_TOKEN"]) <= number:
                    assert started[-1].poll() is None, "ray start ended"
                    assert time.monotonic() < end, "a node never came up"
                    time.sleep(0.5)
            yield environment | {"RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        finally:
            for process in reversed(started):
                process.terminate()
            for process in started:
                process.wait(60)


@pytest.fixture
def ray_environment() -> Iterator[dict[str, str]]:
    with running_ray() as environment:
        yield environment


def submit(environment: dict[str, str], *entrypoint: str) -> str:
    command = [*RAY, "job", "submit", "--", sys.executable, "-m", *entrypoint]
    end = time.monotonic() + 180
    while True:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        # the job server listens before the agent that starts jobs has come up beside it
        if "No available agent" not in done.stderr or time.monotonic() > end:
            break
        time.sleep(2)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_steps_and_nights_are_ray_jobs_as_they_are(ray_environment: dict[str, str], tmp_path: Path) -> None:
    events = simulate(tmp_path / "world", n_accounts=200, n_days=60, seed=2, until=DAY).events
    flags = ("--events", str(events), "--lake", str(tmp_path / "lake"), "--as-of", DAY.isoformat())
    assert "The step `ingest` is done." in submit(ray_environment, "jobs.steps.ingest", *flags)
    assert "ingest done already" in submit(ray_environment, "jobs", "nightly", *flags, "--no-store")
    assert (tmp_path / "lake" / "current").read_text().strip() == DAY.isoformat()


def test_a_night_on_several_nodes_reads_and_publishes_object_storage(
    bucket: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    uploaded: Callable[[Path], str],
    downloaded: Callable[[str], Path],
) -> None:
    events = simulate(tmp_path / "world", n_accounts=200, n_days=60, seed=2, until=DAY).events
    lake = Storage(f"{bucket}/lake", "--lake")
    monkeypatch.setenv("RINGLIGHT_PLACE", str(tmp_path / "place"))
    flags = ("--events", uploaded(events), "--lake", lake.url, "--as-of", DAY.isoformat())
    with running_ray(n_nodes=2) as environment:
        told = submit(environment, "jobs", "nightly", *flags, "--no-store")
    assert f"The night {DAY} is complete: {lake.url}/nights/{DAY}" in told
    assert (lake.read("current") or "").strip() == DAY.isoformat()
    assert read_night(downloaded(lake.url)).read("clusters").height == 200
    assert lake.entry("lock") is None
