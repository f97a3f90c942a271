"""Parting examples so that validation is later in time and shares no group with training."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.cutoffs import CutOff, Labelled
from gnn.examples import build_examples, label_delay
from gnn.train_config import TrainConfig
from graph.snapshot import Snapshot

__all__ = ["Arrangement", "arrange", "deal_folds", "group_accounts", "split"]

_SHARES_OF_DELAY = (1.0, 0.5, 0.0)
_LARGE_COMPONENT = 0.2  # share of the accounts; above it parting by component would leave one fold with nearly all


@dataclass(frozen=True)
class Arrangement:
    """What is trained on and what is looked at.

    Attributes:
        parts: the accounts of each earlier cut-off, the earliest first; the last serves validation. Unclear ones are never
            trained on.
        fold: of each part int64 [k], the fold of each account; the accounts of one group are in one fold.
        group: of each part int64 [k], the group of each account.
        tonight: the accounts of now with their folds, to train on once all is chosen; None where now is not given.
        now_fold: int64 [n], the fold of each account of now (of the last cut-off, where now is not given), of those, too, that are too
            young to be examples.
        judged: bool [k of the last part]: the quality is quoted on these.
        words: how the validation accounts were set apart.
    """

    parts: list[Labelled]
    fold: list[NDArray[np.int64]]
    group: list[NDArray[np.int64]]
    tonight: tuple[Labelled, NDArray[np.int64]] | None
    now_fold: NDArray[np.int64]
    judged: NDArray[np.bool_]
    words: str


def arrange(
    cutoffs: Sequence[CutOff],
    outcomes: pl.DataFrame,
    as_of: datetime,
    config: TrainConfig,
    seed: int,
    tonight: CutOff | None = None,
) -> Arrangement | str:
    """Labels the accounts of each cut-off and parts them into folds; or says why nothing can be trained.

    Accounts are parted by component where components are small, else by cluster, both as of now. Earlier cut-offs that leave the training side of any fold without enough of either class are no history to learn from: then the
    last cut-off alone serves, with other groups on the training side. Where accounts old enough for a label have too few positives, half of
    that age is enough, and at last any: then some young accounts count as honest that are not found out yet, but age tells no label.
    """
    now = tonight or cutoffs[-1]
    groups, kind = group_accounts(now.snapshot, config.n_folds, None if now.draw is None else now.draw.kind)
    of_now = groups.sort("account")["group"].to_numpy().astype(np.int64)
    told = config.label_delay_days
    delay = label_delay(now.snapshot, outcomes, as_of) if told is None else told
    for share in _SHARES_OF_DELAY:
        days = share * delay
        examples = build_examples(now.snapshot, outcomes, as_of, days)
        # who is unclear by now was no clear negative earlier either
        own_groups = groups.join(examples.select("account", unclear_now="is_unclear"), on="account").drop("account")
        labelled = [_label(cutoff, own_groups, outcomes, as_of, days) for cutoff in cutoffs]
        reason = _too_few(*labelled[-1], config)
        if reason is None:
            break
    if reason is not None:
        return reason
    kept = [pair for place, pair in enumerate(labelled) if len(pair[1]) or place == len(labelled) - 1]
    parts, numbers = [pair[0] for pair in kept], [pair[1] for pair in kept]
    dealt = deal_folds(numbers[-1], parts[-1].target, config.n_folds, seed)
    of_group = dict(zip(numbers[-1].tolist(), dealt.tolist(), strict=True))
    fold = [_folds_of(own, of_group, config) for own in numbers]
    if len(parts) > 1 and _lacks_a_class(parts, fold, config):
        parts, fold, numbers = parts[-1:], fold[-1:], numbers[-1:]
    if lack := _lacks_a_class(parts, fold, config):
        return lack
    when = "later in time, " if len(parts) > 1 else "same cut-off, for earlier ones have too few examples, "
    judged, who = _judged(parts[-1], dealt, config)
    added = None
    if tonight is not None:
        part, own = _label(tonight, own_groups, outcomes, as_of, days)
        added = part, _folds_of(own, of_group, config)
    now_fold = _folds_of(of_now, of_group, config)
    why = "for older ones have too few positives" if share < 1 else "when most outcomes that come have come"
    aged = f", accounts from {days:.0f} days on, {why}" if share < 1 or told is None else ""
    return Arrangement(
        parts, fold, numbers, added, now_fold, judged, f"{when}other {kind}, {who}{aged}{_of_draw(now, kind)}"
    )


def _of_draw(now: CutOff, kind: str) -> str:
    """In words, what of the world was learnt from; nothing where it is all."""
    if now.draw is None:
        return ""
    n = int(now.is_drawn.sum())
    around = len(now.is_drawn) - n
    return (
        f"; all of it on {n:,} accounts drawn from {now.draw.n_world:,} in whole {kind}, beside {around:,} around them"
    )


def deal_folds(group: NDArray[np.int64], target: NDArray[np.int8], n_folds: int, seed: int) -> NDArray[np.int64]:
    """A fold for each account: groups stay whole, and positives are spread evenly, groups with the most of them first."""
    numbers, place = np.unique(group, return_inverse=True)
    positives = np.bincount(place, weights=target).astype(np.int64)
    fold = np.random.default_rng(seed).integers(0, n_folds, len(numbers))
    filled = np.zeros(n_folds, dtype=np.int64)
    for number in np.lexsort((numbers, -positives)):
        if positives[number] == 0:
            break
        fold[number] = int(np.argmin(filled))
        filled[fold[number]] += positives[number]
    return fold[place]


def split(parts: list[Labelled], fold: list[NDArray[np.int64]], number: int) -> tuple[list[Labelled], Labelled]:
    """Training examples outside the fold at the earlier cut-offs, and accounts to look at inside it at the last."""
    valid = parts[-1].of(fold[-1] == number)
    earlier = list(zip(parts, fold, strict=True))[: max(1, len(parts) - 1)]
    return [part.of((own != number) & ~part.unclear) for part, own in earlier], valid


def group_accounts(snapshot: Snapshot, n_folds: int, kind: str | None = None) -> tuple[pl.DataFrame, str]:
    """account, account_id and group of a snapshot's accounts, and what the groups are: components where they are small.

    Args:
        kind: `components` or `clusters`, where it was decided on a world of which this is a part.
    """
    clusters = snapshot.clusters
    sizes = clusters.group_by("component").len()["len"]
    largest = int(sizes.to_numpy().max(initial=0))
    small = largest < _LARGE_COMPONENT * clusters.height and len(sizes) >= n_folds
    kind = kind or ("components" if small else "clusters")
    names = snapshot.accounts.select("account", "account_id")
    return names.join(clusters, on="account", maintain_order="left").select(
        "account", "account_id", group=kind.removesuffix("s")
    ), kind


def _label(
    cutoff: CutOff, groups: pl.DataFrame, outcomes: pl.DataFrame, as_of: datetime, label_delay_days: float
) -> tuple[Labelled, NDArray[np.int64]]:
    """A cut-off's examples and the group of each."""
    names = cutoff.snapshot.accounts.select("account", "account_id")
    examples = (
        build_examples(cutoff.snapshot, outcomes, as_of, label_delay_days)
        .join(names, on="account", maintain_order="left")
        .join(groups, on="account_id", maintain_order="left")
        .with_columns(is_unclear=(pl.col("is_unclear") | pl.col("unclear_now")) & ~pl.col("is_confirmed"))
    )
    examples = examples.filter(pl.Series(cutoff.is_drawn[examples["account"].to_numpy()]))
    labelled = Labelled(
        cutoff,
        examples["account"].to_numpy().astype(np.int64),
        examples["target"].to_numpy(),
        examples["was_known"].to_numpy(),
        examples["is_confirmed"].to_numpy(),
        examples["is_unclear"].to_numpy(),
    )
    return labelled, examples["group"].to_numpy().astype(np.int64)


def _folds_of(group: NDArray[np.int64], of_group: dict[int, int], config: TrainConfig) -> NDArray[np.int64]:
    """The fold of each account's group; groups that the last cut-off did not have are dealt by their number."""
    return np.array([of_group.get(number, number % config.n_folds) for number in group.tolist()], dtype=np.int64)


def _too_few(part: Labelled, group: NDArray[np.int64], config: TrainConfig) -> str | None:
    """Whether the last cut-off's examples, which have all the positives that there are, suffice."""
    positive = part.target == 1
    n_positive, n_groups = int(positive.sum()), len(np.unique(group[positive]))
    n_negative = int((~positive & ~part.unclear).sum())
    when = f"at the latest cut-off, {part.cutoff.snapshot.as_of.date()}"
    if n_positive < config.min_positives:
        return f"{n_positive} confirmed synthetic account(s) {when}; at least {config.min_positives} are needed"
    if n_groups < config.n_folds:
        return f"the confirmed synthetic accounts lie in {n_groups} cluster(s) {when}; at least {config.n_folds} are needed"
    if n_negative < config.min_positives:
        return f"{n_negative} account(s) that count as honest {when}; at least {config.min_positives} are needed"
    return None


def _lacks_a_class(parts: list[Labelled], fold: list[NDArray[np.int64]], config: TrainConfig) -> str | None:
    """Why some fold's training side, at its latest cut-off, could teach nothing; an earlier cut-off has fewer examples still."""
    least = max(3, config.min_positives // 2)
    for number in range(config.n_folds):
        target = split(parts, fold, number)[0][-1].target
        for n, what in ((int(target.sum()), "confirmed synthetic"), (int((target == 0).sum()), "honest")):
            if n < least:
                return (
                    f"{n} {what} account(s) are left to train on beside fold {number + 1}; at least {least} are needed"
                )
    return None


def _judged(part: Labelled, fold: NDArray[np.int64], config: TrainConfig) -> tuple[NDArray[np.bool_], str]:
    """Which validation accounts the quality is quoted on: those that a night then had to score, if labels suffice."""
    open_ = ~part.known & ~part.unclear
    positive = open_ & (part.target == 1)
    if positive.sum() >= config.min_positives and len(np.unique(fold[positive])) == config.n_folds:
        return open_, "no outcome known then"
    return ~part.unclear, "some outcomes known then, for too few came since"
