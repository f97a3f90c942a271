"""Who is one person: cases of households, slips and rings, each beside enough other people."""

from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from graph.errors import InputError
from graph.identities import Resolution, explain_pair, identity_records, resolve, resolve_records
from graph.identity_blocking import LARGEST_BLOCK, PAIRS_PER_RECORD, bound_blocks
from graph.identity_comparison import unpack_levels
from graph.identity_known import Known
from graph.identity_rarity import rate_pairs
from graph.identity_values import VALUES, Values
from graph.identity_weights import Weights, score_pairs, total_bits
from graph.schema import IDENTIFIERS
from jobs.simulate.people import PeopleConfig, simulate_people

COLUMNS = ("full_name", "birth_date", "national_id", "email", "phone", "address", "postcode")
SCHEMA = {"account_id": pl.String, **dict.fromkeys(COLUMNS, pl.String), "birth_date": pl.Date}
Row = dict[str, object]
JOHN: Row = {
    "full_name": "John Halden", "birth_date": date(1980, 2, 13), "national_id": "521-44-0937", "email": "jhalden71@inbox.example",
    "phone": "+12125550142", "address": "14 Maple Street", "postcode": "60431",
}  # fmt: skip
MARY: Row = {**JOHN, "full_name": "Mary Halden", "birth_date": date(1982, 7, 4), "national_id": "377-20-8115", "email": "mary.h@inbox.example"}  # fmt: skip
CROWD, _ = simulate_people(PeopleConfig(n_people=300, n_rings=0), seed=5)


def of(*rows: Row) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Submissions by accounts 0, 1, ... and a crowd of others after them."""
    given = pl.DataFrame([{"account_id": f"a{n:03d}", **row} for n, row in enumerate(rows)], schema=SCHEMA)
    frame = pl.concat([given, CROWD["profiles"].select(list(SCHEMA))])
    accounts = frame.select("account_id", account=pl.int_range(pl.len(), dtype=pl.Int32))
    return {"profiles": frame}, accounts


def persons(*rows: Row) -> list[int]:
    return resolve(*of(*rows)).identity.head(len(rows)).to_list()


SLIPS: list[Row] = [
    {"full_name": "Jhon Halden"},
    {"full_name": "John Haldn"},
    {"full_name": "HALDEN, John"},
    {"full_name": "Halden John", "email": None},
    {"full_name": "Jack Halden"},
    {"full_name": "J. Halden"},
    {"full_name": "Mr John Q Halden"},
    {"full_name": None},
    {"birth_date": date(1980, 2, 14)},
    {"birth_date": date(1990, 2, 13)},
    {"birth_date": None},
    {"national_id": "521-44-0973"},
    {"national_id": None, "phone": None},
    {"email": "other9@inbox.example", "phone": "+13125550199"},
    {"address": "9 Elm Road", "postcode": "10001", "phone": None},
    {"full_name": "John Marwick", "address": "9 Elm Road", "postcode": "10001"},  # another family name
]


@pytest.mark.parametrize("slip", SLIPS, ids=str)
def test_a_slip_makes_nobody_new(slip: Row) -> None:
    assert persons(JOHN, {**JOHN, **slip}) == [0, 0]


def test_day_and_month_swapped_are_a_slip() -> None:
    born = {"birth_date": date(1980, 4, 9)}
    assert persons({**JOHN, **born}, {**JOHN, "birth_date": date(1980, 9, 4), "national_id": None}) == [0, 0]


OTHERS: dict[str, tuple[Row, Row]] = {
    "couple": (JOHN, MARY),
    "couple with one number": (JOHN, {**MARY, "national_id": JOHN["national_id"]}),
    "couple with one of all but name and birth date": (
        JOHN, {**JOHN, "full_name": MARY["full_name"], "birth_date": MARY["birth_date"]},
    ),
    "twins": (JOHN, {**MARY, "birth_date": JOHN["birth_date"]}),
    "twins with one number": (JOHN, {**JOHN, "full_name": "Mary Halden", "email": "mary.h@inbox.example"}),
    "father and son": (JOHN, {**JOHN, "birth_date": date(2004, 11, 30), "national_id": "377-20-8115", "email": "son@inbox.example"}),
    "father and son with one number": (JOHN, {**JOHN, "birth_date": date(2004, 11, 30)}),
    "strangers of one name": (JOHN, {"full_name": "John Halden", "birth_date": date(1955, 5, 1), "postcode": "99501"}),
    "strangers with one number": (JOHN, {"full_name": "Bo Chan", "birth_date": date(1991, 5, 6), "national_id": "521440937"}),
    "strangers of one birth date": (JOHN, {"full_name": "Bo Chan", "birth_date": JOHN["birth_date"], "postcode": "99501"}),
}  # fmt: skip


@pytest.mark.parametrize("case", OTHERS)
def test_two_people_stay_two(case: str) -> None:
    assert persons(*OTHERS[case]) == [0, 1]


def test_a_household_that_passes_one_number_round_stays_apart() -> None:
    names = ("John", "Mary", "Tilda", "Quentin")
    rows = [
        {**JOHN, "full_name": f"{name} Halden", "birth_date": date(1980 + 3 * n, 2, 13 + n), "email": f"{name}{k}@inbox.example"}
        for k in range(3) for n, name in enumerate(names)
    ]  # fmt: skip
    assert persons(*rows) == [0, 1, 2, 3] * 3


def test_a_number_with_many_names_is_many_people() -> None:
    names = ("Ana Vell", "Bo Chan", "Cy Dorn", "Di Elst", "Ed Fane", "Flo Gant", "Gil Hume", "Hal Ives")
    rows = [
        {"full_name": name, "birth_date": date(1960 + 4 * n, 3, 1 + n), "national_id": "521-44-0937"}
        for n, name in enumerate(names)
    ]
    assert persons(*rows) == list(range(8))


def test_a_name_and_birth_date_with_many_numbers_is_one_identity() -> None:
    rows = [
        {"full_name": "Ana Vell", "birth_date": date(1960, 3, 9), "national_id": f"{510 + 7 * n}-4{n}-093{n}"}
        for n in range(9)
    ]
    assert persons(*rows) == [0] * 9


def test_an_account_that_changes_its_submission_is_one_and_matches_by_any() -> None:
    events, accounts = of(MARY, {"full_name": "Zed Quill", "birth_date": date(1950, 1, 9)}, JOHN)
    later = pl.DataFrame([{"account_id": "a001", **JOHN}], schema=SCHEMA)
    found = resolve({"profiles": pl.concat([events["profiles"], later])}, accounts).identity.head(3).to_list()
    assert found == [0, 1, 1]


def test_what_hundreds_submit_is_nobody() -> None:
    cap = IDENTIFIERS["person"].cap
    junk: Row = {"full_name": "Not Given", "birth_date": date(1900, 1, 1)}
    assert len(set(persons(*[junk] * (cap + 1)))) == cap + 1
    assert len(set(persons(*[{"full_name": "test", "birth_date": date(1900, 1, 1)}] * 3))) == 3


@pytest.mark.parametrize("shared", [{"postcode": "60431"}, {"birth_date": date(1900, 1, 1)}, {"address": "1 Main St"}, {"full_name": "Ann Lee"}], ids=str)  # fmt: skip
def test_a_value_that_all_share_costs_linear(shared: Row) -> None:
    n = 3_000
    frame = pl.DataFrame(
        [{"account_id": f"{k}", "full_name": f"n{k} f{k}", "birth_date": date(1900, 1, 1) + timedelta(days=k)} | shared for k in range(n)],
        schema=SCHEMA,
    ).with_columns(account=pl.int_range(pl.len(), dtype=pl.Int32))  # fmt: skip
    records = identity_records({"profiles": frame}, frame.select("account", "account_id"))
    known = resolve_records(records, n).known
    assert known.pairs.height <= PAIRS_PER_RECORD * n
    assert (bound_blocks(values_of(known).held) <= LARGEST_BLOCK).all()
    assert not known.pairs.select("left", "right").is_duplicated().any()
    assert (known.pairs["left"] < known.pairs["right"]).all()


def values_of(known: Known) -> Values:
    value, count = ([known.records[prefix + name].to_numpy() for name in VALUES] for prefix in ("", "n "))
    return Values(np.stack(value), np.stack(count))


def test_no_submission_at_all() -> None:
    empty = pl.DataFrame(schema=SCHEMA)
    nobody = resolve({"profiles": empty}, pl.DataFrame(schema={"account": pl.Int32, "account_id": pl.String}))
    assert nobody.identity.to_list() == []
    silent = pl.DataFrame(
        {"account": [0, 1], "account_id": ["a", "b"]}, schema={"account": pl.Int32, "account_id": pl.String}
    )
    assert resolve({"profiles": empty}, silent).identity.to_list() == [0, 1]


@pytest.fixture(scope="module")
def resolved() -> tuple[pl.DataFrame, Resolution]:
    events, accounts = of(JOHN, {**JOHN, "full_name": "Jack Halden"}, MARY)
    return identity_records(events, accounts), resolve(events, accounts)


@pytest.mark.parametrize("other", [1, 2, 40])
def test_a_pair_is_explained_field_by_field(resolved: tuple[pl.DataFrame, Resolution], other: int) -> None:
    records, resolution = resolved
    evidence = explain_pair(records, 0, other, resolution.weights)
    parts = [part.bits + part.rarity_bits for part in evidence.fields]
    total = evidence.prior_bits + sum(parts) + evidence.relatives_bits + evidence.rule_bits
    assert evidence.total_bits == pytest.approx(total)
    assert (evidence.total_bits > 0) == (other == 1)
    assert not any(str(value) in repr(evidence) for value in JOHN.values())
    swapped = explain_pair(records, other, 0, resolution.weights)
    assert swapped.total_bits == pytest.approx(evidence.total_bits)


def test_an_explanation_names_levels(resolved: tuple[pl.DataFrame, Resolution]) -> None:
    records, resolution = resolved
    levels = {part.field: part.level for part in explain_pair(records, 0, 1, resolution.weights).fields}
    assert levels["given_name"] == "short form"
    assert levels["family_name"] == levels["national_id"] == levels["birth_date"] == "equal"
    with pytest.raises(InputError, match="submitted"):
        explain_pair(records, 0, 1_000_000, resolution.weights)


def test_totals_in_one_pass_are_the_sums_of_the_parts(resolved: tuple[pl.DataFrame, Resolution]) -> None:
    known = resolved[1].known
    left, right = (known.pairs[side].cast(pl.Int64).to_numpy() for side in ("left", "right"))
    levels = unpack_levels(known.pairs["pattern"].to_numpy())
    rarities = rate_pairs(values_of(known), left, right, levels)
    whole = score_pairs(levels, rarities, resolved[1].weights)
    parts = whole.prior + whole.fields.sum(axis=1) + whole.rarity.sum(axis=1) + whole.relatives + whole.rule
    assert np.allclose(whole.total, parts)
    assert np.allclose(total_bits(levels, rarities, resolved[1].weights), whole.total)


def test_weights_come_back_from_json_and_give_the_same(resolved: tuple[pl.DataFrame, Resolution]) -> None:
    weights = resolved[1].weights
    again = Weights.from_json(weights.to_json())
    assert again == weights
    events, accounts = of(JOHN, {**JOHN, "full_name": "Jack Halden"}, MARY)
    assert resolve(events, accounts, again).identity.to_list() == resolved[1].identity.to_list()
    with pytest.raises(InputError, match="version"):
        Weights.from_json(weights.to_json().replace('"version": 1', '"version": 0'))
    with pytest.raises(InputError, match="fields"):
        Weights.from_json(weights.to_json().replace('"phone"', '"fax"'))


@pytest.mark.parametrize(("config", "least"), [
    (PeopleConfig(n_people=1500), 0.95),
    (PeopleConfig(n_people=1500, borrowed=0.35), 0.94),
    (PeopleConfig(n_people=1500, slips=2.2, missing=0.25), 0.82),
    (PeopleConfig(n_people=1500, without=("national_id", "phone")), 0.88),
], ids=["plain", "borrowed numbers", "many slips", "no numbers"])  # fmt: skip
@pytest.mark.parametrize("seed", [11, 12])
def test_made_households(config: PeopleConfig, least: float, seed: int) -> None:
    events, truth = simulate_people(config, seed)
    accounts = truth.select("account_id", account=pl.int_range(pl.len(), dtype=pl.Int32))
    found = truth.with_columns(resolve(events, accounts).identity)
    pairs = {
        by: found.group_by(by.split()).len().select((pl.col("len") * (pl.col("len") - 1) // 2).sum()).item()
        for by in ("identity", "person_id", "identity person_id")
    }
    assert 2 * pairs["identity person_id"] / (pairs["identity"] + pairs["person_id"]) >= least
