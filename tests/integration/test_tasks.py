"""A real Ray: results in order, one thread of polars a task, errors as they were raised, and nothing open to the network."""

import ipaddress
import os
import subprocess
import sys

import psutil
import pytest

from graph.errors import InputError, RinglightError, StoreError
from jobs.night import SilentProgress
from jobs.tasks import connected, map_tasks, run_task


@pytest.fixture(scope="module")
def local_ray():
    with connected(None, 2):
        yield


def double(number):
    return 2 * number


def polars_threads():
    import polars as pl

    return pl.thread_pool_size()


def refuse(number):
    if number == 3:
        raise InputError("`signups` must hold rows; got none.", ["one", "two"])


def die():
    os._exit(9)


class Counting(SilentProgress):
    def __init__(self):
        self.seen = []

    def track(self, items, label, total=None):
        for item in items:
            self.seen.append((label, total))
            yield item


def test_results_come_in_the_order_of_the_arguments(local_ray):
    progress = Counting()
    assert map_tasks(double, [(number,) for number in range(8)], progress=progress, label="d") == list(range(0, 16, 2))
    assert progress.seen == [("d", 8)] * 8


def test_no_arguments_no_results(local_ray):
    assert map_tasks(double, []) == []


def test_polars_has_one_thread_in_a_task(local_ray):
    assert run_task(polars_threads) == 1
    assert run_task(polars_threads, n_cpus=2) == 1


def test_what_a_task_raises_arrives_as_it_was(local_ray):
    with pytest.raises(InputError) as caught:
        map_tasks(refuse, [(number,) for number in range(5)])
    assert type(caught.value) is InputError
    assert caught.value.faults == ("one", "two")
    assert str(caught.value).splitlines()[0] == "`signups` must hold rows; got none."


def test_a_task_that_dies_is_one_sentence(local_ray):
    with pytest.raises(RinglightError, match="die"):
        run_task(die)


def test_all_of_ray_listens_on_loopback_alone(local_ray):
    map_tasks(double, [(1,), (2,)])
    ours = psutil.Process().children(recursive=True)
    addresses = {
        connection.laddr.ip
        for process in ours
        for connection in process.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    assert all(ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address in addresses)


@pytest.mark.parametrize(
    ("address", "error"), [("127.0.0.1:1", StoreError), ("ray://127.0.0.1:1", StoreError), ("nowhere", InputError)]
)
def test_an_address_where_no_ray_can_be_is_refused_at_once(address, error):
    code = f"""
from jobs.tasks import connected
try:
    with connected({address!r}, 1):
        pass
except Exception as error:
    print(type(error).__name__, error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.startswith(f"{error.__name__} `--address` must be")
    assert address in done.stdout
