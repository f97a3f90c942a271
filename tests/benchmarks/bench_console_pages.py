"""How long until a ring's page stands, from the click to the drawn picture, in a real Chromium?

    python tests/benchmarks/bench_console_pages.py [SIZE ...] [--runs N]

For each SIZE (default 60 and 1,500; above some 100 the picture is shown folded) a small night with a ring of so many accounts (`tests/conftest.py`)
lies in a real Neo4j and is served by uvicorn. The ring is opened from the queue in one tab, `--runs` (10) times after one that is not counted, and the browser
itself says when the picture stood (the mark `ringlight:stable`, in milliseconds since the navigation began). *laid out* is as the first who looks sees it: the browser makes the layout each time.
*kept* is as all others see it: nodes lie where they were kept. Prints median, p95 and maximum, how many elements the picture draws, and the machine's load.
"""

import argparse
import os
import secrets
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import uvicorn
from playwright.sync_api import Browser, sync_playwright

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' small night
sys.path.insert(0, str(Path(__file__).parent))  # the benchmark beside this one

from bench_queries import free_port, local_store
from conftest import CROWD, DAY, night_tables

from graph.lake import Night, night_folder, write_table
from graph.store import Store
from graph.store_load import load_night
from jobs.console.app import create_app
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import make_token
from jobs.key import make_private_folder

ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync")  # fmt: skip
NOW = datetime(2026, 4, 1, tzinfo=UTC)


def make_lake(lake: Path, size: int) -> Night:
    """A lake whose one night has a ring of `size` accounts beside the small ones."""
    folder = night_folder(lake, DAY)
    folder.mkdir(parents=True)
    for name, table in night_tables(DAY, True, "e1", size).items():
        write_table(table, folder, name)
    (lake / "current").write_text(f"{DAY.isoformat()}\n")
    make_private_folder(lake / "restricted")
    return Night(folder, DAY)


@contextmanager
def serving(lake: Path, store: Store) -> Iterator[tuple[str, dict[Role, str]]]:
    """The console on a free port: its origin, and a token for each role."""
    tokens = {role: make_token(lake, role.value, role, NOW + timedelta(days=1), secrets.token_hex, created_by="bench",
                               now=NOW, scopes=tuple(Scope))[0] for role in Role}  # fmt: skip
    port = free_port()
    config = ConsoleConfig.model_validate({"port": port, "requests_per_minute": 100_000})
    app = create_app(
        config, lake, store, secrets=ConsoleSecrets("5a" * 32), clock=lambda: NOW, random=secrets.token_urlsafe
    )
    server = uvicorn.Server(
        uvicorn.Config(app, port=port, access_log=False, log_level="warning", ws="none", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", tokens
    finally:
        server.should_exit = True
        thread.join()


def open_ring(browser: Browser, origin: str, token: str, n_runs: int) -> tuple[list[float], int]:
    """Milliseconds until the picture stood, run by run, and how many elements it draws."""
    context = browser.new_context(base_url=origin, viewport={"width": 1280, "height": 800})
    answer = context.request.post("/auth/session", data={"token": token}, headers={"Origin": origin})
    assert answer.status == 201
    told, n_drawn = [], 0
    # one tab, as investigators use one: a window anew loads the browser's own pages beside ours
    page = context.new_page()
    for _ in range(n_runs + 1):
        page.goto("/", wait_until="networkidle")
        page.locator(f'a[href^="/rings/{CROWD}"]').first.click()
        page.wait_for_selector("#picture[data-stable=true]", timeout=120_000)
        told.append(float(page.evaluate("performance.getEntriesByName('ringlight:stable')[0].startTime")))
        n_drawn = int(page.evaluate("document.getElementById('picture')._cyreg.cy.elements().length"))
        page.wait_for_load_state("networkidle")
    context.close()
    return told[1:], n_drawn


def say(text: str, told: list[float], n_drawn: int) -> None:
    p95 = statistics.quantiles(told, n=20, method="inclusive")[-1]
    print(f"  {text:<9} median {statistics.median(told):6.0f} ms   p95 {p95:6.0f}   max {max(told):6.0f}   {n_drawn:,} elements drawn")  # fmt: skip


def main(given: argparse.Namespace) -> None:
    """Measures ring by ring."""
    chromium = shutil.which(os.environ.get("RINGLIGHT_CHROMIUM") or "chromium")
    if chromium is None:
        sys.exit("no Chromium: run `make chromium`, or name one by RINGLIGHT_CHROMIUM")
    with tempfile.TemporaryDirectory() as made, local_store(Path(made) / "neo4j") as store, sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=list(ARGUMENTS))
        for size in given.sizes:
            lake = Path(made) / f"lake-{size}"
            load_night(store, make_lake(lake, size), allow_older=True)
            with serving(lake, store) as (origin, tokens):
                print(f"a ring of {size:,} accounts, {given.runs} runs each, load {os.getloadavg()[0]:.1f}", flush=True)
                say(
                    "laid out", *open_ring(browser, origin, tokens[Role.viewer], given.runs)
                )  # who only reads keeps nothing
                say("kept", *open_ring(browser, origin, tokens[Role.investigator], given.runs))
        browser.close()
        print(f"load afterwards {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sizes", nargs="*", type=int, default=[60, 1_500])
    parser.add_argument("--runs", type=int, default=10)
    main(parser.parse_args())
