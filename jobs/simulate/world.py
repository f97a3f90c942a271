"""A made world on disk: blocks of accounts, each made and written by itself, so that memory does not grow with their number
(but for the truth, one small file, of which some 150 bytes an account are kept until the end).

    OUT/world.json                        what it was made from
    OUT/events/<table>/part-*.parquet     the event contract; a part is a block, its rows by time
    OUT/truth/accounts.parquet            who is who

A block depends on the seed and its number alone: more blocks after it change none of its bytes. Blocks share only what a
country shares: carriers' and VPNs' addresses and large merchants.
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from graph.errors import InputError
from graph.schema import TABLES
from jobs.simulate.behaviour import MIN_EVENTS, act
from jobs.simulate.draft import DAY, Draft, Keys, mix
from jobs.simulate.honest import PATTERNS, share_homes
from jobs.simulate.outcomes import find_out
from jobs.simulate.population import draw_people, equip, settle
from jobs.simulate.render import render_events, render_truth
from jobs.simulate.rings import deal_rings, shape_rings

__all__ = ["ACCOUNTS_PER_BLOCK", "SimulatedWorld", "make_block", "simulate"]

ACCOUNTS_PER_BLOCK: Final = 20_000
_FORMAT: Final = 1
_OURS: Final = frozenset({"world.json", "events", "truth", ".unfinished"})


@dataclass(frozen=True)
class SimulatedWorld:
    """A world that was written.

    Attributes:
        events: the folder for `ringlight nightly --events`. truth: the file for `ringlight evaluate --truth`.
        n_rows: rows by table. n_rings, n_ring_accounts: what there is to be found.
    """

    events: Path
    truth: Path
    n_rows: dict[str, int]
    n_accounts: int
    n_rings: int
    n_ring_accounts: int


@dataclass(frozen=True)
class _Wish:
    """What a world is made from; its bytes follow from this and the versions of the libraries."""

    n_accounts: int
    n_days: int
    seed: int
    until: date
    events_per_account: float

    @property
    def start(self) -> datetime:
        return datetime(self.until.year, self.until.month, self.until.day, tzinfo=UTC) - timedelta(days=self.n_days)


def simulate(
    out: Path,
    *,
    n_accounts: int,
    n_days: int,
    seed: int,
    until: date,
    events_per_account: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> SimulatedWorld:
    """Makes a world of `n_accounts` accounts over `n_days` days before `until` (exclusive, UTC) and writes it to `out`.

    The same arguments give the same bytes. An older made world in `out` is replaced, once the new one is complete.

    Args:
        out: a folder that does not exist, is empty, or holds a made world.
        events_per_account: mean number of events; default 15 over 180 days, fewer over fewer days, at least 5.
        progress: called with (blocks done, blocks in all).

    Raises:
        InputError: an argument is out of its range, or `out` holds something else or cannot be written.
    """
    wish = _checked(n_accounts, n_days, seed, until, events_per_account)
    unfinished = _prepared(out)
    try:
        world = _write(wish, unfinished, out, progress)
        for name in ("events", "truth"):
            shutil.rmtree(out / name, ignore_errors=True)
            (unfinished / name).rename(out / name)
        wished = {"made_by": "ringlight simulate", "format": _FORMAT} | asdict(wish) | {"until": wish.until.isoformat()}
        (out / "world.json").write_text(json.dumps(wished, indent=2) + "\n")
        shutil.rmtree(unfinished)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise InputError(
            f"`OUT` must be a folder that can be written; got `{out}` ({error.strerror}). Free some space or name another."
        ) from error
    return world


def _checked(n_accounts: int, n_days: int, seed: int, until: date, events_per_account: float | None) -> _Wish:
    mean = 4.5 + 10.5 * n_days / 180 if events_per_account is None else events_per_account
    faults = []
    if not 1 <= n_accounts <= 1_000_000_000:
        faults.append(f"`--accounts` must be from 1 to 1000000000; got `{n_accounts}`.")
    if not 1 <= n_days <= 3660:
        faults.append(f"`--days` must be from 1 to 3660; got `{n_days}`.")
    if not 0 <= seed < 2**63:
        faults.append(f"`--seed` must be from 0 to 2^63 - 1; got `{seed}`.")
    if not 1980 <= until.year <= 2200:
        faults.append(f"`--until` must be a date from 1980 to 2200; got `{until}`.")
    if events_per_account is not None and not MIN_EVENTS <= events_per_account <= 10_000:
        faults.append(f"`--events-per-account` must be from 5 to 10000; got `{events_per_account}`.")
    if len(faults) == 1:
        raise InputError(faults[0])
    if faults:
        raise InputError(f"{len(faults)} options are out of their range:", faults)
    return _Wish(n_accounts, n_days, seed, until, float(mean))


def _prepared(out: Path) -> Path:
    """An empty folder inside `out` to write to, or an error that says why not."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        names = {path.name for path in out.iterdir()}
        ours = names <= _OURS and bool(names & {"world.json", ".unfinished"})
        if names and not ours:
            raise InputError(
                f"`OUT` must be a new or empty folder, or a world made before; got `{out}`, which holds other files. "
                "Name another folder."
            )
        unfinished = out / ".unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir()
    except OSError as error:
        raise InputError(
            f"`OUT` must be a folder that can be written; got `{out}` ({error.strerror}). Name another folder."
        ) from error
    return unfinished


def _write(wish: _Wish, unfinished: Path, out: Path, progress: Callable[[int, int], None] | None) -> SimulatedWorld:
    n_blocks = -(-wish.n_accounts // ACCOUNTS_PER_BLOCK)
    n_rows = dict.fromkeys(TABLES, 0)
    for name in TABLES:
        (unfinished / "events" / name).mkdir(parents=True)
    (unfinished / "truth").mkdir()
    truths = []
    for block in range(n_blocks):
        frames, truth = make_block(wish.seed, block, wish.n_accounts, wish.n_days, wish.start, wish.events_per_account)
        for name, frame in frames.items():
            n_rows[name] += frame.height
            path = unfinished / "events" / name / f"part-{block:05d}.parquet"
            frame.write_parquet(path, compression="zstd", compression_level=1, row_group_size=262_144)
        truths.append(truth)
        if progress is not None:
            progress(block + 1, n_blocks)
    everybody = pl.concat(truths, rechunk=False)  # by block, then by id: a sort would need the space twice
    everybody.write_parquet(unfinished / "truth" / "accounts.parquet", compression="zstd", compression_level=1)
    return SimulatedWorld(
        events=out / "events",
        truth=out / "truth" / "accounts.parquet",
        n_rows=n_rows,
        n_accounts=everybody.height,
        n_rings=everybody["ring_id"].drop_nulls().n_unique(),
        n_ring_accounts=everybody.height - everybody["ring_id"].null_count(),
    )


def make_block(
    seed: int, block: int, n_accounts: int, n_days: int, start: datetime, events_per_account: float
) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """The event tables and the truth of one block of a world of `n_accounts` accounts."""
    first = block * ACCOUNTS_PER_BLOCK
    n = min(ACCOUNTS_PER_BLOCK, n_accounts - first)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, block)))
    draft = draw_people(rng, _keys(seed), block, first, n, n_days * DAY)
    _populate(draft)
    tables = act(draft, events_per_account)
    tables["outcomes"] = find_out(draft)
    frames = render_events(draft, tables, start)
    return frames, render_truth(draft)


def _populate(draft: Draft) -> None:
    rings = deal_rings(draft)
    share_homes(draft, settle(draft))
    for pattern in PATTERNS:
        pattern(draft)
    equip(draft)
    shape_rings(draft, rings)


def _keys(seed: int) -> Keys:
    """What all blocks share, from the seed alone."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
    account, thing, event, phone = (int(key) for key in rng.integers(0, 2**48, 4))
    carriers = (np.repeat([107, 166, 172, 174], 32) << 24) + rng.choice(2**23, 128, replace=False) + 2**22
    return Keys(
        account=account,
        thing=thing,
        event=event,
        phone=phone,
        carrier_ips=carriers.astype(np.uint64),
        vpn_ips=((185 << 24) + rng.choice(2**23, 40, replace=False)).astype(np.uint64),
        merchants=mix(rng.permutation(300), thing + 2),
    )
