"""What each of an account's links adds to the network's logit: the logit less what it is without that link.

Occlusion, exact for the network: the link is taken out of both rounds, every mean over the rest is taken anew, and an identifier
that one account alone then holds goes, as in `gnn.tensors`. Features, and what is known of the identifier, stay as they are. A link
reaches its account's logit only through states one step around it, so the rest is computed once for all links, and each costs its
identifier's holders and its account's other identifiers: no second pass of the network.

References:
    M. Zeiler, R. Fergus, Visualizing and understanding convolutional networks, ECCV 2014: occlusion;
    R. Ying et al., GNNExplainer, NeurIPS 2019: explanations of graph networks by edges.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import ModuleList, functional

from gnn.cutoffs import CutOff
from gnn.drawing import part_of
from gnn.model import TrainedModel
from gnn.sage import TypedSAGE, mean_aggregate
from gnn.sage_model import Sage, inputs_of
from gnn.tensors import Csr, GraphTensors
from graph.schema import IDENTIFIERS
from graph.snapshot import Snapshot, is_shared

__all__ = ["LINK_CONTRIBUTIONS_SCHEMA", "link_contributions", "occlude_links", "shared_links"]

_ROWS = 200_000  # holders of the links' identifiers and identifiers of their accounts at once

LINK_CONTRIBUTIONS_SCHEMA: dict[str, pl.DataType] = {
    "account": pl.Int32(),
    "identifier": pl.Int32(),
    "contribution": pl.Float64(),
}


def link_contributions(
    model: TrainedModel, cutoff: CutOff, accounts: NDArray[np.int64], n_threads: int
) -> pl.DataFrame:
    """Contributions of the links of some accounts to the network's uncalibrated log odds, the mean over its seeds.

    Args:
        cutoff: the graph and its features.
        accounts: int64 [k], numbers of the snapshot.
        n_threads: of torch.

    Returns:
        `LINK_CONTRIBUTIONS_SCHEMA`: one row for each link on an identifier that is shared and no hub, sorted by account and
        identifier. A positive contribution raises the score. About 40 float operations times 64 squared for each holder of the
        identifier and each other link of the account.
    """
    part, number, identifier = _around(cutoff.snapshot, accounts)
    links = shared_links(part)
    own = links.filter(pl.Series(np.isin(number, accounts)[links["account"].to_numpy()]))
    if own.is_empty():
        return pl.DataFrame(schema=LINK_CONTRIBUTIONS_SCHEMA)
    total = np.zeros(own.height)
    members = [member for member in model.members["sage"] if isinstance(member, Sage)]
    account, node = own["account"].to_numpy(), _nodes(own, links)
    with _threads(n_threads):
        for member, tensors in zip(members, inputs_of(members, cutoff, (part, number)), strict=True):
            total += occlude_links(member.network(), tensors, account, node)
    columns = {
        "account": number[account],
        "identifier": identifier[own["identifier"].to_numpy()],
        "contribution": total / max(len(members), 1),
    }
    return pl.DataFrame(columns, schema=LINK_CONTRIBUTIONS_SCHEMA).sort("account", "identifier")


def _around(snapshot: Snapshot, accounts: NDArray[np.int64]) -> tuple[Snapshot, NDArray[np.int64], NDArray[np.int64]]:
    """What two rounds of messages bring to some accounts, int64 [k]: their identifiers' holders, and the holders of these ones' identifiers.

    Returns:
        The part, the old numbers of its accounts and those of its identifiers, ascending.
    """
    account, identifier = (snapshot.links[name].to_numpy() for name in ("account", "identifier"))
    carries = snapshot.identifiers.select(is_shared()).to_series().to_numpy()[identifier]
    account, identifier = account[carries], identifier[carries]
    kept = np.zeros(snapshot.accounts.height, dtype=np.bool_)
    kept[accounts] = True
    touched = np.zeros(snapshot.identifiers.height, dtype=np.bool_)
    for _ in range(2):
        touched[identifier[kept[account]]] = True
        kept[account[touched[identifier]]] = True
    part, number = part_of(snapshot, kept, touched)
    return part, number, np.flatnonzero(touched)


def shared_links(snapshot: Snapshot) -> pl.DataFrame:
    """Links that carry messages: account, identifier, identifier_type, hash, n_accounts, weight; sorted by the first two."""
    shared = snapshot.identifiers.filter(is_shared())
    return (
        snapshot.links.select("account", "identifier")
        .join(shared.select("identifier", "identifier_type", "hash", "n_accounts", "weight"), on="identifier")
        .sort("account", "identifier")
    )


def _nodes(own: pl.DataFrame, links: pl.DataFrame) -> NDArray[np.int64]:
    """The rows of the identifiers in `GraphTensors.identifiers`: by type, then number."""
    kinds = {label: number for number, label in enumerate(IDENTIFIERS)}
    nodes = (
        links.select("identifier", kind=pl.col("identifier_type").replace_strict(kinds, return_dtype=pl.Int64))
        .unique()
        .sort("kind", "identifier")
        .select("identifier", node=pl.int_range(pl.len(), dtype=pl.Int64))
    )
    return own.select("identifier").join(nodes, on="identifier", how="left", maintain_order="left")["node"].to_numpy()


@contextmanager
def _threads(n_threads: int) -> Iterator[None]:
    was = torch.get_num_threads()
    torch.set_num_threads(max(1, n_threads))
    try:
        yield
    finally:
        torch.set_num_threads(was)


@dataclass(frozen=True)
class _Pass:
    """One pass of the network, and what is kept of it. What no link that is asked about reads is not computed, and zero.

    Attributes:
        start, middle: [n, d], accounts before the first and before the second round; `middle` of who is near the asked ones.
        pre: [n, d], what the accounts' first norm is given; of these, too.
        seen: [m, d], the identifiers' own part in the first round.
        first: [m, d], identifiers after the first round.
        heard: two [m, d], by round: sums over the identifiers' accounts; in the second of what the asked ones hold.
        told: [m, d], the identifiers' messages in the first round.
        logits: [n], of the asked accounts.
    """

    start: Tensor
    middle: Tensor
    pre: Tensor
    seen: Tensor
    first: Tensor
    heard: tuple[Tensor, Tensor]
    told: Tensor
    logits: Tensor


@dataclass(frozen=True)
class _Rows:
    """The rows of a `Csr`: columns of row r are index[pointer[r] : pointer[r + 1]]."""

    adjacency: Csr

    @cached_property
    def index(self) -> Tensor:
        return self.adjacency.index.long()

    @cached_property
    def size(self) -> Tensor:
        return torch.diff(self.adjacency.pointer).long()

    def take(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The columns of some rows, one after the other, with the place in `rows` that each is of."""
        place, entry = self.adjacency.entries(rows)
        return place, self.index[entry]


class _Graph:
    """Both adjacencies by rows, each identifier's type, and how many identifiers of each type an account has."""

    def __init__(self, tensors: GraphTensors) -> None:
        ends = torch.tensor((0, *tensors.type_ends))
        self.kind = torch.repeat_interleave(torch.arange(len(ends) - 1), torch.diff(ends))
        self.holders, self.held = _Rows(tensors.to_identifiers), _Rows(tensors.to_accounts)
        n, n_types = tensors.accounts.shape[0], len(ends) - 1
        owner = torch.repeat_interleave(torch.arange(n), self.held.size)
        cell = owner * n_types + self.kind[self.held.index]
        self.count = torch.bincount(cell, minlength=n * n_types).view(n, n_types)


def occlude_links(
    network: TypedSAGE, tensors: GraphTensors, account: NDArray[np.int64], node: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Float64 [e]: the logit of each link's account with all links, less its logit without this one.

    Args:
        network: in evaluation, on the CPU.
        tensors: of one snapshot.
        account, node: int64 [e], the links; nodes are rows of `tensors.identifiers`.
    """
    found = np.zeros(len(account))
    with torch.no_grad():
        graph = _Graph(tensors)
        accounts, nodes = (torch.from_numpy(column.astype(np.int64)) for column in (account, node))
        passed = _run(network, tensors, graph, torch.unique(accounts))
        rows = torch.cumsum(graph.holders.size[nodes] + graph.held.size[accounts], 0)
        parts = np.split(np.arange(len(account)), np.flatnonzero(np.diff(rows.numpy() // _ROWS)) + 1)
        for part in parts:
            a, i = accounts[part], nodes[part]
            found[part] = (passed.logits[a] - _without(network, passed, graph, a, i)).double().numpy()
    return found


def _run(network: TypedSAGE, tensors: GraphTensors, graph: _Graph, asked: Tensor) -> _Pass:
    """The network's forward pass, as `TypedSAGE.forward` makes it, as far as links of the asked accounts, int64 [k], read it."""
    own = torch.unique(graph.held.take(asked)[1])
    near = torch.unique(torch.cat([graph.holders.take(own)[1], asked]))
    size = graph.holders.size.unsqueeze(-1)
    start = network.begin(tensors)

    mean = mean_aggregate(start, tensors.to_identifiers)
    heard = mean * size
    seen = _typed(network.first.seen, tensors.identifiers, graph.kind)
    first = functional.relu(seen + _typed(network.first.heard, mean, graph.kind))
    told = _typed(network.first.told, first, graph.kind)
    pre, middle = torch.zeros_like(start), torch.zeros_like(start)
    pre[near] = network.first.own(start[near]) + mean_aggregate(told, tensors.to_accounts.take(near))
    middle[near] = functional.relu(network.norms[0](pre[near])) + start[near]

    kind = graph.kind[own]
    mean = mean_aggregate(middle, tensors.to_identifiers.take(own))
    heard_again, told_again = torch.zeros_like(heard), torch.zeros_like(told)
    heard_again[own] = mean * size[own]
    state = functional.relu(_typed(network.second.seen, first[own], kind) + _typed(network.second.heard, mean, kind))
    told_again[own] = _typed(network.second.told, state, kind)
    pre_again = network.second.own(middle[asked]) + mean_aggregate(told_again, tensors.to_accounts.take(asked))
    last = functional.relu(network.norms[1](pre_again)) + middle[asked]
    logits = start.new_zeros(len(start))
    logits[asked] = network.head(last).squeeze(-1)
    return _Pass(start, middle, pre, seen, first, (heard, heard_again), told, logits)


def _without(network: TypedSAGE, passed: _Pass, graph: _Graph, a: Tensor, i: Tensor) -> Tensor:
    """The logits [e] of accounts `a`, each without its link to identifier `i`."""
    kind = graph.kind[i]
    at, holder = graph.holders.take(i)
    is_other = holder != a[at]
    at, holder = at[is_other], holder[is_other]
    beside, own = graph.held.take(a)
    is_left = own != i[beside]
    beside, own = beside[is_left], own[is_left]

    # first round: the account goes without the message; the others hear another one, or none where one of them is left alone
    rest = graph.holders.size[i] - 1
    mean = (passed.heard[0][i] - passed.start[a]) / rest.clamp(min=1).unsqueeze(-1)
    lost = passed.told[i]
    state = functional.relu(passed.seen[i] + _typed(network.first.heard, mean, kind))
    moved = _typed(network.first.told, state, kind) - lost
    middle = _settle(network, passed, a, _left_out(passed, graph, a, kind, lost))
    change = moved[at] / graph.count[holder, kind[at]].unsqueeze(-1)
    alone = torch.nonzero(rest[at] == 1).squeeze(-1)
    change[alone] = _left_out(passed, graph, holder[alone], kind[at[alone]], lost[at[alone]])
    changed = _settle(network, passed, holder, change) - passed.middle[holder]

    # second round: the account's other identifiers hear it, and those of the holders that are theirs, too
    heard = passed.heard[1][own] + (middle - passed.middle[a])[beside]
    row, place = _meet(graph, at, holder, beside, own)
    heard.index_add_(0, place, changed[row])
    kinds = graph.kind[own]
    seen = _typed(network.second.seen, passed.first[own], kinds)
    mean = heard / graph.holders.size[own].unsqueeze(-1)
    message = _typed(network.second.told, functional.relu(seen + _typed(network.second.heard, mean, kinds)), kinds)
    n = graph.count[a[beside], kinds] - (kinds == kind[beside]).long()
    told = torch.zeros_like(middle).index_add_(0, beside, message / n.unsqueeze(-1))
    last = functional.relu(network.norms[1](network.second.own(middle) + told)) + middle
    logits: Tensor = network.head(last).squeeze(-1)
    return logits


def _typed(layers: ModuleList, values: Tensor, kind: Tensor) -> Tensor:
    """Each row through its type's layer: [k, d]."""
    rows = [torch.nonzero(kind == number).squeeze(-1) for number in range(len(layers))]
    through = torch.cat([layer(values[own]) for layer, own in zip(layers, rows, strict=True)])
    return torch.empty_like(through).index_copy_(0, torch.cat(rows), through)


def _left_out(passed: _Pass, graph: _Graph, account: Tensor, kind: Tensor, lost: Tensor) -> Tensor:
    """How the first round's mean over an account's identifiers of a type changes when one message is left out."""
    place, own = graph.held.take(account)
    same = graph.kind[own] == kind[place]
    total = torch.zeros_like(lost).index_add_(0, place[same], passed.told[own[same]])
    n = graph.count[account, kind].unsqueeze(-1)
    return torch.where(n > 1, (total - lost) / (n - 1).clamp(min=1), 0.0) - total / n


def _settle(network: TypedSAGE, passed: _Pass, account: Tensor, change: Tensor) -> Tensor:
    """Accounts between the rounds, with a change of what they hear in the first."""
    return functional.relu(network.norms[0](passed.pre[account] + change)) + passed.start[account]


def _meet(graph: _Graph, at: Tensor, holder: Tensor, beside: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of (at, holder) and places of (beside, own) of the same link whose holder holds that identifier, too."""
    m = len(graph.kind)
    row, identifier = graph.held.take(holder)
    key, order = torch.sort(beside * m + own)
    wanted = at[row] * m + identifier
    found = torch.searchsorted(key, wanted).clamp(max=max(len(key) - 1, 0))
    hit = key[found] == wanted if len(key) else torch.zeros(len(wanted), dtype=torch.bool)
    return row[hit], order[found[hit]] if len(key) else row[hit]
