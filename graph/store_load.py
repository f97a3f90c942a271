"""Loads a night into the graph store: writes what differs beside what is shown, checks it, shows it, sweeps what was.

How and why is told in `graph.store`. Where an offline import (`graph.store_import`) has written the night already, all but the writing is
done.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal, Self

import polars as pl

from graph import store_cypher as cypher
from graph.errors import InputError, StoreError
from graph.lake import Night
from graph.store import Ask, Store
from graph.store_rows import (
    EDGES,
    KINDS,
    NODES,
    REMOVAL_ORDER,
    Kind,
    count_lake,
    fingerprint,
    read_added,
    read_all,
    read_empty_lists,
    read_removed,
)

__all__ = ["LoadResult", "load_night"]

_NODE_ROWS = 5_000
_LOOK_SECONDS = 0.5

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class LoadResult:
    """What a load did.

    Attributes:
        night: the as-of now shown.
        mode: `unchanged` (it was shown already), `changes` (against the night before), `full`, or
            `imported` (the rows were there, written by the offline import).
        counts: nodes and relationships of each kind now shown.
        n_written, n_closed: rows written, and rows taken from view.
    """

    night: date
    mode: Literal["unchanged", "changes", "full", "imported"]
    counts: dict[str, int]
    n_written: int
    n_closed: int


def load_night(
    store: Store,
    night: Night,
    previous: Night | None = None,
    *,
    allow_older: bool = False,
    progress: Progress | None = None,
) -> LoadResult:
    """Shows a night in Neo4j, at once or not at all, and takes from it what the night does not hold.

    The same night again changes nothing. Where the store shows `previous`, unaltered, only what differs is written; else all.

    Args:
        night: the night to show.
        previous: a night that the store may show now.
        allow_older: move back to a night before the one shown.
        progress: called with a text, rows done and rows in all (0 where unknown) after each batch.

    Raises:
        InputError: `night` is older than the one shown, and `allow_older` is not set.
        StoreError: Neo4j fails, another load has begun, or Neo4j does not hold what the lake holds; what was shown stays shown.
    """
    _make_schema(store, progress)
    shown = store.pointer()
    if shown.night is not None and night.date < shown.night and not allow_older:
        raise InputError(
            f"`--as-of` must not be before {shown.night}, the night that Neo4j shows; got `{night.date}`. "
            "Say `ringlight rebuild-store` to go back."
        )
    mark, expected = fingerprint(night), count_lake(night)
    is_intact = shown.generation > 0 and _count(store, shown.generation) == shown.counts
    is_clean = shown.attempt == shown.generation and shown.is_swept
    if is_intact and is_clean and (shown.fingerprint, shown.night) == (mark, night.date):
        return LoadResult(night.date, "unchanged", expected, 0, 0)
    before = previous if is_intact and previous is not None and shown.fingerprint == fingerprint(previous) else None
    mode: Literal["changes", "full", "imported"]
    if shown.generation == 0 and shown.imported == mark:
        load, mode = _Load(store, shown.attempt, 0, progress), "imported"
        n_written, n_closed = sum(expected.values()), 0
        load.set_empty_lists(night)
    else:
        load, mode = _Load.begin(store, progress), "full" if before is None else "changes"
        if not is_clean:
            load.clear_away()
        n_written, n_closed = (
            load.apply_changes(night, before) if before is not None else load.apply_all(night, expected)
        )
    load.verify(expected)
    load.switch(night, mark, expected)
    load.sweep()
    return LoadResult(night.date, mode, expected, n_written, n_closed)


def _make_schema(store: Store, progress: Progress | None = None) -> None:
    """Constraints and indexes, and waits until they answer: of a night that was imported the vectors' index takes minutes."""
    there = {row["name"] for row in store.run_apart("SHOW INDEXES YIELD name")}
    missing = [text for name, text in cypher.schema().items() if name not in there]
    for text in missing:
        store.run_apart(text)
    while missing:
        states = store.run_apart("SHOW INDEXES YIELD name, state, populationPercent AS percent")
        failed = ", ".join(row["name"] for row in states if row["state"] == "FAILED")
        if failed:
            raise StoreError(f"`{store.uri}` must build the indexes; got a failure of {failed}. See the server's log.")
        if progress:
            progress("building indexes", int(sum(row["percent"] or 0 for row in states)), 100 * len(states))
        if all(row["state"] == "ONLINE" for row in states):
            return
        time.sleep(_LOOK_SECONDS)


@dataclass
class _Load:
    """One load under way: generation `g` is being written while readers see `shown`; `n_batches` are written."""

    store: Store
    g: int
    shown: int
    progress: Progress | None
    n_batches: int = 0

    @classmethod
    def begin(cls, store: Store, progress: Progress | None) -> Self:
        row = store.write([(cypher.BEGIN, {})])[0][0]
        return cls(store, row["attempt"], row["generation"], progress)

    def clear_away(self) -> None:
        """Undoes what earlier loads left: rows never shown, ends never shown, and what was not swept."""
        for kind in REMOVAL_ORDER:
            self.store.run_apart(cypher.sweep(kind), g=self.shown)
            self.store.run_apart(cypher.delete_unfinished(kind), g=self.g, current=self.shown)
            self.store.run_apart(cypher.reopen_unfinished(kind), g=self.g, current=self.shown, forever=cypher.FOREVER)

    def apply_changes(self, night: Night, before: Night) -> tuple[int, int]:
        """Writes how `night` differs from `before`, which is what readers see. Nodes come before and go after their edges."""
        written = closed = 0
        for node in NODES:
            written += self._write(node, cypher.upsert(node), read_added(node, night, before, _NODE_ROWS))
        for edge in EDGES:
            closed += self._write(edge, cypher.close_rows(edge), read_removed(edge, night, before, edge.batch_rows))
            written += self._write(edge, cypher.insert(edge), read_added(edge, night, before, edge.batch_rows))
        for node in NODES:
            closed += self._write(node, cypher.close_rows(node), read_removed(node, night, before, _NODE_ROWS))
        return written, closed

    def apply_all(self, night: Night, expected: Mapping[str, int]) -> tuple[int, int]:
        """Ends all that readers see and writes the whole of `night`."""
        written = closed = 0
        if self.shown > 0:
            closed = sum(_count(self.store, self.shown).values())
            for kind in KINDS:
                self.store.run_apart(cypher.close_all(kind), g=self.g)
        is_empty = self.store.run_apart(cypher.is_empty())[0]["is_empty"]
        for node in NODES:
            text = cypher.insert(node) if is_empty else cypher.upsert(node)
            written += self._write(node, text, read_all(node, night, _NODE_ROWS), expected[node.name])
        for edge in EDGES:
            rows = read_all(edge, night, edge.batch_rows)
            written += self._write(edge, cypher.insert(edge), rows, expected[edge.name])
        return written, closed

    def set_empty_lists(self, night: Night) -> None:
        """What an imported file could not say. No hold and no number: done twice it is as done once, and after another load has begun it
        finds no row that will be seen."""
        for edge in EDGES:
            names, frames = read_empty_lists(edge, night)
            for frame in frames:
                self.store.write([(cypher.set_lists(edge, names), self._parameters(frame))])

    def _write(self, kind: Kind, text: str, frames: Iterator[pl.DataFrame], n_total: int = 0) -> int:
        n_done = 0
        for frame in frames:
            self._write_batch(text, frame)
            n_done += frame.height
            if self.progress:
                self.progress(f"loading {kind.name}", n_done, n_total)
        return n_done

    def _write_batch(self, text: str, frame: pl.DataFrame) -> None:
        """One batch, once, in one transaction with the hold on the pointer: one that is run again finds its number there."""
        self.n_batches += 1
        number, parameters = self.n_batches, self._parameters(frame)

        def work(ask: Ask) -> bool:
            held = ask(cypher.HOLD, {"g": self.g, "batch": number})
            if held and held[0]["done"] < number:
                ask(text, parameters)
            return bool(held)

        if not self.store.write_together(work):
            raise self._overtaken()

    def _overtaken(self) -> StoreError:
        return StoreError(
            f"`{self.store.uri}` must have one load at a time; got a second. Wait for it, then try again."
        )

    def _parameters(self, frame: pl.DataFrame) -> dict[str, object]:
        columns = {name: frame[name].to_list() for name in frame.columns}
        return {**columns, "n_rows": frame.height, "g": self.g, "forever": cypher.FOREVER}

    def verify(self, expected: Mapping[str, int]) -> None:
        """Compares what generation `g` holds with the lake, kind by kind."""
        found = _count(self.store, self.g)
        faults = [f"{name} {found[name]} for {n}" for name, n in expected.items() if found[name] != n]
        if faults:
            raise StoreError(
                f"`{self.store.uri}` must hold what the lake holds; got {', '.join(faults)}. What it showed before stays "
                "shown. Run `ringlight rebuild-store`."
            )

    def switch(self, night: Night, mark: str, counts: Mapping[str, int]) -> None:
        """Shows generation `g`: the one write that readers notice."""
        values = {"g": self.g, "fingerprint": mark, "counts": json.dumps(counts, sort_keys=True)}
        if not self.store.write([(cypher.SWITCH, {**values, "date": night.date, "as_of": night.as_of})])[0]:
            raise self._overtaken()

    def sweep(self) -> None:
        """Deletes what nobody sees any more."""
        for kind in REMOVAL_ORDER:
            self.store.run_apart(cypher.sweep(kind), g=self.g)
        self.store.write([(cypher.SWEPT, {"g": self.g})])


def _count(store: Store, generation: int) -> dict[str, int]:
    return {kind.name: store.run_apart(cypher.count_rows(kind), g=generation)[0]["n_rows"] for kind in KINDS}
