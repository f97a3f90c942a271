"""The leakage gate: what is sound passes, and each kind of leak is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from gnn import features_account
from gnn.cutoffs import CutOff
from gnn.examples import BENIGN, SYNTHETIC
from gnn.feature_types import Rows
from gnn.gate import Check, Gate, check_edges
from gnn.gate_data import Frames, build_frames, change_later, check_later_data, sample_accounts
from gnn.gate_sampler import check_sampled, check_sampler
from gnn.sampling import Neighbourhood, NeighbourSampler
from graph.snapshot import Events, Snapshot

KEY = "k" * 32


@pytest.fixture(scope="module")
def few(world: Events) -> Events:
    """The events of some rings and some honest accounts."""
    some = pl.col("account_id").str.contains(r"^(h[1-3]?\d|r[0-7]m\d)$")
    return {name: frame.filter(some) for name, frame in world.items()}


@pytest.fixture(scope="module")
def cutoff(as_of: datetime) -> datetime:
    """A day with many events before and after it."""
    return as_of - timedelta(days=35)


@pytest.fixture(scope="module")
def frames(few: Events, cutoff: datetime) -> Frames:
    """What a training reads."""
    return build_frames(few, cutoff, KEY, 1)


def test_what_reads_the_past_alone_passes(few: Events, cutoff: datetime, frames: Frames) -> None:
    found = check_later_data(few, cutoff, partial(build_frames, cutoff=cutoff, key=KEY, seed=1), 7, frames)
    assert found.fault == ""
    assert found.facts["n_later_events"] > 50
    assert 0 < found.facts["n_accounts"] < few["signups"].height


def test_features_that_leak_are_named(few: Events, cutoff: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three leaks: whatever became known; by when it happened, not by when it was known; an outcome, even of before."""
    honest, seen = features_account.build, few
    leaks = {
        "n_logins": ("logins", pl.lit(True), pl.len()),
        "n_payments": ("payments", pl.col("event_time") < cutoff, pl.len()),
        "age_days": ("outcomes", pl.col("known_time") < cutoff, (pl.col("outcome") == SYNTHETIC).sum()),
    }

    def leaky(rows: Rows) -> pl.DataFrame:
        built = honest(rows)
        for name, (table, rule, value) in leaks.items():
            counted = seen[table].filter(rule).join(rows.snapshot.accounts, on="account_id")
            leak = counted.group_by("account").agg(leak=value.cast(pl.Float32))
            built = built.join(leak, on="account", how="left", maintain_order="left")
            built = built.with_columns((pl.col(name) + pl.col("leak").fill_null(0)).alias(name)).drop("leak")
        return built

    def build(events: Events) -> Frames:
        nonlocal seen
        seen = events
        return build_frames(events, cutoff, KEY, 1)

    monkeypatch.setattr(features_account, "build", leaky)
    found = check_later_data(few, cutoff, build, 7)
    differing = found.facts["n_differing"]
    assert {f"features.{name}" for name in leaks} & set(differing["deleted"]) == {"features.n_logins"}
    assert {f"features.{name}" for name in leaks} <= set(differing["changed"])
    assert "`features.n_logins`" in found.fault
    assert str(cutoff.date()) in found.fault
    assert not any(name.startswith(("links.", "accounts.")) for name in differing["changed"])


def test_what_training_read_is_held_against_what_it_should_be(few: Events, cutoff: datetime, frames: Frames) -> None:
    def fault(read: Frames) -> str:
        return check_later_data(few, cutoff, lambda events: frames, 7, read).fault

    assert fault(frames) == ""
    more = frames["links"].with_columns(pl.col("n_events") + (pl.int_range(pl.len()) == 0).cast(pl.Int64))
    assert "`links.n_events` (1 rows)" in fault({**frames, "links": more})
    assert "`pairs` (1 rows)" in fault({**frames, "pairs": frames["pairs"].head(-1)})
    name = frames["features"].columns[-1]
    bits = frames["features"].with_columns(pl.lit(-0.0, pl.Float32).alias(name))
    other = {**frames, "features": frames["features"].with_columns(pl.lit(0.0, pl.Float32).alias(name))}
    assert (
        f"`features.{name}`"
        in check_later_data(few, cutoff, lambda events: other, 7, {**frames, "features": bits}).fault
    )


def test_changed_events_are_the_same_before_the_cut_off_and_others_after_it(few: Events, cutoff: datetime) -> None:
    changed = change_later(few, cutoff, 3)
    earlier = pl.col("known_time") < cutoff
    for name, frame in few.items():
        assert changed[name].schema == frame.schema, name
        assert changed[name].height == frame.height, name
        if name != "outcomes":
            assert changed[name].filter(earlier).equals(frame.filter(earlier).sort("event_time", "event_id")), name
    late = changed["logins"].filter(~earlier)
    assert not late.equals(few["logins"].filter(~earlier))
    assert late.filter(pl.col("event_time") < cutoff).height > late.height // 4
    assert changed["logins"].filter(pl.col("event_time") > pl.col("known_time")).is_empty()
    turned = {SYNTHETIC: BENIGN, BENIGN: SYNTHETIC}
    assert set(changed["outcomes"]["outcome"]) == {turned[value] for value in few["outcomes"]["outcome"]}


@pytest.mark.parametrize("n_most", [10, 60, 1000])
def test_a_sample_is_whole_clusters(cutoffs: list[CutOff], n_most: int) -> None:
    snapshot = cutoffs[-1].snapshot
    sample = sample_accounts(snapshot, n_most, 1)
    named = snapshot.clusters.with_columns(snapshot.accounts["account_id"])
    assert 0 < len(sample) <= n_most
    chosen = named.filter(pl.col("account_id").is_in(sample.implode()))["cluster"].unique()
    whole = named.filter(pl.col("cluster").is_in(chosen.implode()))
    assert whole["account_id"].equals(sample)
    if n_most < 1000:
        assert whole.filter(pl.len().over("cluster") > 1).height >= n_most // 4
    else:
        assert len(sample) == snapshot.accounts.height


def _spoilt(snapshot: Snapshot, **changes: Callable[[pl.DataFrame], pl.DataFrame]) -> Snapshot:
    return replace(snapshot, **{name: change(getattr(snapshot, name)) for name, change in changes.items()})


def test_sound_snapshots_have_no_later_edge(cutoffs: list[CutOff]) -> None:
    found = check_edges([cutoff.snapshot for cutoff in cutoffs])
    assert found.fault == ""
    assert found.facts["n_snapshots"] == 3
    assert found.facts["n_links"] > 100


def test_each_kind_of_later_edge_is_counted(cutoffs: list[CutOff]) -> None:
    snapshot = cutoffs[-1].snapshot
    first = pl.int_range(pl.len()) == 0
    at = pl.lit(snapshot.as_of)

    def put(column: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
        return lambda frame: frame.with_columns(pl.when(first).then(at).otherwise(column).alias(column))

    def fault(spoilt: Snapshot) -> str:
        return check_edges([cutoffs[0].snapshot, spoilt]).fault

    day = snapshot.as_of.date()
    assert fault(_spoilt(snapshot, links=put("first_seen"))) == f"as of {day} 1 link(s) first seen later"
    assert fault(_spoilt(snapshot, links=put("last_seen"))) == f"as of {day} 1 link(s) last seen later"
    assert fault(_spoilt(snapshot, accounts=put("signup_time"))) == f"as of {day} 1 account(s) that signed up later"
    evidence = snapshot.pair_evidence.row(0, named=True)
    account = snapshot.pairs["account_a"][evidence["pair"]]
    without = ~((pl.col("account") == account) & (pl.col("identifier") == evidence["identifier"]))
    assert "of a pair without both links" in fault(_spoilt(snapshot, links=lambda links: links.filter(without)))
    merged = pl.lit(snapshot.clusters["cluster"][0], pl.Int32)
    assert "in a cluster that no pair joins them to" in fault(
        _spoilt(snapshot, clusters=lambda clusters: clusters.with_columns(cluster=merged))
    )


def test_a_sampled_edge_later_than_its_seed_is_a_fault() -> None:
    seed = np.array(["2026-01-05", "2026-01-05", "2026-02-01"], dtype="datetime64[us]")
    edge = np.array(["2026-01-05", "2026-01-01", "2026-01-31"], dtype="datetime64[us]")
    assert check_sampled(edge, seed).fault == ""
    edge[1] = np.datetime64("2026-01-05T00:00:01")
    assert check_sampled(edge, seed).fault.startswith("1 of 3 sampled edges")
    assert check_sampled(np.array([3, 9]), np.array([4, 4])).facts == {"n_edges": 2, "n_later": 1}


def test_a_sampler_that_forgets_time_is_a_fault(
    cutoffs: list[CutOff], cutoff: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    snapshot = cutoffs[-1].snapshot
    sound = check_sampler(snapshot, cutoff, 1)
    assert sound.fault == ""
    assert sound.facts["n_edges"] > 100
    honest = NeighbourSampler.sample

    def forgetful(self: NeighbourSampler, seeds: NDArray[Any], time: NDArray[np.int64] | None = None) -> Neighbourhood:
        return honest(self, seeds, np.full_like(time, np.iinfo(np.int64).max))

    monkeypatch.setattr(NeighbourSampler, "sample", forgetful)
    leak = check_sampler(snapshot, cutoff, 1)
    assert leak.facts["n_later"] > 10
    assert "sampled edges are later than their seed's cut-off" in leak.fault


def test_a_sampler_without_accounts_to_draw_around_passes(cutoffs: list[CutOff]) -> None:
    snapshot = cutoffs[-1].snapshot
    assert check_sampler(snapshot, snapshot.accounts["signup_time"].min(), 1).facts == {"n_edges": 0, "n_later": 0}


def test_a_gate_passes_only_if_every_check_does() -> None:
    sound, leak = Check("one", "looked at"), Check("other", "looked at", "it leaks")
    assert Gate((sound,)).passed
    gate = Gate((sound, leak))
    assert not gate.passed
    assert gate.faults == ["other: it leaks"]
    assert gate.to_dict()["checks"][1]["fault"] == "it leaks"
