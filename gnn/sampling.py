"""Neighbour sampling in compiled code, by itself or behind PyG's `NodeLoader`.

Of each node that is reached, up to so many neighbours are drawn uniformly without replacement, of each kind of neighbour by
itself: an account's one device is not drowned in its fifty addresses. What is drawn of a node depends on the seed, the node and
the number wanted alone, so batches may be parted among workers in any way. Where hops want different numbers, the batch tells by the
hop in which it first sees a node. With times, an edge
is drawn only if it is no later than the seed from which its target was reached. The time of an edge decides, not that of
its ends: two nodes may be older than what joins them (PyG issue 7794). Seeds of one time share the nodes that they reach; seeds
of different times have trees of their own, since a node has other neighbours at another time.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numba import njit
from numpy.typing import NDArray

from graph.errors import InputError
from graph.numbering import group_rows

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from torch_geometric.sampler import (
        BaseSampler,
        EdgeSamplerInput,
        NegativeSampling,
        NodeSamplerInput,
        SamplerOutput,
    )

__all__ = ["NeighbourSampler", "Neighbourhood", "SampledGraph", "build_sampled_graph"]

Int = Any  # a whole number in compiled code: numpy's or Python's
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # 2**64 over the golden ratio
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_LOW = np.uint64(0xFFFFFFFF)
_FEW = 64  # up to so many are drawn by Floyd's method, which looks through what it drew; more in one pass over the row


@dataclass(frozen=True)
class SampledGraph:
    """Edges by target, as the sampler reads them.

    Attributes:
        pointer: int32 or int64 [n + 1], where each target's edges begin.
        index: int32 [n_edges], the edge's source. A row has its sources kind by kind.
        kind_ends: int64 [n_kinds], end of each kind's node numbers, ascending; one, n, if nodes are of one kind.
        time: int64 [n_edges] in any unit, ascending within a row and kind; None where edges have no time.
        edge: int64 [n_edges], each edge's place in the order in which edges were given; None where it is the same.
    """

    pointer: NDArray[Any]
    index: NDArray[np.int32]
    kind_ends: NDArray[np.int64]
    time: NDArray[np.int64] | None = None
    edge: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Neighbourhood:
    """What was drawn around some seeds, as compressed rows: `source[pointer[i]:pointer[i + 1]]` are drawn of target i.

    Attributes:
        node: int32 [k], the nodes reached, in the order of sight; the seeds come first, as they were given.
        group: int32 [k], which of the seeds' distinct times, ascending, a node was reached for; zeros without times.
        pointer: int64 [n_targets + 1]; the targets are the first nodes. Nodes first seen in the last hop are none.
        source: int32 [m], places in `node`.
        edge: int64 [m], places in `SampledGraph.index`.
        n_nodes, n_edges: new nodes and edges of each hop; the seeds count as a hop of nodes.
    """

    node: NDArray[np.int32]
    group: NDArray[np.int32]
    pointer: NDArray[np.int64]
    source: NDArray[np.int32]
    edge: NDArray[np.int64]
    n_nodes: tuple[int, ...]
    n_edges: tuple[int, ...]


def build_sampled_graph(
    source: NDArray[Any],
    target: NDArray[Any],
    n_nodes: int,
    kind_ends: Sequence[int] | None = None,
    time: NDArray[np.int64] | None = None,
) -> SampledGraph:
    """Orders edges by target, kind of source and time; what is equal in these stays in the order given. O(n log n) with times.

    Args:
        source, target: int32 [m], below `n_nodes`; messages flow from source to target.
        n_nodes: number of nodes.
        kind_ends: end of each kind's node numbers, ascending to `n_nodes`; all nodes are of one kind without.
        time: int64 [m], when each edge came to be.

    Raises:
        InputError: an end of an edge is no node, there are more nodes than int32 holds, or kinds do not end at the last node.
    """
    if n_nodes > np.iinfo(np.int32).max:
        raise InputError(f"`n_nodes` must be below 2**31; got {n_nodes}.")
    for name, ends in (("source", source), ("target", target)):
        if ends.size and not 0 <= int(ends.min()) <= int(ends.max()) < n_nodes:
            raise InputError(f"`{name}` must lie within 0 and {n_nodes - 1}; got {ends.min()} to {ends.max()}.")
    bounds = np.asarray([n_nodes] if kind_ends is None else kind_ends, dtype=np.int64)
    if bounds[-1:].tolist() != [n_nodes] or bounds[0] < 0 or (np.diff(bounds) < 0).any():
        raise InputError(
            f"`kind_ends` must be numbers from 0 on that do not fall and end with {n_nodes}; got `{bounds.tolist()}`."
        )
    order = np.arange(source.shape[0]) if time is None else np.argsort(time, kind="stable")
    if bounds.shape[0] > 1:
        kind = np.searchsorted(bounds, source[order], side="right").astype(np.int32)
        order = order[group_rows(kind, bounds.shape[0])[1]]
    pointer, rows = group_rows(target[order].astype(np.int32, copy=False), n_nodes)
    order = order[rows]
    small = source.shape[0] <= np.iinfo(np.int32).max
    return SampledGraph(
        pointer=pointer.astype(np.int32) if small else pointer,
        index=source[order].astype(np.int32, copy=False),
        kind_ends=bounds,
        time=None if time is None else time[order].astype(np.int64, copy=False),
        edge=order,
    )


class NeighbourSampler(BaseSampler):  # type: ignore[misc]
    """Draws neighbourhoods hop by hop, up to `fan_outs[h]` sources of each kind for a target first seen in hop h; -1 for all.

    Deterministic: equal seeds, equal draws. Holds no state, so that threads may share it.
    """

    def __init__(self, graph: SampledGraph, fan_outs: Sequence[int], seed: int) -> None:
        if not fan_outs or min(fan_outs) < -1:
            raise InputError(f"`fan_outs` must be one or more numbers from -1 on; got `{list(fan_outs)}`.")
        self.graph = graph
        self.fan_outs = np.asarray(fan_outs, dtype=np.int64)
        self.seed = seed

    def sample(self, seeds: NDArray[Any], time: NDArray[np.int64] | None = None) -> Neighbourhood:
        """Draws around seeds.

        Args:
            seeds: int32 [k], nodes; one may stand there twice.
            time: int64 [k], the latest time that each seed may see, inclusive; needed where edges have times, and only there.

        Raises:
            InputError: a seed is no node; times without edges that have them, or the other way round.
        """
        n = len(self.graph.pointer) - 1
        if seeds.size and not 0 <= int(seeds.min()) <= int(seeds.max()) < n:  # compiled code would read past the end
            raise InputError(f"`seeds` must lie within 0 and {n - 1}; got {seeds.min()} to {seeds.max()}.")
        edge_time = self.graph.time
        if (time is None) != (edge_time is None):
            got = "times, but edges have none" if edge_time is None else "none, but edges have times"
            raise InputError(f"`time` must be given for each seed where edges have times, else left out; got {got}.")
        nodes = np.ascontiguousarray(seeds, dtype=np.int32)
        if time is None:
            times, group = np.zeros(1, dtype=np.int64), np.zeros(len(nodes), dtype=np.int32)
        else:
            times, place = np.unique(time, return_inverse=True)
            group = place.astype(np.int32)
        node, group, pointer, source, edge, n_nodes, n_edges = _sample(
            self.graph.pointer,
            self.graph.index,
            self.graph.kind_ends,
            edge_time is not None,
            np.zeros(0, dtype=np.int64) if edge_time is None else edge_time,
            nodes,
            group,
            times.astype(np.int64, copy=False),
            self.fan_outs,
            np.uint64(self.seed % 2**64),
        )
        return Neighbourhood(node, group, pointer, source, edge, tuple(n_nodes.tolist()), tuple(n_edges.tolist()))

    def sample_from_nodes(self, inputs: NodeSamplerInput, **_: object) -> SamplerOutput:
        """What `NodeLoader` asks for; `batch` holds the group of each node where there are times."""
        drawn = self.sample(inputs.node.numpy(), None if inputs.time is None else inputs.time.numpy())
        target = np.repeat(np.arange(len(drawn.pointer) - 1), np.diff(drawn.pointer))
        return SamplerOutput(
            node=torch.from_numpy(drawn.node.astype(np.int64)),
            row=torch.from_numpy(drawn.source.astype(np.int64)),
            col=torch.from_numpy(target),
            edge=torch.from_numpy(drawn.edge),
            batch=None if inputs.time is None else torch.from_numpy(drawn.group.astype(np.int64)),
            num_sampled_nodes=list(drawn.n_nodes),
            num_sampled_edges=list(drawn.n_edges),
            metadata=(inputs.input_id, inputs.time),
        )

    def sample_from_edges(
        self, inputs: EdgeSamplerInput, neg_sampling: NegativeSampling | None = None
    ) -> SamplerOutput:
        """Refused: accounts are what is scored, so only nodes are seeds."""
        raise InputError(
            f"`input_data` must be seed nodes; got {len(inputs.row)} seed edges. Sample around their ends."
        )

    @property
    def edge_permutation(self) -> torch.Tensor | None:
        """From the graph's order of edges to the one in which they were given."""
        return None if self.graph.edge is None else torch.from_numpy(self.graph.edge)


@njit(cache=True, nogil=True)
def _mix(state: np.uint64) -> np.uint64:
    """SplitMix64's output function: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators, 2014."""
    state = (state ^ (state >> np.uint64(30))) * _FIRST
    state = (state ^ (state >> np.uint64(27))) * _SECOND
    return state ^ (state >> np.uint64(31))


@njit(cache=True, nogil=True)
def _below(state: np.uint64, n: Int) -> Int:
    """0 to n - 1, by Lemire's multiplication; the bias is below n / 2**32."""
    return np.int64(((_mix(state) & _LOW) * np.uint64(n)) >> np.uint64(32))


@njit(cache=True, nogil=True)
def _draw(begin: Int, end: Int, wanted: Int, state: np.uint64, out: NDArray[np.int64], place: Int) -> Int:
    """Writes `wanted` of the numbers from begin to end - 1, or all if there are no more; the next free place of `out`.

    Few by Floyd's method (J. Bentley, R. Floyd, A sample of brilliance, CACM 1987); many by selection in one pass (Knuth's
    algorithm S).
    """
    n = end - begin
    if wanted < 0 or n <= wanted:
        for number in range(begin, end):
            out[place] = number
            place += 1
        return place
    if wanted <= _FEW:
        first = place
        for top in range(n - wanted, n):
            state += _SPREAD
            number = begin + _below(state, top + 1)
            for earlier in range(first, place):
                if out[earlier] == number:
                    number = begin + top
                    break
            out[place] = number
            place += 1
        return place
    left = wanted
    for number in range(n):
        state += _SPREAD
        if _below(state, n - number) < left:
            out[place] = begin + number
            place += 1
            left -= 1
            if left == 0:
                break
    return place


@njit(cache=True, nogil=True)
def _known(edge_time: NDArray[np.int64], begin: Int, end: Int, latest: Int) -> Int:
    """End of the edges that are no later than `latest`, by bisection."""
    while begin < end:
        middle = (begin + end) >> 1
        if edge_time[middle] <= latest:
            begin = middle + 1
        else:
            end = middle
    return begin


@njit(cache=True, nogil=True)
def _draw_row(
    node: Int,
    pointer: NDArray[Any],
    index: NDArray[np.int32],
    kind_ends: NDArray[np.int64],
    has_time: bool,
    edge_time: NDArray[np.int64],
    latest: Int,
    wanted: Int,
    seed: np.uint64,
    out: NDArray[np.int64],
    place: Int,
) -> Int:
    """Draws of one row, kind by kind; the next free place of `out`."""
    begin, end = np.int64(pointer[node]), np.int64(pointer[node + 1])
    if not has_time and (wanted < 0 or end - begin <= wanted):
        return _draw(begin, end, -1, seed, out, place)
    state = _mix(seed ^ _mix((np.uint64(node) + np.uint64(1)) * _SPREAD))
    while begin < end:
        until = end
        if kind_ends.shape[0] > 1:
            kind = 0
            while index[begin] >= kind_ends[kind]:
                kind += 1
            until = begin + 1
            while until < end and index[until] < kind_ends[kind]:
                until += 1
        known = _known(edge_time, begin, until, latest) if has_time else until
        place = _draw(begin, known, wanted, state, out, place)
        state = _mix(state + _FIRST)
        begin = until
    return place


@njit(cache=True, nogil=True)
def _slot(node: Int, group: Int, bits: Int) -> np.uint64:
    return ((np.uint64(node) ^ (np.uint64(group) * _SECOND)) * _SPREAD) >> np.uint64(64 - bits)


@njit(cache=True, nogil=True)
def _place_of(node: Int, group: Int, groups: NDArray[np.int32], slots: NDArray[np.int64], bits: Int, new: Int) -> Int:
    """The place of a node of a group, `new` if it has none yet. A slot holds node and place, half a word each; -1 is free."""
    mask = np.uint64(slots.shape[0] - 1)
    at = _slot(node, group, bits)
    while slots[at] >= 0:
        place = slots[at] & 0xFFFFFFFF
        if slots[at] >> 32 == node and groups[place] == group:
            return place
        at = (at + np.uint64(1)) & mask
    slots[at] = (np.int64(node) << 32) | new
    return new


@njit(cache=True, nogil=True)
def _table(nodes: NDArray[np.int32], groups: NDArray[np.int32], n: Int, room: Int) -> tuple[NDArray[np.int64], Int]:
    """An open-addressing table of the first n nodes, at most half full with `room` of them."""
    bits = 6
    while (1 << bits) < 2 * room:
        bits += 1
    slots = np.full(1 << bits, -1, dtype=np.int64)
    for place in range(n):
        _place_of(nodes[place], groups[place], groups, slots, bits, place)
    return slots, bits


@njit(cache=True, nogil=True)
def _longer(values: NDArray[Any], n: Int, room: Int) -> NDArray[Any]:
    longer = np.empty(room, dtype=values.dtype)
    for place in range(n):
        longer[place] = values[place]
    return longer


@njit(cache=True, nogil=True)
def _most(pointer: NDArray[Any], node: Int, wanted: Int, n_kinds: Int) -> Int:
    n = np.int64(pointer[node + 1]) - np.int64(pointer[node])
    return n if wanted < 0 else min(n, wanted * n_kinds)


@njit(cache=True, nogil=True)
def _sample(
    pointer: NDArray[Any],
    index: NDArray[np.int32],
    kind_ends: NDArray[np.int64],
    has_time: bool,
    edge_time: NDArray[np.int64],
    seeds: NDArray[np.int32],
    seed_groups: NDArray[np.int32],
    times: NDArray[np.int64],
    fan_outs: NDArray[np.int64],
    seed: np.uint64,
) -> tuple[Any, ...]:
    """Hop by hop: draws edges of the frontier, then gives their sources places; a new one joins the next frontier."""
    n_hops = fan_outs.shape[0]
    n_nodes, n_edges = np.zeros(n_hops + 1, dtype=np.int64), np.zeros(n_hops, dtype=np.int64)
    begin, end, m = 0, seeds.shape[0], 0
    nodes, groups = _longer(seeds, end, end), _longer(seed_groups, end, end)
    n_nodes[0] = end
    starts = np.zeros(1, dtype=np.int64)
    edges, sources = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int32)
    slots, bits = _table(nodes, groups, end, end)
    for hop in range(n_hops):
        most = 0
        for place in range(begin, end):
            most += _most(pointer, nodes[place], fan_outs[hop], kind_ends.shape[0])
        edges, starts = _longer(edges, m, m + most), _longer(starts, begin + 1, end + 1)
        last = m
        for place in range(begin, end):
            latest = times[groups[place]]
            m = _draw_row(
                nodes[place], pointer, index, kind_ends, has_time, edge_time, latest, fan_outs[hop], seed, edges, m
            )
            starts[place + 1] = m
        room = end + m - last
        sources = _longer(sources, last, m)
        nodes, groups = _longer(nodes, end, room), _longer(groups, end, room)
        if 2 * room > slots.shape[0]:
            slots, bits = _table(nodes, groups, end, room)
        new = end
        for place in range(begin, end):
            group = groups[place]
            for edge in range(starts[place], starts[place + 1]):
                node = index[edges[edge]]
                found = _place_of(node, group, groups, slots, bits, new)
                if found == new:
                    nodes[new], groups[new] = node, group
                    new += 1
                sources[edge] = found
        n_edges[hop], n_nodes[hop + 1] = m - last, new - end
        begin, end = end, new
    return nodes[:end], groups[:end], starts, sources, edges[:m], n_nodes, n_edges
