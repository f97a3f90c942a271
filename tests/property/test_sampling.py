"""What a seed is shown is what was known at its time: later edges may come, go or change, and nothing moves."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gnn.gate_sampler import check_sampled
from gnn.sampling import Neighbourhood, NeighbourSampler, build_sampled_graph


@st.composite
def graphs(draw) -> tuple[int, np.ndarray, np.ndarray, np.ndarray, list[int], int]:
    n = draw(st.integers(1, 12))
    m = draw(st.integers(0, 60))
    node = st.lists(st.integers(0, n - 1), min_size=m, max_size=m)
    source, target = np.array(draw(node), dtype=np.int32), np.array(draw(node), dtype=np.int32)
    time = np.array(draw(st.lists(st.integers(0, 6), min_size=m, max_size=m)), dtype=np.int64)
    fan_outs = draw(st.lists(st.integers(-1, 4), min_size=1, max_size=3))
    return n, source, target, time, fan_outs, draw(st.integers(0, 2**63))


def sample(n, source, target, time, kinds, fan_outs, seed, at) -> tuple[Neighbourhood, np.ndarray]:
    graph = build_sampled_graph(source, target, n, kinds, time)
    drawn = NeighbourSampler(graph, fan_outs, seed).sample(np.arange(n), at)
    return drawn, graph.edge[drawn.edge]


@given(graphs(), st.data())
def test_no_edge_is_later_than_its_seed(graph, data) -> None:
    n, source, target, time, fan_outs, seed = graph
    kinds = sorted({data.draw(st.integers(1, n)), n})
    at = np.array(data.draw(st.lists(st.integers(-1, 7), min_size=n, max_size=n)), dtype=np.int64)
    drawn, edge = sample(n, source, target, time, kinds, fan_outs, seed, at)
    place = np.repeat(np.arange(len(drawn.pointer) - 1), np.diff(drawn.pointer))
    latest = np.unique(at)[drawn.group]
    np.testing.assert_array_equal(latest[:n], at)
    np.testing.assert_array_equal(drawn.group[drawn.source], drawn.group[place])
    np.testing.assert_array_equal(source[edge], drawn.node[drawn.source])
    np.testing.assert_array_equal(target[edge], drawn.node[place])
    check = check_sampled(time[edge], latest[place])
    assert not check.fault
    assert check.facts == {"n_edges": sum(drawn.n_edges), "n_later": 0}
    hop = np.repeat(np.arange(len(fan_outs)), drawn.n_nodes[:-1])
    for row, wanted in zip(range(len(drawn.pointer) - 1), np.asarray(fan_outs)[hop], strict=True):
        open_ = source[(target == drawn.node[row]) & (time <= latest[row])]
        for begin, end in zip([0, *kinds[:-1]], kinds, strict=True):
            there = int(((open_ >= begin) & (open_ < end)).sum())
            of_kind = drawn.node[drawn.source[drawn.pointer[row] : drawn.pointer[row + 1]]]
            found = int(((of_kind >= begin) & (of_kind < end)).sum())
            assert found == (there if wanted < 0 else min(there, wanted))


@given(graphs(), st.integers(0, 6), st.data())
def test_what_comes_later_changes_nothing(graph, at, data) -> None:
    n, source, target, time, fan_outs, seed = graph
    later = time > at
    times = np.full(n, at, dtype=np.int64)
    drawn, edge = sample(n, source, target, time, None, fan_outs, seed, times)
    other = source.copy()
    other[later] = data.draw(st.integers(0, n - 1))
    changed, changed_edge = sample(n, other, target, time, None, fan_outs, seed, times)
    without, _ = sample(n, source[~later], target[~later], time[~later], None, fan_outs, seed, times)
    np.testing.assert_array_equal(edge, changed_edge)
    for one in (changed, without):
        np.testing.assert_array_equal(one.node, drawn.node)
        np.testing.assert_array_equal(one.source, drawn.source)
        np.testing.assert_array_equal(one.pointer, drawn.pointer)
