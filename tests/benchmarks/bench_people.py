"""Identity resolution: ours beside Splink's on the same records, in one run, turn by turn.

    python tests/benchmarks/bench_people.py [FOLDER | made:PEOPLE:SEED ...]

A folder holds events/ in the event contract and truth/people.parquet; without arguments the shared data sets, where they lie beside
the checkout, and made households. Ours runs by its one default. Splink runs with ten blocking rules, term frequencies, and EM; of
its thresholds the best by the truth is shown, which no user could know, and its clock stops after one clustering. Prints pairwise
F1, precision and recall, wall and CPU seconds (all cores), the middle of `TURNS`, and records them in RESULTS.md.
"""

import logging
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import polars as pl
import splink.comparison_library as compare
from results import machine, record, table
from splink import DuckDBAPI, Linker, SettingsCreator, block_on

from graph.identities import resolve
from jobs.simulate.people import PeopleConfig, simulate_people

SHARED = Path(__file__).parents[3] / "shared" / "data"
TURNS = 3
THRESHOLDS = (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 0.9999, 0.99999)
RULES = (
    ("first_name", "surname"), ("surname", "birth_date"), ("first_name", "birth_date"), ("postcode", "surname"),
    ("postcode", "first_name"), ("postcode", "birth_date"), ("address", "surname"), ("national_id",), ("email",), ("phone",),
)  # fmt: skip
Found = dict[float, pl.DataFrame]  # threshold -> account_id, found
Clock = tuple[float, float]  # wall, CPU


def now() -> Clock:
    return time.perf_counter(), time.process_time()


def by_us(events: dict[str, pl.DataFrame]) -> tuple[Found, Clock]:
    accounts = events["profiles"].select("account_id").unique().sort("account_id").with_row_index("account")
    accounts = accounts.with_columns(pl.col("account").cast(pl.Int32))
    identity = resolve(events, accounts).identity
    return {0.0: accounts.select("account_id", found=identity)}, now()


def by_splink(events: dict[str, pl.DataFrame]) -> tuple[Found, Clock]:
    words = pl.col("full_name").str.to_lowercase().str.extract_all(r"[^\s.,]+")
    table = events["profiles"].select(
        pl.col("account_id").alias("unique_id"),
        first_name=words.list.get(0, null_on_oob=True),
        surname=pl.when(words.list.len() > 1).then(words.list.get(-1, null_on_oob=True)),
        birth_date=pl.col("birth_date").cast(pl.String),
        **{name: pl.col(name).cast(pl.String) for name in ("national_id", "email", "phone", "address", "postcode")},
    )
    held = {name for name in table.columns if table[name].null_count() < table.height}
    comparisons = {
        "first_name": compare.ForenameSurnameComparison("first_name", "surname"),
        "birth_date": compare.DateOfBirthComparison("birth_date", input_is_string=True),
        "national_id": compare.DamerauLevenshteinAtThresholds("national_id", 1),
        "email": compare.EmailComparison("email"),
        "phone": compare.DamerauLevenshteinAtThresholds("phone", 1),
        "address": compare.JaroWinklerAtThresholds("address", 0.9).configure(term_frequency_adjustments=True),
        "postcode": compare.DamerauLevenshteinAtThresholds("postcode", 1).configure(term_frequency_adjustments=True),
    }
    rules = [block_on(*rule) for rule in RULES if held.issuperset(rule)]
    settings = SettingsCreator(
        "dedupe_only",
        comparisons=[comparison for name, comparison in comparisons.items() if name in held],
        blocking_rules_to_generate_predictions=rules,
        retain_matching_columns=False,
    )
    api = DuckDBAPI()
    linker = Linker(api.register(table.to_arrow()), settings, log_level=None)
    linker.training.estimate_probability_two_random_records_match(rules[:2], recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    for rule in (("first_name", "surname"), ("birth_date",)):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*rule))
    pairs = linker.inference.predict(threshold_match_probability=min(THRESHOLDS))
    found = {THRESHOLDS[0]: clustered(linker, pairs, THRESHOLDS[0])}
    done = now()
    return found | {threshold: clustered(linker, pairs, threshold) for threshold in THRESHOLDS[1:]}, done


def clustered(linker: Linker, pairs: object, threshold: float) -> pl.DataFrame:
    groups = linker.clustering.cluster_pairwise_predictions_at_threshold(pairs, threshold)
    return pl.DataFrame(groups.as_pyarrow_table()).select(account_id="unique_id", found="cluster_id")


def quality(found: pl.DataFrame, truth: pl.DataFrame) -> tuple[float, float, float]:
    """Pairwise F1, precision, recall."""
    joined = truth.join(found, on="account_id")

    def pairs(*by: str) -> float:
        return float(joined.group_by(*by).len().select((pl.col("len") * (pl.col("len") - 1) / 2).sum()).item())

    both, ours, theirs = pairs("found", "person_id"), pairs("found"), pairs("person_id")
    return 2 * both / (ours + theirs), both / max(ours, 1), both / max(theirs, 1)


def measure(name: str, events: dict[str, pl.DataFrame], truth: pl.DataFrame) -> list[list[str]]:
    """A line of a table for each peer."""
    peers: dict[str, Callable[[dict[str, pl.DataFrame]], tuple[Found, Clock]]] = {
        "ringlight": by_us,
        "splink": by_splink,
    }
    by_us(events)  # compiles
    times: dict[str, list[tuple[float, float]]] = {peer: [] for peer in peers}
    best: dict[str, tuple[tuple[float, float, float], float]] = {}
    for _ in range(TURNS):
        for peer, resolved_by in peers.items():
            begun = now()
            found, done = resolved_by(events)
            times[peer].append((done[0] - begun[0], done[1] - begun[1]))
            best[peer] = max((quality(frame, truth), threshold) for threshold, frame in found.items())
    lines = []
    for peer, (found, threshold) in best.items():
        wall, cpu = (statistics.median(seconds) for seconds in zip(*times[peer], strict=True))
        note = f"{peer}, best threshold {threshold}" if peer == "splink" else peer
        line = [f"{name}, {note}", f"{truth.height:,}", *(f"{each:.3f}" for each in found), f"{wall:.2f}", f"{cpu:.2f}"]
        print("  ".join(line), flush=True)
        lines.append(line)
    return lines


def load(name: str) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    if name.startswith("made:"):
        _, n_people, seed = name.split(":")
        return simulate_people(PeopleConfig(n_people=int(n_people)), int(seed))
    folder = Path(name)
    return {"profiles": pl.read_parquet(folder / "events/profiles/*.parquet")}, pl.read_parquet(
        folder / "truth/people.parquet"
    )


if __name__ == "__main__":
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    shared = [str(SHARED / world) for world in ("people_50k", "people_1k") if (SHARED / world).is_dir()]
    asked = sys.argv[1:] or [*shared, "made:3000:1", "made:20000:2"]
    place = machine()
    rows = [line for wanted in asked for line in measure(Path(wanted).name, *load(wanted))]
    names = ["", "accounts", "F1", "precision", "recall", "wall s", "CPU-s"]
    called = " ".join(Path(wanted).name for wanted in sys.argv[1:])
    record("People", f"bench_people.py {called}".strip(), place, f"Medians of {TURNS}.\n\n" + table(names, rows))
