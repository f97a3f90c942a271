"""A node of the cluster is killed in the middle of a step: its tasks are done again elsewhere, and the night's bytes are the same."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from jobs.simulate import simulate
from jobs.steps import STEPS

DAY = date(2026, 6, 30)
QUICK = {"train.n_seeds": 1, "train.with_controls": False, "train.min_positives": 5, "train.n_cutoffs": 2}
SHORT = ("links", "train")
MOST_NIGHTS = 5


def struck_night(events: Path, lake: Path, *steps: str) -> list[str]:
    """In which of the steps a node was killed."""
    script = Path(__file__).parent / "lose_nodes.py"
    command = [sys.executable, str(script), str(events), str(lake), DAY.isoformat(), json.dumps(QUICK), *steps]
    # nothing of a Ray that other tests started here
    environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    struck: list[str] = json.loads(done.stdout.splitlines()[-1])
    return struck


def contents(lake: Path) -> dict[str, bytes]:
    files = [*(lake / "nights" / DAY.isoformat()).rglob("*"), *(lake / "models").rglob("*")]
    return {
        path.relative_to(lake).as_posix(): path.read_bytes()
        for path in files
        if path.is_file() and path.name != "timings.json"
    }


def calm(events: Path, lake: Path) -> dict[str, bytes]:
    """What a night on the same cluster writes while no node is lost."""
    assert struck_night(events, lake) == []
    written = contents(lake)
    assert any(name.endswith("scores.parquet") for name in written)
    assert any(name.startswith("models/") for name in written)
    return written


def test_a_node_that_is_killed_in_a_step_changes_no_byte(trained_world: Path, tmp_path: Path) -> None:
    assert struck_night(trained_world, tmp_path / "lake", *SHORT) == list(SHORT)
    assert contents(tmp_path / "lake") == calm(trained_world, tmp_path / "calm")


@pytest.mark.drill
def test_a_node_that_is_killed_in_every_step_changes_no_byte(tmp_path: Path) -> None:
    # large enough for every step to be caught at work
    events = simulate(tmp_path / "world", n_accounts=6_000, n_days=180, seed=8, until=DAY).events
    wanted = calm(events, tmp_path / "calm")
    left = [name for name in STEPS if name != "store"]
    for night in range(MOST_NIGHTS):  # while a lost node is replaced, or where a task ends at once, a step goes by
        struck = struck_night(events, tmp_path / f"lake-{night}", *left)
        assert contents(tmp_path / f"lake-{night}") == wanted
        left = [name for name in left if name not in struck]
        if not left:
            return
    pytest.fail(f"no node was caught at work in {left}")
