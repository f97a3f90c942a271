"""Embeddings that go on meaning the same: a training's hidden states are mapped onto the embedding space of the one before.

Two trainings find the same structure along other axes, so a model fitted on one's vectors can make nothing of the other's. An
orthogonal map between them, found on accounts that both embed in one and the same graph, takes one to the other without
changing distances within either. The embedding is the mean over a model's networks, each under its own map: what the networks
agree on stays, and what each draws by chance is averaged out.

References:
    P. Schoenemann, A generalized solution of the orthogonal Procrustes problem, Psychometrika 1966.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes

__all__ = [
    "LEAST_COSINE",
    "Agreement",
    "Alignment",
    "EmbeddingSpace",
    "Predecessor",
    "align",
    "continue_space",
    "measure_agreement",
]

FloatArray = NDArray[np.float64]

# On a made world (8,000 accounts, seed 31, a week between trainings): whole trainings of three networks agree by .88 and more,
# and an old head loses nothing; networks that learnt nothing or too little (none to 8 of 30 epochs, shuffled labels) by .66 to
# .75, and it loses a quarter to five sixths of its average precision.
LEAST_COSINE = 0.8
_RISKY_SHARE = 0.05
_N_NEIGHBOURS = 10
_N_SAMPLED = 500
_N_POOL = 20_000  # whose neighbours are looked for among so many, drawn by seed
_FILE = "embedding.npz"


@dataclass(frozen=True)
class Alignment:
    """One rigid map a network, from its hidden states into the embedding space.

    Attributes:
        centre: float64 [k, d], subtracted from the states of each of k networks.
        rotation: float64 [k, d, d], orthogonal; applied from the right.
        offset: float64 [d], added to the mean of all.
    """

    centre: FloatArray
    rotation: FloatArray
    offset: FloatArray

    def apply(self, hidden: Sequence[NDArray[Any]]) -> NDArray[np.float32]:
        """Embeddings, float32 [n, d], of the networks' hidden states, [n, d] each, in the networks' order."""
        k = len(self.centre)
        if len(hidden) != k:
            raise ValueError(f"hidden states of {k} networks are needed; got {len(hidden)}")
        constant = self.offset - sum(centre @ turn for centre, turn in zip(self.centre, self.rotation, strict=True)) / k
        total = np.broadcast_to(constant.astype(np.float32), hidden[0].shape).copy()
        for states, rotation in zip(hidden, self.rotation, strict=True):  # in float32: half the memory and time
            total += np.asarray(states, dtype=np.float32) @ (rotation / k).astype(np.float32)
        return total


@dataclass(frozen=True)
class Agreement:
    """How alike the embeddings of the same accounts are under two models.

    Attributes:
        cosine: mean cosine of an account's two vectors, both less the former's mean; -1 to 1.
        risky_cosine: the same over the twentieth of the accounts that the former model scored highest.
        kept_neighbours: mean share of an account's 10 nearest by cosine that stay among them, over a
            sample of 500 within a sample of 20,000.
        norm_ratio: mean norm now over before; a mean of networks that agree less is shorter.
        n_accounts: accounts compared.
    """

    cosine: float
    risky_cosine: float
    kept_neighbours: float
    norm_ratio: float
    n_accounts: int

    @property
    def keeps_version(self) -> bool:
        """Whether a model fitted on the former vectors can be fed with these: both cosines are at least `LEAST_COSINE`."""
        return min(self.cosine, self.risky_cosine) >= LEAST_COSINE


@dataclass(frozen=True)
class EmbeddingSpace:
    """What a model's embeddings mean.

    Attributes:
        version: models whose embeddings may be mixed have one and the same; 16 hex digits.
        alignment: from the model's networks into it.
        n_retrainings: trainings since the one that began the version.
        former: version of the model that it was compared with, if any.
        agreement: with that one, on the graph of the training's night.
    """

    version: str
    alignment: Alignment
    n_retrainings: int = 0
    former: str | None = None
    agreement: Agreement | None = None

    def to_file(self) -> tuple[str, bytes]:
        """Name and content, one .npz without pickled objects."""
        content = io.BytesIO()
        arrays = {name: getattr(self.alignment, name) for name in ("centre", "rotation", "offset")}
        np.savez(content, allow_pickle=False, **arrays)
        return _FILE, content.getvalue()

    def describe(self) -> dict[str, Any]:
        """Plain values, all but the alignment."""
        agreement = None if self.agreement is None else asdict(self.agreement)
        return {
            "version": self.version,
            "n_retrainings": self.n_retrainings,
            "former": self.former,
            "agreement": agreement,
        }

    @classmethod
    def from_file(cls, files: Mapping[str, bytes], described: Mapping[str, Any]) -> "EmbeddingSpace":
        """What `to_file` and `describe` gave."""
        with np.load(io.BytesIO(files[_FILE]), allow_pickle=False) as stored:
            alignment = Alignment(stored["centre"], stored["rotation"], stored["offset"])
        agreement = described["agreement"]
        found = None if agreement is None else Agreement(**agreement)
        return cls(described["version"], alignment, described["n_retrainings"], described["former"], found)


@dataclass(frozen=True)
class Predecessor:
    """The model that trained before, on the accounts of the graph on which the two are compared.

    Attributes:
        model_version: its own.
        embedding_version, n_retrainings: of its `EmbeddingSpace`.
        embedding: float [n, d].
        logit: float64 [n]; the higher the riskier.
    """

    model_version: str
    embedding_version: str
    n_retrainings: int
    embedding: NDArray[Any]
    logit: FloatArray


def continue_space(
    hidden: Sequence[NDArray[Any]], networks: Mapping[str, bytes], before: Predecessor | None, seed: int
) -> EmbeddingSpace:
    """The space of a new model's embeddings: its predecessor's, where they agree well enough, or one of its own.

    Args:
        hidden: of each network the last hidden states, [n, d], of one graph's accounts.
        networks: the networks' files; a new space is named after them.
        before: the predecessor on the same accounts in the same order; None where there is none.
        seed: of the accounts whose neighbours are compared.
    """
    agreement = None
    if before is not None and len(before.embedding):
        alignment = align(hidden, before.embedding)
        agreement = measure_agreement(before, alignment.apply(hidden), seed)
        if agreement.keeps_version:
            count = before.n_retrainings + 1
            return EmbeddingSpace(before.embedding_version, alignment, count, before.model_version, agreement)
    digest = hashlib.sha256()
    for path, content in sorted(networks.items()):
        digest.update(path.encode() + b"\0" + hashlib.sha256(content).digest())
    first = np.asarray(hidden[0], dtype=np.float64)
    own = align(hidden, first - first.mean(axis=0))  # about zero, so that cosines tell accounts apart
    return EmbeddingSpace(digest.hexdigest()[:16], own, 0, None if before is None else before.model_version, agreement)


def align(hidden: Sequence[NDArray[Any]], onto: NDArray[Any]) -> Alignment:
    """The rigid maps that take each network's states nearest to `onto`, by least squares.

    Args:
        hidden: [n, d] each.
        onto: [n, d], the same accounts in the same order.
    """
    target = np.asarray(onto, dtype=np.float64)
    offset = target.mean(axis=0)
    centres, rotations = [], []
    for states in hidden:
        own = np.asarray(states, dtype=np.float64)
        centre = own.mean(axis=0)
        rotation, _ = orthogonal_procrustes(own - centre, target - offset)
        centres.append(centre)
        rotations.append(rotation)
    return Alignment(np.asarray(centres), np.asarray(rotations), offset)


def measure_agreement(before: Predecessor, now: NDArray[Any], seed: int) -> Agreement:
    """Compares the embeddings `now`, [n, d], with those before; ties of neighbours go to the lower row."""
    centre = np.asarray(before.embedding, dtype=np.float64).mean(axis=0)
    old, new = np.asarray(before.embedding, dtype=np.float64) - centre, np.asarray(now, dtype=np.float64) - centre
    old_norm, new_norm = np.linalg.norm(old, axis=1), np.linalg.norm(new, axis=1)
    old, new = _unit(old, old_norm), _unit(new, new_norm)
    cosine = (old * new).sum(axis=1)
    n_risky = max(1, round(_RISKY_SHARE * len(old)))
    risky = np.argsort(-before.logit, kind="stable")[:n_risky]
    pool = np.random.default_rng(seed).permutation(len(old))[:_N_POOL]
    return Agreement(
        cosine=float(cosine.mean()),
        risky_cosine=float(cosine[risky].mean()),
        kept_neighbours=_kept_neighbours(old[pool], new[pool], _N_SAMPLED),
        norm_ratio=float(new_norm.mean() / max(old_norm.mean(), 1e-12)),
        n_accounts=len(old),
    )


def _unit(vectors: FloatArray, norm: FloatArray) -> FloatArray:
    return vectors / np.maximum(norm, 1e-12)[:, None]


def _kept_neighbours(old: FloatArray, new: FloatArray, n_sampled: int) -> float:
    """Mean share of the nearest of the first `n_sampled` rows that stay so, among all rows."""
    k = min(_N_NEIGHBOURS, len(old) - 1)
    if k < 1:
        return 1.0
    near = []
    for vectors in (old, new):
        alike = vectors[:n_sampled] @ vectors.T
        np.fill_diagonal(alike, -np.inf)
        near.append(np.argsort(-alike, axis=1, kind="stable")[:, :k])
    return float(np.mean([np.isin(one, other).mean() for one, other in zip(*near, strict=True)]))
