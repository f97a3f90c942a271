"""Two workers of Ray Train train the network that one trains."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from graph.errors import GateError, InputError
from graph.snapshot import Snapshot
from jobs.tasks import connected, run_workers
from jobs.train_workers import run_training, this_worker

pytest.importorskip("pandas", reason="Ray Train is not installed: `ringlight[workers]`")

N_ACCOUNTS, N_DEVICES = 60, 25
START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def local_ray():
    with connected(None, 2):
        yield


def made_cutoff(seed: int):
    """A graph of accounts on devices; the first five devices' accounts are the positives."""
    from gnn.cutoffs import CutOff, Labelled
    from gnn.features import FEATURE_NAMES

    random = np.random.default_rng(seed)
    account = np.repeat(np.arange(N_ACCOUNTS), 2)
    link = pl.DataFrame({"account": account, "identifier": random.integers(0, N_DEVICES, len(account))}).unique(
        maintain_order=True
    )
    links = link.with_columns(
        pl.col("account").cast(pl.Int32),
        pl.col("identifier").cast(pl.Int32),
        first_seen=pl.lit(START),
        last_seen=pl.lit(START + timedelta(days=3)),
        n_events=pl.lit(1, pl.Int64),
    )
    held = links.group_by("identifier").len().sort("identifier")
    identifiers = held.select(
        "identifier",
        identifier_type=pl.lit("device"),
        n_accounts=pl.col("len").cast(pl.Int32),
        n_identities=pl.col("len").cast(pl.Int32),
        is_hub=pl.lit(False),
        weight=pl.lit(4.0),
    )
    nothing = pl.DataFrame()
    accounts = pl.DataFrame({"account": np.arange(N_ACCOUNTS, dtype=np.int32)})
    snapshot = Snapshot(START, accounts, identifiers, links, nothing, nothing, nothing)
    features = pl.DataFrame({name: random.random(N_ACCOUNTS, dtype=np.float32) for name in FEATURE_NAMES})
    target = np.zeros(N_ACCOUNTS, dtype=np.int8)
    target[np.unique(links.filter(pl.col("identifier") < 5)["account"].to_numpy())] = 1
    no = np.zeros(N_ACCOUNTS, dtype=np.bool_)
    return Labelled(CutOff(snapshot, features), np.arange(N_ACCOUNTS), target, no, no, no)


def fit() -> tuple[int, int, list[list[float]]]:
    """Who trained, how many they were, and the logits of 15 steps' training on two cut-offs: on whole graphs, and in batches."""
    from gnn.sage_model import Sage
    from gnn.train_config import TrainConfig, silent

    workers = this_worker()
    parts, logits = [made_cutoff(seed) for seed in (1, 2)], []
    for most in (10**6, 0):
        config = TrainConfig(
            sage_full_accounts=most, sage_seeds=60, sage_batch=20, sage_near=3, sage_far=2, sage_epochs=15
        )
        fitted = Sage.fit(parts, (), None, config, 3, 1, silent, workers)
        logits.append(fitted.model.logits(parts[0].cutoff, 1).tolist())
    return workers.number, workers.count, logits


def test_two_workers_train_what_one_trains(local_ray):
    told = []
    together = run_training(fit, n_workers=2, n_cpus=1, label="training", poll=lambda: told.append(1))
    assert together[:2] == (0, 2)
    assert told
    alone = fit()
    assert alone[:2] == (0, 1)
    for found, wanted in zip(together[2], alone[2], strict=True):
        assert np.std(wanted) > 0.3
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_more_workers_than_cores_are_refused(local_ray):
    with pytest.raises(InputError, match="`n_workers` must be at most Ray's cores, 2; got 3"):
        run_workers(fit, n_workers=3)


def refuse():
    raise GateError("`train` must pass the leakage gate; got a leak.")


def test_a_refusal_in_a_worker_stays_a_refusal(local_ray):
    with pytest.raises(GateError, match="got a leak"):
        run_workers(refuse, n_workers=2)
