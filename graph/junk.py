"""Placeholders that no list has, found from the data: values that people of all kinds type, at all times, and share nothing else.

A value that very many accounts hold is a placeholder ("call reception", a form's default), or it is a ring's, or a shared
home's. What tells them apart is not its size but its holders. A placeholder's arrive as all accounts arrive, for months, each is
somebody else, and no two of them share another thing. A ring's come in a burst or within weeks, or share a device, a card or a sink as
well; many names on one national id in a burst are evidence and stay so. The rule names a value junk only where all of this holds:

size      at least `FEWEST` holders, and `TIMES` what 99.9 % of the type's values have, that figure rounded up to a power of two
span      the middle four fifths of its first uses cover `SPAN_DAYS`
arrivals  its first uses follow those of the type's other values: their distributions differ by at most `DISTANCE` (Kolmogorov-Smirnov)
persons   at least `PERSONS` of its holders are different identities
alone     at most `TOGETHER` of its holders share an identifier of another type with another of them, one that is theirs: at least
          a fifth of its holders hold the value. Addresses of the internet do not count, since strangers share them

Where the data is young nothing is junk yet. A value that has become junk mostly stays so: with time and holders each measure grows more
certain, and the size is compared with a power of two. Only what is given is read, so a snapshot's junk follows from its cut-off; names and
keys are compared, never ordered.

A dormitory's address or a library's computer may meet the rule, and rightly: it says nothing of two people who hold it. A ring
that shared one single thing among dozens of accounts, spread evenly over months, would be taken for a placeholder; the model still
sees such values as hubs.
"""

import math

import numpy as np
import polars as pl

__all__ = ["TYPES", "find_junk"]

# what people type, and the device, which software may fill in. Not instruments and payees: many accounts at one are custom, not a
# placeholder. Not a person: one name and birth date with many numbers is what rings do, and its holders are one identity by definition
TYPES = ("phone", "email", "national_id", "address", "building", "device")
NOT_TELLING = ("ip",)
FEWEST = 24
QUANTILE = 0.999
TIMES = 4
SPAN_DAYS = 60.0
DISTANCE = 0.2
PERSONS = 0.9
TOGETHER = 0.2
SHARE_OF_OTHER = 0.2


def find_junk(links: pl.DataFrame, identifiers: pl.DataFrame, accounts: pl.DataFrame) -> pl.Series:
    """The identifiers that are placeholders by their holders.

    Args:
        links: account i32, identifier i32, first_seen; one row an account and identifier.
        identifiers: identifier i32, identifier_type, n_accounts; those that are held.
        accounts: account i32, identity i32.

    Returns:
        i32 numbers of identifiers, sorted; mostly none. Counts are compared first; the rest reads the links of values that are
        large enough, and of their holders.
    """
    known = identifiers.select("identifier", "identifier_type", "n_accounts")
    large = _large(known)
    if large.height:
        large = large.join(_spread(links, known, large, accounts), on="identifier", how="semi")
    if large.height:
        n_together = _together(links, known, large)
        large = large.join(n_together, on="identifier", how="left").filter(
            pl.col("n_together").fill_null(0) <= TOGETHER * pl.col("n_accounts")
        )
    return large["identifier"].sort()


def _large(identifiers: pl.DataFrame) -> pl.DataFrame:
    """Identifiers far above what their type's values have."""
    n_accounts = identifiers["n_accounts"].to_numpy()
    large = []
    for label in TYPES:
        own = np.flatnonzero((identifiers["identifier_type"] == label).to_numpy())
        if own.size:
            place = int(QUANTILE * (own.size - 1))
            usual = max(int(np.partition(n_accounts[own], place)[place]), 1)
            large.append(own[n_accounts[own] >= max(FEWEST, TIMES * 2 ** math.ceil(math.log2(usual)))])
    return identifiers[np.sort(np.concatenate(large))] if large else identifiers.head(0)


def _spread(
    links: pl.DataFrame, identifiers: pl.DataFrame, large: pl.DataFrame, accounts: pl.DataFrame
) -> pl.DataFrame:
    """Those of the large identifiers whose holders are different people who came as all others came."""
    holders = _of(links, identifiers.height, large).join(large, on="identifier")
    holders = holders.join(accounts.select("account", "identity"), on="account")
    placed = []
    for (label,), own in holders.group_by("identifier_type", maintain_order=True):
        is_typed = (identifiers["identifier_type"] == label).to_numpy()
        times = np.sort(links["first_seen"].dt.epoch("us").to_numpy()[is_typed[links["identifier"].to_numpy()]])
        mine = own.with_columns(time=pl.col("first_seen").dt.epoch("us"))
        came = mine["time"].to_numpy()
        # the share of the type's first uses up to each holder's: even between 0 and 1 where they come as all others come
        place = (np.searchsorted(times, came, "left") + np.searchsorted(times, came, "right")) / (2 * len(times))
        placed.append(mine.with_columns(place=pl.Series(place)))
    rank, n = pl.col("place").rank("ordinal"), pl.len()
    gap = pl.max_horizontal(rank / n - pl.col("place"), pl.col("place") - (rank - 1) / n).max()
    middle = pl.col("time").quantile(0.9, "lower") - pl.col("time").quantile(0.1, "lower")
    is_spread = (
        (gap <= DISTANCE) & (middle >= SPAN_DAYS * 86_400_000_000) & (pl.col("identity").n_unique() >= PERSONS * n)
    )
    return pl.concat(placed).group_by("identifier").agg(is_spread=is_spread).filter("is_spread")


def _together(links: pl.DataFrame, identifiers: pl.DataFrame, large: pl.DataFrame) -> pl.DataFrame:
    """identifier, n_together: how many of the holders share a thing of their own with another of them."""
    holders = _of(links, identifiers.height, large).join(large, on="identifier")
    of = holders.select("account", junk="identifier", junk_type="identifier_type")
    shared = identifiers.filter((pl.col("n_accounts") > 1) & ~pl.col("identifier_type").is_in(list(NOT_TELLING)))
    theirs = (
        links.select("account", "identifier")
        .join(of.select("account").unique(), on="account", how="semi")
        .join(shared, on="identifier")
        .join(of, on="account")
        .filter(pl.col("identifier_type") != pl.col("junk_type"))
    )
    inside = pl.len().over("junk", "identifier")
    return (
        theirs.filter((inside > 1) & (inside >= SHARE_OF_OTHER * pl.col("n_accounts")))
        .group_by(identifier="junk")
        .agg(n_together=pl.col("account").n_unique().cast(pl.Int64))
    )


def _of(links: pl.DataFrame, n_identifiers: int, chosen: pl.DataFrame) -> pl.DataFrame:
    """The links of some identifiers."""
    is_chosen = np.zeros(n_identifiers, dtype=np.bool_)
    is_chosen[chosen["identifier"].to_numpy()] = True
    return links.filter(pl.Series(is_chosen[links["identifier"].to_numpy()]))
