"""`ringlight downstream`: how another team's model gains from the embeddings.

It foresees whether an account has a reversed payment in the next 30 days, from ordinary account features, with and without the
embeddings. It is fitted on an earlier night and measured on a later one, as it would be used: fitted once, then fed each night.
That holds only while the embeddings mean the same, so both nights must have one and the same embedding version; the models that
made them may differ, for a training is aligned to the one before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from graph.embeddings import read_embeddings
from graph.errors import HindsightError, InputError
from graph.lake import as_of_of, read_night
from jobs.downstream_features import FEATURE_NAMES, build_account_features, read_account_tables, reversed_within
from jobs.metrics import Ranking, bootstrap, groups_of, mean_interval

__all__ = ["Example", "fit_trees", "measure_lift", "read_example", "run"]

N_DAYS = 30
N_SEEDS = 5
_TREES = {
    "objective": "binary",
    "learning_rate": 0.04,
    "num_leaves": 7,
    "min_data_in_leaf": 30,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}
_ROUNDS = 150


@dataclass(frozen=True)
class Example:
    """A night as the model sees it, one row an account.

    Attributes:
        features: f64 [n, f], `jobs.downstream_features.FEATURE_NAMES`; nan where it never happened.
        embeddings: f32 [n, 64].
        is_reversed: bool [n], the truth of the days after the night.
        embedding_version: of all its embeddings.
    """

    features: NDArray[np.float64]
    embeddings: NDArray[np.float32]
    is_reversed: NDArray[np.bool_]
    embedding_version: str


def run(
    events: Path,
    lake: Path,
    fit: date,
    measure: date,
    json_out: Path | None = None,
    *,
    seed: int = 0,
    n_threads: int = 1,
    console: Console | None = None,
) -> dict[str, Any]:
    """Fits on the night `fit`, measures on the night `measure`, prints, and writes JSON where asked.

    Args:
        n_threads: of LightGBM; 0 is one, too: the data is small, and threads that wait for each other cost more.

    Raises:
        InputError: the nights are not there, lack embeddings or differ in their version, lie too close, or the events end too
            early.
    """
    if (measure - fit).days < N_DAYS:
        raise InputError(
            f"`--measure` must lie {N_DAYS} days or more after `--fit` ({fit}), when its outcomes are known; got {measure}."
        )
    for day in (fit, measure):
        read_night(lake, day)
    try:
        tables = read_embeddings(lake, [fit, measure])
    except HindsightError:
        raise HindsightError(
            f"`--fit` must be a night that the model of the night `--measure` could have scored; got {fit}, whose embeddings of that version "
            "were written by a model that learnt from later outcomes. Choose a later `--fit`, or write them by "
            f"`ringlight embeddings backfill` with a model of the same version as of {fit} or before."
        ) from None
    fitted, measured = (read_example(events, tables, day) for day in (fit, measure))
    for name, example in (("--fit", fitted), ("--measure", measured)):
        if not 0 < example.is_reversed.sum() < len(example.is_reversed):
            raise InputError(
                f"`{name}` must be a night that some, not all, accounts follow with a reversed payment within {N_DAYS} days; "
                f"got {example.is_reversed.sum()} of {len(example.is_reversed)}. Choose another date."
            )
    result = {
        "fit": fit.isoformat(),
        "measure": measure.isoformat(),
        "n_days": N_DAYS,
        "embedding_version": fitted.embedding_version,
        **measure_lift(
            fitted,
            measured,
            seeds=range(seed, seed + N_SEEDS),
            n_threads=n_threads,
            group=_groups(lake, tables, measure),
        ),
    }
    _print(result, console or Console(highlight=False))
    if json_out is not None:
        try:
            json_out.write_text(json.dumps(result, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise InputError(
                f"`--json` must be a file that can be written; got `{json_out}` ({error.strerror})."
            ) from error
    return result


def read_example(events: Path, tables: pl.DataFrame, day: date) -> Example:
    """Features, embeddings and outcome of every account of a night.

    Args:
        tables: `graph.embeddings.read_embeddings` of this night, and maybe of others.

    Raises:
        InputError: the events do not keep the contract, or end before the outcomes are known.
    """
    table, as_of = tables.filter(pl.col("night") == day), as_of_of(day)
    features = build_account_features(read_account_tables(events, as_of), table, as_of)
    vectors = table["embedding"].list.to_array(table["embedding"].list.len()[0]).to_numpy()
    return Example(
        features=features.select(FEATURE_NAMES).to_numpy(),
        embeddings=vectors,
        is_reversed=reversed_within(events, table, as_of, N_DAYS).to_numpy(),
        embedding_version=table["embedding_version"][0],
    )


def _groups(lake: Path, tables: pl.DataFrame, day: date) -> NDArray[np.int64]:
    """Who is drawn with whom for an interval: the clusters of the night."""
    own = tables.filter(pl.col("night") == day).select("account_id")
    clusters = read_night(lake, day).read("clusters").select("account_id", "cluster_id")
    return groups_of(own.join(clusters, on="account_id", how="left", maintain_order="left")["cluster_id"])


def measure_lift(
    fitted: Example,
    measured: Example,
    seeds: Sequence[int],
    n_threads: int = 1,
    group: NDArray[np.int64] | None = None,
) -> dict[str, Any]:
    """Average precision on `measured` of models fitted on `fitted`, for each kind of input, and what the embeddings add.

    Args:
        group: see `jobs.metrics.bootstrap`; of the accounts of `measured`.

    Returns:
        `seeds`, `fitted_on` and `measured_on` (n_accounts, n_positives, prevalence), `auprc` by input (`features`,
        `embeddings`, `features_and_embeddings`): mean over the seeds, `by_seed`, and a 95 % interval by resampling accounts; `lift`
        of the embeddings over the features alone, resampled on the same accounts, with `by_seed` and `over_seeds`, its interval over seeds.
    """
    inputs: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {
        "features": (fitted.features, measured.features),
        "embeddings": (fitted.embeddings, measured.embeddings),
        "features_and_embeddings": (_both(fitted), _both(measured)),
    }
    n = len(measured.is_reversed)
    rankings: dict[str, list[Ranking]] = {}
    for name, (train, test) in inputs.items():
        scores = [_fit_and_score(train, fitted.is_reversed, test, seed, n_threads) for seed in seeds]
        rankings[name] = [Ranking.of(measured.is_reversed, score) for score in scores]

    def mean(name: str, weight: NDArray[np.float64]) -> float:
        return float(np.mean([ranking.auprc(weight) for ranking in rankings[name]]))

    def lift(weight: NDArray[np.float64]) -> float:
        return mean("features_and_embeddings", weight) - mean("features", weight)

    by_seed = {name: [ranking.auprc(np.ones(n)) for ranking in each] for name, each in rankings.items()}
    lifts = [both - alone for both, alone in zip(by_seed["features_and_embeddings"], by_seed["features"], strict=True)]
    return {
        "seeds": list(seeds),
        "fitted_on": _counts(fitted),
        "measured_on": _counts(measured),
        "auprc": {
            name: {
                **(bootstrap(lambda weight, name=name: mean(name, weight), n, seeds[0], group) or {}),  # type: ignore[misc]
                "by_seed": by_seed[name],
            }
            for name in inputs
        },
        "lift": (bootstrap(lift, n, seeds[0], group) or {}) | {"by_seed": lifts, "over_seeds": mean_interval(lifts)},
    }


def _both(example: Example) -> NDArray[np.float64]:
    return np.hstack([example.features, example.embeddings.astype(np.float64)])


def _counts(example: Example) -> dict[str, Any]:
    n, n_positives = len(example.is_reversed), int(example.is_reversed.sum())
    return {"n_accounts": n, "n_positives": n_positives, "prevalence": n_positives / n}


def fit_trees(train: NDArray[Any], target: NDArray[np.bool_], seed: int, n_threads: int) -> lightgbm.Booster:
    """The example's model: small boosted trees over rows of `train` [n, f]."""
    data = lightgbm.Dataset(np.asarray(train, dtype=np.float64), label=target.astype(np.float64))
    return lightgbm.train({**_TREES, "seed": seed, "num_threads": n_threads or 1}, data, num_boost_round=_ROUNDS)


def _fit_and_score(
    train: NDArray[Any], target: NDArray[np.bool_], test: NDArray[Any], seed: int, n_threads: int
) -> NDArray[np.float64]:
    """Log odds of the accounts of `test`."""
    trees = fit_trees(train, target, seed, n_threads)
    return np.asarray(trees.predict(np.asarray(test, dtype=np.float64), raw_score=True), dtype=np.float64)


def _print(result: dict[str, Any], console: Console) -> None:
    fitted, measured = result["fitted_on"], result["measured_on"]
    console.print(
        f"A reversed payment within {result['n_days']} days: fitted on the night {result['fit']} "
        f"({fitted['n_positives']:,} of {fitted['n_accounts']:,} accounts), measured on {result['measure']} "
        f"({measured['n_positives']:,} of {measured['n_accounts']:,}, prevalence {measured['prevalence']:.2%}); "
        f"embeddings {result['embedding_version']}."
    )
    table = Table("input", "AUPRC, mean of seeds (95 % interval over clusters)", "by seed")
    for name, area in result["auprc"].items():
        seeds = ", ".join(f"{value:.3f}" for value in area["by_seed"])
        table.add_row(name.replace("_", " "), f"{area['value']:.3f} ({area['low']:.3f} to {area['high']:.3f})", seeds)
    console.print(table)
    lift = result["lift"]
    console.print(
        f"The embeddings add {lift['value']:+.3f} to the features alone ({lift['low']:+.3f} to {lift['high']:+.3f} over clusters of accounts, "
        f"{lift['over_seeds']['low']:+.3f} to {lift['over_seeds']['high']:+.3f} over {len(result['seeds'])} seeds)."
    )
