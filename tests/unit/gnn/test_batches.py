"""A step in mini-batches, or by several workers, is the step over whole graphs."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from gnn.batches import SeedBatches, WholeGraphs, block, deal, plan_step, sampled_graph
from gnn.cutoffs import CutOff, Labelled
from gnn.metrics import auprc
from gnn.sage import TypedSAGE
from gnn.sage_model import Sage, _batch, _Inputs, _network
from gnn.sampling import NeighbourSampler
from gnn.tensors import Standardiser
from gnn.train_config import TrainConfig, silent
from gnn.workers import ALONE, Workers

CPU = torch.device("cpu")
ALL = TrainConfig(sage_full_accounts=0, sage_seeds=10**6, sage_batch=40, sage_near=-1, sage_far=-1, sage_dropout=0.0)
FEW = replace(ALL, sage_seeds=100, sage_near=2, sage_far=1, sage_dropout=0.2)


@pytest.fixture(scope="module")
def parts(cutoffs: list[CutOff]) -> list[Labelled]:
    """Every second account of three cut-offs, the rings' as positives."""
    found = []
    for cutoff in cutoffs:
        is_ring = cutoff.snapshot.accounts["account_id"].str.starts_with("r").to_numpy()
        account = np.arange(0, len(is_ring), 2)
        no = np.zeros(len(account), dtype=np.bool_)
        found.append(Labelled(cutoff, account, is_ring[account].astype(np.int8), no, no, no))
    return found


@pytest.fixture(scope="module")
def standardiser(parts: list[Labelled]) -> Standardiser:
    return Standardiser.fit(np.concatenate([_Inputs(part.cutoff)[:] for part in parts]))


def gradients(parts, standardiser, config, workers=ALONE, number=1) -> tuple[TypedSAGE, float]:
    network = _network(0, config.sage_dropout).train()
    step = plan_step(parts, lambda some: _batch(some, standardiser), config, 5, CPU, workers)
    return network, step(network, number)


def assert_near(one: TypedSAGE, other: TypedSAGE, tolerance: float) -> None:
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        a_grad, b_grad = (torch.zeros_like(a) if x.grad is None else x.grad for x in (a, b))
        torch.testing.assert_close(
            a_grad, b_grad, atol=tolerance, rtol=1e-3, msg=lambda text, name=name: f"{name}: {text}"
        )


def test_batches_with_all_neighbours_give_the_whole_graphs_gradient(parts, standardiser) -> None:
    whole, loss = gradients(parts, standardiser, replace(ALL, sage_full_accounts=10**6))
    batches, batch_loss = gradients(parts, standardiser, ALL)
    assert batch_loss == pytest.approx(loss, rel=1e-5)
    assert max(float(p.grad.abs().max()) for p in whole.parameters() if p.grad is not None) > 0.01
    assert_near(whole, batches, 1e-6)


def test_a_block_with_all_neighbours_gives_its_seeds_the_whole_graphs_logits(parts, standardiser) -> None:
    tensors, rows, _ = _batch(parts, standardiser)
    network = _network(0, 0.0).eval()
    wanted, _ = network.infer(tensors)
    seeds = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))[:50]].numpy()
    drawn = NeighbourSampler(sampled_graph(tensors), [-1] * 4, 0).sample(seeds)
    target = np.repeat(np.arange(len(drawn.pointer) - 1), np.diff(drawn.pointer))
    small = block(tensors, drawn.node.astype(np.int64), drawn.source.astype(np.int64), target)
    assert small.accounts.shape[0] < tensors.accounts.shape[0]
    found, _ = network.infer(small)
    torch.testing.assert_close(found[:50], wanted[torch.from_numpy(seeds)], atol=1e-5, rtol=1e-5)


def test_a_draw_stands_for_all_examples(parts, standardiser) -> None:
    target = np.concatenate([part.target for part in parts])
    weight = torch.rand(len(target), generator=torch.Generator().manual_seed(0))
    step = SeedBatches(_batch(parts, standardiser), weight, FEW, 5, CPU)
    mean = np.zeros(len(target))
    for number in range(1, 301):
        chosen, raised = step._draw(number)
        assert len(chosen) == len(chosen.unique()) == FEW.sage_seeds
        assert int((target[chosen] > 0).sum()) == FEW.sage_seeds // 4
        mean[chosen] += raised[chosen].numpy() / 300
    assert mean.sum() == pytest.approx(float(weight.sum()), rel=0.02)
    for kind, n_seeds in ((target > 0, FEW.sage_seeds // 4), (target == 0, 3 * FEW.sage_seeds // 4)):
        chance = n_seeds / kind.sum()
        deviation = np.sqrt((1 - chance) / chance / 300)
        assert np.abs(mean[kind] / weight.numpy()[kind] - 1).max() < 5 * deviation


def _together(parts, standardiser, config, count: int) -> list[Tensor]:
    """What the workers' `reduce` calls add up to, one worker after the other."""
    total: list[Tensor] = []

    def add(values: list[Tensor]) -> None:
        if not total:
            total.extend(value.clone() for value in values)
        else:
            for place, value in enumerate(values):
                total[place] += value

    for number in range(count):
        gradients(parts, standardiser, config, Workers(number, count, add))
    return total


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("config", [replace(FEW, sage_full_accounts=10**6), FEW], ids=["whole", "batches"])
def test_workers_shares_add_up_to_one_workers_step(parts, standardiser, config: TrainConfig, count: int) -> None:
    alone, loss = gradients(parts, standardiser, config)
    total = _together(parts, standardiser, config, count)
    assert float(total[0]) == pytest.approx(loss, rel=1e-5)
    for found, parameter in zip(total[1:], alone.parameters(), strict=True):
        wanted = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        torch.testing.assert_close(found, wanted, atol=1e-6, rtol=1e-3)


def test_parts_are_dealt_by_size() -> None:
    assert deal([5, 1, 4, 3], 2) == [[0, 1], [2, 3]]
    assert deal([2], 2) == [[0], []]


def test_large_graphs_are_learnt_from_in_batches_and_as_well(parts) -> None:
    config = TrainConfig(sage_epochs=20, sage_every=20, sage_full_accounts=0, sage_seeds=150, sage_batch=64)
    last = parts[-1]
    odd = Labelled(last.cutoff, last.account[:-1] + 1, *(column[:-1] for column in last.columns()[1:]))
    is_ring = last.cutoff.snapshot.accounts["account_id"].str.starts_with("r").to_numpy()[odd.account]
    first = Sage.fit(parts, [odd], None, config, 1, 1, silent)
    again = Sage.fit(parts, [odd], None, config, 1, 1, silent)
    assert first.model.to_files() == again.model.to_files()
    assert auprc(is_ring.astype(np.int8), first.trace.logits[-1]) > 0.8


def test_whole_graphs_while_they_fit(parts, standardiser) -> None:
    n = sum(part.cutoff.features.height for part in parts)
    for most, kind in ((n, WholeGraphs), (n - 1, SeedBatches)):
        config = replace(FEW, sage_full_accounts=most)
        assert isinstance(plan_step(parts, lambda some: _batch(some, standardiser), config, 5, CPU), kind)
