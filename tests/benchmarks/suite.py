"""`make bench`: what the engine costs beside its peers, step by step, in one run; each benchmark records itself in RESULTS.md.

    python tests/benchmarks/suite.py [SIZE]

Without SIZE each runs at the size that shows most within the twenty minutes that all of them may take on two cores. SIZE is a number of accounts, or of nodes:
each peer then runs at the largest size up to it that it bears. What a larger night costs, and its exponent, is `bench_scale.py`'s own
affair: hours. Exit code 1 where a bar was missed or a benchmark failed.
"""

import subprocess
import sys
import time
from pathlib import Path

from results import machine, record, table

FOLDER = Path(__file__).parent
# file, its arguments, and those for a size
SUITE: tuple[tuple[str, str, str], ...] = (
    ("bench_links.py", "100000 3", "{size} 3"),
    ("bench_people.py", "made:20000:2", "made:{size}:2"),
    ("bench_components.py", "1000000", "{size}"),
    ("bench_sampling.py", "", "{size}"),
    ("bench_gds.py", "20000 2", "{size} 2"),
    ("bench_store.py", "", "{size}"),
    ("bench_scale.py", "10000", "{size}"),
)


def main() -> int:
    """See the module."""
    size, where, rows = sys.argv[1] if len(sys.argv) > 1 else None, machine(), []
    for number, (name, default, sized) in enumerate(SUITE, start=1):
        arguments = (default if size is None else sized.format(size=size)).split()
        print(f"== {number} of {len(SUITE)}: {name} {' '.join(arguments)}", flush=True)
        started = time.monotonic()
        code = subprocess.run([sys.executable, str(FOLDER / name), *arguments], check=False).returncode
        told = "no bar missed" if code == 0 else "missed a bar, or failed"
        rows.append([f"`{name} {' '.join(arguments)}`".replace(" `", "`"), f"{time.monotonic() - started:.0f}", told])
        print(f"== {told} ({rows[-1][1]} s)", flush=True)
    rows.append(["all", f"{sum(int(row[1]) for row in rows)}", ""])
    record("The suite", f"suite.py {size or ''}".strip(), where, table(["", "wall s", ""], rows))
    return int(any(row[2] not in {"no bar missed", ""} for row in rows))


if __name__ == "__main__":
    sys.exit(main())
