"""How long do investigators wait for the console when twenty of them work at once?

    python tests/benchmarks/bench_console.py [SIZE] [--lake DIR] [--clients N] [--seconds S] [--think S] [--settle S] [--modes think,nonstop] [--days D] [--seed N]

The night is that of `bench_queries.py` (a made world of SIZE accounts, default 5,000; scores, rings, reasons and embeddings made up), in a real Neo4j,
behind a real `uvicorn` that serves `create_app` in a process of its own. `--clients` (20) threads of another process ask over HTTP, each with a token and a
connection of its own, for `--seconds` (60) each mode: *think* waits between answers, exponentially with a mean of `--think` (3) seconds, as people do, and its
bars hold (exit 1 where one is missed): p95 of queue and search under 300 ms, of a path within 6 hops under 500 ms, no error. *nonstop* asks again at once: a
stress, without a bar. Before both, they ask for `--settle` (30) seconds unmeasured. Arguments are drawn with `--seed`, mostly such as nobody asked for before, so what the console keeps helps as little as it may.

Prints for each operation how often it was asked, p50, p95, p99 and maximum in milliseconds and errors; CPU-seconds of server and Neo4j, and the machine's load
before and after. With `--lake` the made night, its world's typed values and the loaded Neo4j are kept in DIR and used again.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import secrets
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import polars as pl
import psutil

sys.path.insert(0, str(Path(__file__).parent))  # the benchmark beside this one

from bench_queries import DAY, KEY, free_port, local_store, make_night

from graph.lake import Night
from graph.store import StoreAddress, connect
from graph.store_load import load_night
from jobs.console.app import create_app
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.console_commands import KEEP_ALIVE
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import make_token
from jobs.key import make_private_folder
from jobs.local_store import status
from jobs.simulate import simulate

BARS = {"queue": 300, "queue, filtered": 300, "queue, next page": 300, "search phone": 300, "search email": 300,
        "search device": 300, "path": 500}  # fmt: skip
MIX = {"queue": 3, "queue, filtered": 2, "queue, next page": 2, "ring": 2, "picture": 2, "account": 3, "path": 1,
       "search phone": 1, "search email": 1, "search device": 1}  # fmt: skip
COLUMNS = {"phone": ("profiles", "phone"), "email": ("profiles", "email"), "device": ("logins", "device_id")}

Told = tuple[str, float, int]  # operation, milliseconds, HTTP status (0: no answer)


def draw_typed(size: int, days: int, seed: int) -> dict[str, list[str]]:
    """Raw values of the world that the night was made of, as somebody would type them."""
    with tempfile.TemporaryDirectory() as made:
        world = Path(made) / "w"
        simulate(world, n_accounts=size, n_days=days, seed=seed, until=DAY)
        found = {
            kind: pl.scan_parquet(str(world / "events" / table / "**/*.parquet")).select(column).drop_nulls().unique()
            for kind, (table, column) in COLUMNS.items()
        }
        return {kind: rows.collect().to_series().sort().sample(400, seed=seed, with_replacement=True).to_list()
                for kind, rows in found.items()}  # fmt: skip


def make_lake(root: Path, folder: Path, n_clients: int) -> tuple[Path, list[str]]:
    """A lake with the night as its current one and an investigator's token for each client."""
    lake = root / "console"
    (lake / "nights").mkdir(parents=True, exist_ok=True)
    link = lake / "nights" / DAY.isoformat()
    if not link.exists():
        link.symlink_to(folder.absolute())
    (lake / "current").write_text(f"{DAY.isoformat()}\n")
    make_private_folder(lake / "restricted")
    now = datetime.now(UTC)
    made = [
        make_token(lake, f"bench-{secrets.token_hex(6)}", Role.investigator, now + timedelta(days=1), secrets.token_hex,
                   created_by="bench", now=now, scopes=tuple(Scope))[0]
        for _ in range(n_clients)
    ]  # fmt: skip
    return lake, made


def serve(lake: str, port: str, uri: str, username: str) -> None:
    """The server's process: the console as its command serves it, with rates that nobody meets."""
    import uvicorn

    plenty = dict.fromkeys(("requests_per_minute", "searches_per_minute"), 10**9)
    config = ConsoleConfig.model_validate({"port": int(port), **plenty})
    with connect(StoreAddress(uri, username, os.environ["BENCH_STORE_PASSWORD"])) as store:
        app = create_app(
            config, Path(lake), store, secrets=ConsoleSecrets(KEY), clock=lambda: datetime.now(UTC),
            random=secrets.token_urlsafe,
        )  # fmt: skip
        uvicorn.run(
            app,
            host="127.0.0.1",
            port=int(port),
            access_log=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE,
            log_level="warning",
        )


class Investigator:
    """One client: a connection, a token, and arguments drawn from the night."""

    def __init__(self, port: int, token: str, drawn: dict[str, Any], seed: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Host": f"127.0.0.1:{port}"}
        self._drawn, self.random = drawn, np.random.default_rng(seed)
        self._cursor: str | None = None

    def work(self, seconds: float, think: float | None, told: list[Told]) -> None:
        """Asks until the time is over."""
        names, shares = list(MIX), np.array(list(MIX.values())) / sum(MIX.values())
        end = time.perf_counter() + seconds
        while True:
            if think is not None:
                time.sleep(float(self.random.exponential(think)))
            if time.perf_counter() >= end:
                return
            name = str(self.random.choice(names, p=shares))
            told.append((name, *self._timed(*self._request(name))))

    def _one(self, kind: str) -> str:
        return str(self.random.choice(self._drawn[kind]))

    def _request(self, name: str) -> tuple[str, str, Any]:
        if name.startswith("search "):
            return "POST", "/search", {"term": self._one(name.removeprefix("search "))}
        if name in ("ring", "picture"):
            return "GET", f"/rings/{self._one('rings')}{'/picture' if name == 'picture' else ''}", None
        if name == "account":
            return "GET", f"/accounts/{quote(self._one('accounts'))}", None
        if name == "path":
            a, b = self.random.choice(self._drawn["accounts"], 2)
            return "GET", f"/path?{urlencode({'a': a, 'b': b})}", None
        wanted: dict[str, Any] = {"limit": 50}
        if name == "queue, filtered":
            types = ["device", "phone", "email"]
            wanted |= {
                "min_score": round(float(self.random.uniform(0.3, 0.7)), 3),
                "identifier_type": str(self.random.choice(types)),
            }
        if name == "queue, next page" and self._cursor:
            wanted["cursor"] = self._cursor
        return "GET", f"/queue?{urlencode(wanted)}", None

    def _timed(self, method: str, path: str, body: Any) -> tuple[float, int]:
        text = None if body is None else json.dumps(body)
        headers = self._headers | ({} if body is None else {"Content-Type": "application/json"})
        start = time.perf_counter()
        try:
            self._connection.request(method, f"/api/v1{path}", text, headers)
            answer = self._connection.getresponse()
            data, code = answer.read(), answer.status
        except (OSError, http.client.HTTPException):
            self._connection.close()
            data, code = b"", 0
        taken = 1000 * (time.perf_counter() - start)
        if path.startswith("/queue?limit=50") and "&" not in path and code == 200:
            self._cursor = json.loads(data)["next_cursor"]
        return taken, code


def drive(
    port: int, tokens: list[str], drawn: dict[str, Any], seconds: float, think: float | None, seed: int
) -> list[Told]:
    """The clients' process."""
    told: list[list[Told]] = [[] for _ in tokens]
    people = [Investigator(port, token, drawn, seed * 1_000 + place) for place, token in enumerate(tokens)]
    threads = [
        threading.Thread(target=person.work, args=(seconds, think, own))
        for person, own in zip(people, told, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for own in told for one in own]


def draw(night: Night, typed: dict[str, list[str]], seed: int) -> dict[str, Any]:
    """What is asked about: rings of at most 60 members, accounts of which half are in rings, typed values."""
    scores = night.read("scores").select("account_id", "ring_id")
    members = scores.drop_nulls()
    rings = night.read("rings").filter(pl.col("n_accounts") <= 60)["ring_id"].to_list()
    half = min(2_000, members.height)
    accounts = (
        members["account_id"].sample(half, seed=seed).to_list() + scores["account_id"].sample(half, seed=seed).to_list()
    )
    return {"rings": rings, "accounts": accounts, **typed}


def say(title: str, told: list[Told], is_bar: bool) -> bool:
    """Prints the figures; whether every bar was met."""
    by_name: dict[str, list[Told]] = defaultdict(list)
    for one in told:
        by_name[one[0]].append(one)
    print(f"{title}\n  {'':<20}{'n':>7}{'p50':>9}{'p95':>9}{'p99':>9}{'max':>9}{'errors':>8}   (ms)")
    is_met = True
    for name in MIX:
        if not (runs := by_name[name]):
            continue
        taken = np.array([one[1] for one in runs])
        n_errors = sum(one[2] != 200 for one in runs)
        p50, p95, p99 = np.quantile(taken, (0.5, 0.95, 0.99))
        missed = is_bar and (n_errors > 0 or p95 >= BARS.get(name, np.inf))
        is_met &= not missed
        told_bar = f"  bar {BARS[name]}{': MISSED' if missed else ''}" if is_bar and name in BARS else ""
        print(
            f"  {name:<20}{len(runs):7}{p50:9.0f}{p95:9.0f}{p99:9.0f}{taken.max():9.0f}{n_errors:8}{told_bar}",
            flush=True,
        )
    return is_met


def measure(
    given: argparse.Namespace, port: int, pids: dict[str, int], tokens: list[str], drawn: dict[str, Any]
) -> bool:
    """Each mode in turn."""
    is_met = True
    with multiprocessing.get_context("spawn").Pool(1) as pool:  # what a morning's first minutes are, unmeasured
        pool.apply(drive, (port, tokens, drawn, given.settle, 0.5, given.seed + 100))
    for number, mode in enumerate(given.modes.split(",")):
        before = {name: sum(psutil.Process(pid).cpu_times()[:2]) for name, pid in pids.items()}
        load = os.getloadavg()[0]
        think = given.think if mode == "think" else None
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            told = pool.apply(drive, (port, tokens, drawn, given.seconds, think, given.seed + number))
        used = {name: sum(psutil.Process(pid).cpu_times()[:2]) - before[name] for name, pid in pids.items()}
        is_met &= say(
            f"{mode}: {len(tokens)} clients, {given.seconds:.0f} s, {len(told) / given.seconds:.1f} answers a second, seed {given.seed + number}",
            told, is_bar=mode == "think",
        )  # fmt: skip
        codes = Counter(code for _, _, code in told if code != 200)
        if codes:
            print(f"  errors by status (0: no answer): {dict(codes)}")
        cpu = ", ".join(
            f"{name} {spent:.1f} ({1000 * spent / max(1, len(told)):.1f} ms an answer)" for name, spent in used.items()
        )
        print(
            f"  CPU-seconds: {cpu}; load {load:.1f} before, {os.getloadavg()[0]:.1f} after, {os.cpu_count()} cores",
            flush=True,
        )
    return is_met


def main(given: argparse.Namespace) -> int:
    """Makes or reads the night, loads it, serves it, and measures."""
    with tempfile.TemporaryDirectory() as made:
        root = Path(given.lake or made)
        folder = root / "nights" / f"{DAY}-{given.size}-{given.days}-{given.seed}"
        night = Night(folder, DAY) if folder.is_dir() else make_night(folder, given.size, given.days, given.seed)
        values = folder / "typed_values.json"
        if not values.exists():
            values.write_text(json.dumps(draw_typed(given.size, given.days, given.seed)))
        lake, tokens = make_lake(root, folder, given.clients)
        with local_store(root / "neo4j") as store:
            begun = time.perf_counter()
            mode = load_night(store, night, allow_older=True).mode
            print(f"night of {given.size:,} accounts; load ({mode}): {time.perf_counter() - begun:.0f} s", flush=True)
            neo4j = status(root / "neo4j")
            assert neo4j.uri is not None
            assert neo4j.pid is not None
            port = free_port()
            command = [sys.executable, __file__, "--serve", str(lake), str(port), neo4j.uri, "neo4j"]
            password = (root / "neo4j" / "password").read_text().strip()
            with subprocess.Popen(command, env=os.environ | {"BENCH_STORE_PASSWORD": password}) as server:
                try:
                    wait_until_ready(port)
                    drawn = draw(night, json.loads(values.read_text()), given.seed)
                    pids = {"server": server.pid, "Neo4j": neo4j.pid}
                    return 0 if measure(given, port, pids, tokens, drawn) else 1
                finally:
                    server.terminate()


def wait_until_ready(port: int) -> None:
    """Until the console listens."""
    for _ in range(600):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/healthz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
    raise SystemExit("the console does not listen")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve(*sys.argv[2:])
        sys.exit(0)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", type=int, default=5_000)
    parser.add_argument("--lake")
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--settle", type=float, default=30)
    parser.add_argument("--think", type=float, default=3)
    parser.add_argument("--modes", default="think,nonstop")
    parser.add_argument("--days", type=int, default=180)
    parser.add_argument("--seed", type=int, default=7)
    sys.exit(main(parser.parse_args()))
