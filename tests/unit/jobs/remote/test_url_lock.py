"""One run holds a lake at a URL; a dead holder's lock is free after a while; who lost it stops."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest

from graph.errors import LakeHeldError
from jobs.remote.lock import LOCK, STALE_SECONDS, hold_url
from jobs.remote.storage import Storage

DAY = date(2026, 6, 30)
NOW = 1_800_000_000.0


@pytest.fixture
def storage(bucket):
    return Storage(f"{bucket}/lake", "--lake")


def held_at(seconds: float) -> dict[str, object]:
    return {"work": "night", "night": str(DAY), "host": "far", "pid": 7, "token": "theirs", "time": NOW + seconds}


def test_a_second_run_is_refused_and_told_who_holds_the_lake(storage):
    with hold_url(storage, DAY, "one", clock=lambda: NOW):
        second = hold_url(storage, None, "two", clock=lambda: NOW + STALE_SECONDS - 1)
        with pytest.raises(LakeHeldError, match=r"night of 2026-06-30 \(process") as caught, second:
            pass
        assert caught.value.exit_code == 5
        assert json.loads(storage.read(LOCK))["token"] == "one"
    assert storage.list() == {}


def test_the_lock_of_a_run_that_died_is_taken_over(storage):
    storage.write(LOCK, json.dumps(held_at(-STALE_SECONDS - 1)))
    with hold_url(storage, DAY, "ours", clock=lambda: NOW) as hold:
        hold.check()
        assert list(storage.list()) == [LOCK]
        assert json.loads(storage.read(LOCK))["token"] == "ours"
    assert storage.list() == {}


def test_a_lock_that_cannot_be_read_is_nobodys(storage):
    storage.write(LOCK, "{")
    with hold_url(storage, DAY, "ours", clock=lambda: NOW):
        assert json.loads(storage.read(LOCK))["token"] == "ours"


def test_of_many_who_take_a_dead_ones_lock_one_has_it(storage):
    storage.write(LOCK, json.dumps(held_at(-STALE_SECONDS - 1)))
    n_runs = 6
    begun = threading.Barrier(n_runs)
    ended = threading.Barrier(n_runs)

    def run(number):
        begun.wait()
        try:
            with hold_url(storage, DAY, str(number), clock=lambda: NOW) as hold:
                hold.check()
                ended.wait()
                return True
        except LakeHeldError:
            ended.wait()
            return False

    with ThreadPoolExecutor(n_runs) as pool:
        assert sum(pool.map(run, range(n_runs))) == 1


def test_who_lost_the_lock_stops_and_leaves_the_others_alone(storage):
    with hold_url(storage, DAY, "ours", clock=lambda: NOW) as hold:
        storage.write(LOCK, json.dumps(held_at(0)))
        with pytest.raises(LakeHeldError, match="on far"):
            hold.check()
    assert json.loads(storage.read(LOCK))["token"] == "theirs"


def test_a_look_is_a_sign_of_life(storage):
    times = iter(range(1000))
    with hold_url(storage, DAY, "ours", clock=lambda: NOW + 60 * next(times)) as hold:
        first = json.loads(storage.read(LOCK))["time"]
        hold.check()
        assert json.loads(storage.read(LOCK))["time"] > first


def test_the_holder_gives_signs_of_life_by_itself(storage, monkeypatch):
    monkeypatch.setattr("jobs.remote.lock.BEAT_SECONDS", 0.01)
    times = iter(range(1_000_000))
    with hold_url(storage, DAY, "ours", clock=lambda: float(next(times))):
        first = json.loads(storage.read(LOCK))["time"]
        for _ in range(1000):
            if json.loads(storage.read(LOCK))["time"] > first:
                break
        assert json.loads(storage.read(LOCK))["time"] > first
