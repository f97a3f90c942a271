"""What has moved since the night before: inputs, scores, embeddings.

nights/<date>/distributions.json     how each feature is spread, for the next night: bins and shares, no account's value
"""

import json
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.drift import (
    DRIFTED,
    MOVED_SHARE,
    Spread,
    measure_embedding_drift,
    measure_input_drift,
    moved_share,
    spread_of,
    stability_index,
)
from gnn.features import FEATURE_NAMES
from graph.lake import EMBEDDING_DIM, Night
from graph.partitions import account_key
from jobs.files import write_json

__all__ = ["DISTRIBUTIONS_FILE", "drift_alarms", "drift_since", "read_inputs", "write_distributions"]

DISTRIBUTIONS_FILE = "distributions.json"
_ROWS = 20_000  # of features
_VECTORS = 50_000
_LISTED = 5

Inputs = Mapping[str, NDArray[np.float64]]


def read_inputs(path: Path) -> dict[str, NDArray[np.float64]]:
    """A night's features by name, float64 [k], evenly thinned in the order of accounts to 20,000 rows at most.

    One column after the other, so that a large night takes no more memory than one of them.
    """
    n = int(pl.scan_parquet(path).select(pl.len()).collect().item())
    every = max(1, -(-n // _ROWS))
    return {
        name: pl.read_parquet(path, columns=[name])[name].gather_every(every).to_numpy().astype(np.float64)
        for name in FEATURE_NAMES
    }


def write_distributions(inputs: Inputs, folder: Path) -> None:
    """Writes distributions.json: how each feature is spread."""
    write_json(folder / DISTRIBUTIONS_FILE, {name: spread_of(values).to_dict() for name, values in inputs.items()})


def drift_since(previous: Night, folder: Path, day: date, inputs: Inputs) -> dict[str, Any]:
    """Tonight against the night before, as JSON values.

    Args:
        previous: the night before.
        folder: tonight's tables.
        inputs: `read_inputs` of tonight's features.

    Returns:
        since; inputs (None where the earlier night left no distributions): n_features, moved_share, highest (feature, index);
        scores (None where either night has none): index, and the model of each night; embeddings (None where either night has none
        or their versions differ): norm, highest_dimension, moved_share; not_compared: why the embeddings were not, or None.
    """
    night = Night(folder, day)
    embeddings, not_compared = _embeddings(previous, night)
    return {
        "since": previous.date.isoformat(),
        "inputs": _inputs(previous, inputs),
        "scores": _scores(previous, night),
        "embeddings": embeddings,
        "not_compared": not_compared,
    }


def drift_alarms(drift: Mapping[str, Any], *, tells_version: bool = True) -> list[str]:
    """Sentences for what moved further than nights of one model and one feed do, and for embeddings of another version.

    Args:
        drift: what `drift_since` gave.
        tells_version: tell another version; the training that began it has told it already.
    """
    alarms = []
    inputs, scores = drift["inputs"], drift["scores"]
    if inputs and inputs["moved_share"] > MOVED_SHARE:
        names = ", ".join(f"`{row['feature']}`" for row in inputs["highest"])
        alarms.append(
            f"inputs have moved since {drift['since']}: {inputs['moved_share']:.0%} of the features have a stability index above "
            f"{DRIFTED} (first {names})"
        )
    if scores and scores["index"] > DRIFTED and scores["model_before"] == scores["model"]:
        alarms.append(
            f"scores of one model have moved since {drift['since']}: stability index {scores['index']:.2f}, above {DRIFTED}"
        )
    if drift["not_compared"] and tells_version:
        alarms.append(
            f"embeddings cannot be compared with those of {drift['since']}: {drift['not_compared']}; models fitted on the former ones "
            "must be fitted anew"
        )
    return alarms


def _inputs(previous: Night, inputs: Inputs) -> dict[str, Any] | None:
    path = previous.folder / DISTRIBUTIONS_FILE
    if not path.is_file():
        return None
    told = json.loads(path.read_text(encoding="utf-8"))
    found = measure_input_drift({name: Spread.from_dict(each) for name, each in told.items()}, inputs)
    return {
        "n_features": len(found),
        "moved_share": moved_share(found.values()),
        "highest": [{"feature": name, "index": index} for name, index in list(found.items())[:_LISTED]],
    }


def _scores(previous: Night, night: Night) -> dict[str, Any] | None:
    both = [each.read("scores").select("score", "model_version") for each in (previous, night)]
    if any(frame.is_empty() for frame in both):
        return None
    before, now = (frame["score"].to_numpy() for frame in both)
    models = [frame["model_version"][0] for frame in both]
    return {"index": stability_index(before, now), "model_before": models[0], "model": models[1]}


def _embeddings(previous: Night, night: Night) -> tuple[dict[str, Any] | None, str | None]:
    versions = [
        each.scan("embeddings").select(pl.col("embedding_version").first()).collect().item()
        for each in (previous, night)
    ]
    if None in versions:
        return None, None
    if versions[0] != versions[1]:
        return None, f"their versions differ ({versions[0]}, {versions[1]})"
    n = int(night.scan("embeddings").select(pl.len()).collect().item())
    before, now = (_vectors(each, max(1, -(-n // _VECTORS))) for each in (previous, night))
    found = measure_embedding_drift(before, now, versions[0], versions[1])
    return {
        "norm": found.norm,
        "highest_dimension": max(found.dimensions, default=0.0),
        "moved_share": found.moved_share,
    }, None


def _vectors(night: Night, every: int) -> NDArray[np.float32]:
    """Embeddings of one in so many accounts, the same ones on every night, float32 [k, d]."""
    some = night.scan("embeddings").filter(account_key(pl.col("account_id")) % every == 0)
    vectors: NDArray[np.float32] = np.array(some.select("embedding").collect()["embedding"].to_list(), dtype=np.float32)
    return vectors.reshape(-1, EMBEDDING_DIM)  # where nobody is drawn, too
