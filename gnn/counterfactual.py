"""The smallest set of an account's own links without which its score lies below the threshold.

The score without links is made by the night's own functions on a copy of what is around the account (`gnn.around`): its links are
taken out of the graph, and out of the events that made them, and then features, the first look, trees and network say their part.
Sets are searched from the strongest link down: the shortest run that suffices, and of it what suffices without some, halves first,
then ever smaller parts, until no link can be spared or 128 sets have been asked for. So a set is smallest in that no link of it
can be spared, unless the asks ran out; another one of fewer links may exist.

References:
    A. Zeller, R. Hildebrandt, Simplifying and isolating failure-inducing input, IEEE Transactions on Software Engineering 2002: parts;
    A. Lucic et al., CF-GNNExplainer: counterfactual explanations for graph neural networks, AISTATS 2022.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.special import logit as logit_of

from gnn import features_neighbours
from gnn.around import Around, Copies
from gnn.cutoffs import CutOff
from gnn.feature_types import rows_of
from gnn.features import FEATURE_NAMES, build_own
from gnn.features_neighbours import pair_means
from gnn.model import TrainedModel
from gnn.near import look_around, median_logit
from gnn.trees import Trees
from graph.snapshot import Events
from graph.without import mask_values, without_links

__all__ = ["Counterfactual", "Unlinked", "find_counterfactuals"]

_MOST_ACCOUNTS = 20_000  # of copies scored at once
_RUNS = 8  # lengths of runs that are tried, at most
_MOST_ASKS = 128  # sets of an account that are scored, at most
_FEW = 12  # a set of up to so many is pruned link by link, least missed first: 77 asks at most
_TINY = 1e-12

_OWN = [name for name in FEATURE_NAMES if name not in {feature.name for feature in features_neighbours.FEATURES}]
_NEIGHBOURS = [feature.name for feature in features_neighbours.FEATURES]

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Counterfactual:
    """What it takes.

    Attributes:
        account: its number.
        identifiers: those of the links, the strongest first; all of the account's where no set suffices.
        before, after: log odds of the score with the links and without them.
        suffices: whether the score without them is below the threshold.
    """

    account: int
    identifiers: tuple[int, ...]
    before: float
    after: float
    suffices: bool


class Unlinked:
    """Scores accounts without some of their links."""

    def __init__(
        self,
        model: TrainedModel,
        cutoff: CutOff,
        events: Events,
        accounts: NDArray[np.int64],
        key: str,
        seed: int,
        n_threads: int = 1,
        first: NDArray[np.float64] | None = None,
        sage: NDArray[np.float64] | None = None,
    ) -> None:
        """Gathers what the copies are made of.

        Args:
            model: the night's model.
            cutoff: the graph and features as of the night.
            events: clean events, of which the features were made.
            accounts: int64 [k], those that will be asked for.
            key: of the identifiers' hashes.
            seed: of the clusters' refinement, as the night has it.
            first, sage: float64 [n], log odds by the first look, and the networks' mean, if they have been asked for.
        """
        self.model, self.seed, self.n_threads = model, seed, n_threads
        self.n_world = cutoff.snapshot.accounts.height
        self.around = Around(events, cutoff.snapshot, accounts, key, seed)
        self.first = np.round(model.first.logits(cutoff, n_threads) if first is None else first, 6)
        self.rest = median_logit(self.first)
        self.near = look_around(cutoff.snapshot)(self.first) if cutoff.near is None else cutoff.near
        self.own = replace(cutoff, near=None)
        self.trees = [member for member in model.members["trees"] if isinstance(member, Trees)]
        self.sage_logits = model.member_logits("sage", cutoff, n_threads) if sage is None else sage
        self._whole: dict[int, _Said] = {}

    def log_odds(self, accounts: Sequence[int], cuts: Sequence[NDArray[np.int64]]) -> Values:
        """Log odds of the score of each account without the links to these identifiers, float64 [k].

        An account may be named more than once. Without any cut the result is the night's.
        """
        sizes = dict(self.around.members.group_by("of").len().iter_rows())
        parts, begin, total = [], 0, 0
        for place, account in enumerate(accounts):
            total += sizes[account]
            if total > _MOST_ACCOUNTS and place > begin:
                parts.append(self._part(accounts[begin:place], cuts[begin:place]))
                begin, total = place, sizes[account]
        parts.append(self._part(accounts[begin:], cuts[begin:]))
        return np.concatenate(parts)

    def _part(self, accounts: Sequence[int], cuts: Sequence[NDArray[np.int64]]) -> Values:
        if not len(accounts):
            return np.zeros(0)
        for account, said in self._say_whole([a for a in dict.fromkeys(accounts) if a not in self._whole]).items():
            self._whole[account] = said
        copies = self.around.copies(accounts)
        before = [self._whole[account] for account in accounts]
        whole = _Said(*(np.concatenate([getattr(said, name) for said in before]) for name in _SAID))
        links = copies.links(cuts)
        snapshot = without_links(copies.snapshot, links, self.seed, self.n_world)
        _, _, features = self._features(replace(copies, snapshot=snapshot), mask_values(copies.marked, links), whole)
        changed = np.flatnonzero((features != self.own.take(copies.account)).any(axis=1))
        cutoff = CutOff(snapshot, _frame(features))
        first = self.first[copies.account]
        first[changed] = self._look(features[changed])
        near = self.near[copies.account[copies.target]].astype(np.float64)
        near += (look_around(snapshot)(first, self.rest).astype(np.float64) - whole.near)[copies.target]
        sage = self.sage_logits[copies.account[copies.target]]
        sage = sage + (self.model.member_logits("sage", cutoff, self.n_threads) - whole.sage)[copies.target]
        values = np.concatenate([features[copies.target], near], axis=1).astype(np.float32)
        trees = np.mean([member.predict(values, self.n_threads) for member in self.trees], axis=0)
        score = self.model.combine({"trees": trees, "sage": sage}, self.model.default)
        return np.asarray(logit_of(np.clip(score, _TINY, 1 - _TINY)))

    def _look(self, features: Values) -> Values:
        """The first look's log odds of rows of features."""
        total = np.zeros(len(features))
        for model in self.model.first.models:
            total += model.predict(features.astype(np.float32), self.n_threads)
        return np.round(total / max(len(self.model.first.models), 1), 6)

    def _features(self, copies: Copies, events: Events, whole: "_Said | None") -> tuple[Values, Values, Values]:
        """Own and neighbours' features as the copies have them; and all features: the night's, and what differs from whole copies."""
        rows = rows_of(events, copies.snapshot)
        own = build_own(rows).select(_OWN).to_numpy().astype(np.float64)
        night = self.own.take(copies.account).astype(np.float64)
        corrected = night.copy()
        if whole is not None:
            corrected[:, _OWN_AT] = _shift(night[:, _OWN_AT], own, whole.own)
        base = _frame(corrected)
        neighbours = features_neighbours.build(rows, base).select(_NEIGHBOURS).to_numpy().astype(np.float64)
        if whole is not None:
            corrected[:, _NEIGHBOURS_AT] = _shift(night[:, _NEIGHBOURS_AT], neighbours, whole.neighbours)
            # of a mean over means the copy has the outer one alone
            again = (pair_means(copies.snapshot)[copies.target] @ corrected)[:, _ONE_AT]
            corrected[copies.target[:, None], np.array(_TWO_AT)] = again
        return own, neighbours, corrected

    def _say_whole(self, accounts: Sequence[int]) -> dict[int, "_Said"]:
        """What copies with all their links say; nothing differs there from the night, so features are the night's."""
        if not accounts:
            return {}
        copies = self.around.copies(accounts)
        nothing = copies.links([np.zeros(0, dtype=np.int64)] * len(accounts))
        own, neighbours, features = self._features(copies, mask_values(copies.marked, nothing), None)
        near = look_around(copies.snapshot)(self.first[copies.account], self.rest).astype(np.float64)
        cutoff = CutOff(copies.snapshot, _frame(features))
        sage = self.model.member_logits("sage", cutoff, self.n_threads)
        parts = [slice(begin, end) for begin, end in zip(copies.start[:-1], copies.start[1:], strict=True)]
        return {
            account: _Said(own[part], neighbours[part], near[part], sage[part])
            for account, part in zip(accounts, parts, strict=True)
        }


@dataclass(frozen=True)
class _Said:
    """Of a whole copy's accounts [n, ...]: own and neighbours' features, what is near, and the network's logit."""

    own: Values
    neighbours: Values
    near: Values
    sage: Values


_SAID = ("own", "neighbours", "near", "sage")
_OWN_AT = [FEATURE_NAMES.index(name) for name in _OWN]
_NEIGHBOURS_AT = [FEATURE_NAMES.index(name) for name in _NEIGHBOURS]


_ONE_AT = [FEATURE_NAMES.index(f"pairs_mean_{name}") for name in features_neighbours.BASE]
_TWO_AT = [FEATURE_NAMES.index(f"pairs2_mean_{name}") for name in features_neighbours.BASE]


def _shift(night: Values, cut: Values, whole: Values) -> Values:
    """The night's values where the cut changes nothing or the copy has them whole, else moved by as much as the copy's."""
    return np.where(
        np.isclose(whole, night, rtol=1e-5, atol=1e-5), np.where(cut == whole, night, cut), night + cut - whole
    )


def _frame(features: Values) -> pl.DataFrame:
    frame = pl.DataFrame(features.astype(np.float32), schema=dict.fromkeys(FEATURE_NAMES, pl.Float32))
    return frame.with_columns(account=pl.int_range(pl.len(), dtype=pl.Int32)).select("account", *FEATURE_NAMES)


def find_counterfactuals(
    unlinked: Unlinked, orders: Mapping[int, Sequence[int]], before: Mapping[int, float], threshold: float
) -> dict[int, Counterfactual]:
    """For each account a set of links without which its score is below the threshold.

    Args:
        unlinked: ready for these accounts.
        orders: account to the identifiers of its links, the strongest first; an account without one has no answer.
        before: account to the log odds of its score.
        threshold: probability.

    Returns:
        account to what was found. Each score is made with exactly these links removed.
    """
    floor = float(logit_of(threshold))
    asked = [
        (account, tuple(order[:n]))
        for account, order in orders.items()
        for n in sorted({round(share * len(order)) for share in np.linspace(0, 1, _RUNS + 1)} - {0})
    ]
    found: dict[int, Counterfactual] = {}
    for (account, cut), after in zip(asked, _ask(unlinked, asked), strict=True):
        if account not in found or not found[account].suffices:  # the shortest that does, else the longest
            found[account] = Counterfactual(account, cut, before[account], after, after < floor)
    open_ = [
        _Pruning(
            one,
            1 if len(one.identifiers) <= _FEW else len(one.identifiers),
            _MOST_ASKS - _RUNS,
            len(one.identifiers) > _FEW,
        )
        for one in found.values()
        if one.suffices
    ]
    while open_ := [one for one in open_ if one.is_open]:
        open_ = _prune(unlinked, open_, floor)
        found |= {one.best.account: one.best for one in open_}
    return found


@dataclass(frozen=True)
class _Pruning:
    """The smallest set of an account so far.

    Attributes:
        size: how many of its links are left out at once next.
        left: how many asks are left.
        is_large: whether parts are left out together.
    """

    best: Counterfactual
    size: int
    left: int
    is_large: bool

    @property
    def is_open(self) -> bool:
        return self.size > 0 and self.left > 0 and len(self.best.identifiers) > 1

    def parts(self) -> list[tuple[int, ...]]:
        """The set without each of its parts, the weakest links left out first."""
        links, size = self.best.identifiers, self._size()
        begins = range((len(links) - 1) // size * size, -1, -size)
        return [links[:begin] + links[begin + size :] for begin in begins][: self.left]

    def union(self, parts: Sequence[tuple[int, ...]], values: Sequence[float], floor: float) -> list[tuple[int, ...]]:
        """The set without all that can be spared part by part, where that is more than one part of a large set; to be asked for."""
        spared = [set(rest) for rest, value in zip(parts, values, strict=True) if value < floor]
        if not self.is_large or len(spared) < 2 or self.left <= len(parts):
            return []
        rest = set.intersection(*spared)
        return [tuple(x for x in self.best.identifiers if x in rest)] if rest else []

    def after(self, parts: Sequence[tuple[int, ...]], values: Sequence[float], floor: float) -> "_Pruning":
        """The smallest that suffices, of equals the one that is missed least; smaller parts next where all are missed."""
        left = self.left - len(parts)
        spared = [(len(rest), value, place) for place, (rest, value) in enumerate(zip(parts, values, strict=True))]
        found = [each for each in spared if each[1] < floor]
        if not found:
            return replace(self, size=self._size() // 2, left=left)
        _, value, place = min(found)
        best = replace(self.best, identifiers=parts[place], after=value)
        return replace(self, best=best, size=self._size(), left=left)

    def _size(self) -> int:
        return min(self.size, (len(self.best.identifiers) + 1) // 2)


def _prune(unlinked: Unlinked, sets: Sequence[_Pruning], floor: float) -> list[_Pruning]:
    """One round, all sets in one pass: each without each of its parts; then without all that are spared so."""
    parts = [one.parts() for one in sets]
    values = _ask_each(unlinked, sets, parts)
    unions = [one.union(rests, said, floor) for one, rests, said in zip(sets, parts, values, strict=True)]
    more = _ask_each(unlinked, sets, unions)
    return [
        one.after(rests + union, said + again, floor)
        for one, rests, said, union, again in zip(sets, parts, values, unions, more, strict=True)
    ]


def _ask_each(unlinked: Unlinked, sets: Sequence[_Pruning], cuts: Sequence[list[tuple[int, ...]]]) -> list[list[float]]:
    said = iter(_ask(unlinked, [(one.best.account, cut) for one, own in zip(sets, cuts, strict=True) for cut in own]))
    return [[next(said) for _ in own] for own in cuts]


def _ask(unlinked: Unlinked, asked: Sequence[tuple[int, tuple[int, ...]]]) -> list[float]:
    """Log odds of accounts without links."""
    cuts = [np.array(cut, dtype=np.int64) for _, cut in asked]
    return unlinked.log_odds([account for account, _ in asked], cuts).tolist() if asked else []
