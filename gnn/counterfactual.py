"""The smallest set of an account's own links without which its score lies below the threshold.

The score without links is made by the night's own functions on a copy of what is around the account (`gnn.around`): its links are
taken out of the graph, and out of the events that made them, and then features, the first look, trees and network say their part.
Sets are searched from the strongest link down: the shortest run that suffices, by halving, and then without each link in turn, until
none can be spared. So a set is smallest in that no link of it can be spared; another one of fewer links may exist.

References:
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
from gnn.model import TrainedModel
from gnn.near import build_near, median_logit
from gnn.sage_model import Sage
from gnn.trees import Trees
from graph.snapshot import Events
from graph.without import mask_values, without_links

__all__ = ["Counterfactual", "Unlinked", "find_counterfactuals"]

_MOST_ACCOUNTS = 20_000  # of copies scored at once
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
    ) -> None:
        """Gathers what the copies are made of.

        Args:
            model: the night's model.
            cutoff: the graph and features as of the night.
            events: clean events, of which the features were made.
            accounts: int64 [k], those that will be asked for.
            key: of the identifiers' hashes.
            seed: of the clusters' refinement, as the night has it.
        """
        self.model, self.seed, self.n_threads = model, seed, n_threads
        self.n_world = cutoff.snapshot.accounts.height
        self.around = Around(events, cutoff.snapshot, accounts, key, seed)
        self.first = np.round(model.first.logits(cutoff, n_threads), 6)
        self.rest = median_logit(self.first)
        self.near = build_near(cutoff.snapshot, self.first) if cutoff.near is None else cutoff.near
        self.features = cutoff.features.select(FEATURE_NAMES).to_numpy().astype(np.float64)
        self.sage = [member for member in model.members["sage"] if isinstance(member, Sage)]
        self.trees = [member for member in model.members["trees"] if isinstance(member, Trees)]
        self.sage_logits = np.mean([member.logits(cutoff, n_threads) for member in self.sage], axis=0)
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
        own, neighbours, features = self._features(
            replace(copies, snapshot=snapshot), mask_values(copies.marked, links), whole
        )
        del own, neighbours
        changed = np.flatnonzero((features != self.features[copies.account]).any(axis=1))
        cutoff = CutOff(snapshot, _frame(features))
        first = self.first[copies.account]
        first[changed] = self._look(features[changed])
        near = self.near[copies.account[copies.target]].astype(np.float64)
        near += (build_near(snapshot, first, self.rest).astype(np.float64) - whole.near)[copies.target]
        sage = self.sage_logits[copies.account[copies.target]]
        sage = (
            sage + (np.mean([m.logits(cutoff, self.n_threads) for m in self.sage], axis=0) - whole.sage)[copies.target]
        )
        values = np.concatenate([features[copies.target], near], axis=1).astype(np.float32)
        trees = np.mean([member.predict(values, self.n_threads) for member in self.trees], axis=0)
        return logit_of(
            np.clip(self.model.combine({"trees": trees, "sage": sage}, self.model.default), _TINY, 1 - _TINY)
        )

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
        night = self.features[copies.account]
        corrected = night.copy()
        if whole is not None:
            corrected[:, _OWN_AT] = _shift(night[:, _OWN_AT], own, whole.own)
        base = _frame(corrected)
        neighbours = features_neighbours.build(rows, base).select(_NEIGHBOURS).to_numpy().astype(np.float64)
        if whole is not None:
            corrected[:, _NEIGHBOURS_AT] = _shift(night[:, _NEIGHBOURS_AT], neighbours, whole.neighbours)
        return own, neighbours, corrected

    def _say_whole(self, accounts: Sequence[int]) -> dict[int, "_Said"]:
        """What copies with all their links say; nothing differs there from the night, so features are the night's."""
        if not accounts:
            return {}
        copies = self.around.copies(accounts)
        nothing = copies.links([np.zeros(0, dtype=np.int64)] * len(accounts))
        own, neighbours, features = self._features(copies, mask_values(copies.marked, nothing), None)
        near = build_near(copies.snapshot, self.first[copies.account], self.rest).astype(np.float64)
        cutoff = CutOff(copies.snapshot, _frame(features))
        sage = np.mean([member.logits(cutoff, self.n_threads) for member in self.sage], axis=0)
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


def _shift(night: Values, cut: Values, whole: Values) -> Values:
    """The night's values where the cut changes nothing or the copy has them whole, else moved by as much as the copy's."""
    return np.where(
        np.isclose(whole, night, rtol=1e-5, atol=1e-5), np.where(cut == whole, night, cut), night + cut - whole
    )


def _frame(features: Values) -> pl.DataFrame:
    frame = pl.DataFrame(features.astype(np.float32), schema=dict.fromkeys(FEATURE_NAMES, pl.Float32))
    return frame.with_columns(account=pl.int_range(pl.len(), dtype=pl.Int32)).select("account", *FEATURE_NAMES)


def find_counterfactuals(
    unlinked: Unlinked, orders: Mapping[int, Sequence[int]], threshold: float
) -> dict[int, Counterfactual]:
    """For each account a set of links without which its score is below the threshold.

    Args:
        unlinked: ready for these accounts.
        orders: account to the identifiers of its links, the strongest first; an account without one has no answer.
        threshold: probability.

    Returns:
        account to what was found. Each score is made with exactly these links removed.
    """
    floor = float(logit_of(threshold))
    search = _Search(unlinked, {account: list(order) for account, order in orders.items() if len(order)})
    accounts = list(search.orders)
    before = dict(zip(accounts, search.ask([(a, ()) for a in accounts]), strict=True))
    everything = dict(zip(accounts, search.ask([(a, tuple(search.orders[a])) for a in accounts]), strict=True))
    best = {a: tuple(search.orders[a]) for a in accounts}
    after = dict(everything)
    open_ = [a for a in accounts if everything[a] < floor]
    low, high = dict.fromkeys(open_, 0), {a: len(best[a]) for a in open_}
    while halving := [a for a in open_ if high[a] - low[a] > 1]:
        middle = {a: (low[a] + high[a]) // 2 for a in halving}
        said = search.ask([(a, tuple(search.orders[a][: middle[a]])) for a in halving])
        for a, value in zip(halving, said, strict=True):
            if value < floor:
                high[a], best[a], after[a] = middle[a], tuple(search.orders[a][: middle[a]]), value
            else:
                low[a] = middle[a]
    search.prune(best, after, [a for a in open_ if len(best[a]) > 1], floor)
    return {a: Counterfactual(a, best[a], before[a], after[a], everything[a] < floor) for a in accounts}


class _Search:
    def __init__(self, unlinked: Unlinked, orders: dict[int, list[int]]) -> None:
        self.unlinked, self.orders = unlinked, orders

    def ask(self, asked: Sequence[tuple[int, tuple[int, ...]]]) -> list[float]:
        """Log odds of accounts without links."""
        cuts = [np.array(cut, dtype=np.int64) for _, cut in asked]
        return self.unlinked.log_odds([account for account, _ in asked], cuts).tolist() if asked else []

    def prune(self, best: dict[int, tuple[int, ...]], after: dict[int, float], open_: list[int], floor: float) -> None:
        """Takes out of each set the link that is missed least, as long as the rest suffices."""
        while open_:
            asked = [(a, tuple(x for x in best[a] if x != spared)) for a in open_ for spared in best[a]]
            found: dict[int, tuple[float, tuple[int, ...]]] = {}
            for (a, rest), value in zip(asked, self.ask(asked), strict=True):
                if value < floor and (a not in found or value < found[a][0]):
                    found[a] = (value, rest)
            for a, (value, rest) in found.items():
                best[a], after[a] = rest, value
            open_ = [a for a in found if len(best[a]) > 1]
