"""Links: sightings by partition of accounts, then accounts and identifiers numbered once.

work/sightings/<partition>.parquet, work/links/<partition>.parquet
work/snapshot/{accounts,identifiers,links}.parquet
out/links.parquet, out/identities.parquet, out/identity_weights.json
"""

from pathlib import Path

import polars as pl

from graph.accounts import HISTORY_TABLES, build_accounts, build_histories
from graph.identities import resolve
from graph.lake import write_table
from graph.lineage import name_groups
from graph.links import build_links, number_identifiers
from graph.partitions import read_partitioned_events
from graph.sightings import build_sightings
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import map_tasks, run_task

__all__ = ["Config", "run"]

READS = ("ingest",)


class Config(StepConfig):
    """Links have no settings of their own; caps stand in `graph.schema`."""


def run(night: NightContext, config: Config) -> StepResult:
    """Links of all accounts, and the snapshot's numbering."""
    for folder in ("sightings", "histories", "links", "snapshot"):
        (night.work / folder).mkdir(parents=True, exist_ok=True)
    partitions = [(partition, night.work, night.key) for partition in range(night.n_partitions)]
    map_tasks(_link_partition, partitions, progress=night.progress, label="links")
    rows = run_task(_number, night.work, night.out, night.key, n_cpus=1, progress=night.progress, label="numbering")
    return StepResult(
        rows=rows,
        outputs=["links.parquet", "identities.parquet", "identity_weights.json"],
        intermediates=[
            "sightings",
            "histories",
            "links",
            "snapshot/accounts.parquet",
            "snapshot/identifiers.parquet",
            "snapshot/links.parquet",
        ],
    )


def _link_partition(partition: int, work: Path, key: str) -> None:
    events = read_partitioned_events(work / "events", HISTORY_TABLES, partition)
    build_histories(events).write_parquet(work / "histories" / f"{partition}.parquet", compression="lz4")
    sightings = build_sightings(events, key)
    sightings.write_parquet(work / "sightings" / f"{partition}.parquet", compression="lz4")
    build_links(sightings).write_parquet(work / "links" / f"{partition}.parquet", compression="lz4")


def _number(work: Path, out: Path, key: str) -> dict[str, int]:
    events = read_partitioned_events(work / "events", ("signups", "profiles"))
    links_by_name = pl.read_parquet(work / "links" / "*.parquet")
    accounts = build_accounts(events, pl.read_parquet(work / "histories" / "*.parquet"), links_by_name, key)
    resolution = resolve(events, accounts)
    accounts = accounts.with_columns(resolution.identity)
    (out / "identity_weights.json").write_text(resolution.weights.to_json() + "\n")
    identifiers, links = number_identifiers(links_by_name, accounts)
    for name, frame in (("accounts", accounts), ("identifiers", identifiers), ("links", links)):
        frame.write_parquet(work / "snapshot" / f"{name}.parquet", compression="lz4")
    lake_links = (
        links.join(accounts.select("account", "account_id"), on="account")
        .join(identifiers.select("identifier", "identifier_type", "hash", "weight"), on="identifier")
        .drop("identifier")
        .rename({"hash": "identifier"})
        .sort("account_id", "identifier_type", "identifier")
    )
    write_table(lake_links, out, "links")
    identities = accounts.select("account_id", identity_id=name_groups(accounts["identity"], accounts, "person", key))
    write_table(identities.sort("account_id"), out, "identities")
    return {
        "accounts": accounts.height,
        "identifiers": identifiers.height,
        "hubs": int(identifiers["is_hub"].sum()),
        "links": links.height,
        "identities": identities["identity_id"].n_unique(),
    }


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("links")
