"""Training and scoring with typed GraphSAGE."""

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from gnn.batches import Batch, moved, plan_step
from gnn.cutoffs import CutOff, Labelled
from gnn.features import FEATURES
from gnn.model_types import Fitted, FittedModel, Trace
from gnn.sage import HIDDEN, TypedSAGE
from gnn.tensors import IDENTIFIER_INPUTS, GraphTensors, Standardiser, build_tensors
from gnn.thinning import thin
from gnn.train_config import Progress, TrainConfig
from gnn.warm_start import carry_weights
from gnn.workers import ALONE, Workers
from graph.snapshot import Snapshot

__all__ = ["Sage", "infer_all", "inputs_of"]

Part = tuple[Snapshot, NDArray[np.int64]]  # some accounts with what is around them, and their numbers in the whole

# message passing finds the neighbours' means by itself
_INPUTS = [feature.name for feature in FEATURES if feature.family != "neighbours"]


@dataclass(frozen=True)
class Sage:
    """A trained `TypedSAGE` with the standardisation of its inputs.

    Attributes:
        weights: parameter name to float32 array.
        standardiser: fitted on the training accounts.
    """

    weights: Mapping[str, NDArray[np.float32]]
    standardiser: Standardiser

    @classmethod
    def fit(
        cls,
        train: list[Labelled],
        valid: Sequence[Labelled],
        rounds: int | None,
        config: TrainConfig,
        seed: int,
        n_threads: int,
        progress: Progress,
        former: FittedModel | None = None,
        workers: Workers = ALONE,
    ) -> Fitted:
        """See `gnn.model_types.ModelKind`; deterministic on a CPU, on the GPU when there is one.

        A former network that `continues` lends its weights to begin with. The learning rate is a fresh network's: with a lower one
        the network stays at what the former had learnt, and misses what is new.
        """
        sizes = np.cumsum([part.cutoff.features.height for part in reversed(train)])
        train = train[-max(1, int((sizes <= config.sage_accounts).sum())) :]
        if (
            train[-1].cutoff.draw is not None
        ):  # of a large world two cut-offs serve, so validation learns from one, and so does what scores
            train = [thin(train[-1], config.sage_around, seed)]
        standardiser = Standardiser.fit(np.concatenate([_Inputs(part.cutoff, part.account)[:] for part in train]))
        epochs = rounds or config.sage_epochs
        with _exact(n_threads) as device:
            build = partial(_batch, standardiser=standardiser)
            step = plan_step(train, build, config, seed, device, workers)
            looked = moved(build(valid), device) if valid else None
            network = _network(seed, config.sage_dropout)
            if isinstance(former, Sage) and former.continues:
                _load(network, carry_weights(former.weights, former.standardiser, standardiser))
            network.to(device)
            optimiser = torch.optim.Adam(
                network.parameters(), lr=config.sage_learning_rate, weight_decay=config.sage_decay
            )
            schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimiser, max_lr=config.sage_learning_rate, total_steps=max(config.sage_epochs, epochs)
            )
            steps, trace = [], []
            for epoch in range(1, epochs + 1):
                network.train()
                loss = step(network, epoch)
                optimiser.step()
                schedule.step()
                if epoch % config.sage_every == 0 or epoch == epochs:
                    progress(f"GraphSAGE: epoch {epoch} of {epochs}, loss {loss:.4f}")
                    if looked is not None:
                        steps.append(epoch)
                        trace.append(_evaluate(network, looked[0])[0][looked[1]].double().cpu().numpy())
            weights = {name: value.detach().cpu().numpy().copy() for name, value in network.state_dict().items()}
        found = Trace(tuple(steps), np.asarray(trace)) if looked is not None else None
        return Fitted(cls(weights, standardiser), found)

    @property
    def continues(self) -> bool:
        """Whether another may go on from it: its parameters have the names and shapes of a new one's, and it did not diverge."""
        shapes = {name: tuple(value.shape) for name, value in _network(0, 0.0).state_dict().items()}
        is_whole = all(bool(np.isfinite(value).all()) for value in self.weights.values())
        return is_whole and {name: value.shape for name, value in self.weights.items()} == shapes

    def logits(self, cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """Log odds of all accounts, float64 [n]."""
        return self.infer(cutoff, n_threads)[0]

    @classmethod
    def sum_logits(cls, models: Sequence[FittedModel], cutoff: CutOff, n_threads: int) -> NDArray[np.float64]:
        """See `gnn.model_types.ModelKind`."""
        total = np.zeros(cutoff.features.height)
        for logits, _ in infer_all([model for model in models if isinstance(model, Sage)], cutoff, n_threads):
            total += logits
        return total

    def infer(self, cutoff: CutOff, n_threads: int) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
        """Log odds, float64 [n], and embeddings, float32 [n, 64], of all accounts, layer by layer over the whole graph.

        A network that diverged embeds accounts at zero and has no finite log odds: it must not score, and fails nothing.
        """
        return infer_all([self], cutoff, n_threads)[0]

    def network(self) -> TypedSAGE:
        """The network in evaluation, on the CPU."""
        network = _network(0, 0.0)
        _load(network, self.weights)
        return network.eval()

    def tensors(self, cutoff: CutOff, part: Part | None = None) -> GraphTensors:
        """What the network reads of a cut-off, or of a part of its accounts, on the CPU."""
        # a part of a draw would have to say for how many its accounts stand
        assert part is None or cutoff.draw is None
        snapshot, number = part or (cutoff.snapshot, None)
        return build_tensors([(snapshot, _Inputs(cutoff, number))], self.standardiser, [cutoff.draw], anew=True)

    def to_files(self) -> dict[str, bytes]:
        """One .npz without pickled objects."""
        content = io.BytesIO()
        np.savez(
            content,
            allow_pickle=False,
            standardiser_centre=self.standardiser.centre,
            standardiser_scale=self.standardiser.scale,
            **{f"weight.{name}": value for name, value in sorted(self.weights.items())},
        )
        return {"sage.npz": content.getvalue()}

    @classmethod
    def from_files(cls, files: Mapping[str, bytes]) -> "Sage":
        """What `to_files` wrote."""
        with np.load(io.BytesIO(files["sage.npz"]), allow_pickle=False) as stored:
            weights = {name.removeprefix("weight."): stored[name] for name in stored if name.startswith("weight.")}
            return cls(weights, Standardiser(stored["standardiser_centre"], stored["standardiser_scale"]))


def inputs_of(networks: Sequence[Sage], cutoff: CutOff, part: Part | None = None) -> Iterator[GraphTensors]:
    """What each network reads of a cut-off, or of a part of it, on the CPU; what those of one training read is the same, and made once."""
    made: tuple[Standardiser, GraphTensors] | None = None
    for network in networks:
        if made is None or not network.standardiser.equals(made[0]):
            made = network.standardiser, network.tensors(cutoff, part)
        yield made[1]


def infer_all(
    networks: Sequence[Sage], cutoff: CutOff, n_threads: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float32]]]:
    """`Sage.infer` by each network."""
    found = []
    for network, tensors in zip(networks, inputs_of(networks, cutoff), strict=True):
        with _exact(n_threads) as device:
            logits, hidden = _evaluate(network.network().to(device), tensors.to(device))
            finite = torch.nan_to_num(hidden.float(), nan=0.0, posinf=0.0, neginf=0.0)
            found.append((logits.double().cpu().numpy(), finite.cpu().numpy()))
    return found


@dataclass(frozen=True)
class _Inputs:
    """What the network reads of accounts, a block of them at a time: of all, or of those whose numbers are given."""

    cutoff: CutOff
    number: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return self._features.height if self.number is None else len(self.number)

    def __getitem__(self, rows: slice) -> NDArray[np.float32]:
        return self._features[rows if self.number is None else self.number[rows]].to_numpy(order="c")

    @cached_property
    def _features(self) -> pl.DataFrame:
        return self.cutoff.features.select(_INPUTS)


def _network(seed: int, dropout: float) -> TypedSAGE:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return TypedSAGE(len(_INPUTS), len(IDENTIFIER_INPUTS), HIDDEN, dropout)


def _load(network: TypedSAGE, weights: Mapping[str, NDArray[np.float32]]) -> None:
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in weights.items()})


def _batch(parts: Sequence[Labelled], standardiser: Standardiser) -> Batch:
    """All parts' graphs side by side, the labelled rows in them and their targets."""
    graphs = [(part.cutoff.snapshot, _Inputs(part.cutoff)) for part in parts]
    tensors = build_tensors(graphs, standardiser, [part.cutoff.draw for part in parts])
    rows = np.concatenate([part.account + start for part, start in zip(parts, tensors.offsets, strict=False)])
    target = np.concatenate([part.target for part in parts]).astype(np.float32)
    return tensors, torch.from_numpy(rows), torch.from_numpy(target)


def _evaluate(network: TypedSAGE, tensors: GraphTensors) -> tuple[Tensor, Tensor]:
    network.eval()
    return network.infer(tensors)


@contextmanager
def _exact(n_threads: int) -> Iterator[torch.device]:
    """Fixed threads and deterministic kernels on the CPU; the GPU when there is one. Restores what was set before."""
    threads, was = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(max(1, n_threads))
    torch.use_deterministic_algorithms(device.type == "cpu")
    filled = _fill_memory(False)  # every tensor is written before it is read
    try:
        yield device
    finally:
        _fill_memory(filled)
        torch.use_deterministic_algorithms(was)
        torch.set_num_threads(threads)


def _fill_memory(on: bool) -> bool:
    """Sets whether torch's deterministic mode fills new memory first, which costs an eighth of an epoch; returns what was set."""
    before = bool(getattr(torch.utils.deterministic, "fill_uninitialized_memory"))  # noqa: B009  (untyped there)
    setattr(torch.utils.deterministic, "fill_uninitialized_memory", on)  # noqa: B010
    return before
