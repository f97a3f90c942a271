"""The sampler: what it may draw, how evenly, and that it stands behind PyG's `NodeLoader`."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
import torch

from gnn.sampling import NeighbourSampler, SampledGraph, build_sampled_graph  # before PyG: it quiets its warnings
from graph.errors import InputError

N, M = 60, 400


@pytest.fixture(scope="module")
def ends() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return random.integers(0, N, M, dtype=np.int32), random.integers(0, N, M, dtype=np.int32)


@pytest.fixture(scope="module")
def time() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 20, M)


def star(n: int) -> SampledGraph:
    """Node 0 hears all others."""
    return build_sampled_graph(np.arange(1, n + 1), np.zeros(n, dtype=np.int64), n + 1)


def test_all_neighbours_are_what_networkx_reaches(ends) -> None:
    network = nx.DiGraph()
    network.add_nodes_from(range(N))
    network.add_edges_from(zip(ends[1].tolist(), ends[0].tolist(), strict=True))  # against the messages
    sampler = NeighbourSampler(build_sampled_graph(*ends, N), [-1, -1], 0)
    for seed in range(N):
        drawn = sampler.sample(np.array([seed]))
        reached = nx.single_source_shortest_path_length(network, seed, cutoff=2)
        assert drawn.node[0] == seed
        assert sorted(drawn.node.tolist()) == sorted(reached)
        hops = np.repeat(np.arange(3), drawn.n_nodes)
        assert {int(node): int(hop) for node, hop in zip(drawn.node, hops, strict=True)} == reached


def test_edges_are_edges_and_no_more_than_wanted(ends) -> None:
    graph = build_sampled_graph(*ends, N)
    drawn = NeighbourSampler(graph, [3, 2], 7).sample(np.arange(10))
    target = np.repeat(np.arange(len(drawn.pointer) - 1), np.diff(drawn.pointer))
    given = graph.edge[drawn.edge]
    np.testing.assert_array_equal(ends[0][given], drawn.node[drawn.source])
    np.testing.assert_array_equal(ends[1][given], drawn.node[target])
    assert len(np.unique(drawn.edge)) == len(drawn.edge), "without replacement"
    assert len(np.unique(drawn.node)) == len(drawn.node), "a node is reached once"
    degree = np.bincount(ends[1], minlength=N)
    wanted = np.repeat([3, 2], drawn.n_nodes[:2])
    np.testing.assert_array_equal(np.diff(drawn.pointer), np.minimum(degree[drawn.node[: len(wanted)]], wanted))
    assert sum(drawn.n_edges) == len(drawn.edge)
    assert sum(drawn.n_nodes) == len(drawn.node)


def test_each_kind_of_neighbour_is_drawn_by_itself() -> None:
    n_many, n_few = 50, 2
    source = np.arange(1, n_many + n_few + 1)
    graph = build_sampled_graph(source[::-1], np.zeros_like(source), len(source) + 1, [1, n_many + 1, len(source) + 1])
    for seed in range(20):
        drawn = NeighbourSampler(graph, [4], seed).sample(np.array([0]))
        neighbours = drawn.node[1:]
        assert ((neighbours > 0) & (neighbours <= n_many)).sum() == 4
        assert (neighbours > n_many).sum() == n_few


@pytest.mark.parametrize(("n", "wanted"), [(10, 3), (200, 80)])  # by Floyd's method, and in one pass
def test_draws_are_even(n: int, wanted: int) -> None:
    graph, turns = star(n), 4000
    counts = np.zeros(n + 1)
    for seed in range(turns):
        drawn = NeighbourSampler(graph, [wanted], seed).sample(np.array([0]))
        counts[drawn.node[1:]] += 1
    share = wanted / n
    deviation = np.sqrt(turns * share * (1 - share))
    assert np.abs(counts[1:] - turns * share).max() < 5 * deviation
    assert counts.sum() == turns * wanted


def test_equal_seeds_draw_alike_in_whatever_batches(ends) -> None:
    graph = build_sampled_graph(*ends, N)

    def edges(seed: int, batch: int) -> set[int]:
        sampler = NeighbourSampler(graph, [2], seed)
        return {
            int(edge) for start in range(0, N, batch) for edge in sampler.sample(np.arange(start, start + batch)).edge
        }

    assert edges(1, N) == edges(1, 4) == edges(1, N)
    assert edges(1, N) != edges(2, N)


def test_seeds_of_one_time_share_nodes_and_others_do_not() -> None:
    graph = build_sampled_graph(np.array([2, 2, 2]), np.array([0, 1, 3]), 4, time=np.array([1, 1, 1]))
    sampler = NeighbourSampler(graph, [-1], 0)
    drawn = sampler.sample(np.array([0, 1, 3]), np.array([5, 9, 5]))
    assert drawn.group.tolist() == [0, 1, 0, 0, 1]
    assert drawn.node.tolist() == [0, 1, 3, 2, 2]
    assert drawn.source.tolist() == [3, 4, 3]


def test_a_seed_given_twice_keeps_both_places(ends) -> None:
    drawn = NeighbourSampler(build_sampled_graph(*ends, N), [-1], 0).sample(np.array([5, 6, 5]))
    assert drawn.node[:3].tolist() == [5, 6, 5]
    rows = [set(drawn.source[begin:end].tolist()) for begin, end in pairwise(drawn.pointer)]
    assert rows[0] == rows[2] != rows[1]


def test_node_loader_never_hands_out_a_later_edge(ends, time) -> None:
    """PyG issue 7794: edges between old nodes that came later than the seed's time."""
    from torch_geometric.data import Data
    from torch_geometric.loader import NodeLoader

    graph = build_sampled_graph(*ends, N, time=time)
    data = Data(edge_index=torch.from_numpy(np.stack(ends)).long(), num_nodes=N, edge_time=torch.from_numpy(time))
    seed_time = torch.from_numpy(np.random.default_rng(2).integers(0, 20, N))
    loader = NodeLoader(
        data, NeighbourSampler(graph, [4, 4], 0), torch.arange(N), input_time=seed_time, batch_size=16, shuffle=True
    )
    n_edges = 0
    for batch in loader:
        times = batch.seed_time.unique()  # ascending, as groups are
        latest = times[batch.batch]
        torch.testing.assert_close(latest[: batch.batch_size], seed_time[batch.n_id[: batch.batch_size]])
        source, target = batch.edge_index
        torch.testing.assert_close(batch.batch[source], batch.batch[target])
        torch.testing.assert_close(data.edge_index[:, batch.e_id], batch.n_id[batch.edge_index])
        torch.testing.assert_close(batch.edge_time, data.edge_time[batch.e_id])
        assert bool((batch.edge_time <= latest[target]).all())
        n_edges += len(source)
    assert n_edges > 100


def test_a_graph_without_edges() -> None:
    graph = build_sampled_graph(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int32), 3)
    drawn = NeighbourSampler(graph, [2, 2], 0).sample(np.array([2, 0]))
    assert drawn.node.tolist() == [2, 0]
    assert drawn.edge.tolist() == []
    assert drawn.n_nodes == (2, 0, 0)


def test_wrong_input_is_refused_in_a_sentence(ends, time) -> None:
    graph = build_sampled_graph(*ends, N)
    with pytest.raises(InputError, match="`fan_outs` must be"):
        NeighbourSampler(graph, [-2], 0)
    with pytest.raises(InputError, match="`time` must be given"):
        NeighbourSampler(graph, [2], 0).sample(np.array([0]), np.array([3]))
    with pytest.raises(InputError, match="`time` must be given"):
        NeighbourSampler(build_sampled_graph(*ends, N, time=time), [2], 0).sample(np.array([0]))
    with pytest.raises(InputError, match="`source` must lie within"):
        build_sampled_graph(np.array([N]), np.array([0]), N)
    for kind_ends in ([], [N - 1], [N, N - 1, N], [-1, N], [N, N + 1]):
        with pytest.raises(InputError, match="`kind_ends` must be"):
            build_sampled_graph(*ends, N, kind_ends)
    with pytest.raises(InputError, match="`seeds` must lie within"):
        NeighbourSampler(graph, [2], 0).sample(np.array([N]))
    with pytest.raises(InputError, match="`input_data` must be seed nodes"):
        from torch_geometric.sampler import EdgeSamplerInput

        one = torch.zeros(1, dtype=torch.long)
        NeighbourSampler(graph, [2], 0).sample_from_edges(EdgeSamplerInput(None, one, one))
