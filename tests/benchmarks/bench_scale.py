"""Nights without Neo4j at several sizes: what each step costs, and how its cost grows.

    python tests/benchmarks/bench_scale.py [ACCOUNTS ...]          default: 10000 100000
    python tests/benchmarks/bench_scale.py --world FOLDER [ACCOUNTS ...]     keeps worlds and lakes there, and takes those that are

Of each world two nights in a row are run by the command line on a Ray of their own: the first, with a training, and the next, which brings a day's events. Prints
CPU-seconds, wall, peak memory and bytes by step, and records them in RESULTS.md with the exponent by which CPU grows between the
smallest and the largest size; scale.svg beside it shows it. Simulating is measured, too. Exit code 1 where a step's exponent passes 1.1 between
worlds of 100,000 accounts or more.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import psutil
from results import FOLDER, machine, record, table

LAST = date(2026, 6, 30)
SEED = 3
MOST = 1.1  # exponent
FROM_SIZE = 100_000
Steps = dict[str, dict[str, float]]


def run(*command: str, lake: Path | None = None) -> tuple[float, float]:
    """CPU-seconds of a command and of those that it waited for, and wall; a lake that has a key keeps it."""
    before, start = os.times(), time.monotonic()
    has_key = lake is not None and (lake / "restricted/key").exists()
    environment = os.environ if has_key else os.environ | {"RINGLIGHT_KEY": "5a" * 32}
    subprocess.run([sys.executable, "-m", "jobs", *command], check=True, env=environment, stderr=subprocess.DEVNULL)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return cpu, time.monotonic() - start


def simulated(root: Path, n_accounts: int) -> Path:
    world = root / f"world-{n_accounts}"
    if not (world / "world.json").exists():
        cpu, wall = run(
            "simulate", str(world), "--accounts", str(n_accounts), "--seed", str(SEED), "--until", LAST.isoformat()
        )
        (world / "cost.json").write_text(json.dumps({"cpu_seconds": cpu, "seconds": wall}))
    return world


def nights(root: Path, n_accounts: int) -> dict[str, Steps]:
    """By name of the night, what each step took."""
    world, lake = simulated(root, n_accounts), root / f"lake-{n_accounts}"
    found: dict[str, Steps] = {}
    for name, day in (("first night", LAST - timedelta(days=1)), ("next night", LAST)):
        flags = ("--events", str(world / "events"), "--lake", str(lake), "--as-of", day.isoformat(), "--no-store")
        run("nightly", *flags, lake=lake)
        steps = json.loads((lake / f"nights/{day}/timings.json").read_text())["steps"]
        steps["night"] = {
            measure: (max if measure == "peak_memory_bytes" else sum)(step[measure] for step in steps.values())
            for measure in ("cpu_seconds", "seconds", "peak_memory_bytes", "read_bytes", "written_bytes")
        }
        found[name] = steps
    if (world / "cost.json").exists():
        cost = json.loads((world / "cost.json").read_text())
        nothing = {"peak_memory_bytes": 0, "read_bytes": 0, "written_bytes": 0}
        found["first night"] = {"simulate": cost | nothing} | found["first night"]
    return found


def exponent(costs: dict[int, float]) -> float | None:
    """By which power of the size a cost grows, from the smallest to the largest."""
    sizes = sorted(size for size, cost in costs.items() if cost > 0)
    if len(sizes) < 2:
        return None
    return math.log(costs[sizes[-1]] / costs[sizes[0]]) / math.log(sizes[-1] / sizes[0])


def rows_of(by_size: dict[int, dict[str, Steps]], night: str) -> tuple[list[list[str]], dict[str, float]]:
    """The lines of a table, and the exponents between sizes of `FROM_SIZE` or more."""
    rows, grown = [], {}
    sizes = sorted(by_size)
    for step in by_size[sizes[-1]][night]:
        costs = {size: by_size[size][night].get(step, {}).get("cpu_seconds", 0.0) for size in sizes}
        power = exponent(costs)
        large = exponent({size: cost for size, cost in costs.items() if size >= FROM_SIZE})
        if large is not None:
            grown[step] = large
        largest = by_size[sizes[-1]][night][step]
        rows.append(
            [
                step,
                *(f"{costs[size]:.1f}" for size in sizes),
                f"{largest['seconds']:.1f}",
                f"{largest['peak_memory_bytes'] / 2**30:.2f}",
                f"{largest['read_bytes'] / 2**20:,.0f}",
                f"{largest['written_bytes'] / 2**20:,.0f}",
                "" if power is None else f"{power:.2f}",
            ]
        )
    return rows, grown


def draw(by_size: dict[int, dict[str, Steps]]) -> None:
    sizes = sorted(by_size)
    figure, axes = plt.subplots(1, 2, figsize=(11, 4.8), sharey=True, layout="constrained")
    for axis, night in zip(axes, ("first night", "next night"), strict=True):
        for step in by_size[sizes[-1]][night]:
            costs = {size: by_size[size][night].get(step, {}).get("cpu_seconds", 0.0) for size in sizes}
            power = exponent(costs)
            label = step if power is None else f"{step} ({power:.2f})"
            width = 2.4 if step == "night" else 1.2
            axis.plot(sizes, [max(costs[size], 0.01) for size in sizes], marker="o", linewidth=width, label=label)
        axis.set(xscale="log", yscale="log", xlabel="accounts", title=night)
        axis.grid(visible=True, which="major", alpha=0.3)
        axis.legend(fontsize=8, title="step (exponent)")
    axes[0].set_ylabel("CPU-seconds")
    mpl.rcParams["svg.hashsalt"] = "ringlight"
    figure.savefig(FOLDER / "scale.svg", metadata={"Date": None})


def main() -> int:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", type=Path)
    parser.add_argument("sizes", type=int, nargs="*", default=[])
    given = parser.parse_args()
    sizes = sorted(given.sizes) or [10_000, 100_000]
    where = machine()
    if psutil.getloadavg()[0] > 1:
        print("warning: the machine is busy; wall means little", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        by_size = {size: nights(given.world or Path(folder), size) for size in sizes}
    names = ["step", *(f"{size:,} CPU-s" for size in sizes), "wall s", "GiB", "MiB read", "MiB written", "exponent"]
    body, missed = [], []
    for night in ("first night", "next night"):
        rows, grown = rows_of(by_size, night)
        body.append(
            f"{night[0].upper()}{night[1:]} (wall, memory and bytes at {sizes[-1]:,} accounts):\n\n{table(names, rows)}"
        )
        missed += [f"{night}, {step}: {power:.2f}" for step, power in grown.items() if power > MOST]
    share = {
        size: found["next night"]["night"]["seconds"] / found["first night"]["night"]["seconds"]
        for size, found in by_size.items()
    }
    body.append(
        "Next night's wall in parts of the first's: "
        + ", ".join(f"{size:,}: {part:.0%}" for size, part in share.items())
        + "."
    )
    body.append("![cost by size](scale.svg)")
    print("\n\n".join(body))
    draw(by_size)
    record("Nights by size", f"bench_scale.py {' '.join(map(str, sizes))}", where, "\n\n".join(body))
    for line in missed:
        print(f"missed: exponent above {MOST} from {FROM_SIZE:,} accounts on: {line}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
