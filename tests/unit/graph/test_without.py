"""The graph without links is the graph of events that do not name their values."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from gnn.features import build_features
from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.snapshot import Events, Snapshot
from graph.without import mark_values, mask_values, without_links
from jobs.simulate import simulate

AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
KEY = "k" * 32


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Events:
    folder = tmp_path_factory.mktemp("made")
    simulate(folder / "w", n_accounts=300, n_days=90, seed=5, until=date(2026, 6, 30))
    return read_events(Path(folder) / "w/events", AS_OF)


@pytest.fixture(scope="module")
def snapshot(events: Events) -> Snapshot:
    return build_snapshot(events, AS_OF, KEY, 0)


def _named(snapshot: Snapshot) -> pl.DataFrame:
    """Links on shared identifiers with ids and hashes."""
    shared = snapshot.identifiers.filter((pl.col("n_accounts") > 1) & ~pl.col("is_hub"))
    return snapshot.links.join(shared, on="identifier").join(snapshot.accounts, on="account")


def _pairs(snapshot: Snapshot) -> pl.DataFrame:
    """Pairs with their evidence by hash: numbers of identifiers may differ."""
    hashes = snapshot.identifiers.select("identifier", "hash")
    return (
        snapshot.pairs.with_columns(pair=pl.int_range(pl.len(), dtype=pl.Int32))
        .join(snapshot.pair_evidence.join(hashes, on="identifier").drop("identifier"), on="pair")
        .drop("pair")
        .sort("account_a", "account_b", "hash")
    )


def test_it_equals_the_snapshot_of_masked_events(events: Events, snapshot: Snapshot) -> None:
    named = _named(snapshot).filter(pl.col("identifier_type") != "person")
    homes = snapshot.links.join(snapshot.identifiers.select("identifier", "identifier_type"), on="identifier")
    places = homes.filter(pl.col("identifier_type").is_in(["address", "building"]))
    # of several addresses a snapshot cannot say which is in which building
    moved = places.group_by("account").agg(n=pl.len()).filter(pl.col("n") > 2)
    named = named.join(moved, on="account", how="anti")
    cut = pl.concat(
        [
            named.sample(25, seed=2),
            *(named.filter(pl.col("identifier_type") == kind).sample(5, seed=2) for kind in ("address", "building")),
        ]
    ).unique()
    assert cut["identifier_type"].n_unique() > 4
    masked = mask_values(mark_values(events, KEY), cut)
    anew = build_snapshot(masked, AS_OF, KEY, 0)
    found = without_links(snapshot, cut, 0)
    assert anew.accounts.equals(snapshot.accounts)  # else the comparison would say nothing
    columns = ["identifier_type", "hash", "n_accounts", "n_identities", "is_hub", "weight"]
    held = found.identifiers.filter(pl.col("n_accounts") > 0).select(columns).sort("hash")
    assert held.equals(anew.identifiers.select(columns).sort("hash"))
    assert _pairs(found).equals(_pairs(anew))
    assert not _pairs(found).equals(_pairs(snapshot))
    assert found.clusters.equals(anew.clusters)
    mine, others = (build_features(masked, one).to_numpy() for one in (found, anew))
    np.testing.assert_allclose(mine, others, rtol=1e-5, atol=1e-5)


def test_without_nothing_nothing_changes(snapshot: Snapshot) -> None:
    found = without_links(snapshot, snapshot.links.head(0), 0)
    for name in ("identifiers", "links", "pairs", "pair_evidence", "clusters"):
        assert getattr(found, name).equals(getattr(snapshot, name)), name


def test_events_of_others_still_name_the_value(events: Events, snapshot: Snapshot) -> None:
    cut = _named(snapshot).filter(pl.col("identifier_type") == "device").head(1)
    logins = events["logins"]
    masked = mask_values(mark_values(events, KEY), cut)["logins"]
    assert masked.drop("device_id").equals(logins.drop("device_id"))
    gone = logins.filter(masked["device_id"].is_null())
    assert set(gone["account_id"]) == set(cut["account_id"])
    assert gone["device_id"].n_unique() == 1
    assert masked.filter(pl.col("device_id") == gone["device_id"][0]).height > 0
