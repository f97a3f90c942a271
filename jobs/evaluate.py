"""`ringlight evaluate`: a night against the truth, as far as the truth goes.

The truth names accounts and any of `ring_id`, `group`, `archetype`, `label`, `person_id`; each column allows its own measures.
Scores are judged apart for accounts whose outcome the night knew and for those whose outcome it did not: only the latter
say what the model found.
"""

import json
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from polars.exceptions import PolarsError
from rich.console import Console

from graph.errors import InputError
from graph.lake import Night, read_night
from jobs.evaluation_tables import print_evaluation
from jobs.metrics import (
    CALIBRATED_FROM,
    auprc_with_interval,
    auroc_with_interval,
    calibration_above,
    groups_of,
    pairwise_agreement,
    precision_at,
    wilson_interval,
)

__all__ = ["TRUTH_COLUMNS", "evaluate_night", "read_truth", "run"]

TRUTH_COLUMNS = ("ring_id", "group", "label", "person_id")
SMALLEST_RING = 3
_KNOWLEDGE = {"unknown_outcome": False, "known_outcome": True}


def run(
    lake: Path,
    truth: Path,
    as_of: date | None = None,
    json_out: Path | None = None,
    *,
    capacity: int,
    seed: int = 0,
    console: Console | None = None,
) -> dict[str, Any]:
    """Evaluates a night, prints what the truth allows, and writes it as JSON where asked.

    Args:
        as_of: the night; default the current one.
        capacity: cases that the team can review; precision at capacity reads the first so many accounts.

    Raises:
        InputError: no such night, or a truth that cannot be used; nothing is printed or written then.
    """
    result = evaluate_night(read_night(lake, as_of), read_truth(truth), capacity, seed)
    print_evaluation(result, console or Console())
    if json_out is not None:
        try:
            json_out.write_text(json.dumps(result, indent=2, sort_keys=True, allow_nan=False) + "\n")
        except OSError as error:
            raise InputError(
                f"`--json` must be a file that can be written; got `{json_out}` ({error.strerror})."
            ) from error
    return result


def read_truth(path: Path) -> pl.DataFrame:
    """Reads a truth file, Parquet or CSV.

    Returns:
        `account_id` and those of `TRUTH_COLUMNS` and `archetype` that the file has: str, `label` bool.

    Raises:
        InputError: the file cannot be read or used; every fault is named.
    """
    try:
        frame = pl.read_parquet(path) if path.suffix != ".csv" else pl.read_csv(path, infer_schema=False)
    except (PolarsError, OSError) as error:
        why = str(error).strip().splitlines()[0].rstrip(".")
        raise InputError(f"`--truth` must be a Parquet or CSV file that can be read; got `{path}` ({why}).") from error
    faults = []
    if "account_id" not in frame.columns:
        faults.append("column `account_id` is missing")
    elif frame["account_id"].null_count():
        faults.append(f"`account_id` is null in {frame['account_id'].null_count()} of {frame.height} rows")
    elif frame["account_id"].n_unique() < frame.height:
        faults.append(f"`account_id` is there twice or more in {frame['account_id'].is_duplicated().sum()} rows")
    if not set(TRUTH_COLUMNS) & set(frame.columns):
        faults.append(f"one of the columns {', '.join(TRUTH_COLUMNS)} is needed; none is there")
    text = [name for name in ("account_id", "ring_id", "archetype", "group", "person_id") if name in frame.columns]
    columns = [pl.col(name).cast(pl.String).replace("", None) for name in text]
    if "label" in frame.columns:
        label = pl.col("label").cast(pl.String).str.to_lowercase()
        mapped = label.replace_strict(_LABELS, default=None, return_dtype=pl.Boolean)
        n_odd = frame.select((mapped.is_null() & label.is_not_null() & (label != "")).sum()).item()
        if n_odd:
            faults.append(f"`label` must be 0 or 1; it is something else in {n_odd} of {frame.height} rows")
        columns.append(mapped.alias("label"))
    if faults:
        raise InputError(f"`--truth` must say what accounts are; `{path}` has {len(faults)} fault(s):", faults)
    return frame.select(columns)


_LABELS = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}


def evaluate_night(night: Night, truth: pl.DataFrame, capacity: int, seed: int) -> dict[str, Any]:
    """Every measure that the truth allows, as JSON values.

    Positives are accounts with a `ring_id`; without that column, those with a true `label` (a null label is left out).

    Args:
        truth: as `read_truth` gives it. Accounts that the night does not know are counted and left out.
        capacity: cases that the team can review; precision at capacity reads the first so many accounts.
        seed: of the bootstrap.

    Returns:
        `as_of`, `model_version`, `seed`, `capacity`, `accounts`, `clusters`, and, or None where the truth or the night does
        not allow it, `scores`, `groups`, `archetypes`, `rings`, `identities`. Intervals are of 95 %. `remarks` say what
        could not be measured, and why.

    Raises:
        InputError: the night knows none of the accounts.
    """
    joined = _join(night, truth)
    if joined.is_empty():
        raise InputError(
            f"`--truth` must name accounts of the night {night.date}; got {truth.height} accounts, none of which it knows."
        )
    remarks = []
    is_scored = joined["score"].null_count() == 0
    if not is_scored:
        remarks.append("The night has no scores, for it had no model: only clusters and identities are judged.")
    has_positives = "is_positive" in joined.columns
    if not has_positives:
        remarks.append("The truth has neither `ring_id` nor `label`: scores and rings are not judged.")
    judged = joined.filter(pl.col("is_positive").is_not_null()) if has_positives else joined.clear()
    can_judge = is_scored and has_positives
    return {
        "as_of": night.date.isoformat(),
        "model_version": joined["model_version"][0],
        "seed": seed,
        "capacity": capacity,
        "remarks": remarks,
        "accounts": {
            "n_truth": truth.height,
            "n_found": joined.height,
            "n_unknown_to_the_night": truth.height - joined.height,
            "share_found": joined.height / truth.height,
        },
        "clusters": _largest_cluster(night) | {"against_rings": _against_rings(joined, "cluster_id", touching=True)},
        "scores": _by_knowledge(judged, lambda part: _judge_scores(part, capacity, seed)) if can_judge else None,
        "groups": _by_knowledge(judged, _judge_groups) if can_judge and "group" in joined.columns else None,
        "archetypes": _by_knowledge(judged, _judge_archetypes) if can_judge and "archetype" in joined.columns else None,
        "rings": _judge_rings(joined, night, capacity) if is_scored and "planted" in joined.columns else None,
        "identities": _judge_identities(joined) if "person_id" in joined.columns else None,
    }


def _join(night: Night, truth: pl.DataFrame) -> pl.DataFrame:
    """The truth's accounts that the night knows, with what it says of them, by rank."""
    planted = truth.rename({"ring_id": "planted"} if "ring_id" in truth.columns else {}).lazy()
    if "ring_id" in truth.columns:
        planted = planted.with_columns(is_positive=pl.col("planted").is_not_null())
    elif "label" in truth.columns:
        planted = planted.rename({"label": "is_positive"})
    labels = night.scan("labels").select("account_id", is_known=pl.lit(True))
    return (
        night.scan("clusters")
        .join(planted, on="account_id", how="inner")
        .join(night.scan("identities"), on="account_id", how="left")
        .join(night.scan("scores"), on="account_id", how="left")
        .join(labels, on="account_id", how="left")
        .with_columns(pl.col("is_known").fill_null(False))
        .sort("rank", "account_id")
        .collect()
    )


def _by_knowledge(judged: pl.DataFrame, measure: Any) -> dict[str, Any]:
    return {name: measure(judged.filter(pl.col("is_known") == known)) for name, known in _KNOWLEDGE.items()}


def _judge_scores(part: pl.DataFrame, capacity: int, seed: int) -> dict[str, Any]:
    """Measures of the ranking of one part of the accounts, given by rank."""
    positive, score = part["is_positive"].to_numpy(), part["score"].to_numpy()
    ring = groups_of(part["planted"]) if "planted" in part.columns else None
    n_positives = int(positive.sum())
    return {
        "n_accounts": part.height,
        "n_positives": n_positives,
        "prevalence": n_positives / part.height if part.height else None,
        "auprc": auprc_with_interval(positive, score, seed, ring),
        "auroc": auroc_with_interval(positive, score, seed, ring),
        "precision_at_capacity": precision_at(positive, capacity),
        "precision_at_n_positives": precision_at(positive, n_positives),
        "calibration": calibration_above(positive, score, CALIBRATED_FROM, seed, ring),
    }


def _with_flags(part: pl.DataFrame) -> pl.DataFrame:
    n_positives = int(part["is_positive"].sum())
    return part.with_row_index("place").select(
        "is_positive",
        *[name for name in ("group", "archetype") if name in part.columns],
        in_ring=pl.col("ring_id").is_not_null(),
        in_top=pl.col("place") < n_positives,
    )


def _judge_groups(part: pl.DataFrame) -> list[dict[str, Any]]:
    """For each group: how many are in a suspected ring, and how many of those that are no positives (false alarms)."""
    rows = []
    for (group,), members in sorted(
        _with_flags(part).drop_nulls("group").partition_by("group", as_dict=True).items(), key=lambda item: str(item[0])
    ):
        honest = members.filter(~pl.col("is_positive"))
        rows.append(
            {
                "group": group,
                "n_accounts": members.height,
                "n_positives": members.height - honest.height,
                "in_a_ring": wilson_interval(int(members["in_ring"].sum()), members.height),
                "in_top_n_positives": wilson_interval(int(members["in_top"].sum()), members.height),
                "false_alarms": wilson_interval(int(honest["in_ring"].sum()), honest.height),
            }
        )
    return rows


def _judge_archetypes(part: pl.DataFrame) -> list[dict[str, Any]]:
    """For each kind of ring: the share of its accounts found in a suspected ring, and among the first k = n positives."""
    positives = _with_flags(part).filter("is_positive").drop_nulls("archetype")
    return [
        {
            "archetype": archetype,
            "n_accounts": members.height,
            "recall_in_a_ring": wilson_interval(int(members["in_ring"].sum()), members.height),
            "recall_in_top_n_positives": wilson_interval(int(members["in_top"].sum()), members.height),
        }
        for (archetype,), members in sorted(
            positives.partition_by("archetype", as_dict=True).items(), key=lambda item: str(item[0])
        )
    ]


def _judge_rings(joined: pl.DataFrame, night: Night, capacity: int) -> dict[str, Any]:
    """Rings against the planted ones: pair by pair, how many of the hidden were hit, and what a day's cases are worth.

    A planted ring counts where three or more of its accounts are hidden (no known outcome); it is hit when half of those
    are among the first k accounts of no known outcome, k being the number of hidden ring accounts.
    """
    hidden = joined.filter(~pl.col("is_known"))
    k = hidden.height - hidden["planted"].null_count()
    rings = (
        hidden.with_row_index("place")
        .drop_nulls("planted")
        .group_by("planted")
        .agg(n=pl.len(), n_hit=(pl.col("place") < k).sum())
        .filter(pl.col("n") >= SMALLEST_RING)
    )
    n_hit = rings.filter(2 * pl.col("n_hit") >= pl.col("n")).height
    return {
        "against_planted": _against_rings(joined, "ring_id", touching=False),
        "hidden": {"k": k, "n_rings": rings.height, "n_hit": n_hit, "share_hit": wilson_interval(n_hit, rings.height)},
        "cases": _judge_cases(hidden, night, capacity),
    }


def _judge_cases(hidden: pl.DataFrame, night: Night, capacity: int) -> dict[str, Any]:
    """The first rings, as many as the team can review: a case is right when most of its accounts of no known outcome are planted.

    Args:
        hidden: the truth's accounts of no known outcome.
    """
    order = night.read("rings").select("ring_id").with_row_index("place")
    cases = (
        hidden.drop_nulls("ring_id")
        .group_by("ring_id")
        .agg(n=pl.len(), n_planted=pl.col("planted").is_not_null().sum())
        .join(order, on="ring_id")
        .sort("place")
        .head(capacity)
    )
    n_right = cases.filter(2 * pl.col("n_planted") > pl.col("n")).height
    return {
        "n_cases": cases.height,
        "n_right": n_right,
        "precision": wilson_interval(n_right, cases.height),
        "n_stopped": int(cases["n_planted"].sum()),
        "n_hidden": hidden.height - hidden["planted"].null_count(),
    }


def _against_rings(joined: pl.DataFrame, column: str, touching: bool) -> dict[str, float | int] | None:
    return pairwise_agreement(joined, column, "planted", touching) if "planted" in joined.columns else None


def _judge_identities(joined: pl.DataFrame) -> dict[str, float | int]:
    return pairwise_agreement(joined.drop_nulls("person_id"), "identity_id", "person_id")


def _largest_cluster(night: Night) -> dict[str, Any]:
    """Over all accounts of the night, not only the truth's."""
    sizes = night.scan("clusters").group_by("cluster_id").len().collect()["len"].to_list()
    n_accounts, largest = sum(sizes), max(sizes, default=0)
    return {
        "n_accounts": n_accounts,
        "n_clusters": len(sizes),
        "n_of_two_or_more": sum(size > 1 for size in sizes),
        "largest": largest,
        "largest_share": largest / n_accounts if n_accounts else 0.0,
    }
