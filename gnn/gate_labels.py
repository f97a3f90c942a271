"""The gate's second check: with shuffled labels, validation finds nothing but chance.

Labels are dealt to whole groups at random, so that what ties a ring's accounts ties accounts of one label, whatever they are.
If anything of a looked-at group is on the training side (an account at an earlier cut-off, a member, a score of a neighbour that
knew its label), the label can be told from there; else it cannot be told from anything.

References:
    M. Ojala, G. Garriga, Permutation tests for studying classifier performance, JMLR 2010.
"""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gnn.cutoffs import Labelled
from gnn.folds import Arrangement
from gnn.gate import Check
from gnn.train import fold_sides
from gnn.train_config import Progress, TrainConfig, silent
from gnn.trees import Trees

__all__ = ["average_precision", "check_shuffled"]

_N_CHANCE = 2_000
_QUANTILE = 0.999
_N_TURNS = 2
_FOLD = 0
_SHARE = 0.1  # of the accounts that are dealt a positive label, at least: few could tell nothing
_MOST = 3_000  # accounts: among more, trees have no leaf as small as a group, and could not tell what leaks


def check_shuffled(
    arranged: Arrangement, config: TrainConfig, seed: int, n_threads: int, progress: Progress = silent
) -> Check:
    """Trains quick trees on one fold's training side with shuffled labels, and looks at the fold, as validation does.

    Labels of the looked-at fold are dealt apart from those trained on, so however else they had been dealt, the scores would be
    the same if nothing leaks: how well they do on 2,000 other deals is chance. The average precision must not be above the .999
    quantile of it. If it is, all is dealt and done again: only twice in a row is a fault.

    Args:
        arranged: the examples and their folds; of the latest two cut-offs, 3,000 accounts in whole groups are used.
        config: settings of the training.
        seed: of what is dealt.
        n_threads: for LightGBM.
    """
    arranged = _sample(_clear(arranged), seed)
    # a leak shows in a quick model as well
    quick = replace(config, tree_rounds=60, tree_least_negatives=10_000)
    found, limit, n, n_positive = _one_turn(arranged, quick, seed, n_threads, progress)
    for turn in range(1, _N_TURNS):
        if found <= limit:
            break
        found, limit, n, n_positive = _one_turn(arranged, quick, seed + turn, n_threads, progress)
    told = (
        f"shuffled labels of {n:,} accounts ({n_positive:,} positive) were found with average precision {found:.4f}, "
        f"where chance reaches {limit:.4f} at its {_QUANTILE} quantile"
    )
    facts: dict[str, Any] = {"n": n, "n_positive": n_positive, "auprc": round(found, 6), "limit": round(limit, 6)}
    if n_positive in (0, n):  # no group, or one alone: whatever leaks could not show
        facts["why_not"] = "nothing could be dealt"
        told = f"nothing could be dealt to the {n:,} accounts that were looked at"
    fault = f"{told}, {_N_TURNS} times in a row: validation knows something of the accounts that it looks at"
    return Check("shuffled labels", told, fault if found > limit else "", facts)


def average_precision(place: NDArray[np.int64]) -> float:
    """Average precision from the places of the positives in the ranking, int64 [k], 0 for the first; 0 without any."""
    if not len(place):
        return 0.0
    return float(np.mean(np.arange(1, len(place) + 1) / (np.sort(place) + 1)))


def _clear(arranged: Arrangement) -> Arrangement:
    """The latest two cut-offs without unclear accounts, whose being unclear would tell the true labels."""
    latest = {name: getattr(arranged, name)[-2:] for name in ("parts", "fold", "group")}
    return _of(replace(arranged, **latest, tonight=None), [~part.unclear for part in latest["parts"]])


def _sample(arranged: Arrangement, seed: int) -> Arrangement:
    """Whole groups drawn at random, half of the accounts in groups of several; all where they are few."""
    number, size = np.unique(arranged.group[-1], return_counts=True)
    if size.sum() <= _MOST:
        return arranged
    chosen = number[_deal(size, _MOST / float(size.sum()), np.random.default_rng(seed))]
    return _of(arranged, [np.isin(group, chosen) for group in arranged.group])


def _of(arranged: Arrangement, keep: list[NDArray[np.bool_]]) -> Arrangement:
    """The rows of each part where `keep` holds."""
    parts = [part.of(rows) for part, rows in zip(arranged.parts, keep, strict=True)]
    fold, group = (
        [values[rows] for values, rows in zip(column, keep, strict=True)] for column in (arranged.fold, arranged.group)
    )
    return replace(arranged, parts=parts, fold=fold, group=group, judged=arranged.judged[keep[-1]])


def _one_turn(
    arranged: Arrangement, config: TrainConfig, seed: int, n_threads: int, progress: Progress
) -> tuple[float, float, int, int]:
    """Average precision on shuffled labels, what chance reaches, and on how many accounts and positives."""
    random = np.random.default_rng(seed)
    last, fold = arranged.group[-1], arranged.fold[-1]
    number, first, place = np.unique(last, return_index=True, return_inverse=True)
    size, fold_of = np.bincount(place), fold[first]
    share = max(_SHARE, float(arranged.parts[-1].target.mean()))
    dealt = np.zeros(len(number), dtype=np.bool_)
    for own in range(config.n_folds):
        here = np.flatnonzero(fold_of == own)
        dealt[here] = _deal(size[here], share, random)
    positive = number[dealt]
    parts = [
        _with_targets(part, np.isin(group, positive))
        for part, group in zip(arranged.parts, arranged.group, strict=True)
    ]
    train, valid, _ = fold_sides(replace(arranged, parts=parts), _FOLD, config, seed, n_threads, progress)
    trace = Trees.fit(train, [valid], None, config, seed, n_threads, progress).trace
    assert trace is not None
    order = np.argsort(-trace.logits[-1], kind="stable")
    target = valid.target[order]
    found = average_precision(np.flatnonzero(target))
    return found, _chance(place[fold == _FOLD][order], share, random), len(target), int(target.sum())


def _deal(size: NDArray[np.int64], share: float, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which groups are positive: about `share` of the accounts, half of them in groups of several; none holds a quarter of them.

    Where only larger groups are, one of the smallest is: with none, nothing could be found, and the check would say nothing.
    """
    wanted = max(1, round(share * float(size.sum())))
    smallest = int(size.min()) if len(size) else 1
    order = random.permutation(np.flatnonzero(size <= max(smallest, wanted // 4)))
    several = order[size[order] > 1]
    several = several[np.cumsum(size[several]) <= wanted // 2]
    dealt = np.zeros(len(size), dtype=np.bool_)
    dealt[several] = True
    rest = order[~dealt[order]]
    dealt[rest[np.cumsum(size[rest]) <= wanted - int(size[several].sum())]] = True
    if not dealt.any():
        dealt[order[size[order] == smallest][:1]] = True
    return dealt


def _with_targets(part: Labelled, positive: NDArray[np.bool_]) -> Labelled:
    return replace(part, target=positive.astype(np.int8), confirmed=positive)


def _chance(group: NDArray[np.int64], share: float, random: np.random.Generator) -> float:
    """The quantile of the average precision over other deals.

    Args:
        group: int64 [n], the group of each looked-at account, the highest score first.
    """
    order = np.argsort(group, kind="stable")
    start, count = np.unique(group[order], return_index=True, return_counts=True)[1:]
    values = np.zeros(_N_CHANCE)
    for turn in range(_N_CHANCE):
        chosen = np.flatnonzero(_deal(count, share, random))
        sizes = count[chosen]
        # the places of all accounts of the chosen groups, without a loop over groups
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        values[turn] = average_precision(order[np.repeat(start[chosen], sizes) + within])
    return float(np.quantile(values, _QUANTILE, method="higher"))
