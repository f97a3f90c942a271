"""The lake's models, LAKE/models/<version>/: which there are, and which one a night uses."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from gnn.cutoffs import INPUT_NAMES
from gnn.train_config import MODEL_FORMAT
from graph.errors import GateError, InputError
from jobs.files import fingerprint, hash_tree

__all__ = [
    "GATE_FILE",
    "UNFIT",
    "KnownModel",
    "embedding_alarm",
    "input_fingerprints",
    "list_models",
    "model_facts",
    "named_model",
    "newest_model",
    "newest_reference",
    "read_reference",
    "refuse_ungated",
    "refuse_unknown",
    "write_reference",
]

GATE_FILE = "gate.json"
REFERENCE_FILE = "reference.parquet"
REFERENCE_ROWS = 20_000


UNFIT = "trained on other features or by another version of Ringlight"  # why a model does not fit


@dataclass(frozen=True)
class KnownModel:
    """A model in a lake.

    Attributes:
        version: name of its folder.
        as_of: cut-off of what it was trained on.
        fits: it was trained by this version of the program: on its features, and written as it writes.
        passed: what the leakage gate of its training said; None for a model without a gate's result.
    """

    version: str
    as_of: datetime
    fits: bool
    passed: bool | None = None


def list_models(models: Path) -> list[KnownModel]:
    """The models of a lake, the oldest first; of one cut-off by version."""
    found = []
    for path in sorted(models.glob("[!.]*/model.json")):
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            as_of = datetime.fromisoformat(described["as_of"])
            fits = (tuple(described["features"]), described.get("format")) == (INPUT_NAMES, MODEL_FORMAT)
        except (OSError, ValueError, KeyError):
            continue  # a folder that is no model; one that is named is refused when it is loaded
        found.append(KnownModel(path.parent.name, as_of, fits, _passed(path.parent)))
    return sorted(found, key=lambda model: (model.as_of, model.version))


def _passed(folder: Path) -> bool | None:
    try:
        return bool(json.loads((folder / GATE_FILE).read_text(encoding="utf-8"))["passed"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        return False  # a result that cannot be read is no pass


def newest_model(models: Path, as_of: datetime, *, or_equal: bool) -> KnownModel | None:
    """The newest model of an earlier cut-off (or the same, with `or_equal`): no night uses one that knew more than it does."""
    known = [model for model in list_models(models) if model.as_of < as_of or (or_equal and model.as_of == as_of)]
    return known[-1] if known else None


def newest_reference(models: Path, as_of: datetime) -> KnownModel | None:
    """The model of the last training before a cut-off, promoted or not, that drift can be held against: it fits, and its night's
    features and scores are kept.
    """
    kept = [
        model
        for model in list_models(models)
        if model.as_of < as_of and model.fits and (models / model.version / REFERENCE_FILE).is_file()
    ]
    return kept[-1] if kept else None


def named_model(models: Path, version: str, as_of: datetime) -> KnownModel:
    """The model of that version.

    Raises:
        InputError: there is none, or it was trained on what was known only after `as_of`.
        GateError: its training failed the leakage gate.
    """
    known = {model.version: model for model in list_models(models)}
    refuse_unknown("--model", version, known)
    if known[version].as_of > as_of:
        raise InputError(
            f"`--model` must have been trained as of {as_of.date()} or before; got `{version}`, trained as of "
            f"{known[version].as_of.date()}, which knows more than the night may. Choose an earlier one."
        )
    if known[version].passed is False:
        raise refuse_ungated("--model", known[version], known.values())
    return known[version]


def refuse_unknown(name: str, version: str, known: Collection[str]) -> None:
    """Refuses a version that is none of the lake's.

    Args:
        name: of the flag or argument that named it.

    Raises:
        InputError: `version` is not among `known`.
    """
    if version not in known:
        raise InputError(
            f"`{name}` must be a model of this lake; got `{version}`. There are: {', '.join(known) or 'none'}."
        )


def refuse_ungated(name: str, model: KnownModel, known: Iterable[KnownModel]) -> GateError:
    """The error for a model that may not score, with those that may.

    Args:
        name: of the flag or argument that named it.
    """
    passed = [other.version for other in known if other.passed and other.fits]
    what = "failed it" if model.passed is False else "has no result of it"
    return GateError(
        f"`{name}` must name a model that passed the leakage gate; got `{model.version}`, which {what}. "
        f"Those that passed: {', '.join(reversed(passed)) or 'none'}."
    )


def model_facts(models: Path, version: str) -> dict[str, Any]:
    """What the report and the manifest tell of a model: how it was trained, how good it is, its controls."""
    folder = models / version
    described: Mapping[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    measured: Mapping[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    names = ("default", "as_of", "cutoffs", "seed", "validation")
    gate = folder / GATE_FILE
    checked = json.loads(gate.read_text(encoding="utf-8")) if gate.is_file() else None
    told = {name: described[name] for name in names} | {"embedding": dict(_embedding(folder))}
    return {"version": version} | told | dict(measured) | {"gate": checked}


def input_fingerprints(out: Path, work: Path, cutoffs: Sequence[datetime]) -> dict[str, Any]:
    """What a training reads, as the steps before it recorded it: JSON values, the same in equal runs.

    Args:
        out: the night's folder with its manifest.
        work: the night's intermediate files with their hashes.
        cutoffs: earlier cut-offs whose snapshot and features lie in `work`.

    Returns:
        events: table to `n_rows` that were kept, and `sha256` over the hashes of its files; tables: file to sha256, of tonight's snapshot
        and features and of each cut-off's; key, settings, code and versions as the manifest has them.
    """
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    records = json.loads((work / "records.json").read_text(encoding="utf-8"))
    files: Mapping[str, str] = manifest["inputs"]["events"]
    rows: Mapping[str, int] = manifest["steps"]["ingest"]["rows"]
    events = {
        table: {
            "n_rows": rows.get(f"events.{table}", 0),
            "sha256": fingerprint({name: mark for name, mark in files.items() if name.split("/")[0] == table}),
        }
        for table in sorted({name.split("/")[0] for name in files})
    }
    tonight = {
        name: mark
        for step in records.values()
        for name, mark in step.items()
        if name.startswith("snapshot/") or name == "features.parquet"
    }
    earlier = hash_tree(work, [f"train/{cutoff.date().isoformat()}" for cutoff in cutoffs])
    told = {name: manifest[name] for name in ("code", "versions")}
    general = {name: manifest["inputs"][name] for name in ("key", "settings")}
    return {"events": events, "tables": tonight | earlier} | general | told


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


def embedding_alarm(models: Path, version: str, former: str) -> str | None:
    """What downstream teams must hear where a model did not keep the embedding version of the one that scored before it."""
    own, before = (_embedding(models / name) for name in (version, former))
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
