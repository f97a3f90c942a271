"""Copies of what is around accounts, each without some of its account's links, scored as the night scores.

Who is around an account: those who hold an identifier that it holds, and its component. A copy holds them with the links, pairs and
events among them; copies lie side by side in one snapshot, without links between them, so that one pass of the night's own functions
(`graph.without`, features, first look, trees, network) scores many. A copy's rim lacks what lies further out. So a copy with all its
links is made as well, and what is taken from both is their difference alone: whatever the cut leaves as it is stays the night's.
What belongs to the whole (rarities, medians, which hubs there are) is the night's, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from gnn.edge_contributions import shared_links
from gnn.feature_types import exact_sum, in_medians
from graph.clusters import build_clusters
from graph.schema import known_time
from graph.snapshot import SNAPSHOT_SCHEMAS, Events, Snapshot
from graph.without import mark_values

__all__ = ["Around", "Copies"]

MOST_AROUND = 200  # accounts in a copy: its component first, then who shares the rarest
CROSSING = ("person", "national_id")  # an account's count in features of others, whoever else holds them
LARGE_COMPONENT = 50  # accounts; of a larger one the cluster alone

_WITHIN = "\x1f"  # between a copy's number and an id in it: no number of an account holds it


@dataclass(frozen=True)
class Copies:
    """Copies side by side.

    Attributes:
        snapshot: all of them; accounts are named by their numbers in it.
        marked: their events with `graph.without.mark_values`: an account's own, and others' payments to its rare payees.
        account: int64 [n], the night's number of each account.
        target: int64 [k], each copy's own account, by its number in the copies.
        start: int64 [k + 1], first account of each copy, and n.
    """

    snapshot: Snapshot
    marked: Events
    account: NDArray[np.int64]
    target: NDArray[np.int64]
    start: NDArray[np.int64]

    def links(self, cuts: Sequence[NDArray[np.int64]]) -> pl.DataFrame:
        """What is cut, as `without_links` and `mask_values` want it: account, identifier, account_id, identifier_type, hash.

        Args:
            cuts: for each copy, the night's numbers of the identifiers that its account shall not hold.
        """
        rows = pl.DataFrame(
            {
                "account": np.repeat(self.target, [len(cut) for cut in cuts]),
                "of": np.concatenate([np.zeros(0, dtype=np.int64), *cuts]),
            },
            schema={"account": pl.Int32, "of": pl.Int32},
        )
        named = self.snapshot.links.join(self.snapshot.identifiers, on="identifier").select(
            "account", "identifier", "identifier_type", "hash", "of"
        )
        return rows.join(named, on=["account", "of"]).with_columns(account_id=pl.col("account").cast(pl.String))


class Around:
    """What copies of some accounts are made of."""

    def __init__(self, events: Events, snapshot: Snapshot, accounts: NDArray[np.int64], key: str, seed: int) -> None:
        """Gathers it once.

        Args:
            events: clean events.
            snapshot: the graph as of the night.
            accounts: int64 [k], those of whom copies will be asked.
            key: of the identifiers' hashes.
            seed: of the clusters' refinement.
        """
        self.snapshot, self.seed = snapshot, seed
        asked = pl.DataFrame({"of": np.unique(accounts)}, schema={"of": pl.Int32})
        shared = shared_links(snapshot)
        self.members = _members(snapshot, shared, asked)
        near = self.members.select("account").unique()
        own = snapshot.links.join(asked, left_on="account", right_on="of", how="semi")
        crossing = snapshot.identifiers.filter(pl.col("identifier_type").is_in(CROSSING)).select(
            "identifier", crosses=True
        )
        of_near = snapshot.links.join(near, on="account", how="semi")
        common = of_near.join(shared.select("identifier").unique(), on="identifier", how="semi")
        crossed = of_near.join(crossing, on="identifier", how="semi")
        self.held = (
            pl.concat([own, common, crossed])
            .unique()
            .join(crossing, on="identifier", how="left")
            .with_columns(pl.col("crosses").fill_null(False))
            .sort("account", "identifier")
        )
        self.pairs = (
            snapshot.pairs.with_columns(pair=pl.int_range(pl.len(), dtype=pl.Int32))
            .join(near, left_on="account_a", right_on="account", how="semi")
            .join(near, left_on="account_b", right_on="account", how="semi")
        )
        self.evidence = snapshot.pair_evidence.join(self.pairs.select("pair"), on="pair", how="semi")
        self.events = _events_of(events, snapshot, asked, near, key)

    def copies(self, accounts: Sequence[int]) -> Copies:
        """One copy for each account that is named, whole."""
        asked = pl.DataFrame({"of": list(accounts)}, schema={"of": pl.Int32}).with_row_index("copy")
        members = (
            asked.join(self.members, on="of")
            .sort("copy", "account")
            .with_columns(number=pl.int_range(pl.len(), dtype=pl.Int32))
        )
        kept = members.select("copy", "of", "account", "number")
        links = (
            kept.join(self.held, on="account")
            .filter((pl.len().over("copy", "identifier") > 1) | (pl.col("account") == pl.col("of")) | pl.col("crosses"))
            .with_columns(new=pl.struct("copy", "identifier").rank("dense").cast(pl.Int32) - 1)
        )
        identifiers = links.select("copy", "identifier", "new").unique().sort("new")
        target = kept.filter(pl.col("account") == pl.col("of")).sort("copy")["number"].to_numpy().astype(np.int64)
        start = np.searchsorted(kept["copy"].to_numpy(), np.arange(len(accounts) + 1))
        pairs, evidence = self._pairs(kept, identifiers)
        snapshot = Snapshot(
            self.snapshot.as_of,
            _accounts(self.snapshot, kept),
            self._identifiers(identifiers),
            links.select("number", "new", "first_seen", "last_seen", "n_events")
            .rename({"number": "account", "new": "identifier"})
            .sort("account", "identifier"),
            pairs,
            evidence,
            # a part of a component may be parted otherwise than the whole, so it is parted anew, as the cut will be
            build_clusters(pairs, kept.height, self.seed, n_world=self.snapshot.accounts.height),
        )
        account = kept["account"].to_numpy().astype(np.int64)
        return Copies(snapshot, self._events(kept), account, target, start.astype(np.int64))

    def _identifiers(self, chosen: pl.DataFrame) -> pl.DataFrame:
        """With the night's counts and weights; `of` is the night's number."""
        return (
            chosen.select("new", of="identifier")
            .join(self.snapshot.identifiers, left_on="of", right_on="identifier", maintain_order="left")
            .rename({"new": "identifier"})
            .select(*SNAPSHOT_SCHEMAS["identifiers"], "of")
        )

    def _pairs(self, members: pl.DataFrame, identifiers: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        ends = members.select("copy", "account", "number")
        pairs = (
            self.pairs.join(ends.rename({"number": "a"}), left_on="account_a", right_on="account")
            .join(ends.rename({"number": "b"}), left_on=["copy", "account_b"], right_on=["copy", "account"])
            .sort("a", "b")
            .with_columns(row=pl.int_range(pl.len(), dtype=pl.Int32))
        )
        evidence = (
            pairs.select("copy", "pair", "row")
            .join(self.evidence, on="pair")
            .join(identifiers, on=["copy", "identifier"])
            .with_columns(pair="row", identifier="new")
            .sort("pair", "bits", "identifier", descending=[False, True, False])
        )
        return (
            pairs.select(account_a="a", account_b="b", weight_bits="weight_bits", ties="ties"),
            evidence.select(list(SNAPSHOT_SCHEMAS["pair_evidence"])),
        )

    def _events(self, members: pl.DataFrame) -> dict[str, pl.DataFrame]:
        """Named by the numbers of the copies; who is in no copy stays somebody else, by copy."""
        found = {}
        own = members.select("copy", "of", "account", "number")
        names = own.select("copy", counterparty="account", there=pl.col("number").cast(pl.String))
        for name, rows in self.events.items():
            copied = rows.join(own, on="account").filter((pl.col("account") == pl.col("of")) | pl.col("is_common"))
            if name == "payments":
                outside = pl.format("{}" + _WITHIN + "{}", "copy", "counterparty_id")
                copied = (
                    copied.filter((pl.col("account") == pl.col("of")) | pl.col("of_all").list.contains(pl.col("of")))
                    .join(names, on=["copy", "counterparty"], how="left")
                    .with_columns(counterparty_id=pl.coalesce("there", outside))
                    .drop("there")
                )
            elif name == "signups":
                copied = copied.with_columns(
                    referrer_account_id=pl.format("{}" + _WITHIN + "{}", "copy", "referrer_account_id")
                )
            named = copied.with_columns(account_id=pl.col("number").cast(pl.String)).sort("event_time", "event_id")
            found[name] = named.drop(
                "copy", "of", "account", "number", "is_common", "counterparty", "of_all", strict=False
            )
        return found


def _members(snapshot: Snapshot, shared: pl.DataFrame, asked: pl.DataFrame) -> pl.DataFrame:
    """of, account: who is around each account, itself among them."""
    held = shared.select("account", "identifier", "weight")
    beside = (
        asked.join(held, left_on="of", right_on="account")
        .join(held.select("identifier", "account"), on="identifier")
        .select("of", "account", "weight", is_mate=pl.lit(False))
    )
    large = pl.len().over("component") > LARGE_COMPONENT
    home = snapshot.clusters.select(
        "account", group=pl.when(large).then(pl.col("cluster")).otherwise(-1 - pl.col("component"))
    )
    mates = (
        asked.join(home, left_on="of", right_on="account")
        .join(home, on="group")
        .select("of", "account", weight=pl.lit(0.0), is_mate=pl.lit(True))
    )
    return (
        pl.concat([beside, mates])
        .group_by("of", "account")
        .agg(exact_sum(pl.col("weight")), pl.col("is_mate").any())
        .with_columns(is_self=pl.col("of") == pl.col("account"))
        .sort("of", "is_self", "is_mate", "weight", "account", descending=[False, True, True, True, False])
        .group_by("of", maintain_order=True)
        .head(MOST_AROUND)
        .select("of", "account")
    )


def _events_of(
    events: Events, snapshot: Snapshot, asked: pl.DataFrame, near: pl.DataFrame, key: str
) -> dict[str, pl.DataFrame]:
    """Marked events with `account`: the asked accounts' own, and others' payments to what these share as a payee.

    Payments get `amount` in medians of all, `counterparty` (the account that is paid, if it is one) and `of_all`
    (accounts that were asked for and share the payee).
    """
    known = known_time() < snapshot.as_of
    numbers = snapshot.accounts.select("account", "account_id")
    own = numbers.join(asked, left_on="account", right_on="of", how="semi")
    around = numbers.join(near, on="account", how="semi")
    tables = {name: rows.filter(known) for name, rows in events.items() if name != "outcomes"}
    tables["payments"] = in_medians(tables["payments"])
    named = {name: rows.join(around if name == "payments" else own, on="account_id") for name, rows in tables.items()}
    marked = mark_values(named, key)
    payees = (
        shared_links(snapshot)
        .filter(pl.col("identifier_type") == "payee")
        .join(asked, left_on="account", right_on="of", how="semi")
        .group_by(identifier_payee="hash")
        .agg(of_all=pl.col("account"))
    )
    marked["payments"] = (
        marked["payments"]
        .join(payees, on="identifier_payee", how="left")
        .join(
            numbers.rename({"account": "counterparty", "account_id": "counterparty_id"}),
            on="counterparty_id",
            how="left",
        )
        .with_columns(pl.col("of_all").fill_null([]))
    )
    is_common = pl.lit(False)
    return {
        name: rows.with_columns(is_common=pl.col("of_all").list.len() > 0 if name == "payments" else is_common)
        for name, rows in marked.items()
    }


def _accounts(snapshot: Snapshot, members: pl.DataFrame) -> pl.DataFrame:
    return members.join(snapshot.accounts, on="account", maintain_order="left").select(
        account="number",
        account_id=pl.col("number").cast(pl.String),
        signup_time="signup_time",
        identity=pl.struct("copy", "identity").rank("dense").cast(pl.Int32) - 1,
    )
