"""One run holds a lake; a dead holder's lock is free."""

import os
import signal
import subprocess
import sys
from datetime import date

import pytest

from graph.errors import LakeHeldError
from jobs.lock import FETCH, hold_lake

HOLDER = """
import sys, time
from datetime import date
from pathlib import Path
from jobs.lock import hold_lake
with hold_lake(Path(sys.argv[1]), date(2026, 6, 30)):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout.readline() == "held\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def test_a_second_run_is_refused_and_told_who_holds_the_lake(tmp_path, holder):
    with pytest.raises(LakeHeldError) as caught, hold_lake(tmp_path, date(2026, 7, 1)):
        pass
    assert caught.value.exit_code == 5
    assert f"process {holder.pid}" in str(caught.value)
    assert "2026-06-30" in str(caught.value)


def test_the_lock_of_a_killed_holder_is_free(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with hold_lake(tmp_path, date(2026, 7, 1)):
        pass


def test_one_that_fetches_is_waited_for(tmp_path, monkeypatch):
    fetching, looked = hold_lake(tmp_path, None, FETCH), []
    fetching.__enter__()

    def look(seconds):
        looked.append(seconds)
        if len(looked) == 2:
            fetching.__exit__(None, None, None)

    monkeypatch.setattr("jobs.lock.time.sleep", look)
    told = []
    with hold_lake(tmp_path, date(2026, 7, 1), say=told.append):
        assert len(looked) == 2
    assert len(told) == 1
    assert "the fetch" in told[0]


def test_a_holder_that_has_not_yet_said_who_it_is_is_looked_at_again(tmp_path, holder, monkeypatch):
    facts, looked = (tmp_path / ".lock.holder").read_text(), []
    (tmp_path / ".lock.holder").unlink()

    def look(seconds):
        looked.append(seconds)
        (tmp_path / ".lock.holder").write_text(facts)

    monkeypatch.setattr("jobs.lock.time.sleep", look)
    with pytest.raises(LakeHeldError, match=f"process {holder.pid}"), hold_lake(tmp_path, None):
        pass
    assert len(looked) == 1


def test_one_that_fetches_for_too_long_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("jobs.lock.FETCH_SECONDS", 0.0)
    with hold_lake(tmp_path, None, FETCH), pytest.raises(LakeHeldError, match="the fetch"), hold_lake(tmp_path, None):
        pass


def test_the_lake_is_free_after_an_error(tmp_path):
    with pytest.raises(RuntimeError), hold_lake(tmp_path, None):
        raise RuntimeError
    with hold_lake(tmp_path, None):
        pass
