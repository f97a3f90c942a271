"""Verdicts feed back: the night after reads them, a household does not come back, and equal runs stay equal, on a real Ray."""

import contextlib
import secrets
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from graph.lake import Night, night_folder, read_night
from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.desk.dispositions import Disposition, record_disposition, shared_evidence
from jobs.manifest import MANIFEST_FILE
from jobs.night import SilentProgress
from jobs.settings import read_settings
from jobs.simulate import simulate

pytestmark = pytest.mark.usefixtures("one_ray")

FIRST, SECOND = date(2026, 6, 29), date(2026, 6, 30)
KEY = "5a" * 32
WITHOUT = frozenset({"report", "store"})
QUICK = {
    "train.n_seeds": 1,
    "train.with_controls": False,
    "train.min_positives": 5,
    "train.n_cutoffs": 1,
    "rings.n_counterfactuals": 0,
    "rings.threshold": 0.03,  # many rings in a small world
}
DECIDED = datetime(2026, 6, 29, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def events(tmp_path_factory) -> Path:
    """Every second ring was found out ten days ago, so that there is a model."""
    out = tmp_path_factory.mktemp("world")
    simulate(out, n_accounts=1000, n_days=120, seed=3, until=SECOND)
    found_at = pl.lit(datetime(2026, 6, 20, tzinfo=UTC), dtype=pl.Datetime("us", "UTC"))
    truth = pl.read_parquet(out / "truth/accounts.parquet").filter(pl.col("ring_id").is_not_null()).sort("account_id")
    known = truth["ring_id"].unique().sort().gather_every(2)
    truth.filter(pl.col("ring_id").is_in(known.implode())).select(
        "account_id",
        event_id="account_id",
        event_time=found_at,
        outcome=pl.lit("confirmed_synthetic"),
        source=pl.lit("chargeback"),
    ).write_parquet(out / "events/outcomes/found.parquet")
    return out / "events"


def run(events: Path, lake: Path, day: date, **more) -> NightOutcome:
    outcome = NightOutcome()
    settings = QUICK | ({} if day == FIRST else {"train.mode": "never"})
    request = NightRequest(
        events=events,
        lake=lake,
        date=day,
        settings=read_settings(settings),
        progress=SilentProgress(),
        session=contextlib.nullcontext,
        random_hex=secrets.token_hex,
        key=KEY,
        without=WITHOUT,
        **more,
    )
    run_night(request, outcome)
    return outcome


def members_of(night: Night) -> dict[str, list[str]]:
    rows = night.scan("scores").filter(pl.col("ring_id").is_not_null()).collect().sort("account_id")
    return dict(rows.group_by("ring_id", maintain_order=True).agg("account_id").iter_rows())


def verdict(
    night: Night, ring_id: str, account_ids: list[str], name: str, supersedes: str | None = None
) -> Disposition:
    version = night.scan("rings").filter(pl.col("ring_id") == ring_id).select("ring_version").collect().item()
    return Disposition(
        disposition_id=f"d-{ring_id}-{name}",
        ring_id=ring_id,
        ring_version=version,
        night=night.date,
        verdict=name,
        reason="looked at it",
        account_ids=tuple(account_ids),
        actor="ida",
        time=DECIDED,
        supersedes=supersedes,
        evidence=shared_evidence(night, members_of(night)[ring_id]),
    )


def assert_same_night(one: Path, other: Path) -> None:
    files = sorted(path.relative_to(one) for path in one.rglob("*.parquet"))
    assert files == sorted(path.relative_to(other) for path in other.rglob("*.parquet"))
    for file in (*files, Path(MANIFEST_FILE)):
        assert (one / file).read_bytes() == (other / file).read_bytes(), file


def test_verdicts_feed_back_and_equal_runs_stay_equal(events: Path, tmp_path: Path) -> None:
    lake, again = tmp_path / "lake", tmp_path / "again"
    run(events, lake, FIRST)
    shutil.copytree(lake, again)
    run(events, lake, SECOND)
    first, second = read_night(lake, FIRST), read_night(lake, SECOND)
    before = members_of(second)
    known = set(second.scan("labels").collect()["account_id"])
    kept = [
        ring_id
        for ring_id, members in members_of(first).items()
        if members == before.get(ring_id) and set(members) - known and shared_evidence(first, members)
    ]
    homes = [
        ring_id
        for ring_id in kept
        if not set(before[ring_id]) & known
        and len(before[ring_id]) > 2
        and set(shared_evidence(second, before[ring_id])) <= set(shared_evidence(first, before[ring_id]))
    ]
    assert homes, "the made world must have a ring of which nothing is known"
    home = homes[0]
    ring = next(ring_id for ring_id in kept if ring_id != home)
    chosen = sorted(set(before[ring]) - known)
    statuses = dict(second.scan("rings").select("ring_id", "status").collect().iter_rows())
    assert (statuses[ring], statuses[home]) == ("suspected", "suspected")

    for place in (lake, again):
        record_disposition(place, verdict(first, ring, chosen, "confirmed_ring"))
        record_disposition(place, verdict(first, home, before[home][:1], "household"))

    outcome = run(events, lake, SECOND)  # the complete night looks again, for the desk says more of its as-of now
    assert "ingest" in outcome.seconds
    labels = second.scan("labels").collect()
    found = dict(labels.select("account_id", "outcome").iter_rows())
    assert {found[account_id] for account_id in chosen} == {"confirmed_synthetic"}
    assert found[before[home][0]] == "confirmed_benign"
    assert set(labels.filter(pl.col("account_id").is_in(chosen))["known_time"]) == {DECIDED}
    after = members_of(second)
    statuses = dict(second.scan("rings").select("ring_id", "status").collect().iter_rows())
    of_chosen = {ring_id for ring_id, members in after.items() if set(members) & set(chosen)}
    assert of_chosen
    assert {statuses[ring_id] for ring_id in of_chosen} == {"confirmed"}
    # its other members are as suspicious as before, and share nothing new
    assert not {account_id for members in after.values() for account_id in members} & set(before[home])
    assert set(after) | {home} >= set(before)

    assert run(events, lake, SECOND).was_complete
    assert run(events, lake, FIRST).was_complete  # what was said later is nothing to it
    run(events, again, SECOND, is_full=True)
    assert_same_night(night_folder(lake, SECOND), night_folder(again, SECOND))

    record_disposition(lake, verdict(first, home, [], "needs_more", supersedes=f"d-{home}-household"))
    run(events, lake, SECOND)
    assert before[home][0] not in set(second.scan("labels").collect()["account_id"])
    assert members_of(second)[home] == before[home]
