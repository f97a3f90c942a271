"""A trained model: its members, how they are calibrated and blended, and what validation said."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn.alignment import EmbeddingSpace
from gnn.calibration import Calibration
from gnn.cutoffs import INPUT_NAMES, CutOff
from gnn.first_look import FirstLook
from gnn.metrics import Metrics
from gnn.model_types import FittedModel
from gnn.registry import BLEND, MEMBERS
from gnn.train_config import MODEL_FORMAT, TrainConfig

__all__ = ["FIRST", "NotTrained", "OutOfFold", "TrainedModel", "blend_logits"]

FIRST = "first"  # begins the names of the folders of the first look's models


@dataclass(frozen=True)
class NotTrained:
    """Why there is no model; a night without one has links and clusters, and no scores."""

    reason: str


@dataclass(frozen=True)
class OutOfFold:
    """What models that did not see an account's group say of it, for all accounts of the last cut-off that have a target.

    Attributes:
        account: int64 [k], numbers in the last cut-off's snapshot.
        target: int8 [k].
        unclear: bool [k], as in `gnn.cutoffs.Labelled`.
        scores: name in `gnn.registry.MODELS` to probabilities, float64 [k], before one looks whether an outcome has come.
    """

    account: NDArray[np.int64]
    target: NDArray[np.int8]
    unclear: NDArray[np.bool_]
    scores: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class TrainedModel:
    """What a training leaves.

    Attributes:
        members: name in `gnn.registry.MEMBERS` to its models, one a seed; logits are their mean.
        first: the models of the first look.
        calibrations: member, or `blend`, to the map from its logit to the probability for an account whose outcome did not come
            though it could have.
        blend_weight: share of `trees` in the blend's logit, 0 to 1; the rest is `sage`.
        embedding: what its embeddings mean, and how they come from its networks.
        default: the model that scores, a name of `gnn.registry.MODELS`.
        rounds: epochs or boosting rounds of each member, chosen on validation.
        config, seed: what it was trained with.
        as_of: when; outcomes known before it were used.
        cutoffs: the earlier cut-offs of its examples; the last one was validated on.
        validation: how the validation accounts were set apart, in words.
        metrics: model name to its quality on the validation accounts, each scored by a model that did not see its group.
            Rounds, blend and calibration were chosen on the same accounts, so the numbers flatter a little. Some of these have an
            outcome, so probabilities are before one looks whether one has come.
        controls: the controls' quality, one row each, all on the same accounts.
        found_share: share of the synthetic accounts of the last cut-off that have been confirmed, as the default's calibration estimates it.
        silence: what it added to the default's log odds that no outcome has come (`gnn.calibration.Outcomes`).
        out_of_fold: scores of the validation accounts; only where it was just trained, for it is not kept.
    """

    members: Mapping[str, tuple[FittedModel, ...]]
    first: FirstLook
    calibrations: Mapping[str, Calibration]
    blend_weight: float
    embedding: EmbeddingSpace
    default: str
    rounds: Mapping[str, int]
    config: TrainConfig
    seed: int
    as_of: datetime
    cutoffs: tuple[datetime, ...]
    validation: str
    metrics: Mapping[str, Metrics]
    controls: tuple[Mapping[str, Any], ...]
    found_share: float
    silence: float
    out_of_fold: OutOfFold | None = None

    @cached_property
    def version(self) -> str:
        """16 hex digits of a hash over weights, calibration, alignment and configuration: equal trainings have equal versions."""
        digest = hashlib.sha256()
        for path, content in sorted(self.files().items()):
            digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
        return digest.hexdigest()[:16]

    def files(self) -> dict[str, bytes]:
        """Relative path to content of all that decides a score or an embedding."""
        files = {
            f"{name}-{place}/{path}": content
            for name, models in (*self.members.items(), (FIRST, self.first.models))
            for place, model in enumerate(models)
            for path, content in model.to_files().items()
        }
        path, content = self.embedding.to_file()
        files[path] = content
        files["model.json"] = (json.dumps(self.describe(), indent=1, sort_keys=True) + "\n").encode()
        return files

    def describe(self) -> dict[str, Any]:
        """Plain values: everything but the weights and what was measured."""
        return {
            "format": MODEL_FORMAT,
            "members": {name: len(models) for name, models in self.members.items()},
            "n_first": len(self.first.models),
            "calibrations": {name: asdict(value) for name, value in self.calibrations.items()},
            "blend_weight": self.blend_weight,
            "found_share": self.found_share,
            "silence": self.silence,
            "embedding": self.embedding.describe(),
            "default": self.default,
            "rounds": dict(self.rounds),
            "config": self.config.to_dict(),
            "seed": self.seed,
            "as_of": self.as_of.isoformat(),
            "cutoffs": [cutoff.isoformat() for cutoff in self.cutoffs],
            "validation": self.validation,
            "features": list(INPUT_NAMES),
        }

    def probabilities(self, cutoff: CutOff, n_threads: int, name: str | None = None) -> NDArray[np.float64]:
        """Calibrated probabilities of all accounts of a snapshot, float64 [n], by the default model or the one named."""
        name = name or self.default
        needed = tuple(self.members) if name == BLEND else (name,)
        cutoff = self.look(cutoff, n_threads)
        return self.combine({member: self.member_logits(member, cutoff, n_threads) for member in needed}, name)

    def combine(self, logits: Mapping[str, NDArray[np.float64]], name: str) -> NDArray[np.float64]:
        """Calibrated probabilities by the named model from its members' logits."""
        value = blend_logits(logits, self.calibrations, self.blend_weight) if name == BLEND else logits[name]
        return self.calibrations[name].apply(value)

    def member_logits(self, name: str, cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """Mean over the member's seeds, uncalibrated, float64 [n]."""
        cutoff = cutoff if name == "sage" else self.look(cutoff, n_threads)  # the network hears neighbours by itself
        models = self.members[name]
        return MEMBERS[name].sum_logits(models, cutoff, n_threads) / len(models)

    def look(self, cutoff: CutOff, n_threads: int) -> CutOff:
        """The cut-off with what is near each account, if it lacks it: what members take scores from."""
        return self.first.add_to(cutoff, n_threads) if cutoff.near is None else cutoff


def blend_logits(
    logits: Mapping[str, NDArray[np.float64]], calibrations: Mapping[str, Calibration], weight: float
) -> NDArray[np.float64]:
    """The members' calibrated log odds, `weight` of trees and the rest of sage: float64 [n]."""
    straight = {name: calibrations[name].slope * value + calibrations[name].offset for name, value in logits.items()}
    return weight * straight["trees"] + (1 - weight) * straight["sage"]
