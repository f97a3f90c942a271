"""How fast a made world is made, and that its memory does not grow with the number of accounts.

    python tests/benchmarks/bench_simulate.py [ACCOUNTS ...]

Prints, for each number of accounts over 180 days: seconds of wall and of CPU, microseconds of CPU an event, peak memory.
"""

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from jobs.simulate import simulate


def measure(n_accounts: int) -> str:
    """One world in this process."""
    with tempfile.TemporaryDirectory() as folder:
        wall, cpu = time.perf_counter(), time.process_time()
        world = simulate(Path(folder), n_accounts=n_accounts, n_days=180, seed=1, until=date(2026, 6, 30))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    n_events = sum(world.n_rows.values())
    unit = 1 if sys.platform == "darwin" else 1024
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
    return f"{n_accounts:>9} accounts {n_events:>10} events {wall:7.1f} s {cpu:7.1f} CPU-s {cpu / n_events * 1e6:5.1f} us/event {peak_mib:6.0f} MiB"


if __name__ == "__main__":
    if len(sys.argv) == 2:
        print(measure(int(sys.argv[1])), flush=True)
    else:
        print(f"{os.cpu_count()} CPUs", flush=True)
        for wanted in sys.argv[1:] or ("10000", "100000", "200000"):
            subprocess.run([sys.executable, __file__, wanted], check=True)  # a process each: peak memory is per process
