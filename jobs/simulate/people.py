"""Made submissions of people who live in households, with slips, and who each one is: to measure identity resolution.

Unlike a made world (`jobs.simulate.world`) these people come back under several accounts, mistype, move, marry, and borrow each
other's numbers; some are twins, some bear their father's name; some accounts are not people at all.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl

from jobs.simulate.names import DOMAINS, FAMILY_NAMES, GIVEN_NAMES, STREET_KINDS, STREETS

__all__ = ["PeopleConfig", "simulate_people"]

# full forms that people shorten: the names, few and frequent, whose short forms a resolver must know; the rest is made of syllables
SHORT: Final = {
    "james": "jim", "robert": "bob", "william": "bill", "richard": "dick", "margaret": "peggy", "elizabeth": "beth",
    "thomas": "tom", "katherine": "kate", "edward": "ted", "susan": "sue", "daniel": "dan", "patricia": "pat", "john": "jack",
    "rebecca": "becky", "anthony": "tony", "samantha": "sam", "michael": "mike", "deborah": "debbie", "andrew": "andy",
    "joseph": "joe",
}  # fmt: skip
GIVEN: Final = (*SHORT, *(name.lower() for name in GIVEN_NAMES[:140]))
FAMILY: Final = tuple(name.lower() for name in FAMILY_NAMES)
KINDS: Final = tuple(kind for kinds in STREET_KINDS for kind in kinds)
LOOKALIKES: Final = {"o": "0", "l": "1", "i": "1", "e": "c", "m": "rn", "h": "b", "s": "5", "a": "o", "n": "r"}


@dataclass(frozen=True)
class PeopleConfig:
    """How many, and how often what happens, in shares.

    Attributes:
        n_people: about; households are filled whole.
        slips: multiplies the odds of every slip.
        missing: odds that a field of a submission is empty.
        without: columns that nobody ever fills in.
        borrowed: submissions with the number of another member of the household.
        n_rings: of ten accounts each: one number under ten names, or one name and birth date under ten numbers.
    """

    n_people: int = 3_000
    slips: float = 1.0
    missing: float = 0.12
    without: tuple[str, ...] = ()
    borrowed: float = 0.06
    n_rings: int = 6


@dataclass(frozen=True)
class Person:
    """Who one is; `earlier` is a maiden name, `household` all members."""

    given: str
    middle: str
    family: str
    birth_date: date
    national_id: str
    email: str
    phone: str
    address: str
    postcode: str
    earlier: str = ""
    household: list["Person"] = field(default_factory=list, compare=False)


def simulate_people(config: PeopleConfig, seed: int) -> tuple[dict[str, pl.DataFrame], pl.DataFrame]:
    """Submissions and their truth.

    Returns:
        events, with `signups` and `profiles` of the event contract; truth: account_id, person_id.
    """
    random = np.random.default_rng(seed)
    people: list[Person] = []
    while len(people) < config.n_people:
        people += _household(random)
    rows: list[dict[str, object]] = []
    for number, person in enumerate(people):
        n_accounts = min(int(random.geometric(0.45)), 7)
        rows += [{"person_id": f"p{number}", **_submission(person, config, random)} for _ in range(n_accounts)]
    for ring in range(config.n_rings):
        rows += _ring(ring, random)
    order = random.permutation(len(rows))
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frame = pl.DataFrame([rows[place] for place in order], schema=ROW).with_columns(
        account_id=pl.format("m{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(7)),
        event_time=pl.lit(start) + pl.duration(minutes=pl.int_range(pl.len())),
    )
    frame = frame.with_columns(pl.lit(None, dtype=ROW[name]).alias(name) for name in config.without)
    frame = frame.with_columns(event_id=pl.format("e{}", "account_id"), known_time="event_time", channel=pl.lit("web"))
    columns = [name for name in ROW if name != "person_id"]
    keys = ["event_id", "event_time", "known_time", "account_id"]
    events = {"signups": frame.select(*keys, "channel"), "profiles": frame.select(*keys, *columns)}
    return events, frame.select("account_id", "person_id")


ROW: dict[str, pl.DataType] = {
    "person_id": pl.String(),
    "full_name": pl.String(),
    "birth_date": pl.Date(),
    "national_id": pl.String(),
    "email": pl.String(),
    "phone": pl.String(),
    "address": pl.String(),
    "postcode": pl.String(),
}


def _one(values: tuple[str, ...], random: np.random.Generator) -> str:
    """A value, the earlier ones more often."""
    return values[int(len(values) * random.random() ** 1.7)]


def _surname(random: np.random.Generator) -> str:
    """A third of all bear one of fifty names, the rest one of thousands."""
    return _one(FAMILY[:50] if random.random() < 0.35 else FAMILY, random)


def _born(random: np.random.Generator, first: int, last: int) -> date:
    if random.random() < 0.02:
        return date(int(random.integers(first, last)), 1, 1)
    return date(first, 1, 1) + timedelta(days=int(random.integers(0, 365 * (last - first))))


def _number(random: np.random.Generator) -> str:
    return f"{random.integers(1, 899):03d}-{random.integers(1, 99):02d}-{random.integers(1, 9999):04d}"


def _phone(random: np.random.Generator) -> str:
    return f"+1{random.integers(200, 999)}{random.integers(200, 999)}{random.integers(0, 9999):04d}"


def _address(random: np.random.Generator) -> str:
    street = f"{random.integers(1, 2500)} {_one(STREETS, random)} {KINDS[int(random.integers(len(KINDS)))]}"
    return street if random.random() < 0.7 else f"{street} #{random.integers(1, 60)}"


def _mail(given: str, family: str, random: np.random.Generator) -> str:
    style = random.integers(3)
    box = (f"{given}.{family}", f"{given[0]}{family}", f"{given}{family[:3]}")[style]
    return f"{box}{random.integers(1, 9999)}@{_one(DOMAINS, random)}"


def _household(random: np.random.Generator) -> list[Person]:
    """One to six people at one address: one or two of an elder age and their children, twins and namesakes among them."""
    family, address, postcode = (
        _surname(random),
        _address(random),
        f"{int(1000 * random.random() ** 1.5) * 97 + 501:05d}",
    )
    landline = _phone(random)
    n_elders, n_children = 1 + int(random.random() < 0.6), int(random.choice(5, p=[0.4, 0.2, 0.2, 0.15, 0.05]))
    birth = _born(random, 1945, 1985)
    members: list[Person] = []
    for number in range(n_elders + n_children):
        is_child = number >= n_elders
        given, born = _one(GIVEN, random), birth
        if is_child:
            born = birth + timedelta(days=int(365.25 * random.integers(20, 36) + random.integers(0, 364)))
            if number > n_elders and random.random() < 0.12:
                born = members[-1].birth_date  # twins
            elif number == n_elders and random.random() < 0.12:
                given = members[0].given  # the parent's name
        elif number:
            born = birth + timedelta(days=int(random.integers(-2000, 2000)))
        while given in [member.given for member in members if member.birth_date == born]:
            given = _one(GIVEN, random)
        own = family if number != 1 or random.random() < 0.8 else _surname(random)
        phone = landline if random.random() < 0.35 else _phone(random)
        email = members[0].email if members and random.random() < 0.08 else _mail(given, own, random)
        earlier = _surname(random) if number == 1 and own == family else ""
        members.append(
            Person(given, _one(GIVEN, random), own, born, _number(random), email, phone, address, postcode, earlier)
        )
    return [replace(member, household=members) for member in members]


def _submission(person: Person, config: PeopleConfig, random: np.random.Generator) -> dict[str, object]:
    def happens(share: float) -> bool:
        return bool(random.random() < share * config.slips)

    born, number, email, phone = person.birth_date, person.national_id, person.email, person.phone
    address, postcode = person.address, person.postcode
    if happens(0.12):
        address, postcode = _address(random), f"{int(1000 * random.random() ** 1.5) * 97 + 501:05d}"  # moved
    if happens(0.2):
        email = _mail(person.given, person.family, random)
    if happens(0.2):
        phone = _phone(random)
    if len(person.household) > 1 and random.random() < config.borrowed:
        number = person.household[int(random.integers(len(person.household)))].national_id
    if happens(0.03) and born.day <= 12:
        born = date(born.year, born.day, born.month)
    elif happens(0.04):
        born = _digit_off(born, random)
    name = _written(person, happens, random)
    row: dict[str, object] = {
        "full_name": name,
        "birth_date": born,
        "national_id": _slip(number, random, digits=True) if happens(0.04) else number,
        "email": _slip(email, random) if happens(0.04) else email,
        "phone": _slip(phone, random, digits=True) if happens(0.03) else phone,
        "address": _slip(address, random) if happens(0.05) else address,
        "postcode": _slip(postcode, random, digits=True) if happens(0.03) else postcode,
    }
    return {column: None if random.random() < config.missing else value for column, value in row.items()}


def _written(person: Person, happens: Callable[[float], bool], random: np.random.Generator) -> str:
    given, family = person.given, person.family
    if person.earlier and happens(0.25):
        family = person.earlier
    if given in SHORT and happens(0.2):
        given = SHORT[given]
    elif happens(0.04):
        given = given[0]
    if happens(0.07):
        given = _slip(given, random)
    if happens(0.07):
        family = _slip(family, random)
    if happens(0.04):
        return f"{family} {given}"
    if happens(0.03):
        return given if happens(0.5) else family
    middle = random.random()
    if middle < 0.15:
        return f"{given} {person.middle[0]} {family}"
    return f"{given} {person.middle} {family}" if middle < 0.25 else f"{given} {family}"


def _slip(text: str, random: np.random.Generator, digits: bool = False) -> str:
    """One slip: a character more, less, swapped, or mistaken."""
    if len(text) < 2:
        return text
    place, kind = int(random.integers(len(text) - 1)), int(random.integers(4))
    letter = str(random.integers(10)) if digits else "abcdefghijklmnoprstuvwy"[int(random.integers(23))]
    if kind == 0:
        return text[:place] + letter + text[place:]
    if kind == 1:
        return text[:place] + text[place + 1 :]
    if kind == 2:
        return text[:place] + text[place + 1] + text[place] + text[place + 2 :]
    return text[:place] + (letter if digits else LOOKALIKES.get(text[place], letter)) + text[place + 1 :]


def _digit_off(born: date, random: np.random.Generator) -> date:
    part = int(random.integers(3))
    if part == 0:
        return born.replace(year=born.year + int(random.choice([-10, -1, 1, 10])), day=min(born.day, 28))
    if part == 1:
        return born.replace(month=born.month % 9 + 1, day=min(born.day, 28))
    return born.replace(day=(born.day + 1) if born.day % 10 < 8 and born.day < 28 else max(born.day - 1, 1))


def _ring(ring: int, random: np.random.Generator) -> list[dict[str, object]]:
    """Ten people who do not exist under one number, or one name and birth date under ten numbers."""
    number, drop, postcode = _number(random), _address(random), f"{random.integers(501, 99950):05d}"
    given, family, born = _one(GIVEN, random), _surname(random), _born(random, 1950, 2005)
    rows: list[dict[str, object]] = []
    for member in range(10):
        if ring % 2 == 0:
            given, family, born = _one(GIVEN, random), _surname(random), _born(random, 1950, 2005)
        else:
            number = _number(random)
        rows.append(
            {
                "person_id": f"ring{ring}-{member if ring % 2 == 0 else 0}",
                "full_name": f"{given} {family}",
                "birth_date": born,
                "national_id": number,
                "email": _mail(given, family, random),
                "phone": _phone(random),
                "address": drop,
                "postcode": postcode,
            }
        )
    return rows
