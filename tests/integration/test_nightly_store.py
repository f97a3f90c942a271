"""The night and a real Neo4j: shown at the end of the night, checked first, fed later where it was left out."""

import contextlib
import secrets
from datetime import date

import pytest

from graph.store import connect, count_current, current_date, drop_all
from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.cli import main
from jobs.night import SilentProgress
from jobs.settings import read_settings
from jobs.simulate import simulate

pytestmark = pytest.mark.usefixtures("one_ray")

DAY = date(2026, 6, 30)
KEY = "5a" * 32
NO_STORE = frozenset({"store"})


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    out = tmp_path_factory.mktemp("world")
    simulate(out, n_accounts=200, n_days=90, seed=5, until=DAY)
    return out / "events"


@pytest.fixture(autouse=True)
def empty_store(neo4j_address, monkeypatch, tmp_path):
    """The server as it is named by the driver's own variables, with nothing in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NEO4J_URI", neo4j_address.uri)
    monkeypatch.setenv("NEO4J_USERNAME", neo4j_address.username)
    monkeypatch.setenv("NEO4J_PASSWORD", neo4j_address.password)
    with connect(neo4j_address) as store:
        drop_all(store)
        yield store
        drop_all(store)


def run(events, lake, day=DAY, without=frozenset(), **settings):
    request = NightRequest(
        events=events,
        lake=lake,
        date=day,
        settings=read_settings(settings),
        progress=SilentProgress(),
        session=contextlib.nullcontext,
        random_hex=secrets.token_hex,
        key=KEY,
        without=without,
    )
    outcome = NightOutcome()
    run_night(request, outcome)
    return outcome


def test_a_night_is_shown_and_counts_agree_with_what_the_night_tells(world, tmp_path, empty_store):
    outcome = run(world, tmp_path / "lake")
    assert current_date(empty_store) == DAY
    counts = count_current(empty_store)
    assert outcome.results["store"].rows == counts
    assert sum(counts.values()) > 0


def test_a_night_without_the_store_can_be_given_to_it_later(world, tmp_path, empty_store):
    run(world, tmp_path / "lake", without=NO_STORE)
    assert current_date(empty_store) is None
    later = run(world, tmp_path / "lake")
    assert list(later.seconds) == ["store"]
    assert current_date(empty_store) == DAY
    assert run(world, tmp_path / "lake").was_complete


def test_the_store_moves_forward_only_unless_told(world, tmp_path, empty_store):
    lake = tmp_path / "lake"
    run(world, lake)
    earlier = date(2026, 6, 20)
    assert run(world, lake, earlier).results["store"].facts == {"is_shown": False}
    assert current_date(empty_store) == DAY
    assert run(world, lake, earlier, **{"store.allow_older": True}).results["store"].facts == {"is_shown": True}
    assert current_date(empty_store) == earlier


def test_a_wrong_password_is_told_before_anything_is_written(world, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("NEO4J_PASSWORD", "wrong-password")
    arguments = ["nightly", "--events", str(world), "--lake", str(tmp_path / "lake"), "--as-of", "2026-06-30"]
    assert main(arguments) == 3
    error = capsys.readouterr().err
    assert "NEO4J_PASSWORD" in error
    assert "wrong-password" not in error
    assert not (tmp_path / "lake").exists()
