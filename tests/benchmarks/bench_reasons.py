"""Are the reasons faithful: does removing what they name lower the score more than removing as many others?

    python tests/benchmarks/bench_reasons.py [SIZE] [--seed N] [--days D] [--accounts K]

A made world of SIZE accounts (default 6,000; 150 days, seed 41), as of 2026-06-30, a model of one seed. For accounts that are
suspected by the night's threshold (at most K, drawn at random; default 40), the drop in log odds of the real score, the whole world rebuilt without the links:

    links      the k that add most to the network's logit, k = 1 to 3, beside k others of the same account at random (of the same
               types where it has them), where it has as many others; and beside no link at all, which the rebuilt world must not move
    sets       the counterfactual's links, beside as many others; share of sets that take the score below the threshold in the whole
               world, and how far the score on copies lies from it
    features   those behind the strongest TreeSHAP reason set to their medians, beside as many others at random: the trees' log odds

Each with its 95 % interval over resampled accounts, and the share of accounts where what is named lowers the score more. Accounts
with no neighbour in common are cut in one pass.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit

from gnn.counterfactual import Counterfactual, Unlinked, find_counterfactuals
from gnn.cutoffs import INPUT_NAMES, CutOff, plan_cutoffs
from gnn.edge_contributions import link_contributions, shared_links
from gnn.features import build_features
from gnn.model import TrainedModel
from gnn.reason_codes import CODE_OF
from gnn.train import TrainConfig, train_model
from gnn.trees import Trees
from graph.build import build_snapshot
from graph.cleaning import read_events
from graph.snapshot import Events
from graph.without import mark_values, mask_values, without_links
from jobs.simulate import simulate
from jobs.steps.rings import Config as Rings

AS_OF = datetime(2026, 6, 30, tzinfo=UTC)
KEY, SEED = "5a" * 32, 0
THRESHOLD = Rings().threshold  # the night's default
N_THREADS = 2
CONFIG = TrainConfig(with_controls=False, n_seeds=1)
Asked = Sequence[tuple[int, Sequence[int]]]


class World:
    """The world as of the night, and its score without some links."""

    def __init__(self, model: TrainedModel, tonight: CutOff, events: Events) -> None:
        self.model, self.tonight, self.events = model, model.look(tonight, N_THREADS), events
        self.marked = mark_values(events, KEY)
        self.scores = model.probabilities(self.tonight, N_THREADS)
        self.n_passes = 0

    def log_odds(self, unlinked: Unlinked, asked: Asked) -> NDArray[np.float64]:
        """Log odds of each account without its links, by whole rebuilt worlds."""
        around = dict(unlinked.around.members.group_by("of").agg("account").iter_rows())
        found = np.zeros(len(asked))
        left = list(range(len(asked)))
        while left:
            taken: list[int] = []
            busy: set[int] = set()
            for place in left:
                if busy.isdisjoint(around[asked[place][0]]):
                    busy |= set(around[asked[place][0]])
                    taken.append(place)
            scores = self._score([asked[place] for place in taken])
            for place in taken:
                found[place] = logit(scores[asked[place][0]])
            left = [place for place in left if place not in set(taken)]
        return found

    def _score(self, asked: Asked) -> NDArray[np.float64]:
        self.n_passes += 1
        snapshot = self.tonight.snapshot
        rows = [(account, identifier) for account, cut in asked for identifier in cut]
        cut = pl.DataFrame(rows, schema={"account": pl.Int32, "identifier": pl.Int32}, orient="row")
        named = cut.join(snapshot.accounts, on="account").join(snapshot.identifiers, on="identifier")
        without = without_links(snapshot, cut, SEED)
        features = build_features(mask_values(self.marked, named), without)
        return self.model.probabilities(CutOff(without, features), N_THREADS)


def say(name: str, named: NDArray[np.float64], other: NDArray[np.float64]) -> None:
    """Mean drops with 95 % intervals over resampled accounts."""
    random = np.random.default_rng(0)
    rows = random.integers(0, len(named), (2000, len(named))) if len(named) else np.zeros((1, 0), dtype=np.int64)

    def words(drop: NDArray[np.float64]) -> str:
        low, high = np.quantile(drop[rows].mean(axis=1), (0.025, 0.975))
        return f"{drop.mean():.2f} ({low:.2f} to {high:.2f})"

    if not len(named):
        print(f"  {name:<34} no account has as many others")
        return
    print(
        f"  {name:<34} named {words(named)}, others {words(other)}, difference {words(named - other)}; "
        f"named more in {(named > other).mean():.0%} of {len(named)}",
        flush=True,
    )


def others(links: pl.DataFrame, account: int, named: Sequence[int], random: np.random.Generator) -> list[int] | None:
    """As many other links of the account at random, of the same types where there are; None where there are not as many."""
    own = links.filter(pl.col("account") == account).select("identifier", "identifier_type")
    rest = own.filter(~pl.col("identifier").is_in(list(named)))
    if rest.height < len(named):
        return None
    chosen: list[int] = []
    for label in own.filter(pl.col("identifier").is_in(list(named)))["identifier_type"]:
        free = rest.filter(~pl.col("identifier").is_in(chosen))
        same = free.filter(pl.col("identifier_type") == label)
        chosen.append(int(random.choice((same if same.height else free)["identifier"].to_numpy())))
    return chosen


def measure_links(
    world: World, unlinked: Unlinked, orders: dict[int, list[int]], before: dict[int, float], seed: int
) -> None:
    random = np.random.default_rng(seed)
    links = shared_links(world.tonight.snapshot)
    accounts = list(orders)[:6]
    moved = world.log_odds(unlinked, [(account, ()) for account in accounts])
    gap = np.abs(moved - [before[account] for account in accounts]).max()
    print(f"  no link removed: the rebuilt world's log odds differ by at most {gap:.1e}")
    for k in (1, 2, 3):
        pairs = [
            (account, order[:k], drawn)
            for account, order in orders.items()
            if len(order) >= k and (drawn := others(links, account, order[:k], random)) is not None
        ]
        start = np.array([before[account] for account, _, _ in pairs])
        named = start - world.log_odds(unlinked, [(account, chosen) for account, chosen, _ in pairs])
        other = start - world.log_odds(unlinked, [(account, drawn) for account, _, drawn in pairs])
        say(f"links, k = {k}", named, other)


def measure_sets(world: World, unlinked: Unlinked, found: dict[int, Counterfactual], seed: int) -> None:
    random = np.random.default_rng(seed)
    links = shared_links(world.tonight.snapshot)
    sets = [one for one in found.values() if one.suffices]
    sizes = np.bincount([len(one.identifiers) for one in sets], minlength=2)
    words = ", ".join(f"{n} of {size} link(s)" for size, n in enumerate(sizes) if n)
    print(f"  sets: {words}; no set suffices: {len(found) - len(sets)} of {len(found)}")
    if not sets:
        return
    whole = world.log_odds(unlinked, [(one.account, one.identifiers) for one in sets])
    gap = whole - [one.after for one in sets]
    print(
        f"  below the threshold in the whole world: {(whole < logit(THRESHOLD)).mean():.0%} of {len(sets)}; score on copies off by "
        f"{np.abs(gap).mean():.2f} log odds on average, {np.abs(gap).max():.2f} at most, where sets lower it by "
        f"{np.mean([one.before for one in sets] - whole):.2f}"
    )
    pairs = [(place, one, others(links, one.account, one.identifiers, random)) for place, one in enumerate(sets)]
    held = [(place, one, drawn) for place, one, drawn in pairs if drawn is not None]
    start = np.array([one.before for _, one, _ in held])
    other = start - world.log_odds(unlinked, [(one.account, drawn) for _, one, drawn in held])
    say("sets beside as many others", start - whole[[place for place, _, _ in held]], other)


def measure_features(world: World, accounts: NDArray[np.int64], seed: int) -> None:
    random = np.random.default_rng(seed)
    values = world.tonight.values
    median = np.median(values, axis=0)
    trees = [member for member in world.model.members["trees"] if isinstance(member, Trees)]

    def say_trees(rows: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(np.mean([member.predict(rows, N_THREADS) for member in trees], axis=0))

    own = values[accounts]
    shap = np.mean([member.contributions(own, N_THREADS) for member in trees], axis=0)
    codes = np.array([CODE_OF[name] for name in INPUT_NAMES])
    names = sorted(set(codes))
    strongest = np.stack([shap[:, codes == name].sum(axis=1) for name in names], axis=1).argmax(axis=1)
    named, other = own.copy(), own.copy()
    for row, number in enumerate(strongest):
        behind = np.flatnonzero(codes == names[number])
        drawn = random.choice(np.flatnonzero(codes != names[number]), len(behind), replace=False)
        named[row, behind], other[row, drawn] = median[behind], median[drawn]
    full = say_trees(own)
    say("features of the strongest reason", full - say_trees(named), full - say_trees(other))


def measure(model: TrainedModel, tonight: CutOff, events: Events, truth: pl.DataFrame, seed: int, most: int) -> None:
    """Prints all of it for one world and model."""
    world = World(model, tonight, events)
    flagged = np.flatnonzero(world.scores >= THRESHOLD)
    is_ring = tonight.snapshot.accounts.join(truth, on="account_id", how="left", maintain_order="left")["ring_id"]
    n_right = int(is_ring.is_not_null().to_numpy()[flagged].sum())
    print(
        f"{len(world.scores):,} accounts, {1 - is_ring.null_count() / len(is_ring):.2%} in planted rings; {model.default} scores (trees' "
        f"share {model.blend_weight:.2f}); {len(flagged)} flagged at {THRESHOLD}, {n_right} of them in rings"
    )
    if not len(flagged):
        print("  nobody is flagged, so there is nothing to measure")
        return
    flagged = np.sort(np.random.default_rng(seed).permutation(flagged)[:most])
    clock = time.process_time()
    added = link_contributions(model, world.tonight, flagged, N_THREADS)
    print(
        f"  links' contributions: {(time.process_time() - clock) / max(len(flagged), 1) * 1000:.1f} CPU-ms an account"
    )
    ranked = added.sort("account", "contribution", "identifier", descending=[False, True, False])
    orders = dict(ranked.group_by("account", maintain_order=True).agg("identifier").iter_rows())
    if not orders:
        print("  no flagged account shares an identifier, so only features are measured")
        measure_features(world, flagged, seed)
        return
    before = {account: float(logit(world.scores[account])) for account in orders}
    clock, wall = time.process_time(), time.perf_counter()
    unlinked = Unlinked(model, world.tonight, events, np.array(list(orders)), KEY, SEED, N_THREADS)
    found = find_counterfactuals(unlinked, orders, before, THRESHOLD)
    clock, wall = time.process_time() - clock, time.perf_counter() - wall
    print(f"  counterfactuals: {len(found)} accounts, {clock:.1f} CPU-s, {wall:.1f} s")
    measure_links(world, unlinked, orders, before, seed)
    measure_sets(world, unlinked, found, seed)
    measure_features(world, flagged, seed)
    print(f"  {world.n_passes} worlds rebuilt", flush=True)


def main(size: int, days: int, seed: int, most: int) -> None:
    """Makes the world and the model, and measures."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "w"
        simulate(folder, n_accounts=size, n_days=days, seed=seed, until=date(2026, 6, 30))
        events = read_events(folder / "events", AS_OF)
        truth = pl.read_parquet(folder / "truth/accounts.parquet")
    first = events["signups"]["known_time"].min()
    assert isinstance(first, datetime)
    snapshots = [build_snapshot(events, day, KEY, SEED) for day in (*plan_cutoffs(first, AS_OF), AS_OF)]
    *earlier, tonight = [CutOff(snapshot, build_features(events, snapshot)) for snapshot in snapshots]
    model = train_model(earlier, events["outcomes"], AS_OF, CONFIG, 0, N_THREADS, tonight=tonight)
    assert isinstance(model, TrainedModel), model
    print(f"made world, seed {seed}, {days} days, as of {AS_OF.date()}; model seed 0")
    measure(model, tonight, events, truth, seed, most)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("size", nargs="?", type=int, default=6000)
    parser.add_argument("--days", type=int, default=150)
    parser.add_argument("--seed", type=int, default=41)
    parser.add_argument("--accounts", type=int, default=40)
    given = parser.parse_args()
    main(given.size, given.days, given.seed, given.accounts)
