"""Typed GraphSAGE over the account-identifier graph.

Paper: W. Hamilton, R. Ying, J. Leskovec, Inductive Representation Learning on Large Graphs, NeurIPS 2017 (mean aggregator),
with weights of their own for each identifier type, as in M. Schlichtkrull et al., Modeling Relational Data with Graph
Convolutional Networks, 2018.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from gnn.tensors import Csr, GraphTensors
from graph.schema import IDENTIFIERS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.nn import MessagePassing

__all__ = ["CHUNK", "HIDDEN", "MeanAggregation", "TypedSAGE", "TypedSAGELayer", "mean_aggregate"]

HIDDEN = 64
CHUNK = 32_768  # rows of a state that are worked on at once: 8 MiB


Noise = Callable[[torch.Size], Tensor]  # uniform draws from 0 to 1 of a shape


class _Told(NamedTuple):
    messages: Tensor  # [m, d]: what each identifier tells its accounts
    states: Tensor  # [m, d], or no rows where nobody asks


def _chunks(begin: int, end: int) -> list[tuple[int, int]]:
    return [(start, min(start + CHUNK, end)) for start in range(begin, end, CHUNK)]


class MeanAggregation(torch.autograd.Function):
    """Weighted sum over the rows of a `Csr`, as an `embedding_bag`; its gradient is the same over the transpose.

    Ten times as fast as gather and index_add on a CPU, and each row sums in one order, so that runs repeat to the bit.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, values: Tensor, adjacency: Csr) -> Tensor:
        ctx.adjacency = adjacency  # type: ignore[attr-defined]
        return _bag(values, adjacency)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, gradient: Tensor) -> tuple[Tensor, None]:
        adjacency = ctx.adjacency  # type: ignore[attr-defined]
        return _bag(gradient.contiguous(), adjacency.transposed), None


def _bag(values: Tensor, adjacency: Csr) -> Tensor:
    if adjacency.index.numel() == 0:
        return values.new_zeros((adjacency.pointer.numel() - 1, values.shape[1]))
    return functional.embedding_bag(
        adjacency.index,
        values,
        adjacency.pointer,
        mode="sum",
        per_sample_weights=adjacency.weight.to(values.dtype),
        include_last_offset=True,
    )


def mean_aggregate(values: Tensor, adjacency: Csr) -> Tensor:
    """The weighted means of `values` [n_columns, d] over the rows of `adjacency`: [n_rows, d]."""
    return MeanAggregation.apply(values, adjacency)  # type: ignore[no-any-return]


class TypedSAGELayer(MessagePassing):  # type: ignore[misc]
    """One round: identifiers hear their accounts, then accounts hear their identifiers, type by type.

    With t(i) the type of identifier i, and N_t(a) the identifiers of type t that account a uses:

        h'_i = relu(z_i U_t(i) + mean_{a in N(i)} h_a V_t(i) + b_t(i))
        h'_a = h_a W + sum_t mean_{i in N_t(a)} h'_i W_t + c

    Shapes: accounts [n, d_in], identifiers [m, d_z] in; accounts [n, d_out], identifiers [m, d_out] out. Messages flow by
    `mean_aggregate`; with `by_edge` set, edge by edge through `propagate` and `message`, with the same result, so that the
    contribution of single edges can be read.
    """

    def __init__(self, d_accounts: int, d_identifiers: int, d_out: int) -> None:
        super().__init__(aggr="sum")
        self.by_edge = False
        n_types = len(IDENTIFIERS)
        self.own = nn.Linear(d_accounts, d_out)
        self.seen = nn.ModuleList(nn.Linear(d_identifiers, d_out) for _ in range(n_types))
        self.heard = nn.ModuleList(nn.Linear(d_accounts, d_out, bias=False) for _ in range(n_types))
        self.told = nn.ModuleList(nn.Linear(d_out, d_out, bias=False) for _ in range(n_types))

    def forward(self, accounts: Tensor, identifiers: Tensor, tensors: GraphTensors) -> tuple[Tensor, Tensor]:
        """One round; see the class."""
        heard = self._means(accounts, tensors.to_identifiers)
        states, messages, start = [], [], 0
        for kind, end in enumerate(tensors.type_ends):
            state = functional.relu(self.seen[kind](identifiers[start:end]) + self.heard[kind](heard[start:end]))
            states.append(state)
            messages.append(self.told[kind](state))
            start = end
        told = self._means(torch.cat(messages), tensors.to_accounts)
        return self.own(accounts) + told, torch.cat(states)

    def infer(self, accounts: Tensor, identifiers: Tensor, tensors: GraphTensors, keep: bool) -> "_Told":
        """The identifiers' half of a round without gradients, in place and by chunks of rows; `accounts` is left as it is."""
        n, width = tensors.identifiers.shape[0], self.own.out_features
        messages = accounts.new_empty((n, width))
        states = accounts.new_empty((n if keep else 0, width))
        start = 0
        for kind, end in enumerate(tensors.type_ends):
            seen, heard, told = (cast(nn.Linear, linear[kind]) for linear in (self.seen, self.heard, self.told))
            for begin, until in _chunks(start, end):
                inputs = identifiers[begin:until].to(accounts.dtype)
                state = torch.addmm(seen.bias, inputs, seen.weight.t())
                state.addmm_(_bag(accounts, tensors.to_identifiers.rows(begin, until)), heard.weight.t()).relu_()
                torch.mm(state, told.weight.t(), out=messages[begin:until])
                if keep:
                    states[begin:until] = state
            start = end
        return _Told(messages, states)

    def message(self, x_j: Tensor, weight: Tensor) -> Tensor:
        """An edge's message: the neighbour's state by the edge's share of the mean."""
        return x_j * weight.unsqueeze(-1)

    def _means(self, values: Tensor, adjacency: Csr) -> Tensor:
        if not self.by_edge:
            return mean_aggregate(values, adjacency)
        counts = (adjacency.pointer[1:] - adjacency.pointer[:-1]).long()
        row = torch.repeat_interleave(torch.arange(len(counts), device=counts.device), counts)
        edges = torch.stack([adjacency.index.long(), row])
        out: Tensor = self.propagate(edges, x=(values, None), weight=adjacency.weight, size=(len(values), len(counts)))
        return out


class TypedSAGE(nn.Module):
    """Two rounds of `TypedSAGELayer` between a projection of the features and a linear head.

    The embedding is the last hidden state, [n, 64]; the logit is linear in it.
    """

    def __init__(self, n_features: int, n_inputs: int, hidden: int = HIDDEN, dropout: float = 0.2) -> None:
        super().__init__()
        self.project = nn.Linear(n_features, hidden)
        self.first = TypedSAGELayer(hidden, n_inputs, hidden)
        self.second = TypedSAGELayer(hidden, hidden, hidden)
        self.norms = nn.ModuleList(nn.LayerNorm(hidden) for _ in range(2))
        self.head = nn.Linear(hidden, 1)
        self.dropout = dropout

    def forward(self, tensors: GraphTensors, noise: Noise | None = None) -> tuple[Tensor, Tensor]:
        """Logits [n] and embeddings [n, hidden] of all accounts; dropout only in training, by the draws of `noise`."""
        state = self._drop(functional.relu(self.project(tensors.accounts[:])), noise)
        heard, identifiers = self.first(state, tensors.identifiers, tensors)
        state = self._drop(functional.relu(self.norms[0](heard)) + state, noise)
        heard, _ = self.second(state, identifiers, tensors)
        state = functional.relu(self.norms[1](heard)) + state
        return self.head(self._drop(state, noise)).squeeze(-1), state

    @torch.no_grad()
    def begin(self, tensors: GraphTensors) -> Tensor:
        """The accounts' states before the first round, [n, hidden], without gradients, by chunks of rows."""
        project = self.project
        state = project.weight.new_empty((tensors.accounts.shape[0], project.out_features))
        for begin, end in _chunks(0, len(state)):
            rows = tensors.accounts[begin:end].to(state.dtype)
            torch.addmm(project.bias, rows, project.weight.t(), out=state[begin:end]).relu_()
        return state

    @torch.no_grad()
    def infer(self, tensors: GraphTensors) -> tuple[Tensor, Tensor]:
        """What `forward` gives in evaluation, layer by layer over all nodes, in the type of the parameters.

        States are updated in place and in chunks of `CHUNK` rows, so that beside the tensors it takes one state an account and two an
        identifier, and chunks stay in the cache. Sums run in `forward`'s order; the products' rounding may differ in the last bits.
        """
        state = self.begin(tensors)
        identifiers = tensors.identifiers
        for number, layer in enumerate((self.first, self.second)):
            norm = cast(nn.LayerNorm, self.norms[number])
            told = layer.infer(state, identifiers, tensors, keep=number == 0)
            for begin, end in _chunks(0, len(state)):
                own = state[begin:end]
                heard = _bag(told.messages, tensors.to_accounts.rows(begin, end))
                heard.addmm_(own, layer.own.weight.t()).add_(layer.own.bias)
                own += functional.layer_norm(
                    heard, list(norm.normalized_shape), norm.weight, norm.bias, norm.eps
                ).relu_()
            identifiers = told.states
            del told
        return self.head(state).squeeze(-1), state

    def _drop(self, state: Tensor, noise: Noise | None) -> Tensor:
        if not self.training or noise is None or self.dropout == 0:
            return state
        keep = noise(state.shape) >= self.dropout
        return state * keep / (1 - self.dropout)
