"""A small made world for the tests of gnn: honest accounts and rings that share a device and a card."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from gnn.cutoffs import CutOff
from gnn.features import build_features
from graph.build import build_snapshot
from graph.schema import TABLES
from graph.snapshot import Events, Snapshot

START = datetime(2026, 1, 1, tzinfo=UTC)
KEY = "k" * 32

Row = dict[str, object]


def events_of(rows: dict[str, list[Row]]) -> Events:
    """Event tables of the contract from rows; `known_time` is `event_time` unless given."""
    events = {}
    for name, table in TABLES.items():
        schema = {column.name: column.dtype for column in table.columns}
        filled = [
            {"event_id": f"{name}{place}", "known_time": row["event_time"], **row}
            for place, row in enumerate(rows.get(name, []))
        ]
        events[name] = pl.DataFrame(filled, schema=schema)
    return events


def snapshot_of(events: Events, as_of: datetime) -> Snapshot:
    """The snapshot of the events as of a day."""
    return build_snapshot(events, as_of, KEY, 1)


def made_rows(n_honest: int = 120, n_rings: int = 16, ring_size: int = 4, seed: int = 0) -> dict[str, list[Row]]:
    """Rings sign up within a day on one device and pay one sink; honest accounts share addresses at most."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[Row]] = {name: [] for name in TABLES}

    def open_account(name: str, day: float, device: str, address: str, payee: str, ring: str | None) -> None:
        at = START + timedelta(days=day)
        rows["signups"].append({"account_id": name, "event_time": at, "channel": "app"})
        rows["profiles"].append(
            {
                "account_id": name,
                "event_time": at,
                "full_name": f"Person {name}",
                "national_id": f"{random.integers(10**8, 10**9)}",
                "address": address,
                "postcode": "10001",
                "email": f"{name}@example.org",
            }
        )
        for turn in range(3):
            rows["logins"].append(
                {"account_id": name, "event_time": at + timedelta(days=2 * turn, hours=1), "device_id": device}
            )
        rows["payments"].append(
            {
                "account_id": name,
                "event_time": at + timedelta(days=3),
                "counterparty_id": payee,
                "amount_minor": int(random.integers(1000, 9000)),
                "currency": "USD",
                "status": "settled",
            }
        )
        if ring and random.random() < 0.7:
            late = at + timedelta(days=float(random.integers(5, 20)))
            rows["outcomes"].append(
                {"account_id": name, "event_time": late, "outcome": "confirmed_synthetic", "source": "investigator"}
            )

    for place in range(n_honest):
        day = float(random.uniform(0, 55))
        open_account(f"h{place}", day, f"d{place}", f"{place // 2} Elm St", f"shop{place % 3}", None)
    for ring in range(n_rings):
        day = float(random.uniform(0, 40))
        for member in range(ring_size):
            name = f"r{ring}m{member}"
            open_account(name, day + member / 8, f"farm{ring}", f"{ring} {member} Oak St", f"sink{ring}", f"r{ring}")
    return rows


@pytest.fixture(scope="session")
def build_events() -> Callable[[dict[str, list[Row]]], Events]:
    """`events_of`: tables of the contract from rows."""
    return events_of


@pytest.fixture(scope="session")
def build_graph() -> Callable[[Events, datetime], Snapshot]:
    """`snapshot_of`: a snapshot from events."""
    return snapshot_of


@pytest.fixture(scope="session")
def world_rows() -> Callable[..., dict[str, list[Row]]]:
    """`made_rows`: the rows of a made world."""
    return made_rows


@pytest.fixture(scope="session")
def world() -> Events:
    """The events of the made world, 60 days."""
    return events_of(made_rows())


@pytest.fixture(scope="session")
def as_of() -> datetime:
    """The made world's last day."""
    return START + timedelta(days=60)


@pytest.fixture(scope="session")
def cutoffs(world: Events, as_of: datetime) -> list[CutOff]:
    """Three earlier cut-offs of the made world."""
    snapshots = [snapshot_of(world, as_of - timedelta(days=days)) for days in (25, 15, 8)]
    return [CutOff(snapshot, build_features(world, snapshot)) for snapshot in snapshots]
