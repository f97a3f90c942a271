"""What must not change who is one person: order, names, repeats, and what was compared before."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from graph.average_link import agglomerate, bounded_components
from graph.components import connected_components
from graph.identities import identity_records, resolve, resolve_records
from graph.identity_comparison import compare_pairs
from graph.identity_rarity import rate_pairs
from graph.identity_records import build_records, encode_records, sorted_records
from graph.identity_values import VALUES, Values, leading
from graph.identity_weights import Weights
from jobs.simulate.people import PeopleConfig, simulate_people

FEW = settings(max_examples=8)
EVENTS, TRUTH = simulate_people(PeopleConfig(n_people=150, slips=1.5, n_rings=2), seed=3)
ACCOUNTS = TRUTH.select("account_id", account=pl.int_range(pl.len(), dtype=pl.Int32))
WHOLE = resolve(EVENTS, ACCOUNTS)
RECORDS = identity_records(EVENTS, ACCOUNTS)
WORDS = (WHOLE.known.records[name].to_numpy().copy() for name in ("first word", "last word"))
ENCODED = encode_records(RECORDS, np.arange(RECORDS.height, dtype=np.int32), leading(*WORDS))
VALUES_OF_ALL = Values(
    *(np.stack([WHOLE.known.records[prefix + name].to_numpy() for name in VALUES]) for prefix in ("", "n "))
)


def same_as_whole(identity: pl.Series, weights: Weights) -> None:
    assert identity.to_list() == WHOLE.identity.to_list()
    assert weights.to_json() == WHOLE.weights.to_json()


@FEW
@given(st.integers(0, 2**31))
def test_order_names_and_repeats_of_submissions_change_nothing(seed: int) -> None:
    profiles = EVENTS["profiles"].sample(fraction=1.0, shuffle=True, seed=seed)
    twice = pl.concat([profiles, profiles.head(100)])
    renamed = pl.concat_str(pl.lit("z"), pl.col("account_id").str.reverse())
    accounts = ACCOUNTS.with_columns(account_id=renamed).sample(fraction=1.0, shuffle=True, seed=seed)
    found = resolve({"profiles": twice.with_columns(account_id=renamed)}, accounts)
    same_as_whole(found.identity, found.weights)


@FEW
@given(st.integers(2, 7))
def test_records_of_parts_are_those_of_the_whole(n_parts: int) -> None:
    profiles = EVENTS["profiles"].join(ACCOUNTS, on="account_id")
    parts = [build_records(profiles.filter(pl.col("account") % n_parts == part)) for part in range(n_parts)]
    together = sorted_records(pl.concat(parts))
    assert together.equals(RECORDS)
    found = resolve_records(together, ACCOUNTS.height)
    same_as_whole(found.identity, found.weights)


@FEW
@given(st.integers(0, 2**31))
def test_a_comparison_has_no_direction(seed: int) -> None:
    random = np.random.default_rng(seed)
    left, right = random.integers(0, RECORDS.height, (2, 5_000))
    one, other = compare_pairs(ENCODED, left, right), compare_pairs(ENCODED, right, left)
    assert (one == other).all()
    assert (rate_pairs(VALUES_OF_ALL, left, right, one) == rate_pairs(VALUES_OF_ALL, right, left, one)).all()


PAIRS = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19), st.floats(-10, 20)), max_size=60)


@settings(max_examples=50)
@given(PAIRS)
def test_persons_lie_within_components_and_agree_on_average(pairs: list[tuple[int, int, float]]) -> None:
    kept = [(a, b, bits) for a, b, bits in pairs if a != b]
    left, right = (np.array([pair[side] for pair in kept], dtype=np.int32) for side in (0, 1))
    bits = np.array([pair[2] for pair in kept], dtype=np.float64)
    strong = bits >= 0
    component = bounded_components(20, left[strong], right[strong], bits[strong])
    assert component.tolist() == connected_components(20, left[strong], right[strong]).tolist()
    inside = component[left] == component[right] if kept else strong
    person = agglomerate(component, left[inside], right[inside], bits[inside], 0.0)
    assert len(set(zip(person.tolist(), component.tolist(), strict=True))) == len(set(person.tolist()))
    both = np.full((20, 20), -np.inf)
    for a, b, value in kept:
        both[a, b] = both[b, a] = max(both[a, b], value)
    for number in set(person.tolist()):
        members = np.flatnonzero(person == number)
        if members.size == 2:
            assert both[members[0], members[1]] >= 0
