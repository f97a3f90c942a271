"""Levels that are looked up are those that a comparison gives, whatever came, went or was submitted otherwise in between."""

from datetime import date

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graph import identity_blocking
from graph.identities import resolve_records
from graph.identity_known import KNOWN_SCHEMAS, renumber_known
from graph.identity_records import build_records, number_records

N_ACCOUNTS = 12
# few values, so that they meet, in spellings that are one person's or not; lone words that lead among names, or do not
SUBMITTED: dict[str, tuple[object, ...]] = {
    "full_name": (
        "Ann Kim",
        "Kim Ann",
        "Anne Kim",
        "Kim",
        "Kimm",
        "Ann",
        "Kim Lee",
        "Robert Lee Smith",
        "Bob Smith",
        None,
    ),
    "birth_date": (date(1980, 1, 2), date(1980, 2, 1), date(1980, 1, 12), date(1991, 7, 30), None),
    "national_id": (None, "AB123456", "AB123465"),
    "email": (None, "ann.kim@example.org", "ann.kin@example.org", "ann.kim@example.com"),
    "phone": (None, "+4915112345678", "+4915112345679"),
    "address": (None, "1 High Street", "1 Hihg Street", "7 Low Road"),
    "postcode": (None, "AB1 2CD", "AB1 2CE", "ZZ9 9ZZ"),
}
PROFILE = st.tuples(st.integers(0, N_ACCOUNTS - 1), *(st.sampled_from(values) for values in SUBMITTED.values()))
CHANGES = st.tuples(
    st.lists(PROFILE, max_size=3), st.lists(st.integers(0, 99), max_size=3), st.permutations(range(N_ACCOUNTS))
)


def records_of(profiles: list[tuple[object, ...]]) -> pl.DataFrame:
    rows = [(f"a{profile[0]}", *profile[1:]) for profile in profiles]
    schema = {name: pl.Date() if name == "birth_date" else pl.String() for name in ("account", *SUBMITTED)}
    return build_records(pl.DataFrame(rows, schema=schema, orient="row"))


def numbered(order: list[int]) -> pl.DataFrame:
    return pl.DataFrame(
        {"account": range(N_ACCOUNTS), "account_id": [f"a{number}" for number in order]},
        schema={"account": pl.Int32, "account_id": pl.String},
    )


# of three, blocks cross their bound, and what is submitted often is met in a row
@pytest.mark.parametrize("largest_block", [50, 3])
@given(
    st.lists(PROFILE, min_size=6, max_size=20),
    st.lists(CHANGES, min_size=1, max_size=3),
    st.integers(0, N_ACCOUNTS),
    st.integers(0, 9),
)
@settings(max_examples=40)
def test_what_is_known_is_what_all_records_give(largest_block, profiles, nights, n_named, n_same):
    profiles = [*profiles, *((account, "Ann Kim", date(1980, 1, 2), *[None] * 5) for account in range(n_same))]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(identity_blocking, "LARGEST_BLOCK", largest_block)
        replay(profiles, nights, n_named)


def replay(profiles, nights, n_named):
    then, submitted = numbered(list(range(N_ACCOUNTS))), profiles
    known = resolve_records(number_records(records_of(profiles), then), N_ACCOUNTS).known
    for come, go, order in nights:
        for place in go:
            profiles = [profile for row, profile in enumerate(profiles) if row != place % len(profiles)] or profiles
        profiles = [*profiles, *come]
        now = numbered(order)
        records = number_records(records_of(profiles), now)
        alone = resolve_records(records, N_ACCOUNTS)
        changed = {profile[0] for profile in set(profiles) ^ set(submitted)} | set(
            range(n_named)
        )  # some did not change
        is_fresh = np.array([account in changed for account in order])
        after = resolve_records(
            records.filter(pl.Series(is_fresh)[records["account"]]),
            N_ACCOUNTS,
            known=renumber_known(known, then, now),
            is_fresh=is_fresh,
            read=lambda some, records=records: records.filter(pl.col("account").is_in(some.implode())),
        )
        for name in KNOWN_SCHEMAS:
            assert getattr(after.known, name).equals(getattr(alone.known, name)), name
        assert after.weights == alone.weights
        assert after.identity.equals(alone.identity)
        known, then, submitted = after.known, now, profiles
