"""Tolokers, a public graph of crowd workers: GraphSAGE and its blend with trees beside their controls, on the official splits.

    python tests/benchmarks/bench_tolokers.py [SPLITS] [--seeds N]

SPLITS of the ten official splits are measured, from the first (default 1; a number that is none, as `make bench SIZE=` may give it,
counts as the default); N networks and N boosted models are averaged (default 1). What is quoted is `10 --seeds 3`. A network takes some 300
CPU-seconds on a CPU, 3 seconds on a large GPU. The data (11,758 workers, 519,000 edges, 10 features; O. Platonov et al., A critical look
at the evaluation of GNNs under heterophily, ICLR 2023) lies in the shared data beside the checkout; where it does not, this says so
and ends.

Of each split, half of the workers train, a quarter validates, a quarter is the test. Epochs, boosting rounds and the blend's weight
are chosen on the validation quarter, the test is only reported. All features and all edges are known, as is usual on this graph.
No label is an input, but in the two rows that say so: there an account's trees read the training labels of the accounts around it,
never its own. Labels on this graph are neither late nor few; in the product, where they are both, they are no inputs.

The typed network of `gnn.sage` is made for accounts that share identifiers, and the product joins no account to an account. So the
network of this graph lives here; of the engine's are its message passing (`mean_aggregate` over a `Csr`) and standardisation, and
the ways of `gnn.first_look` (out-of-fold scores of neighbours) and of the blend.
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import lightgbm
import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.metrics import average_precision_score, roc_auc_score
from torch import Tensor, nn
from torch.nn import functional

from gnn.sage import mean_aggregate
from gnn.tensors import Csr, Standardiser

DATA = Path(__file__).parents[3] / "shared" / "data" / "tolokers.npz"
N_SPLITS, DEFAULT_SPLITS = 10, 1
N_FOLDS = 5  # of the first look
HIDDEN, LAYERS, DROPOUT, LEARNING_RATE, DECAY = 128, 2, 0.3, 1e-3, 1e-3
EPOCHS, LOOK_EVERY, PATIENCE = 400, 10, 60
ROUNDS, TREE_PATIENCE, FIRST_LOOK_ROUNDS = 1000, 100, 200
WEIGHTS = np.linspace(0, 1, 11)  # of the trees in the blend
TREES = {
    "objective": "binary",
    "metric": "auc",
    "learning_rate": 0.03,
    "num_leaves": 7,
    "min_data_in_leaf": 20,
    "feature_fraction": 0.4,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "deterministic": True,
    "force_row_wise": True,
    "verbose": -1,
}

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Graph:
    """An undirected graph of n accounts.

    Attributes:
        features: float32 [n, d].
        target: int8 [n].
        adjacency: float64 [n, n], 1 for each edge, both ways.
    """

    features: NDArray[np.float32]
    target: NDArray[np.int8]
    adjacency: sp.csr_matrix

    @cached_property
    def degree(self) -> Floats:
        """Neighbours of each account, at least 1: float64 [n]."""
        n: Floats = np.maximum(np.asarray(self.adjacency.sum(axis=1)).ravel(), 1.0)
        return n

    @cached_property
    def mean(self) -> sp.csr_matrix:
        """The mean over neighbours, as a matrix."""
        return _by_rows(self.adjacency)

    @cached_property
    def roots(self) -> sp.csr_matrix:
        """The sum over neighbours, each by the root of both degrees (T. Kipf, M. Welling, ICLR 2017)."""
        scale = sp.diags(self.degree**-0.5)
        return sp.csr_matrix(scale @ self.adjacency @ scale)

    @cached_property
    def rare(self) -> sp.csr_matrix:
        """The mean over neighbours, those with few neighbours of their own weighing more."""
        return _by_rows(self.adjacency @ sp.diags(1 / self.degree))

    @cached_property
    def like(self) -> sp.csr_matrix:
        """The mean over all that share neighbours, who shares more and rarer ones weighing more; nobody is like himself."""
        alike = sp.csr_matrix(self.roots @ self.roots)
        alike.setdiag(0)
        return _by_rows(alike)

    def shuffled(self, seed: int) -> "Graph":
        """The same edges between other accounts: each end goes to an account at random, degrees go with the ends."""
        place = np.random.default_rng(seed).permutation(len(self.target))
        return Graph(self.features, self.target, self.adjacency[place][:, place].tocsr())


def _by_rows(matrix: sp.csr_matrix) -> sp.csr_matrix:
    total = np.asarray(matrix.sum(axis=1)).ravel()
    return sp.csr_matrix(sp.diags(1 / np.where(total > 0, total, 1.0)) @ matrix)


@dataclass(frozen=True)
class Split:
    """Who trains, validates, is tested: bool [n] each."""

    train: Mask
    valid: Mask
    test: Mask


def read_graph(path: Path) -> tuple[Graph, list[Split]]:
    """The graph, its edges made both ways, and its official splits."""
    with np.load(path) as stored:
        target = stored["node_labels"].astype(np.int8)
        a, b = stored["edges"].T
        features = stored["node_features"].astype(np.float32)
        splits = [
            Split(*masks) for masks in zip(*(stored[f"{part}_masks"] for part in ("train", "val", "test")), strict=True)
        ]
    n = len(target)
    adjacency = sp.csr_matrix((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(n, n))
    adjacency.data[:] = 1.0
    return Graph(features, target, adjacency), splits


# Inputs of the trees


def neighbour_means(graph: Graph) -> Floats:
    """Features, degree, and their means over neighbours and neighbours' neighbours: float64 [n, 3 d + 3]."""
    own = np.c_[graph.features, np.log1p(graph.degree)]
    mean = graph.mean
    joined: Floats = np.c_[own, mean @ own, mean @ (mean @ own)]
    return joined


def graph_features(graph: Graph) -> Floats:
    """`neighbour_means`, deviations, means by rarity, and how closed the neighbourhood is: float64 [n, F]."""
    own = np.c_[graph.features, np.log1p(graph.degree)]
    mean, degree, adjacency = graph.mean, graph.degree, graph.adjacency
    first = mean @ own
    deviation = np.sqrt(np.maximum(mean @ (own * own) - first * first, 0))
    triangles = np.asarray((adjacency @ adjacency).multiply(adjacency).sum(axis=1)).ravel()
    closed = triangles / np.maximum(degree * (degree - 1), 1)
    rare = np.log(adjacency @ (1 / degree))
    joined: Floats = np.c_[neighbour_means(graph), deviation, graph.rare @ own, rare, closed, mean @ closed]
    return joined


def scores_around(graph: Graph, features: Floats, train: Mask, seed: int) -> Floats:
    """What first models say of the accounts around each account, float64 [n, 7]: their scores, never a label.

    As in `gnn.first_look`: one model a fold, blind to it; around a training account as told by the model that is blind to the
    account, around all others by the mean of the models.
    """
    fold = np.where(train, np.random.default_rng(seed).integers(0, N_FOLDS, len(train)), -1)
    mean, rare, like = graph.mean, graph.rare, graph.like
    told = []
    for number in range(N_FOLDS):
        rows = train & (fold != number)
        data = lightgbm.Dataset(features[rows], graph.target[rows])
        logit = lightgbm.train({**TREES, "seed": seed}, data, FIRST_LOOK_ROUNDS).predict(features, raw_score=True)
        score = expit(logit)
        sides = [matrix @ value for matrix in (mean, rare, like) for value in (logit, score)]
        told.append(np.stack([*sides, mean @ (mean @ score)], axis=1))
    around: Floats = np.mean(told, axis=0)
    for number in range(N_FOLDS):
        around[fold == number] = told[number][fold == number]
    return around


def labels_around(graph: Graph, train: Mask) -> Floats:
    """Training labels of the accounts around each account, never its own: float64 [n, 10].

    A training account's neighbourhood shows as many labels as any other's, so what is learnt on training accounts holds.
    """
    shown = train.astype(np.float64)
    excess = shown * (graph.target - graph.target[train].mean())
    mean = graph.mean
    columns = []
    for matrix in (graph.adjacency, graph.adjacency @ sp.diags(1 / graph.degree), graph.like):
        total, n = matrix @ excess, matrix @ shown
        columns += [total / (n + 1), total / np.sqrt(n + 1), np.log1p(n)]
    back = np.asarray(mean.multiply(mean.T).sum(axis=1)).ravel()  # of two steps, the share that returns
    total, n = (mean @ (mean @ value) - back * value for value in (excess, shown))
    return np.stack([*columns, total / (n + 1e-3)], axis=1)


# Models


class PairLayer(nn.Module):
    """h' = h + W2 gelu(W1 [z, mean of z over neighbours, sum of z by roots of degrees]), with z the normalised h: [n, d]."""

    def __init__(self, d: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(d)
        self.join, self.out = nn.Linear(3 * d, d), nn.Linear(d, d)

    def forward(self, state: Tensor, mean: Csr, roots: Csr) -> Tensor:
        z = self.norm(state)
        joined = self.join(torch.cat([z, mean_aggregate(z, mean), mean_aggregate(z, roots)], dim=1))
        hidden = functional.dropout(functional.gelu(joined), DROPOUT, self.training)
        return state + functional.dropout(self.out(hidden), DROPOUT, self.training)


class PairSAGE(nn.Module):
    """GraphSAGE over accounts joined to accounts, own state and neighbours apart, with residuals; logits [n]."""

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.project = nn.Linear(n_features, HIDDEN)
        self.layers = nn.ModuleList(PairLayer(HIDDEN) for _ in range(LAYERS))
        self.norm, self.head = nn.LayerNorm(HIDDEN), nn.Linear(HIDDEN, 1)

    def forward(self, values: Tensor, mean: Csr, roots: Csr) -> Tensor:
        state = functional.dropout(functional.gelu(self.project(values)), DROPOUT, self.training)
        for layer in self.layers:
            state = layer(state, mean, roots)
        return self.head(self.norm(state)).squeeze(-1)  # type: ignore[no-any-return]


def as_csr(matrix: sp.csr_matrix, device: torch.device) -> Csr:
    """The engine's form of a sparse matrix, with its transpose."""

    def half(one: sp.csr_matrix, other: Csr | None) -> Csr:
        pointer, index = (torch.from_numpy(part.astype(np.int32)) for part in (one.indptr, one.indices))
        return Csr(pointer, index, torch.from_numpy(one.data.astype(np.float32)), other)

    return half(matrix, half(sp.csr_matrix(matrix.T), None)).to(device)


def fit_sage(graph: Graph, split: Split, seeds: range) -> Floats:
    """Mean logits of one network a seed, each at the epoch that validation liked best: float64 [n]."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    own = np.c_[graph.features, graph.degree].astype(np.float32)
    values = torch.from_numpy(Standardiser.fit(own[split.train]).apply(own)).to(device)
    target = torch.from_numpy(graph.target.astype(np.float32)).to(device)
    train = torch.from_numpy(np.flatnonzero(split.train)).to(device)
    mean, roots = as_csr(graph.mean, device), as_csr(graph.roots, device)
    total = np.zeros(len(graph.target))
    for seed in seeds:
        torch.manual_seed(seed)
        network = PairSAGE(values.shape[1]).to(device)
        optimiser = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, total_steps=EPOCHS, pct_start=0.1)
        best, best_epoch, logits = -1.0, 0, total
        for epoch in range(1, EPOCHS + 1):
            network.train()
            told = network(values, mean, roots)[train]
            loss = functional.binary_cross_entropy_with_logits(told, target[train])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if epoch % LOOK_EVERY == 0:
                network.eval()
                with torch.no_grad():
                    looked = network(values, mean, roots).double().cpu().numpy()
                quality = roc_auc_score(graph.target[split.valid], looked[split.valid])
                if quality > best:
                    best, best_epoch, logits = quality, epoch, looked
                elif epoch - best_epoch >= PATIENCE:
                    break
        total = total + logits
    return total / len(seeds)


def fit_trees(features: Floats, target: NDArray[np.int8], split: Split, seeds: range) -> Floats:
    """Mean log odds of one boosted model a seed, each at the round that validation liked best: float64 [n]."""
    total = np.zeros(len(target))
    for seed in seeds:
        data = lightgbm.Dataset(features[split.train], target[split.train])
        looked = lightgbm.Dataset(features[split.valid], target[split.valid], reference=data)
        stop = lightgbm.early_stopping(TREE_PATIENCE, verbose=False)
        booster = lightgbm.train({**TREES, "seed": seed}, data, ROUNDS, valid_sets=[looked], callbacks=[stop])
        total += booster.predict(features, raw_score=True)
    return total / len(seeds)


def blend(trees: Floats, sage: Floats, target: NDArray[np.int8], valid: Mask) -> Floats:
    """Log odds in the shares that validation likes best: float64 [n]."""
    mixed = [weight * trees + (1 - weight) * sage for weight in WEIGHTS]
    return max(mixed, key=lambda value: float(roc_auc_score(target[valid], value[valid])))


# Measuring


def measure_split(
    graph: Graph, split: Split, n_seeds: int, say: Callable[[str], None]
) -> dict[str, tuple[float, float]]:
    """Model to its AUROC and average precision on the split's test quarter."""
    seeds, one = range(n_seeds), range(1)
    found: dict[str, tuple[float, float]] = {}

    def note(name: str, logits: Floats) -> Floats:
        target, told = graph.target[split.test], logits[split.test]
        found[name] = float(roc_auc_score(target, told)), float(average_precision_score(target, told))
        say(f"  {name:<52} AUROC {100 * found[name][0]:.2f}  AP {100 * found[name][1]:.2f}")
        return logits

    def trees(features: Floats) -> Floats:
        return fit_trees(features, graph.target, split, seeds)

    lost = graph.shuffled(0)
    note("features alone, trees", trees(graph.features.astype(np.float64)))
    note("trees over neighbour means, edges shuffled", trees(neighbour_means(lost)))
    note("GraphSAGE, edges shuffled (one network)", fit_sage(lost, split, one))
    note("trees over neighbour means", trees(neighbour_means(graph)))
    sage = note("GraphSAGE", fit_sage(graph, split, seeds))
    plain = graph_features(graph)
    around = np.c_[plain, scores_around(graph, plain, split.train, 0)]
    second = note("trees with out-of-fold scores of neighbours", trees(around))
    note("blend", blend(second, sage, graph.target, split.valid))
    told = note(
        "the same trees, with neighbours' training labels", trees(np.c_[around, labels_around(graph, split.train)])
    )
    note("blend, with neighbours' training labels", blend(told, sage, graph.target, split.valid))
    return found


def report(found: list[dict[str, tuple[float, float]]]) -> None:
    """Mean and deviation over splits."""
    print(f"mean of {len(found)} split(s), deviation between splits:")
    for name in found[0]:
        roc, ap = 100 * np.array([one[name] for one in found]).T
        print(f"  {name:<52} AUROC {roc.mean():.2f} ± {roc.std():.2f}  AP {ap.mean():.2f} ± {ap.std():.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("splits", nargs="?", type=int, default=DEFAULT_SPLITS)
    parser.add_argument("--seeds", type=int, default=1)
    asked = parser.parse_args()
    if not DATA.is_file():
        print("left out: the shared data sets do not lie beside this checkout")
        return
    graph, splits = read_graph(DATA)
    n = asked.splits if 1 <= asked.splits <= N_SPLITS else DEFAULT_SPLITS
    where = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} cores"
    print(
        f"tolokers: {len(graph.target):,} accounts, {graph.adjacency.nnz // 2:,} edges, {graph.target.mean():.1%} positive; "
        f"{n} of {len(splits)} splits, {asked.seeds} seeds averaged; {platform.machine()}, {where}"
    )
    found = []
    for number, split in enumerate(splits[:n]):
        begun, cpu = time.perf_counter(), time.process_time()
        print(
            f" split {number}: {split.test.sum():,} tested, {graph.target[split.test].mean():.1%} positive", flush=True
        )
        found.append(measure_split(graph, split, asked.seeds, lambda line: print(line, flush=True)))
        print(f"  {time.perf_counter() - begun:.0f} s, {time.process_time() - cpu:.0f} CPU-s")
    report(found)


if __name__ == "__main__":
    main()
