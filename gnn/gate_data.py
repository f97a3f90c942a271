"""The gate's first check: what became known at or after a cut-off, deleted or changed, changes no byte as of the cut-off."""

from collections.abc import Callable, Mapping
from datetime import datetime

import numpy as np
import polars as pl

from gnn import features
from gnn.examples import BENIGN, SYNTHETIC
from gnn.gate import Check
from graph.build import build_snapshot
from graph.snapshot import SNAPSHOT_SCHEMAS, Events, Snapshot

__all__ = ["Frames", "build_frames", "change_later", "check_later_data", "delete_later", "frames_of", "sample_accounts"]

Frames = Mapping[str, pl.DataFrame]

_NAMED = 5  # columns that a message lists


def sample_accounts(snapshot: Snapshot, n_most: int, seed: int) -> pl.Series:
    """Account ids of whole clusters drawn at random, `n_most` accounts at most; all of them where they are no more.

    Half of the room is for clusters of several accounts, so that there are neighbours to look at; a cluster that would take
    more than half of it alone is left out. In the order of accounts.
    """
    accounts = snapshot.accounts["account_id"]
    if len(accounts) <= n_most:
        return accounts
    cluster = snapshot.clusters["cluster"].to_numpy()
    size = np.bincount(cluster)
    order = np.random.default_rng(seed).permutation(len(size))
    several = order[(size[order] > 1) & (size[order] <= n_most // 2)]
    several = several[np.cumsum(size[several]) <= n_most // 2]
    rest = order[(size[order] <= n_most // 2) & ~np.isin(order, several)]
    rest = rest[np.cumsum(size[rest]) <= n_most - size[several].sum()]
    keep = np.zeros(len(size), dtype=np.bool_)
    keep[several] = keep[rest] = True
    return accounts.filter(pl.Series(keep[cluster]))


def build_frames(events: Events, cutoff: datetime, key: str, seed: int) -> Frames:
    """Snapshot and features as of the cut-off, built from the events as a training builds them."""
    snapshot = build_snapshot(events, cutoff, key, seed)
    return frames_of(snapshot, features.build_features(events, snapshot))


def frames_of(snapshot: Snapshot, built: pl.DataFrame) -> Frames:
    """A snapshot's frames by name, and `features`."""
    return {name: getattr(snapshot, name) for name in SNAPSHOT_SCHEMAS} | {"features": built}


def delete_later(events: Events, cutoff: datetime) -> Events:
    """The events that were known before the cut-off."""
    return {name: frame.filter(~_is_later(cutoff)) for name, frame in events.items()}


def change_later(events: Events, cutoff: datetime, seed: int) -> Events:
    """The same rows known before the cut-off, and as many others after it; every outcome the other way round.

    Of a later row each value, its account too, is drawn from all rows of its table, so later rows meet earlier accounts and
    identifiers. Every other one says that it happened before the cut-off: only when it became known tells. Tables are sorted by
    event_time and event_id, as the reader of events has them.
    """
    random = np.random.default_rng(seed)
    changed = {}
    for name, frame in sorted(events.items()):
        is_later = frame.select(_is_later(cutoff)).to_series()
        later, n = frame.filter(is_later), int(is_later.sum())
        drawn = [
            frame[column][random.integers(0, max(frame.height, 1), n)].alias(column)
            for column in frame.columns
            if column not in ("event_id", "event_time", "known_time")
        ]
        known = later.select(known=_known())["known"]
        earlier = frame["event_time"][random.integers(0, max(frame.height, 1), n)]
        moved = pl.select(pl.min_horizontal(earlier, known, pl.lit(cutoff).dt.offset_by("-1us")).alias("moved"))
        is_moved = pl.Series(np.arange(n) % 2 == 0)
        times = pl.select(event_time=pl.when(is_moved).then(moved["moved"]).otherwise(later["event_time"]))
        rows = later.with_columns(*drawn, times["event_time"].cast(frame.schema["event_time"]), known_time=known)
        both = pl.concat([frame.filter(~is_later), rows.select(frame.columns)])
        if name == "outcomes":
            both = both.with_columns(pl.col("outcome").replace({SYNTHETIC: BENIGN, BENIGN: SYNTHETIC}))
        changed[name] = both.sort("event_time", "event_id")
    return changed


def check_later_data(
    events: Events,
    cutoff: datetime,
    build: Callable[[Events], Frames],
    seed: int,
    as_is: Frames | None = None,
) -> Check:
    """Builds as of the cut-off from the events, from those known before it, and from changed later ones; all must be equal.

    Args:
        events: clean events of some accounts or all, later ones among them.
        cutoff: the latest cut-off that is trained on.
        build: events to frames as of the cut-off (`build_frames`).
        seed: of what later rows are changed to.
        as_is: what the training read, where the events are all that it was built from; else it is built here.
    """
    n_later = sum(int(frame.select(_is_later(cutoff).sum()).item()) for frame in events.values())
    as_is = build(events) if as_is is None else as_is
    n_accounts = as_is["accounts"].height
    others = {"deleted": delete_later(events, cutoff), "changed": change_later(events, cutoff, seed)}
    differing = {how: found for how, other in others.items() if (found := _differing(as_is, build(other)))}
    faults = [_in_words(found, n_accounts, cutoff, how) for how, found in differing.items()]
    told = f"{n_accounts:,} accounts as of {cutoff.date()}, with {n_later:,} later events deleted or changed"
    facts = {
        "as_of": cutoff.isoformat(),
        "n_accounts": n_accounts,
        "n_later_events": n_later,
        "n_differing": differing,
    }
    return Check("later data", told, "; ".join(faults), facts)


def _known() -> pl.Expr:  # of the gate's own: what it looks at must not tell it what is later
    return pl.col("known_time").fill_null(pl.col("event_time"))


def _is_later(cutoff: datetime) -> pl.Expr:
    return _known() >= pl.lit(cutoff)


def _differing(one: Frames, other: Frames) -> dict[str, int]:
    """Frame and column to the number of rows that differ, the most first; of a frame of another height that alone."""
    found = {}
    for name, frame in one.items():
        if frame.shape != other[name].shape or frame.schema != other[name].schema:
            found[name] = abs(frame.height - other[name].height)
            continue
        for column in frame.columns:
            if n := _n_differing(frame[column], other[name][column]):
                found[f"{name}.{column}"] = n
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _n_differing(one: pl.Series, other: pl.Series) -> int:
    if one.dtype.is_float():  # by bits: NaN equals NaN, and 0 is not -0
        width = np.dtype(f"u{one.to_numpy().dtype.itemsize}")
        return int((one.to_numpy().view(width) != other.to_numpy().view(width)).sum())
    return int(one.ne_missing(other).sum())


def _in_words(found: Mapping[str, int], n_accounts: int, cutoff: datetime, how: str) -> str:
    """Features first: where the graph is right they name the culprit."""
    names = sorted(found, key=lambda name: not name.startswith("features."))
    listed = ", ".join(f"`{name}` ({found[name]:,} rows)" for name in names[:_NAMED])
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return (
        f"of {n_accounts:,} accounts as of {cutoff.date()}, {listed}{more} came out otherwise with what became known from then on "
        f"{how}" + (" and outcomes turned round" if how == "changed" else "")
    )
