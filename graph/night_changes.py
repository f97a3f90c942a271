"""What became of the rings between two nights of the lake, and why: by their members, what these share, and their reasons.

Neo4j shows one night, so this reads the lake.

See Also:
    graph.lineage: what became of clusters, night by night.
"""

from dataclasses import dataclass
from datetime import date

import polars as pl

from graph.errors import InputError
from graph.lake import Night

__all__ = ["RING_CHANGES", "NightChanges", "compare_nights"]

MAX_LISTED = 50

RING_CHANGES: dict[str, str] = {
    "new": "none of its members was in a ring before",
    "merged": "has members of more than one earlier ring",
    "split": "broke off from an earlier ring, which goes on under its own id",
    "grew": "more members came than went",
    "shrank": "more members went than came",
    "changed": "as many members came as went",
    "unchanged": "has the members that it had",
    "ended": "no ring goes on from it",
}
"""In the order in which they are told."""

_IDENTIFIER = ["identifier_type", "identifier"]


@dataclass(frozen=True)
class NightChanges:
    """Two nights compared.

    Attributes:
        before, now: their as-of.
        rings: one row a ring of either night, by `change` in the order of `RING_CHANGES`, then by place: ring_id, change, was (the earlier ring that
            it goes on from: of the same id, or of an id that ended and whose most members it has; else null), parents (earlier rings that its members
            were in, those of most first), heirs (of an ended ring: rings that have its members now), and of both nights (`_before`, null where it was
            not there) ring_version, status, score, n_accounts, place (1 for the first); n_added, n_removed (members), added, removed (their
            ids, sorted, at most `max_listed`); identifiers_came, identifiers_went (what two or more members share that is no hub: list of
            identifier_type, identifier, n_members, most members first, at most `max_listed`) and n_identifiers_came, n_identifiers_went;
            codes_came, codes_went (reason codes of any member, sorted).
        totals: rings by `change`; n_rings_before, n_rings, n_suspected_before, n_suspected (accounts in rings), n_newly_suspected,
            n_no_longer_suspected.
    """

    before: date
    now: date
    rings: pl.DataFrame
    totals: dict[str, int]


def compare_nights(before: Night, now: Night, *, max_listed: int = MAX_LISTED) -> NightChanges:
    """What became of the rings of one night in another.

    Args:
        before, now: two nights under one key, not necessarily next to each other.
        max_listed: members and identifiers listed of a ring, at most; the counts are whole.

    Raises:
        InputError: `before` is not earlier than `now`.
    """
    if before.date >= now.date:
        raise InputError(f"`before` must be a night before {now.date}; got {before.date}. Change their order.")
    rings, old_rings = _rings(now), _rings(before)
    members, old_members = _members(now), _members(before)
    moved = members.join(old_members.rename({"ring_id": "was"}), on="account_id", how="full", coalesce=True)
    shared = moved.drop_nulls().group_by("ring_id", "was").agg(n=pl.len())
    goes_on = _counterparts(rings, old_rings, shared)
    rows = pl.concat(
        [
            rings.join(goes_on, on="ring_id", how="left").join(_before(old_rings), on="was", how="left"),
            _before(old_rings.join(goes_on, left_on="ring_id", right_on="was", how="anti")).with_columns(ring_id="was"),
        ],
        how="diagonal",
    )
    for part in (
        _family(shared),
        _came_and_went(moved, goes_on, max_listed),
        _identifiers(_shared(now, members), _shared(before, old_members), goes_on, max_listed),
        _codes(_codes_of(now, members), _codes_of(before, old_members), goes_on),
    ):
        rows = rows.join(part, on="ring_id", how="left")
    rows = rows.with_columns(
        pl.col("^n_(added|removed|identifiers_came|identifiers_went)$").fill_null(0),
        pl.col("^(parents|heirs|added|removed|identifiers_came|identifiers_went|codes_came|codes_went)$").fill_null([]),
    ).with_columns(change=_change())
    rows = rows.with_columns(
        was=pl.when(pl.col("change") != "ended").then("was"),
        heirs=pl.when(pl.col("change") == "ended").then("heirs").otherwise([]),
        order=pl.col("change").replace_strict({name: n for n, name in enumerate(RING_CHANGES)}),
    ).sort("order", "place", "place_before", "ring_id")
    n_kept = moved.drop_nulls().height
    totals = {name: rows.filter(change=name).height for name in RING_CHANGES} | {
        "n_rings_before": old_rings.height,
        "n_rings": rings.height,
        "n_suspected_before": old_members.height,
        "n_suspected": members.height,
        "n_newly_suspected": members.height - n_kept,
        "n_no_longer_suspected": old_members.height - n_kept,
    }
    return NightChanges(before.date, now.date, rows.select(*_COLUMNS), totals)


_FACTS = ("ring_version", "status", "score", "n_accounts", "place")
_COLUMNS = (
    "ring_id",
    "change",
    "was",
    "parents",
    "heirs",
    *(name for fact in _FACTS for name in (f"{fact}_before", fact)),
    "n_added",
    "n_removed",
    "added",
    "removed",
    "n_identifiers_came",
    "n_identifiers_went",
    "identifiers_came",
    "identifiers_went",
    "codes_came",
    "codes_went",
)


def _rings(night: Night) -> pl.DataFrame:
    placed = night.read("rings").with_row_index("place", offset=1).with_columns(pl.col("place").cast(pl.Int64))
    return placed.select("ring_id", *_FACTS)


def _before(rings: pl.DataFrame) -> pl.DataFrame:
    return rings.rename({"ring_id": "was"} | {name: f"{name}_before" for name in _FACTS})


def _members(night: Night) -> pl.DataFrame:
    return night.scan("scores").select("account_id", "ring_id").drop_nulls().collect()


def _counterparts(rings: pl.DataFrame, old: pl.DataFrame, shared: pl.DataFrame) -> pl.DataFrame:
    """ring_id, was: which earlier ring each goes on from. The id decides; an id that ended goes to who has most of its members."""
    same = rings.join(old, on="ring_id", how="semi").select("ring_id", was="ring_id")
    renamed = (
        shared.join(same, on="ring_id", how="anti")
        .join(same, on="was", how="anti")
        .sort("n", "was", "ring_id", descending=[True, False, False])
        .unique("was", keep="first", maintain_order=True)
        .unique("ring_id", keep="first", maintain_order=True)
    )
    return pl.concat([same, renamed.select("ring_id", "was")])


def _family(shared: pl.DataFrame) -> pl.DataFrame:
    """ring_id, parents, heirs; an id of both nights has both."""
    ordered = shared.sort("n", "was", "ring_id", descending=[True, False, False])
    parents = ordered.group_by("ring_id", maintain_order=True).agg(parents="was")
    heirs = ordered.group_by(ring_id="was", maintain_order=True).agg(heirs=pl.col("ring_id"))
    return parents.join(heirs, on="ring_id", how="full", coalesce=True)


def _came_and_went(moved: pl.DataFrame, goes_on: pl.DataFrame, max_listed: int) -> pl.DataFrame:
    """ring_id, n_added, added, n_removed, removed; an ended ring has lost all under its own id."""
    listed = pl.col("account_id").sort().head(max_listed)
    n = pl.len().cast(pl.Int64)
    expected = moved.join(goes_on.rename({"was": "from"}), on="ring_id", how="left")
    is_other = pl.col("from").is_null() | pl.col("was").ne_missing(pl.col("from"))
    came = expected.filter(pl.col("ring_id").is_not_null() & is_other)
    heir = moved.join(goes_on.rename({"ring_id": "heir"}), on="was", how="left").filter(pl.col("was").is_not_null())
    went = heir.filter(pl.col("ring_id").ne_missing(pl.col("heir")) | pl.col("heir").is_null())
    added = came.group_by("ring_id").agg(n_added=n, added=listed)
    removed = went.group_by(ring_id=pl.coalesce("heir", "was")).agg(n_removed=n, removed=listed)
    return added.join(removed, on="ring_id", how="full", coalesce=True)


def _shared(night: Night, members: pl.DataFrame) -> pl.DataFrame:
    """ring_id, identifier_type, identifier, n_members: what two or more members hold that is no hub."""
    return (
        night.scan("links")
        .filter(pl.col("weight") > 0)
        .select("account_id", *_IDENTIFIER)
        .join(members.lazy(), on="account_id")
        .group_by("ring_id", *_IDENTIFIER)
        .agg(n_members=pl.len().cast(pl.Int64))
        .filter(pl.col("n_members") > 1)
        .collect()
    )


def _identifiers(now: pl.DataFrame, old: pl.DataFrame, goes_on: pl.DataFrame, max_listed: int) -> pl.DataFrame:
    was = old.join(goes_on, left_on="ring_id", right_on="was", how="left", suffix="_now").with_columns(
        ring_id=pl.coalesce("ring_id_now", "ring_id")
    )
    names = ["ring_id", *_IDENTIFIER]
    parts = []
    for word, rows, others in (("came", now, was), ("went", was, now)):
        differing = rows.join(others, on=names, how="anti").sort(
            "n_members", *_IDENTIFIER, descending=[True, False, False]
        )
        facts = pl.struct(*_IDENTIFIER, "n_members").head(max_listed).alias(f"identifiers_{word}")
        count = pl.len().cast(pl.Int64).alias(f"n_identifiers_{word}")
        parts.append(differing.group_by("ring_id", maintain_order=True).agg(facts, count))
    return parts[0].join(parts[1], on="ring_id", how="full", coalesce=True)


def _codes_of(night: Night, members: pl.DataFrame) -> pl.DataFrame:
    reasons = night.scan("reasons").select("account_id", "code").collect()
    return reasons.join(members, on="account_id").group_by("ring_id").agg(codes=pl.col("code").unique().sort())


def _codes(now: pl.DataFrame, old: pl.DataFrame, goes_on: pl.DataFrame) -> pl.DataFrame:
    was = old.join(goes_on, left_on="ring_id", right_on="was", how="left", suffix="_now").select(
        ring_id=pl.coalesce("ring_id_now", "ring_id"), codes_before="codes"
    )
    both = now.join(was, on="ring_id", how="full", coalesce=True).with_columns(
        pl.col("codes", "codes_before").fill_null([])
    )
    return both.select(
        "ring_id",
        codes_came=pl.col("codes").list.set_difference("codes_before").list.sort(),
        codes_went=pl.col("codes_before").list.set_difference("codes").list.sort(),
    )


def _change() -> pl.Expr:
    n_parents, added, removed = pl.col("parents").list.len(), pl.col("n_added"), pl.col("n_removed")
    return (
        pl.when(pl.col("ring_version").is_null())
        .then(pl.lit("ended"))
        .when(n_parents > 1)
        .then(pl.lit("merged"))
        .when(pl.col("was").is_null() & (n_parents == 0))
        .then(pl.lit("new"))
        .when(pl.col("was").is_null())
        .then(pl.lit("split"))
        .when(added > removed)
        .then(pl.lit("grew"))
        .when(added < removed)
        .then(pl.lit("shrank"))
        .when(added > 0)
        .then(pl.lit("changed"))
        .otherwise(pl.lit("unchanged"))
    )
