"""Links by partition of accounts, then accounts and identifiers numbered once.

After a night whose state is at hand only the accounts that changed since are looked at again (`graph.update`).

work/changed/<partition>.parquet, work/grown/<partition>.parquet (keys of the accounts to look at, `graph.marks.Differing`; none where all is made anew)
work/links/<partition>.parquet (those of their events that are looked at)
work/records/<partition>.parquet (submitted identities, of all accounts;
of those that submitted anew in fresh/), work/known/{records,pairs,others}.parquet (what these hold, and pairs of them that were compared)
work/snapshot/{accounts,identifiers,links}.parquet
work/change/{accounts,identifiers}.parquet           what the steps after this one need not look at again
work/named.parquet (accounts that gave a name and a birth date), work/joining.parquet, work/holders/<partition>.parquet   identifiers that join accounts; links of those to look at
out/links.parquet, out/identities.parquet, out/identity_weights.json
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

import polars as pl

from graph.accounts import HISTORY_TABLES, build_accounts, build_histories
from graph.cleaning import signup_times
from graph.identities import resolve_records
from graph.identity_known import KNOWN_SCHEMAS, Known, nothing_known, renumber_known
from graph.identity_records import build_records, carry_records, number_records, submit_anew
from graph.lake import write_table
from graph.lineage import name_groups
from graph.links import Numbered
from graph.marks import Differing, are_among, build_marks, find_differing, rows_to_look_at
from graph.normalise import Forms
from graph.partitions import read_partitioned_events, scan_partitioned_events, write_partitions
from graph.sightings import build_links
from graph.snapshot import read_frame
from graph.update import Change, Merged, Reordered, finish_links, merge_links, reorder_links
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import cores_for, map_tasks, run_task

__all__ = ["Config", "read_change", "read_known", "run"]

READS = ("ingest",)
SNAPSHOT = ("snapshot/accounts.parquet", "snapshot/identifiers.parquet", "snapshot/links.parquet")
FOLDERS = ("changed", "grown", "records", "fresh", "known", "links", "snapshot", "change", "holders")


class Config(StepConfig):
    """Links have no settings of their own; caps stand in `graph.schema`."""


def run(night: NightContext, config: Config) -> StepResult:
    """Links of all accounts, and the snapshot's numbering."""
    for folder in FOLDERS:
        (night.work / folder).mkdir(parents=True, exist_ok=True)
    since = night.as_of if night.previous is None else night.previous.as_of
    partitions = [
        (partition, night.work, night.restricted_state, since, night.key) for partition in range(night.n_partitions)
    ]
    counts = map_tasks(_link_partition, partitions, progress=night.progress, label="links")
    changed, known = (sum(column) for column in zip(*counts, strict=True))
    if night.state is not None:
        night.progress.say(f"  {changed:,} of {known:,} accounts changed since {night.state.name}")
    rows = run_task(
        _number,
        night.work,
        night.out,
        night.state,
        night.restricted_state,
        night.key,
        night.n_partitions,
        **cores_for(known),
        progress=night.progress,
        label="numbering",
    )
    return StepResult(
        rows=rows,
        outputs=["links.parquet", "identities.parquet", "identity_weights.json"],
        intermediates=[folder for folder in FOLDERS if folder != "snapshot"]
        + ["joining.parquet", "named.parquet", *SNAPSHOT],
        state=SNAPSHOT,
        restricted_state=["records", "known"],
    )


def _link_partition(
    partition: int, work: Path, restricted_state: Path | None, since: datetime, key: str
) -> tuple[int, int]:
    """How many accounts of the partition differ, and how many there are."""
    file = f"{partition}.parquet"
    account_ids = pl.read_parquet(work / "events/signups" / file, columns=["account_id"])["account_id"].unique()
    nobody = pl.Series("account", dtype=pl.UInt64)
    differing, n_differing = Differing(nobody, nobody), account_ids.len()
    events: Mapping[str, pl.DataFrame | pl.LazyFrame]
    if restricted_state is None:
        events = scan_partitioned_events(work / "events", HISTORY_TABLES, partition)
    else:
        differing, events = _differing(work, restricted_state, partition, since, account_ids)
        n_differing = int(are_among(account_ids, pl.concat([differing.changed, differing.grown])).sum())
    forms = Forms()
    # their hashes are of no use to a codec
    build_links(events, key, forms).write_parquet(work / "links" / file, compression="uncompressed", statistics=False)
    records = build_records(events["profiles"].lazy().collect().rename({"account_id": "account"}), forms)
    if restricted_state is not None:
        records, fresh = carry_records(pl.read_parquet(restricted_state / "records" / file), differing, records)
        fresh.write_parquet(work / "fresh" / file, compression="lz4")
    for name in ("changed", "grown"):
        getattr(differing, name).to_frame().write_parquet(work / name / file, compression="lz4")
    records.write_parquet(work / "records" / file, compression="lz4")
    return n_differing, account_ids.len()


def _differing(
    work: Path, restricted_state: Path, partition: int, since: datetime, account_ids: pl.Series
) -> tuple[Differing, dict[str, pl.DataFrame]]:
    """The accounts of the partition that differ, and by table those of their events that are to be looked at."""
    events, file = work / "events", f"{partition}.parquet"
    before, now = (
        {table: pl.read_parquet(zone / "marks" / table / file) for table in HISTORY_TABLES}
        for zone in (restricted_state, work)
    )
    came = {
        table: pl.scan_parquet(events / table / file).filter(pl.col("known_time") >= since).collect()
        for table in HISTORY_TABLES
    }
    differing = find_differing(before, now, {table: build_marks(rows) for table, rows in came.items()})
    rows = {table: frame.clear() for table, frame in came.items()}
    changed = account_ids.filter(are_among(account_ids, differing.changed))
    if changed.len():
        rows = read_partitioned_events(events, HISTORY_TABLES, partition, changed)
    return differing, {table: rows_to_look_at(rows[table], came[table], differing) for table in HISTORY_TABLES}


def read_change(work: Path) -> Change:
    """What the links step found to have changed since the night before."""
    return Change(*(pl.read_parquet(work / "change" / f"{name}.parquet") for name in ("accounts", "identifiers")))


def _number(
    work: Path, out: Path, state: Path | None, restricted_state: Path | None, key: str, n_partitions: int
) -> dict[str, int]:
    identified, numbered, change = _identify_and_link(work, out, state, restricted_state, key)
    identifiers, links = numbered.identifiers, numbered.links
    for name, frame in (("accounts", identified), ("identifiers", identifiers)):
        frame.write_parquet(work / "snapshot" / f"{name}.parquet", compression="lz4")
    for name, frame in (("accounts", change.accounts), ("identifiers", change.identifiers)):
        frame.write_parquet(work / "change" / f"{name}.parquet", compression="lz4")
    _write_joining(identifiers, links, change, work, n_partitions)
    write_table(_lake_links(identified, identifiers, links), out, "links")
    return {
        "accounts": identified.height,
        "identifiers": identifiers.height,
        "hubs": int(identifiers["is_hub"].sum()),
        "links": links.height,
        "identities": identified["identity"].n_unique(),
    }


def _identify_and_link(
    work: Path, out: Path, state: Path | None, restricted_state: Path | None, key: str
) -> tuple[pl.DataFrame, Numbered, Change]:
    """The accounts with whose identity they submitted, their links, and what changed of both."""
    differing = Differing(*(pl.read_parquet(work / name / "*.parquet")["account"] for name in ("changed", "grown")))
    snapshot = None if state is None else state / "snapshot"
    before = read_frame(snapshot, "accounts")
    with ThreadPoolExecutor(1) as beside:  # links there, people here: both leave the interpreter free
        merging = beside.submit(_merge, work, snapshot, before, differing)
        accounts = _order_accounts(work, lambda: merging.result()[0].links(), key)
        reordering = beside.submit(lambda: _reorder(merging.result()[0], accounts, work))
        known = renumber_known(read_known(restricted_state), before, accounts)
        identified = _identify(accounts, known, differing if state else None, work, out)
        _write_identities(identified, key, out)
        numbered, change = finish_links(reordering.result(), merging.result()[1], identified)
    return identified, numbered, change


def _merge(
    work: Path, snapshot: Path | None, accounts: pl.DataFrame, differing: Differing
) -> tuple[Merged, pl.DataFrame]:
    """The links that stand and those that take others' place; and the identifiers of the night before."""
    identifiers, links = (read_frame(snapshot, name) for name in ("identifiers", "links"))
    fresh = pl.read_parquet(work / "links/*.parquet").rechunk()
    return merge_links(accounts, identifiers, links, differing, fresh), identifiers


def _order_accounts(work: Path, links: Callable[[], pl.LazyFrame], key: str) -> pl.DataFrame:
    events = {name: pl.scan_parquet(work / "events" / name / "*.parquet") for name in HISTORY_TABLES}

    def histories(accounts: pl.DataFrame) -> pl.DataFrame:
        rows = {name: scan.join(accounts.lazy(), on="account_id", how="semi") for name, scan in events.items()}
        return build_histories({name: scan.collect() for name, scan in rows.items()})

    signups = signup_times(events["signups"].select("account_id", "event_time").collect())
    return build_accounts(signups, events["profiles"], histories, links, key)


def _reorder(merged: Merged, accounts: pl.DataFrame, work: Path) -> Reordered:
    reordered = reorder_links(merged, accounts)
    reordered.ordered.links.write_parquet(work / "snapshot/links.parquet", compression="lz4")
    return reordered


def _write_identities(accounts: pl.DataFrame, key: str, out: Path) -> None:
    identities = accounts.select("account_id", identity_id=name_groups(accounts["identity"], accounts, "person", key))
    write_table(identities.sort("account_id"), out, "identities")


def read_known(folder: Path | None) -> Known:
    """What a night's work or state knows of submitted identities; nothing without a folder."""
    if folder is None:
        return nothing_known()
    return Known(**{name: pl.read_parquet(folder / "known" / f"{name}.parquet") for name in KNOWN_SCHEMAS})


def _identify(accounts: pl.DataFrame, known: Known, differing: Differing | None, work: Path, out: Path) -> pl.DataFrame:
    """The accounts with their `identity`; the weights stay with the night. `differing` is None where all is made anew."""

    def read(some: pl.Series) -> pl.DataFrame:
        own = accounts[some]
        records = pl.scan_parquet(work / "records/*.parquet")
        return number_records(records.filter(pl.col("account").is_in(own["account_id"].implode())).collect(), own)

    submitted = pl.read_parquet(work / ("records" if differing is None else "fresh") / "*.parquet").rechunk()
    fresh = None if differing is None else submit_anew(accounts["account_id"], differing, submitted).to_numpy()
    numbered = [number_records(submitted, accounts)]
    del submitted
    resolution = resolve_records(numbered.pop(), accounts.height, known=known, is_fresh=fresh, read=read)
    for name in KNOWN_SCHEMAS:
        getattr(resolution.known, name).write_parquet(work / "known" / f"{name}.parquet", compression="lz4")
    records = resolution.known.records
    named = records.filter((pl.col("first word") != 0) & (pl.col("birth date") != 0))["account"].unique().sort()
    named.to_frame().write_parquet(work / "named.parquet", compression="lz4")
    (out / "identity_weights.json").write_text(resolution.weights.to_json() + "\n", encoding="utf-8")
    return accounts.with_columns(resolution.identity)


def _write_joining(
    identifiers: pl.DataFrame, links: pl.DataFrame, change: Change, work: Path, n_partitions: int
) -> None:
    """The identifiers that join accounts, and by partition of them the links of those that are to be looked at again."""
    joins = identifiers["n_accounts"].gt(1) & ~identifiers["is_hub"]
    identifiers.filter(joins).write_parquet(work / "joining.parquet", compression="lz4")
    looked_at = (joins & change.identifiers["is_touched"]).to_numpy()
    holders = links.filter(looked_at[links["identifier"].to_numpy()])
    write_partitions(holders, work / "holders", n_partitions, pl.col("identifier"))


def _lake_links(accounts: pl.DataFrame, identifiers: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """The lake's links: names in place of numbers, in the numbers' order, which follows from no name."""
    named = identifiers.select("identifier_type", "weight", identifier="hash")[links["identifier"]]
    account_ids = accounts["account_id"][links["account"]]
    return links.drop("account", "identifier").with_columns(account_ids, *named.get_columns())


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("links")
