"""A night on a Ray cluster of several nodes, one of which is killed in the middle of steps. Run by test_node_lost.py as a process of its own.

    python lose_nodes.py EVENTS LAKE DAY SETTINGS STEP...

SETTINGS is JSON, settings by dotted name. Prints as JSON in which steps a node was killed while a task ran on it.
"""

import contextlib
import json
import sys
import threading
import time
from datetime import date
from pathlib import Path

import psutil
import ray
from ray.cluster_utils import Cluster

from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.night import SilentProgress
from jobs.settings import read_settings
from jobs.tasks import connected

KEY = "5a" * 32
NODES = 2
INTO_TASK_SECONDS = 0.05


class Striker(SilentProgress):
    """Hears which step runs, and kills a node that works for it; another node takes its place."""

    def __init__(self, cluster: Cluster, wanted: set[str]) -> None:
        self.cluster, self.wanted, self.step = cluster, wanted, ""
        self.struck: list[str] = []
        self.nodes = [cluster.add_node(num_cpus=1) for _ in range(NODES)]

    def __reduce__(self) -> tuple[type[SilentProgress], tuple[()]]:
        return SilentProgress, ()

    def say(self, text: str) -> None:
        """Of the chain's lines, the one that a step begins with."""
        if text.endswith(" ..."):
            self.step = text.removesuffix(" ...")

    def _busy(self) -> int | None:
        """A node of which a worker's title says that it runs a task: what Ray tells of free cores comes too late for short ones."""
        for place, node in enumerate(self.nodes):
            for raylet in node.all_processes["raylet"]:
                with contextlib.suppress(psutil.Error):
                    titles = [" ".join(each.cmdline()) for each in psutil.Process(raylet.process.pid).children()]
                    if any(title.startswith("ray::") and not title.startswith("ray::IDLE") for title in titles):
                        return place
        return None

    def strike(self, night: threading.Thread) -> None:
        """Until the night has ended; in the main thread, the only one in which a node starts."""
        while night.is_alive():
            time.sleep(0.01)
            step = self.step
            if step not in self.wanted or not ray.is_initialized() or self._busy() is None:
                continue
            time.sleep(INTO_TASK_SECONDS)
            place = self._busy()
            if place is None or self.step != step:
                continue
            self.wanted.remove(step)
            self.cluster.remove_node(self.nodes[place], allow_graceful=False)
            self.struck.append(step)
            self.nodes[place] = self.cluster.add_node(num_cpus=1)


def main(events: str, lake: str, day: str, settings: str, *steps: str) -> None:
    """See the module."""
    head = {"num_cpus": 0, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    striker = Striker(cluster, set(steps))
    request = NightRequest(
        events=Path(events),
        lake=Path(lake),
        date=date.fromisoformat(day),
        settings=read_settings(json.loads(settings)),
        progress=striker,
        session=lambda: connected(cluster.address, 2),
        random_hex=lambda n: "5a" * n,
        key=KEY,
        without=frozenset({"store"}),
    )
    failures: list[BaseException] = []

    def run() -> None:
        try:
            run_night(request, NightOutcome())
        except BaseException as error:
            failures.append(error)

    night = threading.Thread(target=run)
    night.start()
    try:
        striker.strike(night)
        night.join()
    finally:
        cluster.shutdown()
    if failures:
        raise failures[0]
    print(json.dumps(striker.struck))


if __name__ == "__main__":
    main(*sys.argv[1:])
