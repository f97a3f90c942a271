"""A batch of a load is written once, or not at all: whatever becomes of its answer, and whoever begins beside it."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from graph.lake import Night, write_table
from graph.store import Ask, Row, Store, count_current
from graph.store_cypher import BEGIN, HOLD
from graph.store_load import load_night
from graph.store_rows import count_lake


def test_a_batch_that_waits_while_a_load_begins_sees_that_it_began(store: Store) -> None:
    g = store.write([(BEGIN, {})])[0][0]["attempt"]
    has_begun, is_waiting = threading.Event(), threading.Event()

    def begin(ask: Ask) -> None:
        ask(BEGIN, {})
        has_begun.set()
        assert is_waiting.wait(60)
        time.sleep(1.0)  # by then the other stands at the lock

    def hold(ask: Ask) -> list[Row]:
        is_waiting.set()
        return ask(HOLD, {"g": g, "batch": 1})

    with ThreadPoolExecutor(1) as beside:
        other = beside.submit(store.write_together, begin)
        assert has_begun.wait(60)
        assert store.write_together(hold) == []
        other.result()
    assert store.pointer().attempt == g + 1


def test_a_batch_whose_answer_was_lost_is_written_once(
    store: Store, tmp_path: Path, made_night: Callable[..., Night], monkeypatch: pytest.MonkeyPatch
) -> None:
    once = store.write_together

    def twice(work: Callable[[Ask], object]) -> object:
        once(work)
        return once(work)

    first, second = (made_night(tmp_path / day.isoformat(), day) for day in (date(2026, 3, 30), date(2026, 3, 31)))
    links = second.read("links").with_columns(n_events=pl.col("n_events") + 1)
    write_table(links, second.folder, "links")
    monkeypatch.setattr(store, "write_together", twice)
    assert load_night(store, first).counts == count_lake(first)
    assert load_night(store, second, first).mode == "changes"
    assert count_current(store) == count_lake(second)
    n_stored = store.run_apart("MATCH ()-[r:LINKED]->() RETURN count(r) AS n")[0]["n"]
    assert n_stored == links.height
