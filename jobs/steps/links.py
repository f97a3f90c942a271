"""Links by partition of accounts, then accounts and identifiers numbered once.

After a night whose state is at hand only the accounts that changed since are looked at again (`graph.update`).

work/changed/<partition>.parquet, work/grown/<partition>.parquet (keys of the accounts to look at, `graph.marks.Differing`; none where all is made anew)
work/links/<partition>/<hash partition>.parquet (those of their events that are looked at; accounts by their place in accounts.parquet there)
work/numbered/<hash partition>.{names,links}.parquet (the same under provisional numbers: a hash is there once, and no account's id)
work/records/<partition>.parquet (submitted identities, of all accounts;
of those that submitted anew in fresh/), work/known/{records,pairs,others}.parquet (what these hold, and pairs of them that were compared)
work/snapshot/{accounts,identifiers,links}.parquet
work/change/{accounts,identifiers}.parquet           what the steps after this one need not look at again
work/named.parquet (accounts that gave a name and a birth date), work/joining.parquet, work/holders/<partition>.parquet   identifiers that join accounts; links of those to look at
out/links.parquet, out/identities.parquet, out/identity_weights.json
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TypeVar

import polars as pl

from graph.accounts import HISTORY_TABLES, build_accounts, build_histories
from graph.blocks import ROW_GROUP, sink_blocks
from graph.cleaning import signup_times
from graph.identities import resolve_records
from graph.identity_known import KNOWN_SCHEMAS, Known, nothing_known, renumber_known
from graph.identity_records import NORMALISED, build_records, carry_records, number_records, submit_anew
from graph.lake import write_blocks, write_table
from graph.lineage import name_groups
from graph.links import SORTED_TYPES, Named, Ordered, name_accounts, name_identifiers
from graph.marks import Differing, are_among, build_marks, find_differing, rows_to_look_at
from graph.normalise import Forms
from graph.partitions import account_key, read_partitioned_events, scan_partitioned_events, write_partitions
from graph.sightings import LINK_COLUMNS, build_links
from graph.snapshot import SNAPSHOT_SCHEMAS, read_frame
from graph.update import Change, Merged, Moved, finish_links, merge_links, reorder_links
from jobs.night import NightContext, StepConfig, StepResult
from jobs.tasks import BESIDE, cores_for, map_tasks, run_task

__all__ = ["Config", "hash_parts", "read_change", "read_known", "run"]

R = TypeVar("R")

READS = ("ingest",)
SNAPSHOT = ("snapshot/accounts.parquet", "snapshot/identifiers.parquet", "snapshot/links.parquet")
FOLDERS = ("changed", "grown", "records", "fresh", "known", "links", "numbered", "snapshot", "change", "holders")
MOST_HASH_PARTS = 64  # of the links of each partition
ACCOUNTS = "accounts.parquet"
LINK_NUMBERS = ("account", "identifier", *LINK_COLUMNS)


class Config(StepConfig):
    """Links have no settings of their own; caps stand in `graph.schema`."""


def run(night: NightContext, config: Config) -> StepResult:
    """Links of all accounts, and the snapshot's numbering."""
    for folder in FOLDERS:
        (night.work / folder).mkdir(parents=True, exist_ok=True)
    since = night.as_of if night.previous is None else night.previous.as_of
    partitions = [
        (partition, night.work, night.restricted_state, since, night.key, hash_parts(night.n_partitions))
        for partition in range(night.n_partitions)
    ]
    counts = map_tasks(_link_partition, partitions, progress=night.progress, label="links")
    n_changed, n_known, n_linked = zip(*counts, strict=True)
    changed, known, offsets = sum(n_changed), sum(n_known), [0, *itertools.accumulate(n_linked)]
    named = [(part, night.work, offsets) for part in range(hash_parts(night.n_partitions))]
    map_tasks(_name_partition, named, progress=night.progress, label="identifiers")
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
    partition: int, work: Path, restricted_state: Path | None, since: datetime, key: str, n_hash_parts: int
) -> tuple[int, int, int]:
    """How many accounts of the partition differ, how many there are, and how many have links to look at."""
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
    forms = Forms(NORMALISED)
    n_linked = _write_links(build_links(events, key, forms), work / "links" / str(partition), n_hash_parts)
    records = build_records(events["profiles"].lazy().collect().rename({"account_id": "account"}), forms)
    if restricted_state is not None:
        records, fresh = carry_records(pl.read_parquet(restricted_state / "records" / file), differing, records)
        fresh.write_parquet(work / "fresh" / file, compression="lz4")
    for name in ("changed", "grown"):
        getattr(differing, name).to_frame().write_parquet(work / name / file, compression="lz4")
    records.write_parquet(work / "records" / file, compression="lz4")
    return n_differing, account_ids.len(), n_linked


def hash_parts(n_partitions: int) -> int:
    """Into how many parts links are cut by their hashes."""
    return min(n_partitions, MOST_HASH_PARTS)


def _write_links(links: pl.DataFrame, folder: Path, n_hash_parts: int) -> int:
    """Parts the links by their hashes; how many accounts have some."""
    ids, account = name_accounts(links)
    rows = links.drop("account_id").with_columns(
        pl.Series("account", account), pl.col("identifier_type").cast(SORTED_TYPES)
    )
    write_partitions(rows, folder, n_hash_parts, account_key(pl.col("identifier")), "uncompressed")
    ids.to_frame().write_parquet(folder / ACCOUNTS, compression="lz4")
    return ids.len()


def _name_partition(part: int, work: Path, offsets: Sequence[int]) -> None:
    """Numbers the identifiers of one partition by hash."""
    own = [
        pl.read_parquet(work / f"links/{partition}/{part}.parquet").with_columns(pl.col("account") + offset)
        for partition, offset in enumerate(offsets[:-1])
    ]
    links = pl.concat(own, rechunk=True)
    names, numbers = name_identifiers(links)
    numbered = links.with_columns(pl.Series("identifier", numbers)).select(LINK_NUMBERS)
    for name, frame in (("names", names.with_columns(pl.col("hash").str.decode("hex"))), ("links", numbered)):
        frame.write_parquet(work / f"numbered/{part}.{name}.parquet", compression="uncompressed", statistics=False)


def _read_named(work: Path, n_partitions: int) -> Named:
    """All links to look at, under provisional numbers; read column by column, so that none but one is there twice."""
    parts = range(hash_parts(n_partitions))
    ids = _column([work / f"links/{part}" / ACCOUNTS for part in range(n_partitions)], "account_id")
    files = {name: [work / f"numbered/{part}.{name}.parquet" for part in parts] for name in ("names", "links")}
    names = pl.DataFrame([_column(files["names"], name) for name in ("identifier_type", "hash")])
    heights = [pl.scan_parquet(file).select(pl.len()).collect().item() for file in files["names"]]
    offsets = list(itertools.accumulate(heights[:-1], initial=0))
    links = [_column(files["links"], name, offsets if name == "identifier" else None) for name in LINK_NUMBERS]
    return Named(ids, names, pl.DataFrame(links))


def _column(files: Sequence[Path], name: str, offsets: Sequence[int] | None = None) -> pl.Series:
    """One column of files put together, those of each moved by its offset."""
    parts = [pl.read_parquet(file, columns=[name])[name] for file in files]
    if offsets is not None:
        parts = [part + offset for part, offset in zip(parts, offsets, strict=True)]
    return pl.concat(parts, rechunk=True)


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
    identified, (ordered, moved, before) = _identify_and_link(work, out, state, restricted_state, key, n_partitions)
    numbered, change = finish_links(ordered, moved, before, identified)
    del ordered, moved, before
    identifiers, links = numbered.identifiers, numbered.links
    identified.write_parquet(work / "snapshot/accounts.parquet", compression="lz4")
    _write_identifiers(identifiers.lazy(), work / "snapshot/identifiers.parquet")
    for name, frame in (("accounts", change.accounts), ("identifiers", change.identifiers)):
        frame.write_parquet(work / "change" / f"{name}.parquet", compression="lz4")
    _write_joining(identifiers, links, change, work, n_partitions)
    _write_lake_links(identified, identifiers, links, out)
    return {
        "accounts": identified.height,
        "identifiers": identifiers.height,
        "hubs": int(identifiers["is_hub"].sum()),
        "links": links.height,
        "identities": identified["identity"].n_unique(),
    }


def _identify_and_link(
    work: Path, out: Path, state: Path | None, restricted_state: Path | None, key: str, n_partitions: int
) -> tuple[pl.DataFrame, tuple[Ordered, Moved, pl.DataFrame]]:
    """The accounts with whose identity they submitted, and what `_reorder` gives."""
    differing = Differing(*(pl.read_parquet(work / name / "*.parquet")["account"] for name in ("changed", "grown")))
    snapshot = None if state is None else state / "snapshot"
    before = read_frame(snapshot, "accounts")
    signups = _signup_times(work)
    is_beside = signups.height <= BESIDE
    with ThreadPoolExecutor(1) as pool:  # links there, people here: both leave the interpreter free
        merge = partial(_merge, work, snapshot, before, differing, n_partitions)
        merged = _start(pool, merge, is_beside=is_beside)
        accounts = _order_accounts(work, signups, lambda: merged()[1][0].links(), key)
        reordered = _start(pool, lambda: _reorder(*merged(), accounts, work), is_beside=is_beside)
        known = [renumber_known(read_known(restricted_state), before, accounts)]
        identified = _identify(accounts, known.pop(), differing if state else None, work, out)
        _write_identities(identified, key, out)
        return identified, reordered()


def _start(pool: ThreadPoolExecutor, function: Callable[[], R], *, is_beside: bool) -> Callable[[], R]:
    """Gives the result when called: begun now, or, where two things at once would not fit in memory, only then, and kept by nobody."""
    return pool.submit(function).result if is_beside else function


def _merge(
    work: Path, snapshot: Path | None, accounts: pl.DataFrame, differing: Differing, n_partitions: int
) -> tuple[pl.DataFrame, list[Merged]]:
    """The identifiers of the night before; and the links that stand with those that take others' place, to be taken once."""
    identifiers, links = (read_frame(snapshot, name) for name in ("identifiers", "links"))
    identifiers = identifiers.with_columns(
        pl.col("identifier_type").cast(SORTED_TYPES), pl.col("hash").str.decode("hex")
    )
    return identifiers, [merge_links(accounts, identifiers, links, differing, _read_named(work, n_partitions))]


def _signup_times(work: Path) -> pl.DataFrame:
    return signup_times(pl.read_parquet(work / "events/signups/*.parquet", columns=["account_id", "event_time"]))


def _order_accounts(work: Path, signups: pl.DataFrame, links: Callable[[], pl.LazyFrame], key: str) -> pl.DataFrame:
    events = {name: pl.scan_parquet(work / "events" / name / "*.parquet") for name in HISTORY_TABLES}

    def histories(accounts: pl.DataFrame) -> pl.DataFrame:
        rows = {name: scan.join(accounts.lazy(), on="account_id", how="semi") for name, scan in events.items()}
        return build_histories({name: scan.collect() for name, scan in rows.items()})

    return build_accounts(signups, events["profiles"], histories, links, key)


def _reorder(
    before: pl.DataFrame, merged: list[Merged], accounts: pl.DataFrame, work: Path
) -> tuple[Ordered, Moved, pl.DataFrame]:
    """The links in their order, what changed of them, and what is asked of the identifiers of the night before."""
    asked = before.drop("identifier_type", "hash")
    del before
    ordering, moved = reorder_links(merged.pop(), accounts)
    path = work / "snapshot/links.parquet"
    sink_blocks(ordering.take, len(ordering.rows), SNAPSHOT_SCHEMAS["links"], path, "lz4")
    identifiers, order = ordering.identifiers, ordering.order
    del ordering  # so that the links in their first order are gone when those in the last are read
    return Ordered(pl.read_parquet(path).rechunk(), identifiers, order), moved, asked


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
    _write_identifiers(identifiers.lazy().filter(joins), work / "joining.parquet")
    looked_at = (joins & change.identifiers["is_touched"]).to_numpy()
    holders = links.filter(looked_at[links["identifier"].to_numpy()])
    write_partitions(holders, work / "holders", n_partitions, pl.col("identifier"))


def _as_told(identifiers: pl.LazyFrame) -> pl.LazyFrame:
    """Identifiers as a snapshot has them: in memory, where all are, types are numbers and hashes bytes."""
    return identifiers.with_columns(pl.col("identifier_type").cast(pl.String), pl.col("hash").bin.encode("hex"))


def _write_identifiers(identifiers: pl.LazyFrame, path: Path) -> None:
    _as_told(identifiers).sink_parquet(path, compression="lz4", row_group_size=ROW_GROUP)


def _write_lake_links(accounts: pl.DataFrame, identifiers: pl.DataFrame, links: pl.DataFrame, out: Path) -> None:
    """The lake's links: names in place of numbers, in the numbers' order, which follows from no name."""
    names = identifiers.select("identifier_type", "hash", "weight")

    def make(begin: int, end: int) -> pl.DataFrame:
        own = links[begin:end]
        named = _as_told(names[own["identifier"]].lazy()).collect().rename({"hash": "identifier"})
        account_ids = accounts["account_id"].gather(own["account"])
        return own.drop("account", "identifier").with_columns(account_ids, *named.get_columns())

    write_blocks(make, links.height, out, "links")


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("links")
