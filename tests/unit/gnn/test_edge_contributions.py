"""A link's contribution is what the network says with it less what it says without it, computed anew."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from gnn import edge_contributions
from gnn.cutoffs import CutOff
from gnn.edge_contributions import occlude_links
from gnn.sage import TypedSAGE
from gnn.tensors import Csr, GraphTensors, Standardiser, build_tensors
from graph.schema import IDENTIFIERS


def _edges(tensors: GraphTensors) -> tuple[np.ndarray, np.ndarray]:
    """Account and identifier of each link."""
    pointer = tensors.to_accounts.pointer.numpy()
    return np.repeat(np.arange(len(pointer) - 1), np.diff(pointer)), tensors.to_accounts.index.numpy().astype(np.int64)


def _csr(row: np.ndarray, column: np.ndarray, weight: np.ndarray, n_rows: int) -> Csr:
    order = np.lexsort((column, row))
    pointer = np.concatenate([[0], np.cumsum(np.bincount(row, minlength=n_rows))]).astype(np.int32)
    parts = (pointer, column[order].astype(np.int32), weight[order].astype(np.float32))
    return Csr(*(torch.from_numpy(part) for part in parts))


def _without(tensors: GraphTensors, account: int, node: int) -> GraphTensors:
    """The same without one link, and without what one account alone then holds."""
    a, i = _edges(tensors)
    keep = ~((a == account) & (i == node))
    if keep[i == node].sum() == 1:
        keep &= i != node
    a, i = a[keep], i[keep]
    kind = np.repeat(np.arange(len(IDENTIFIERS)), np.diff(tensors.type_ends, prepend=0))
    per_type = a * len(IDENTIFIERS) + kind[i]
    n, m = len(tensors.accounts), len(tensors.identifiers)
    to_identifiers = _csr(i, a, 1.0 / np.bincount(i)[i], m)
    return replace(
        tensors, to_identifiers=to_identifiers, to_accounts=_csr(a, i, 1.0 / np.bincount(per_type)[per_type], n)
    )


@pytest.fixture(scope="module")
def tensors(cutoffs: list[CutOff]) -> GraphTensors:
    """The last cut-off's graph, with some features drawn at random."""
    last = cutoffs[-1]
    values = np.random.default_rng(1).normal(size=(last.snapshot.accounts.height, 7)).astype(np.float32)
    return build_tensors([(last.snapshot, values)], Standardiser.fit(values))


def test_contributions_equal_the_difference_of_two_passes(
    tensors: GraphTensors, monkeypatch: pytest.MonkeyPatch
) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        network = TypedSAGE(7, tensors.identifiers.shape[1], 16).eval()
    account, node = _edges(tensors)
    holders = np.bincount(node)
    pairs, many = np.flatnonzero(holders[node] == 2), np.flatnonzero(holders[node] > 2)
    assert len(pairs) and len(many)  # an identifier that vanishes, and one that stays
    chosen = np.concatenate([pairs[:12], many[:12], many[-12:]])
    found = occlude_links(network, tensors, account[chosen], node[chosen])
    with torch.no_grad():
        full = network(tensors)[0]
        other = [
            float(full[a] - network(_without(tensors, a, i))[0][a])
            for a, i in zip(account[chosen], node[chosen], strict=True)
        ]
    assert np.abs(other).max() > 0.01
    np.testing.assert_allclose(found, other, atol=2e-5)
    monkeypatch.setattr(edge_contributions, "_ROWS", 20)  # many passes of few links each
    np.testing.assert_allclose(occlude_links(network, tensors, account[chosen], node[chosen]), found, atol=1e-6)


def test_no_link_has_no_contribution(tensors: GraphTensors) -> None:
    network = TypedSAGE(7, tensors.identifiers.shape[1], 16).eval()
    none = np.zeros(0, dtype=np.int64)
    assert occlude_links(network, tensors, none, none).shape == (0,)
