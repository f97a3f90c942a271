"""The layer's messages, its gradients, and that a run repeats."""

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pytest
import torch

from gnn.cutoffs import CutOff
from gnn.sage import TypedSAGE, TypedSAGELayer, mean_aggregate
from gnn.sage_model import _exact
from gnn.tensors import IDENTIFIER_INPUTS, GraphTensors, Standardiser, build_tensors
from graph.snapshot import Events, Snapshot


@pytest.fixture(scope="module")
def tensors(cutoffs: list[CutOff]) -> GraphTensors:
    parts = [(cutoff.snapshot, cutoff.values[:, :12]) for cutoff in cutoffs[:2]]
    return build_tensors(parts, Standardiser.fit(np.concatenate([values for _, values in parts])))


def test_tensors_hold_shared_identifiers_alone_side_by_side(tensors: GraphTensors, cutoffs: list[CutOff]) -> None:
    shared = [
        int(((cutoff.snapshot.identifiers["n_accounts"] > 1) & ~cutoff.snapshot.identifiers["is_hub"]).sum())
        for cutoff in cutoffs[:2]
    ]
    assert tensors.identifiers.shape == (sum(shared), len(IDENTIFIER_INPUTS))
    assert tensors.type_ends[-1] == sum(shared)
    first = cutoffs[0].snapshot.accounts.height
    assert tensors.offsets == (0, first, first + cutoffs[1].snapshot.accounts.height)
    ends = tensors.to_identifiers
    for row in range(sum(shared)):
        members = ends.index[ends.pointer[row] : ends.pointer[row + 1]]
        assert bool((members < first).all()) or bool((members >= first).all())


def test_messages_edge_by_edge_equal_the_fused_ones(tensors: GraphTensors) -> None:
    torch.manual_seed(0)
    layer = TypedSAGELayer(12, len(IDENTIFIER_INPUTS), 8)
    fused = layer(tensors.accounts, tensors.identifiers, tensors)
    layer.by_edge = True
    slow = layer(tensors.accounts, tensors.identifiers, tensors)
    for one, other in zip(fused, slow, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_gradient_of_the_mean_is_the_transpose(tensors: GraphTensors) -> None:
    values = torch.randn(tensors.accounts.shape[0], 3, generator=torch.Generator().manual_seed(0), requires_grad=True)
    out = mean_aggregate(values, tensors.to_identifiers)
    push = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad(out, values, push)
    adjacency = tensors.to_identifiers
    dense = torch.zeros(out.shape[0], values.shape[0])
    counts = (adjacency.pointer[1:] - adjacency.pointer[:-1]).long()
    dense[torch.repeat_interleave(torch.arange(len(counts)), counts), adjacency.index.long()] = adjacency.weight
    torch.testing.assert_close(found, dense.T @ push, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(out, dense @ values, atol=1e-5, rtol=1e-5)


def test_a_stranger_changes_no_embedding(tensors: GraphTensors) -> None:
    torch.manual_seed(0)
    network = TypedSAGE(12, len(IDENTIFIER_INPUTS)).eval()
    with torch.no_grad():
        _, before = network(tensors)
        moved = tensors.accounts.clone()
        moved[tensors.offsets[1] :] += 1  # the other snapshot's accounts
        _, after = network(GraphTensors(moved, *(getattr(tensors, name) for name in list(tensors.__dict__)[1:])))
    assert before.shape[1] == 64
    assert torch.equal(before[: tensors.offsets[1]], after[: tensors.offsets[1]])
    assert not torch.equal(before[tensors.offsets[1] :], after[tensors.offsets[1] :])


@pytest.mark.parametrize("chunk", [7, 100_000])
def test_scoring_by_chunks_equals_the_forward_pass(
    tensors: GraphTensors, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gnn.sage.CHUNK", chunk)
    torch.manual_seed(0)
    network = TypedSAGE(12, len(IDENTIFIER_INPUTS)).eval()
    with torch.no_grad():
        wanted = network(tensors)
    before = tensors.accounts.clone()
    found, again = network.infer(tensors), network.infer(tensors)
    for one, same, other in zip(found, again, wanted, strict=True):
        assert torch.equal(one, same)
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert torch.equal(tensors.accounts, before)


def test_rows_made_anew_score_the_same(cutoffs: list[CutOff], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gnn.sage.CHUNK", 50)
    snapshot, values = cutoffs[-1].snapshot, cutoffs[-1].values[:, :12]
    standardiser = Standardiser.fit(values)
    kept, anew = (build_tensors([(snapshot, values)], standardiser, anew=anew) for anew in (False, True))
    network = TypedSAGE(12, len(IDENTIFIER_INPUTS)).eval()
    assert kept.accounts.shape == anew.accounts.shape == values[:, :12].shape
    for one, other in zip(network.infer(kept), network.infer(anew), strict=True):
        assert torch.equal(one, other)


def test_scoring_in_bf16_is_near(tensors: GraphTensors) -> None:
    torch.manual_seed(0)
    network = TypedSAGE(12, len(IDENTIFIER_INPUTS)).eval()
    exact, _ = network.infer(tensors)
    rough, hidden = network.bfloat16().infer(tensors)
    assert hidden.dtype == torch.bfloat16
    assert float((rough.float() - exact).abs().mean() / exact.std()) < 0.03


def test_a_world_without_sharing_has_tensors_and_logits(
    build_events: Callable[..., Events], build_graph: Callable[..., Snapshot], as_of: datetime
) -> None:
    events = build_events({"signups": [{"account_id": "a", "event_time": as_of.replace(day=1), "channel": "app"}]})
    snapshot = build_graph(events, as_of)
    values = np.ones((1, 4), dtype=np.float32)
    tensors = build_tensors([(snapshot, values)], Standardiser.fit(values))
    network = TypedSAGE(4, len(IDENTIFIER_INPUTS)).eval()
    for logits, hidden in (network(tensors), network.infer(tensors)):
        assert logits.shape == (1,)
        assert hidden.shape == (1, 64)


@pytest.mark.parametrize("before", [True, False])
def test_torchs_settings_are_put_back(before: bool) -> None:
    deterministic = torch.utils.deterministic
    was = deterministic.fill_uninitialized_memory
    deterministic.fill_uninitialized_memory = before
    try:
        with _exact(1):
            assert deterministic.fill_uninitialized_memory is False
        assert deterministic.fill_uninitialized_memory is before
    finally:
        deterministic.fill_uninitialized_memory = was


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_says_what_the_cpu_says(tensors: GraphTensors) -> None:
    cuda = torch.device("cuda")
    torch.manual_seed(0)
    network = TypedSAGE(12, len(IDENTIFIER_INPUTS), dropout=0.0).train()
    logits, hidden = network.infer(tensors)
    network(tensors)[0].square().mean().backward()
    wanted = {name: value.grad.clone() for name, value in network.named_parameters() if value.grad is not None}
    network.zero_grad(set_to_none=True)
    network.to(cuda)
    there = tensors.to(cuda)
    for found, same in ((network.infer(there)[0], logits), (network.infer(there)[1], hidden)):
        torch.testing.assert_close(found.cpu(), same, atol=1e-5, rtol=1e-4)
    network(there)[0].square().mean().backward()
    for name, value in network.named_parameters():
        if name in wanted:
            torch.testing.assert_close(value.grad.cpu(), wanted[name], atol=1e-5, rtol=1e-3)
    rough, _ = network.bfloat16().infer(there)
    assert float((rough.float().cpu() - logits).abs().mean() / logits.std()) < 0.03
