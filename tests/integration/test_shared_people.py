"""Identity resolution on sets of people by others, by the one default; the thresholds are what the issue asks for."""

from pathlib import Path

import polars as pl
import pytest

from graph.identities import resolve
from jobs.metrics import pairwise_agreement

SHARED = Path(__file__).parents[3] / "shared" / "data"

pytestmark = pytest.mark.skipif(
    not (SHARED / "people_50k").is_dir(), reason="the shared data sets do not lie beside this checkout"
)


@pytest.mark.parametrize(("world", "least_f1"), [("people_50k", 0.88), ("people_1k", 0.75)])
def test_people_by_others(world: str, least_f1: float) -> None:
    profiles = pl.read_parquet(SHARED / world / "events/profiles/*.parquet")
    truth = pl.read_parquet(SHARED / world / "truth/people.parquet").sort("account_id")
    accounts = truth.select("account_id", account=pl.int_range(pl.len(), dtype=pl.Int32))
    found = truth.with_columns(identity_id=resolve({"profiles": profiles}, accounts).identity)
    assert pairwise_agreement(found, "identity_id", "person_id")["f1"] >= least_f1
