"""The model on worlds whose truth is known: what it finds among accounts of no known outcome, beside its controls.

    python tests/benchmarks/bench_model.py [SIZE] [WORLD ...] [--seeds N] [--labels N]

A world is a folder with events/ in the event contract and truth/accounts.parquet; without one, `town` of the shared data where it
lies beside the checkout, and a made world of SIZE accounts (default 15,000; 180 days, seed 21). As of 2026-06-30. For each of N
seeds (default 3) the night's training runs as a night runs it; then, on accounts whose outcome nobody knew: average precision of each model
and of the controls with its interval over resampled rings, precision at the team's capacity with its interval, calibration above .05, hidden
rings hit, pairs of `ring_id` against planted rings, and seconds of the training, of its slowest member and of the gate. Controls are trained on the same accounts by the same labels. With --labels all but the first N accounts with an
outcome, in the order of a draw, lose theirs: a bank knows a hundred.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.controls import shuffle_edges
from gnn.cutoffs import CutOff, Labelled, plan_cutoffs
from gnn.examples import latest_outcomes
from gnn.features import FEATURE_NAMES, GRAPHLESS, build_features
from gnn.folds import Arrangement, arrange
from gnn.gate import Gate
from gnn.gate_data import build_frames, check_later_data, frames_of
from gnn.gate_labels import check_shuffled
from gnn.model import NotTrained, TrainedModel
from gnn.registry import MEMBERS, MODELS
from gnn.ring_groups import build_transfers
from gnn.rings import build_rings
from gnn.sage_model import Sage
from gnn.score import score_accounts
from gnn.train import TrainConfig, train_model
from gnn.train_config import silent
from gnn.trees import Trees
from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.snapshot import Events
from jobs.metrics import (
    CALIBRATED_FROM,
    auprc_with_interval,
    calibration_above,
    groups_of,
    pairwise_agreement,
    precision_at,
)
from jobs.simulate import simulate
from jobs.steps.rings import Config as Rings

SHARED = Path(__file__).parents[3] / "shared" / "data"
AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
N_THREADS = 2
KEY = "5a" * 32
THRESHOLD = Rings().threshold  # the night's default
CONFIG = TrainConfig(with_controls=False)
Logits = NDArray[np.float64]


def read_world(
    folder: Path, as_of: datetime = AS_OF, n_labels: int | None = None
) -> tuple[list[CutOff], Events, pl.DataFrame]:
    """The earlier cut-offs and tonight, the events, and the truth of tonight's accounts in their order."""
    events = dict(read_events(folder / "events", as_of))
    if n_labels is not None:
        drawn = events["outcomes"]["account_id"].unique().sort().sample(fraction=1, shuffle=True, seed=0)
        events["outcomes"] = events["outcomes"].filter(pl.col("account_id").is_in(drawn.head(n_labels).implode()))
    first = events["signups"]["known_time"].min()
    assert isinstance(first, datetime)
    snapshots = [build_snapshot(events, day, KEY, 0) for day in (*plan_cutoffs(first, as_of), as_of)]
    cutoffs = [CutOff(snapshot, build_features(events, snapshot)) for snapshot in snapshots]
    truth = (
        snapshots[-1]
        .accounts.select("account_id")
        .join(pl.read_parquet(folder / "truth/accounts.parquet"), on="account_id", how="left", maintain_order="left")
        .join(latest_outcomes(events["outcomes"], as_of), on="account_id", how="left", maintain_order="left")
    )
    return cutoffs, events, truth


def controls(arranged: Arrangement, seed: int) -> Iterator[tuple[str, Logits]]:
    """Name and log odds of tonight's accounts."""
    assert arranged.tonight is not None
    pairs = [*zip(arranged.parts, arranged.fold, strict=True), arranged.tonight]
    parts: list[Labelled] = [part.of(~part.unclear) for part, _ in pairs]
    tonight = parts[-1].cutoff
    for name, columns in (("trees without graph", GRAPHLESS), ("plain trees", FEATURE_NAMES)):
        fitted = Trees.fit_columns(columns, parts, (), None, CONFIG, seed, N_THREADS, silent)
        yield name, fitted.model.logits(tonight, N_THREADS)
    shuffled = [replace(part, cutoff=shuffle_edges(part.cutoff, seed + place)) for place, part in enumerate(parts)]
    lost = Sage.fit(shuffled, (), None, CONFIG, seed, N_THREADS, silent)
    yield "GraphSAGE, edges shuffled", lost.model.logits(shuffled[-1].cutoff, N_THREADS)


def say(
    name: str, positive: NDArray[np.bool_], score: Logits, ring: NDArray[np.int64], seed: int, note: str = ""
) -> float:
    """Prints a model's measures; intervals of AUPRC are over rings, whose accounts are found together."""
    found = auprc_with_interval(positive, score, seed, ring)
    first = precision_at(positive[np.argsort(-score, kind="stable")], CONFIG.capacity)
    assert found is not None
    assert first is not None
    print(
        f"  {name:<28} AUPRC {found['value']:.3f} ({found['low']:.3f} to {found['high']:.3f})  precision at {first['k']} "
        f"{first['value']:.2f} ({first['low']:.2f} to {first['high']:.2f})  {note}",
        flush=True,
    )
    return found["value"]


def calibration(positive: NDArray[np.bool_], score: Logits, ring: NDArray[np.int64], seed: int) -> str:
    """Above `CALIBRATED_FROM`: expected beside positive accounts, with the interval of their ratio over rings, ECE, Brier skill."""
    found = calibration_above(positive, score, CALIBRATED_FROM, seed, ring)
    if found is None:
        return f"none above {CALIBRATED_FROM}"
    ratio, skill = found["ratio"], found["brier_skill"]
    interval = "" if ratio is None else f" ({ratio['value']:.2f}, {ratio['low']:.2f} to {ratio['high']:.2f})"
    return (
        f"above {CALIBRATED_FROM}: {found['n_accounts']} accounts, {found['expected_positives']:.0f} expected, "
        f"{found['actual_positives']} positive{interval}, ECE {found['ece']:.3f}, Brier skill {'-' if skill is None else f'{skill:.2f}'}"
    )


class MemberClock:
    """How long the training of one member took at most, by what a training tells."""

    def __init__(self) -> None:
        self.longest, self.of = 0.0, ""
        self._name, self._since = "", 0.0

    def note(self, line: str) -> None:
        begins = line.startswith(tuple(f"{name}: {what}" for name in MEMBERS for what in ("fold", "final")))
        if not begins and line.startswith(("GraphSAGE: epoch", "trees: ")):
            return  # of the one that is being trained
        if self._name and time.perf_counter() - self._since > self.longest:
            self.longest, self.of = time.perf_counter() - self._since, self._name
        self._name, self._since = (line if begins else ""), time.perf_counter()


def time_gate(last: CutOff, events: Events, arranged: Arrangement, seed: int) -> float:
    """Seconds of the leakage gate's two checks that train or build anything; both must pass."""
    begun = time.perf_counter()
    cutoff = last.snapshot.as_of
    build = partial(build_frames, cutoff=cutoff, key=KEY, seed=0)
    later = check_later_data(dict(events), cutoff, build, seed, frames_of(last.snapshot, last.features))
    shuffled = check_shuffled(arranged, CONFIG, seed, N_THREADS)
    found = Gate((later, shuffled))
    assert found.passed, found.faults
    return time.perf_counter() - begun


def say_rings(
    cutoff: CutOff, vectors: NDArray[np.float32], transfers: pl.DataFrame, truth: pl.DataFrame, score: Logits
) -> None:
    labels = truth.filter(pl.col("outcome").is_not_null()).select("account_id", "outcome", "source")
    members = build_rings(cutoff.snapshot, cutoff.features, vectors, score, labels, transfers, THRESHOLD).members
    frame = truth.with_row_index("account").with_columns(pl.col("account").cast(pl.Int32), score=pl.Series(score))
    frame = frame.join(members.rename({"cluster": "found"}), on="account", how="left")
    pairs = pairwise_agreement(frame, "found", "ring_id")
    hidden = frame.filter(pl.col("outcome").is_null()).sort("score", descending=True).with_row_index("place")
    k = hidden.height - hidden["ring_id"].null_count()
    hit = hidden.drop_nulls("ring_id").group_by("ring_id").agg(n=pl.len(), n_hit=(pl.col("place") < k).sum())
    hit = hit.filter(pl.col("n") >= 3)
    print(
        f"  rings: {members['cluster'].n_unique()} found, pairs F1 {pairs['f1']:.3f} (precision {pairs['precision']:.3f}, recall "
        f"{pairs['recall']:.3f}); {hit.filter(2 * pl.col('n_hit') >= pl.col('n')).height} of {hit.height} hidden rings hit",
        flush=True,
    )


def measure(name: str, folder: Path, n_seeds: int, n_labels: int | None = None) -> None:
    cutoffs, events, truth = read_world(folder, n_labels=n_labels)
    *earlier, tonight = cutoffs
    outcomes, transfers = events["outcomes"], build_transfers(events["payments"], tonight.snapshot)
    open_ = truth["outcome"].is_null().to_numpy()
    positive = truth["ring_id"].is_not_null().to_numpy()
    ring = groups_of(truth["ring_id"].filter(pl.Series(open_)))
    rate = positive[open_].mean()
    print(
        f"{name}: {truth.height:,} accounts, {(~open_).sum():,} with an outcome; of the other {open_.sum():,} "
        f"{positive[open_].sum()} positive, {rate:.2%}"
    )
    quality: dict[str, list[float]] = {}
    for seed in range(n_seeds):
        print(f" seed {seed}")
        arranged = arrange(earlier, outcomes, AS_OF, CONFIG, seed, tonight)
        assert isinstance(arranged, Arrangement), arranged
        for control, logits in controls(arranged, seed):
            quality.setdefault(control, []).append(say(control, positive[open_], logits[open_], ring, seed))
        begun, cpu = time.perf_counter(), time.process_time()
        clock = MemberClock()
        model = train_model(earlier, outcomes, AS_OF, CONFIG, seed, N_THREADS, clock.note, tonight)
        assert not isinstance(model, NotTrained), model.reason
        assert isinstance(model, TrainedModel)
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        seen = model.look(tonight, N_THREADS)
        members = {member: model.member_logits(member, seen, N_THREADS) for member in model.members}
        for kind in MODELS:
            score = model.combine(members, kind)
            note = calibration(positive[open_], score[open_], ring, seed)
            quality.setdefault(kind, []).append(say(kind, positive[open_], score[open_], ring, seed, note))
        scored = score_accounts(model, tonight.features, tonight.snapshot, N_THREADS)
        say_rings(tonight, scored.embedding, transfers, truth, scored.score)
        gate = time_gate(earlier[-1], events, arranged, seed)
        print(
            f"  trained in {wall:.0f} s ({cpu:.0f} CPU-s), the longest stretch of one member {clock.longest:.0f} s ({clock.of}), the "
            f"leakage gate {gate:.0f} s more; {model.default} scores; found share {model.found_share:.2f}"
        )
    print(f" mean of {n_seeds} seeds: " + ", ".join(f"{kind} {np.mean(found):.3f}" for kind, found in quality.items()))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", help="SIZE of the made world, or folders of worlds")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--labels", type=int, help="accounts that keep their outcome")
    asked = parser.parse_args()
    folders = [Path(word) for word in asked.words if not word.isdigit()]
    size = next((int(word) for word in asked.words if word.isdigit()), 15_000)
    if not folders and (SHARED / "town").is_dir():
        measure("town", SHARED / "town", asked.seeds, asked.labels)
    for given in folders:
        measure(given.name, given, asked.seeds, asked.labels)
    if not folders:
        with tempfile.TemporaryDirectory() as made:
            simulate(Path(made) / "w", n_accounts=size, n_days=180, seed=21, until=date(2026, 6, 30))
            measure(f"made, seed 21, {size:,}", Path(made) / "w", asked.seeds, asked.labels)
