"""A model's folder: weights, configuration, metrics and a card; written whole or not at all, read without pickle."""

import json
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from gnn.alignment import EmbeddingSpace
from gnn.calibration import Calibration
from gnn.cutoffs import INPUT_NAMES
from gnn.features import FEATURES
from gnn.first_look import FirstLook
from gnn.gate import Gate
from gnn.metrics import Metrics
from gnn.model import FIRST, TrainedModel
from gnn.registry import MEMBERS, MODELS
from gnn.train_config import TrainConfig
from gnn.trees import Trees
from graph.errors import InputError

__all__ = ["load_model", "model_card", "save_model"]

# what reading torn or foreign bytes can raise: json, numpy's and zip's readers, and our own look-ups
_DAMAGE = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
)


def save_model(
    model: TrainedModel, models: Path, gate: Gate | None = None, inputs: Mapping[str, Any] | None = None
) -> Path:
    """Writes `models`/<version>/ and returns it; the same version is already there with the same bytes, or is written.

    Beside what decides a score (`TrainedModel.files`) it holds metrics.json and card.md, and gate.json and inputs.json where
    they are given.

    Args:
        gate: the leakage gate's result; it passed.
        inputs: fingerprints of what the training read, JSON values.
    """
    folder = models / model.version
    if folder.is_dir():
        return folder
    given = {"gate": gate.to_dict() if gate else None, "inputs": inputs}
    draft = models / f".{model.version}.draft"
    if draft.exists():
        shutil.rmtree(draft)
    files = {
        **model.files(),
        **{f"{name}.json": _json(content) for name, content in given.items() if content is not None},
        "metrics.json": _metrics(model),
        "card.md": model_card(model, gate, inputs).encode(),
    }
    for path, content in sorted(files.items()):
        (draft / path).parent.mkdir(parents=True, exist_ok=True)
        (draft / path).write_bytes(content)
    draft.rename(folder)
    return folder


def load_model(folder: Path) -> TrainedModel:
    """Reads a model's folder.

    Raises:
        InputError: there is no model, it is damaged, its version is not its content's, or its features are not this
            program's.
    """
    try:
        described = json.loads((folder / "model.json").read_bytes())
        measured = json.loads((folder / "metrics.json").read_bytes())
    except FileNotFoundError:
        known = ", ".join(sorted(path.name for path in folder.parent.glob("[!.]*") if path.is_dir())) or "none"
        raise InputError(
            f"`--model` must be a trained model's version; got `{folder.name}`. There are: {known}."
        ) from None
    except (ValueError, OSError, RecursionError) as error:
        raise _damaged(folder, type(error).__name__) from None
    try:
        _check_features(folder, described["features"])
        model = _build(folder, described, measured)
        version = model.version
    except _DAMAGE as error:
        raise _damaged(folder, type(error).__name__) from None
    if version != folder.name:
        raise _damaged(folder, f"its content is version {version}")
    return model


def model_card(model: TrainedModel, gate: Gate | None = None, inputs: Mapping[str, Any] | None = None) -> str:
    """The model card, markdown: what it is for, what it saw, how good it is, what it must not be used for.

    Args:
        gate: the leakage gate's result, if there is one.
        inputs: what the training read; of it `events`, table to `n_rows` and `sha256`, is shown.
    """
    quality = "\n".join(
        f"| {name}{' (scores)' if name == model.default else ''} | {m.auprc:.3f} | {m.auroc:.3f} | "
        f"{m.precision_at_capacity:.3f} at {m.capacity} | {m.ece:.4f} | {m.brier_skill:.3f} |"
        for name, m in model.metrics.items()
    )
    controls = "\n".join(
        f"| {row['meaning']} | {row['auprc']:.3f} | {row['auroc']:.3f} | {row['precision_at_capacity']:.3f} |"
        for row in model.controls
    )
    first = next(iter(model.metrics.values()))
    families = ", ".join(sorted({feature.family for feature in FEATURES}))
    about = (
        ""
        if not model.controls
        else (
            f"\nControls on {model.controls[0]['n']} of these accounts ({model.controls[0]['n_positive']} positive):\n\n"
            f"| model | AUPRC | AUROC | precision at capacity |\n|---|---|---|---|\n{controls}\n"
        )
    )
    return f"""# Model {model.version}

Finds accounts of synthetic-identity rings, for review by people. Its scores open cases; they decide nothing alone.

- Trained as of {model.as_of.date()} on the graph as of {", ".join(str(day.date()) for day in model.cutoffs)}; seed {model.seed}.
- Members: {", ".join(f"{name} ({len(models)} seeds, {model.rounds[name]} rounds)" for name, models in model.members.items())}.
- Embeddings: version {model.embedding.version}, {_embedding_words(model)}.
- Inputs: {len(INPUT_NAMES)} declared features ({families}) and the links between accounts and identifiers. No outcome of
  any account, no surname, language, sex, age, country or place is an input.
- Labels: confirmed outcomes, late, few and sometimes wrong; accounts without one count as honest if they are old enough,
  share no cluster with a confirmed one, and do not look like a ring to models that did not see their group. The quality
  below is a lower bound: rings nobody found count as mistakes, in calibration error and Brier skill as well. Scores allow for
  them: of the synthetic accounts of {model.cutoffs[-1].date()} {model.found_share:.0%} are taken to be confirmed
  ({"estimated from outcomes; with few of them rather an assumption" if model.config.found_share is None else f"told to be about {model.config.found_share:.0%}"}).
- A score is of an account whose outcome did not come though it could have: its log odds have {model.silence:+.2f} for that. The quality
  below is without it, for some of the accounts have an outcome.
- What a first model says of neighbours is an input; that model learnt from outcomes, as any does, and their outcomes are none.

## Quality

On {first.n} validation accounts ({first.n_positive} positive, {first.prevalence:.2%}), {model.validation}:

| model | AUPRC | AUROC | precision at capacity | calibration error | Brier skill |
|---|---|---|---|---|---|
{quality}
{about}
Rounds, blend and calibration were chosen on the very accounts that these numbers are quoted on: expect somewhat less on new
ones.
{_gate_card(gate)}{_inputs_card(inputs)}"""


def _gate_card(gate: Gate | None) -> str:
    if gate is None:
        return ""
    rows = "\n".join(f"- {check.name}: {check.fault or check.told}." for check in gate.checks)
    return f"\n## Leakage gate: {'passed' if gate.passed else 'failed'}\n\n{rows}\n"


def _inputs_card(inputs: Mapping[str, Any] | None) -> str:
    if inputs is None:
        return ""
    rows = "\n".join(
        f"| {table} | {row['n_rows']:,} | `{row['sha256'][:16]}` |" for table, row in sorted(inputs["events"].items())
    )
    return f"\n## What it read\n\n| events | rows | sha256 |\n|---|---|---|\n{rows}\n\nAll fingerprints: inputs.json.\n"


def _embedding_words(model: TrainedModel) -> str:
    agreement, former = model.embedding.agreement, model.embedding.former
    if agreement is None:
        return "begun by this model"
    words = (
        f"mean cosine {agreement.cosine:.2f} ({agreement.risky_cosine:.2f} among the riskiest), "
        f"{agreement.kept_neighbours:.0%} of the nearest neighbours kept, norms {agreement.norm_ratio:.2f} times as long"
    )
    return f"{'kept from' if agreement.keeps_version else 'begun anew, for they agree too little with'} model {former}: {words}"


def _metrics(model: TrainedModel) -> bytes:
    content = {
        "metrics": {name: asdict(value) for name, value in model.metrics.items()},
        "controls": [dict(row) for row in model.controls],
    }
    return _json(content)


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _check_features(folder: Path, names: list[str]) -> None:
    if tuple(names) == INPUT_NAMES:
        return
    gone = sorted(set(names) - set(INPUT_NAMES))
    new = sorted(set(INPUT_NAMES) - set(names))
    what = "; ".join(
        f"{label} {', '.join(some[:5])}{' ...' if len(some) > 5 else ''}"
        for label, some in (("it needs", gone), ("it lacks", new))
        if some
    )
    raise InputError(
        f"`--model` must have been trained on this program's {len(INPUT_NAMES)} features; got `{folder.name}`, trained on "
        f"{len(names)} ({what or 'in another order'}). Train a new one: `--train always`."
    )


def _build(folder: Path, described: Mapping[str, Any], measured: Mapping[str, Any]) -> TrainedModel:
    members = {
        name: tuple(MEMBERS[name].from_files(_read(folder / f"{name}-{place}")) for place in range(count))
        for name, count in sorted(described["members"].items(), key=lambda item: MODELS.index(item[0]))
    }
    first = tuple(Trees.from_files(_read(folder / f"{FIRST}-{place}")) for place in range(described["n_first"]))
    return TrainedModel(
        members=members,
        first=FirstLook(first),
        calibrations={name: Calibration(**value) for name, value in described["calibrations"].items()},
        blend_weight=described["blend_weight"],
        embedding=EmbeddingSpace.from_file(_read(folder), described["embedding"]),
        default=described["default"],
        rounds=described["rounds"],
        config=TrainConfig(**described["config"]),
        seed=described["seed"],
        as_of=datetime.fromisoformat(described["as_of"]),
        cutoffs=tuple(datetime.fromisoformat(cutoff) for cutoff in described["cutoffs"]),
        validation=described["validation"],
        metrics={name: Metrics(**measured["metrics"][name]) for name in MODELS},
        controls=tuple(measured["controls"]),
        found_share=described["found_share"],
        silence=described["silence"],
    )


def _read(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.is_file()}


def _damaged(folder: Path, what: str) -> InputError:
    return InputError(
        f"`--model` must be a whole model's folder; got `{folder.name}`, which is damaged ({what}). Train anew."
    )
