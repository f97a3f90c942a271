"""One step of training: the gradient of the loss over all labelled accounts, or over a draw of them in mini-batches.

While the training graphs fit, a step is the whole of them (`WholeGraphs`). Larger ones are learnt from by batches of seed accounts
with drawn neighbourhoods (`SeedBatches`), whose gradients are summed into one step: with all accounts as seeds and all neighbours
drawn it is the same step, in less memory. So a round means one step either way, and rounds chosen on one are good for the other.

Both are sums over parts that do not touch: the graphs of different cut-offs, or batches. Several workers therefore take some of the
parts each and sum their gradients (`Workers`); noise and draws follow from seed, round and part, not from who computes them.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from gnn.cutoffs import Labelled
from gnn.sage import Noise, TypedSAGE
from gnn.sampling import NeighbourSampler, SampledGraph
from gnn.tensors import GraphTensors, build_csr
from gnn.train_config import TrainConfig
from gnn.workers import ALONE, Workers
from graph.errors import InputError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.data import Data
    from torch_geometric.loader import NodeLoader

__all__ = ["Batch", "SeedBatches", "Step", "WholeGraphs", "moved", "plan_step"]

Batch = tuple[
    GraphTensors, Tensor, Tensor
]  # graphs side by side, the labelled accounts' rows in them, and their targets


class Step(Protocol):
    """Leaves the step's gradients in the network's parameters; the loss, a float."""

    def __call__(self, network: TypedSAGE, number: int, /) -> float:
        """`number` counts the steps from 1."""
        ...


def plan_step(
    parts: Sequence[Labelled],
    build: Callable[[Sequence[Labelled]], Batch],
    config: TrainConfig,
    seed: int,
    device: torch.device,
    workers: Workers = ALONE,
) -> Step:
    """The way to learn from these examples.

    Args:
        parts: examples of the cut-offs, in order.
        build: makes tensors of some of the parts, on the CPU.
        config: settings; more than `sage_full_accounts` accounts are learnt from in mini-batches.
        seed: of dropout and draws.
        device: where the network is.
        workers: each takes its share, and gets the sum.
    """
    target = np.concatenate([part.target for part in parts])
    weight = class_weight(torch.from_numpy(target.astype(np.float32)), config.sage_positive_weight)
    sizes = [part.cutoff.features.height for part in parts]
    amp = config.sage_bf16 and device.type == "cuda"
    if sum(sizes) > config.sage_full_accounts:
        return SeedBatches(build(parts), weight, config, seed, device, workers, amp)
    mine = deal(sizes, workers.count)[workers.number]
    own_rows = np.repeat([place in mine for place in range(len(parts))], sizes)
    own_weight = np.repeat([place in mine for place in range(len(parts))], [len(part.target) for part in parts])
    batch = moved(build([parts[place] for place in mine]), device) if mine else None
    noise = _rows_noise(seed + 1, None if len(mine) == len(parts) else own_rows, device)
    return WholeGraphs(batch, weight[torch.from_numpy(own_weight)].to(device), len(weight), noise, workers, amp)


def class_weight(target: Tensor, share: float) -> Tensor:
    """Weights with which the positives together count `share` of what the negatives do; their mean is 1."""
    positive = target.sum().clamp(min=1)
    ratio = torch.clamp(share * (len(target) - positive) / positive, min=1.0)
    weight = torch.where(target > 0, ratio, torch.ones_like(ratio))
    return weight / weight.mean()


def deal(sizes: Sequence[int], n: int) -> list[list[int]]:
    """Places dealt to n workers, largest first, each to the one who has least; a worker's in order."""
    dealt: list[list[int]] = [[] for _ in range(n)]
    load = [0] * n
    for place in sorted(range(len(sizes)), key=lambda place: (-sizes[place], place)):
        least = load.index(min(load))
        dealt[least].append(place)
        load[least] += sizes[place]
    return [sorted(places) for places in dealt]


class WholeGraphs:
    """A step over all examples of whole graphs."""

    def __init__(
        self, batch: Batch | None, weight: Tensor, n_rows: int, noise: Noise, workers: Workers, amp: bool
    ) -> None:
        self.batch, self.weight, self.n_rows = batch, weight, n_rows
        self.noise, self.workers, self.amp = noise, workers, amp

    def __call__(self, network: TypedSAGE, _number: int) -> float:
        """See `Step`."""
        network.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.weight.device)
        if self.batch is not None:  # more workers than cut-offs: one has none
            loss = _learn(network, *self.batch, self.weight, self.n_rows, self.noise, self.amp)
        return _sum_up(network, loss, self.workers)


class SeedBatches:
    """A step over a draw of the examples, batch by batch, with drawn neighbourhoods, through PyG's `NodeLoader`.

    Positives make up to a quarter of the seeds, the rest is drawn evenly from the negatives, and the loss counts each by one over
    its chance to be drawn: its mean is that over all examples.
    """

    def __init__(
        self,
        batch: Batch,
        weight: Tensor,
        config: TrainConfig,
        seed: int,
        device: torch.device,
        workers: Workers = ALONE,
        amp: bool = False,
    ) -> None:
        self.tensors, self.rows, self.target = batch
        self.weight, self.config, self.seed, self.device = weight, config, seed, device
        self.workers, self.amp = workers, amp
        self.graph = sampled_graph(self.tensors)

    def __call__(self, network: TypedSAGE, number: int) -> float:
        """See `Step`."""
        network.zero_grad(set_to_none=True)
        loss = torch.zeros((), device=self.device)
        chosen, weight = self._draw(number)
        for part, (place, tensors) in self._blocks(chosen, number):
            noise = _rows_noise([self.seed + 1, number, part], None, self.device)
            rows = torch.arange(len(place), device=self.device)  # seeds come first
            target, own = self.target[place].to(self.device), weight[place].to(self.device)
            loss += _learn(network, tensors.to(self.device), rows, target, own, len(self.weight), noise, self.amp)
        return _sum_up(network, loss, self.workers)

    def _draw(self, number: int) -> tuple[Tensor, Tensor]:
        """Places of the seeds among the examples, shuffled, and all examples' weights with those of the seeds raised."""
        random = np.random.default_rng([self.seed, number])
        positive = self.target.numpy() > 0
        n_seeds = self.config.sage_seeds
        n_positive = min(int(positive.sum()), max(n_seeds // 4, n_seeds - int((~positive).sum())))
        weight, chosen = self.weight.clone(), []
        for places, wanted in (
            (np.flatnonzero(positive), n_positive),
            (np.flatnonzero(~positive), n_seeds - n_positive),
        ):
            drawn = random.choice(places, min(wanted, len(places)), replace=False)
            weight[torch.from_numpy(drawn)] *= len(places) / max(len(drawn), 1)
            chosen.append(drawn)
        return torch.from_numpy(random.permutation(np.concatenate(chosen))), weight

    def _blocks(self, chosen: Tensor, number: int) -> Iterator[tuple[int, tuple[Tensor, GraphTensors]]]:
        """This worker's batches: each one's number, its seeds' places among the examples, and what was drawn around them."""
        size = self.config.sage_batch
        starts = range(0, len(chosen), size)
        parts = [(part, chosen[start : start + size]) for part, start in enumerate(starts)]
        parts = parts[self.workers.number :: self.workers.count]
        if not parts:
            return
        near, far = self.config.sage_near, self.config.sage_far
        sampler = NeighbourSampler(self.graph, [near, near, far, far], self.seed * 1_000_003 + number)
        # `edge_index` is what `NodeLoader` puts a batch's edges in; of ours it needs none
        n_nodes = len(self.graph.pointer) - 1
        data = Data(edge_index=torch.empty((2, 0), dtype=torch.long), num_nodes=n_nodes)
        seeds = self.rows[torch.cat([place for _, place in parts])]
        loader = NodeLoader(data, sampler, input_nodes=seeds, batch_size=size)
        for (part, place), drawn in zip(parts, loader, strict=True):
            yield part, (place, block(self.tensors, drawn.n_id.numpy(), *drawn.edge_index.numpy()))


def sampled_graph(tensors: GraphTensors) -> SampledGraph:
    """Both directions as one graph for the sampler: accounts, then identifiers type by type."""
    n = tensors.accounts.shape[0]
    to_accounts, to_identifiers = tensors.to_accounts, tensors.to_identifiers
    n_links = to_accounts.index.numel()
    if 2 * n_links > np.iinfo(np.int32).max:
        raise InputError(f"`links` must be below 2**30 to be sampled; got {n_links}. Lower `train.sage_accounts`.")
    return SampledGraph(
        pointer=torch.cat([to_accounts.pointer, to_identifiers.pointer[1:] + n_links]).numpy(),
        index=torch.cat([to_accounts.index + n, to_identifiers.index]).numpy(),
        kind_ends=np.array([n, *(n + end for end in tensors.type_ends)], dtype=np.int64),
    )


def block(
    tensors: GraphTensors, node: NDArray[np.int64], source: NDArray[np.int64], target: NDArray[np.int64]
) -> GraphTensors:
    """What was drawn as a small graph of its own, whose means are over the neighbours that were drawn.

    Args:
        tensors: the whole.
        node: int64 [k], numbers in `sampled_graph`, the seeds first.
        source, target: int64 [e], places in `node`.
    """
    n = tensors.accounts.shape[0]
    is_account = node < n
    account, identifier = node[is_account], node[~is_account] - n
    order = np.argsort(identifier, kind="stable")  # by type, then number
    place = np.empty(len(node), dtype=np.int64)
    place[is_account] = np.arange(len(account))
    place[np.flatnonzero(~is_account)[order]] = np.arange(len(identifier))
    identifier = identifier[order]
    kind = np.searchsorted(tensors.type_ends, identifier, side="right")
    source, target, hears = place[source], place[target], is_account[target]
    row, column = target[~hears], source[~hears]
    share = 1.0 / np.bincount(row, minlength=1)[row]
    listener, told = target[hears], source[hears]
    per_kind = listener * len(tensors.type_ends) + kind[told]
    told_share = 1.0 / np.bincount(per_kind, minlength=1)[per_kind]
    return GraphTensors(
        accounts=tensors.accounts[torch.from_numpy(account)],
        identifiers=tensors.identifiers[torch.from_numpy(identifier)],
        type_ends=tuple(np.searchsorted(kind, np.arange(len(tensors.type_ends)), side="right").tolist()),
        to_identifiers=build_csr(row, column, share, len(identifier), len(account)),
        to_accounts=build_csr(listener, told, told_share, len(account), len(identifier)),
        offsets=(0, len(account)),
    )


def _learn(
    network: TypedSAGE,
    tensors: GraphTensors,
    rows: Tensor,
    target: Tensor,
    weight: Tensor,
    n_rows: int,
    noise: Noise,
    amp: bool,
) -> Tensor:
    """Adds the gradients of these rows' share of the mean loss over `n_rows`; that share."""
    with torch.autocast(weight.device.type, dtype=torch.bfloat16, enabled=amp):
        logits, _ = network(tensors, noise)
    loss = functional.binary_cross_entropy_with_logits(logits[rows].float(), target, weight=weight, reduction="sum")
    loss = loss / n_rows
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _sum_up(network: nn.Module, loss: Tensor, workers: Workers) -> float:
    """Gradients and loss summed over the workers; a parameter that nothing touched has a gradient of zeros there."""
    if workers.count > 1:
        for parameter in network.parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        loss = loss.clone()
        workers.reduce([loss, *(parameter.grad for parameter in network.parameters() if parameter.grad is not None)])
    return float(loss)


def _rows_noise(seed: int | Sequence[int], rows: NDArray[np.bool_] | None, device: torch.device) -> Noise:
    """Draws, on the device, for all rows of a state, of which only those where `rows` holds are kept: a share gets what the whole would give it."""
    start = (
        seed if isinstance(seed, int) else int(np.random.SeedSequence(list(seed)).generate_state(1, np.uint64)[0] >> 1)
    )
    generator = torch.Generator(device).manual_seed(start)
    kept = None if rows is None else torch.from_numpy(np.flatnonzero(rows)).to(device)

    def draw(shape: torch.Size) -> Tensor:
        if rows is None or kept is None:
            return torch.rand(shape, generator=generator, device=device)
        return torch.rand((len(rows), *shape[1:]), generator=generator, device=device)[kept]

    return draw


def moved(batch: Batch, device: torch.device) -> Batch:
    """The same on a device."""
    tensors, rows, target = batch
    return tensors.to(device), rows.to(device), target.to(device)
