"""The lake's models, LAKE/models/<version>/: which there are, and which one a night uses."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from gnn.cutoffs import INPUT_NAMES
from graph.errors import InputError

if TYPE_CHECKING:
    from gnn.model import TrainedModel

__all__ = [
    "KnownModel",
    "embedding_alarm",
    "former_model",
    "list_models",
    "model_facts",
    "named_model",
    "newest_model",
    "read_reference",
    "write_reference",
]

REFERENCE_FILE = "reference.parquet"
REFERENCE_ROWS = 20_000


@dataclass(frozen=True)
class KnownModel:
    """A model in a lake.

    Attributes:
        version: name of its folder.
        as_of: cut-off of what it was trained on.
        fits: it was trained on the features that this program has.
    """

    version: str
    as_of: datetime
    fits: bool


def list_models(models: Path) -> list[KnownModel]:
    """The models of a lake, the oldest first; of one cut-off by version."""
    found = []
    for path in sorted(models.glob("[!.]*/model.json")):
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            as_of, features = datetime.fromisoformat(described["as_of"]), tuple(described["features"])
        except (OSError, ValueError, KeyError):
            continue  # a folder that is no model; one that is named is refused when it is loaded
        found.append(KnownModel(path.parent.name, as_of, features == INPUT_NAMES))
    return sorted(found, key=lambda model: (model.as_of, model.version))


def newest_model(models: Path, as_of: datetime, *, or_equal: bool) -> KnownModel | None:
    """The newest model of an earlier cut-off (or the same, with `or_equal`): no night uses one that knew more than it does."""
    known = [model for model in list_models(models) if model.as_of < as_of or (or_equal and model.as_of == as_of)]
    return known[-1] if known else None


def named_model(models: Path, version: str, as_of: datetime) -> KnownModel:
    """The model of that version.

    Raises:
        InputError: there is none, or it was trained on what was known only after `as_of`.
    """
    known = {model.version: model for model in list_models(models)}
    if version not in known:
        raise InputError(
            f"`--model` must be a model of this lake; got `{version}`. There are: {', '.join(known) or 'none'}."
        )
    if known[version].as_of > as_of:
        raise InputError(
            f"`--model` must have been trained as of {as_of.date()} or before; got `{version}`, trained as of "
            f"{known[version].as_of.date()}, which knows more than the night may. Choose an earlier one."
        )
    return known[version]


def model_facts(models: Path, version: str) -> dict[str, Any]:
    """What the report and the manifest tell of a model: how it was trained, how good it is, its controls."""
    folder = models / version
    described: Mapping[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    measured: Mapping[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    names = ("default", "as_of", "cutoffs", "seed", "validation", "embedding")
    return {"version": version} | {name: described[name] for name in names} | dict(measured)


def write_reference(folder: Path, rows: pl.DataFrame) -> None:
    """Keeps features and scores of the night of a training, evenly thinned to 20,000 accounts, to measure drift against.

    Args:
        folder: the model's.
        rows: one row an account in the snapshot's order, without ids: features, and `score`.
    """
    path = folder / REFERENCE_FILE
    partial = path.with_name(f".{path.name}.partial")
    rows.drop("account").gather_every(-(-rows.height // REFERENCE_ROWS) or 1).write_parquet(partial)
    partial.replace(path)


def read_reference(folder: Path) -> pl.DataFrame | None:
    """What `write_reference` kept; None for a model without."""
    path = folder / REFERENCE_FILE
    return pl.read_parquet(path) if path.is_file() else None


def former_model(models: Path, as_of: datetime) -> "TrainedModel | None":
    """The model that a training as of `as_of` goes on from: the newest of an earlier cut-off, so that a night that is run again
    goes on from the same one; None where that cannot be read by this program.
    """
    from gnn.model_files import load_model

    known = newest_model(models, as_of, or_equal=False)
    if known is None or not known.fits:
        return None
    try:
        return load_model(models / known.version)
    except InputError:
        return None  # damaged, or of an older program: the new model begins anew


def embedding_alarm(models: Path, version: str, as_of: datetime) -> str | None:
    """What downstream teams must hear where the model of this training did not keep the embedding version before it."""
    earlier = newest_model(models, as_of, or_equal=False)
    if earlier is None:
        return None
    own, before = (_embedding(models / name) for name in (version, earlier.version))
    if own["version"] == before["version"]:
        return None
    agreement = own["agreement"]
    why = (
        f"mean cosine with the former {agreement['cosine']:.2f}, among the riskiest {agreement['risky_cosine']:.2f}"
        if agreement
        else "this program cannot go on from the former model"
    )
    return (
        f"embeddings begin a new version, {own['version']} after {before['version']} ({why}): models fitted on the "
        "former ones must be fitted anew"
    )


def _embedding(folder: Path) -> Mapping[str, Any]:
    described: Mapping[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    found: Mapping[str, Any] = described.get("embedding", {"version": folder.name, "agreement": None})
    return found
