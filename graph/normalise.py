"""Normal forms of identifiers, so that two ways to write one thing become one. Normalising twice changes nothing.

Each normaliser takes the source columns of its identifier type as expressions and gives a string, null where there is nothing
to link by: an empty value, or one that people type when they have none ("n/a", 000-00-0000, 1900-01-01). What stands for none
and is in no list is found from the data, by `graph.junk`. Families of forms have their own modules; to add a normaliser, write
one function there and its line in `NORMALISERS`.

A form is exact agreement in another spelling, never a likeness: two people who are much alike stay two. No value is judged by a
country's rules, since no country is known of it.

See Also:
    graph.normal_contacts, graph.normal_persons, graph.normal_places, graph.normal_tokens, graph.normal_text.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from graph.normal_contacts import email, is_disposable_email, is_voip_phone, phone
from graph.normal_persons import national_id, person
from graph.normal_places import address, building, ip
from graph.normal_tokens import token

__all__ = ["NORMALISERS", "Forms", "Normaliser", "is_disposable_email", "is_voip_phone", "normalise"]


@dataclass(frozen=True)
class Normaliser:
    """How an identifier type's source columns become its normal form.

    Attributes:
        build: the columns' expressions to one of a string or null.
        form: the form in words, for the data dictionary.
        after: the normaliser of the same columns whose form `build` is given in their place; None where it is given the columns.
    """

    build: Callable[..., pl.Expr]
    form: str
    after: str | None = None


NORMALISERS: dict[str, Normaliser] = {
    "token": Normaliser(token, "as given; none for null, all zeros, and constants of makers"),
    "ip": Normaliser(ip, "IPv4, or the /64 of IPv6; none for private, shared and reserved ranges"),
    "phone": Normaliser(phone, "E.164 where + or 00 was written, else the digits; none for one digit, a count, numbers for fiction"),
    "email": Normaliser(email, "lower case, ASCII domain; tags, dots and domains as the provider reads them; none for stand-ins"),
    "national_id": Normaliser(national_id, "letters and digits, upper case; none for one character, a count, sample numbers"),
    "person": Normaliser(person, "words without accents, titles and middle initials, in order, with the birth date; none for placeholders of either"),
    "building": Normaliser(building, "as address, without the unit", after="address"),
    "address": Normaliser(address, "words without accents, shortened, the unit last, with the postcode; none for stand-ins"),
}  # fmt: skip


def normalise(normaliser: str, *columns: pl.Expr, made: Mapping[str, pl.Expr] | None = None) -> pl.Expr:
    """The normal form by the named normaliser, a string or null.

    Args:
        columns: the source columns.
        made: forms of these columns that have been made, by normaliser.
    """
    named = NORMALISERS[normaliser]
    if named.after is None:
        return named.build(*columns)
    before = made[named.after] if made and named.after in made else normalise(named.after, *columns)
    return named.build(before)


@dataclass
class Forms:
    """Normal forms that one reader of some events made, for others who read the same events: most of a reader's time is theirs.

    Attributes:
        kept: the normalisers whose forms others will ask for.
    """

    kept: tuple[str, ...] = ()
    _made: dict[tuple[str, ...], pl.DataFrame] = field(default_factory=dict)

    def make(self, values: pl.DataFrame, normalisers: Sequence[str]) -> pl.DataFrame:
        """The forms of distinct rows of source columns, a column a normaliser."""
        columns = tuple(values.columns)
        made: dict[str, pl.Expr] = {}
        forms = values
        for name in normalisers:
            forms = forms.with_columns(normalise(name, *map(pl.col, columns), made=made).alias(f"\x1f{name}"))
            made[name] = pl.col(f"\x1f{name}")
        if kept := [f"\x1f{name}" for name in normalisers if name in self.kept]:
            self._made[columns] = forms.select(*columns, *kept)
        return forms.select(made[name].alias(name) for name in normalisers)

    def find(self, values: pl.DataFrame, normaliser: str) -> pl.Series:
        """The form of each row of source columns, as `normalise` gives it; made where it has not been."""
        columns, name = values.columns, f"\x1f{normaliser}"
        known = self._made.get(tuple(columns))
        if known is not None and name in known.columns:
            made = known.select(*columns, name, is_made=True)
            found = values.join(made, on=columns, how="left", nulls_equal=True, maintain_order="left")
            if (found["is_made"].is_not_null() | values[columns[0]].is_null()).all():
                return found[name].alias(normaliser)
        return values.select(normalise(normaliser, *map(pl.col, columns))).to_series().alias(normaliser)
