"""What holds for any input: metrics and calibration, PyG's mean, and that names and order of rows change no score."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from gnn.calibration import fit_calibration
from gnn.features import build_features
from gnn.metrics import measure
from gnn.sage import mean_aggregate
from gnn.tensors import Csr
from gnn.windows import count_within
from graph.build import build_snapshot
from graph.schema import TABLES
from graph.snapshot import Events

START = datetime(2026, 1, 1, tzinfo=UTC)


@st.composite
def _scored(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    n = draw(st.integers(2, 60))
    target = np.array(draw(st.lists(st.integers(0, 1), min_size=n, max_size=n)), dtype=np.int8)
    target[:2] = (0, 1)
    value = st.floats(-20, 20, allow_nan=False).map(lambda number: round(number, 3))
    return target, np.array(draw(st.lists(value, min_size=n, max_size=n)))


@given(_scored())
def test_metrics_are_scikit_learns(scored: tuple[np.ndarray, np.ndarray]) -> None:
    target, logit = scored
    found = measure(target, logit, 5)
    assert found.auprc == pytest.approx(average_precision_score(target, logit))
    assert found.auroc == pytest.approx(roc_auc_score(target, logit))
    assert 0 <= found.precision_at_capacity <= 1


@given(_scored())
def test_calibration_keeps_every_order(scored: tuple[np.ndarray, np.ndarray]) -> None:
    target, logit = scored
    calibration = fit_calibration(target, logit)
    assert calibration.slope > 0
    found = calibration.apply(np.unique(logit))
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 50)), min_size=1, max_size=40),
    st.lists(st.tuples(st.integers(0, 4), st.integers(-10, 60), st.integers(-5, 30)), max_size=20),
)
def test_windows_count_what_a_loop_counts(rows: list[tuple[int, int]], queries: list[tuple[int, int, int]]) -> None:
    group, time = (np.array(column, dtype=np.int64) for column in zip(*rows, strict=True))
    of = np.array([query[0] for query in queries], dtype=np.int64)
    low = np.array([query[1] for query in queries], dtype=np.int64)
    high = np.array([query[1] + query[2] for query in queries], dtype=np.int64)
    found = count_within(group, time, low, high, of=of)
    expected = [sum(g == o and lo <= t <= hi for g, t in rows) for o, lo, hi in zip(of, low, high, strict=True)]
    assert found.tolist() == expected


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 60), st.integers(0, 2**31))
def test_the_mean_is_pygs(n_rows: int, n_columns: int, n_edges: int, seed: int) -> None:
    from torch_geometric.nn import SAGEConv

    random = np.random.default_rng(seed)
    edges = np.unique(np.stack([random.integers(0, n_rows, n_edges), random.integers(0, n_columns, n_edges)]), axis=1)
    row, column = edges
    counts = np.bincount(row, minlength=n_rows)
    adjacency = Csr(
        torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)),
        torch.from_numpy(column.astype(np.int32)),
        torch.from_numpy((1 / np.maximum(counts, 1))[row].astype(np.float32)),
    )
    values = torch.randn(n_columns, 5, generator=torch.Generator().manual_seed(seed))
    conv = SAGEConv((5, 5), 5, root_weight=False, bias=False)
    with torch.no_grad():
        conv.lin_l.weight.copy_(torch.eye(5))
        expected = conv((values, torch.zeros(n_rows, 5)), torch.from_numpy(np.stack([column, row])).long())
        torch.testing.assert_close(mean_aggregate(values, adjacency), expected, atol=1e-6, rtol=1e-6)


@st.composite
def _events(draw: st.DrawFn) -> Events:
    n = draw(st.integers(2, 9))
    grain = timedelta(days=2) if draw(st.booleans()) else timedelta(microseconds=1)  # many things at once, or none
    random = np.random.default_rng(draw(st.integers(0, 2**31)))
    rows: dict[str, list[dict[str, object]]] = {name: [] for name in TABLES}
    for place in range(n):
        at = START + timedelta(minutes=int(random.integers(0, 30_000)), microseconds=place) // grain * grain
        name = f"n{place}"
        rows["signups"].append({"account_id": name, "event_time": at, "channel": "app"})
        for turn in range(int(random.integers(0, 4))):
            seen = at + timedelta(hours=int(random.integers(0, 300)), microseconds=turn) // grain * grain
            rows["logins"].append(
                {"account_id": name, "event_time": seen, "device_id": f"d{random.integers(0, 3)}", "is_emulator": None}
            )
            rows["payments"].append(
                {
                    "account_id": name,
                    "event_time": seen,
                    "counterparty_id": f"n{random.integers(0, n)}",
                    "amount_minor": int(random.integers(1, 10_000)),
                    "currency": "USD",
                    "status": "settled",
                }
            )
    events = {}
    for table, declared in TABLES.items():
        schema = {column.name: column.dtype for column in declared.columns}
        filled = [
            {"event_id": f"{table}{i}", "known_time": row["event_time"], **row} for i, row in enumerate(rows[table])
        ]
        events[table] = pl.DataFrame(filled, schema=schema)
    return events


def _features(events: Events, as_of: datetime, key: str) -> pl.DataFrame:
    snapshot = build_snapshot(events, as_of, key, 1)
    return build_features(events, snapshot).with_columns(snapshot.accounts["account_id"])


@given(_events(), st.integers(1, 40))
@settings(max_examples=8)
def test_names_keys_and_order_of_rows_change_no_feature(events: Events, day: int) -> None:
    as_of = START + timedelta(days=day)
    if events["signups"].filter(pl.col("known_time") < as_of).is_empty():
        return
    expected = _features(events, as_of, "one key of thirty-two characters")
    names = events["signups"]["account_id"].to_list()
    other = dict(zip(names, [f"z{place}" for place in range(len(names), 0, -1)], strict=True))
    renamed = {
        name: frame.with_columns(pl.col("account_id").replace(other)).reverse() for name, frame in events.items()
    }
    renamed["payments"] = renamed["payments"].with_columns(pl.col("counterparty_id").replace(other))
    found = _features(renamed, as_of, "another key of thirty-two letters")
    # accounts that signed up at once have another number under other names, and the same features
    expected = expected.with_columns(pl.col("account_id").replace(other))
    found, expected = (frame.sort("account_id").drop("account_id", "account") for frame in (found, expected))
    np.testing.assert_allclose(found.to_numpy(), expected.to_numpy(), rtol=1e-6, atol=1e-6)


@given(_events(), st.integers(1, 20))
@settings(max_examples=8)
def test_what_becomes_known_later_changes_no_feature(events: Events, day: int) -> None:
    as_of = START + timedelta(days=day)
    earlier = {name: frame.filter(pl.col("known_time") < as_of) for name, frame in events.items()}
    if earlier["signups"].is_empty():
        return
    assert _features(events, as_of, "k" * 32).equals(_features(earlier, as_of, "k" * 32))
