"""Normal forms of what says who somebody is: name with birth date, and national id."""

import polars as pl

from graph.normal_text import JUNK, SEPARATOR, folded, plain

__all__ = ["JUNK_NAMES", "national_id", "person"]

# beside a name, part of none; `md` is not among them: it is also how Mohammed is shortened
TITLES = (
    "mr",
    "mrs",
    "ms",
    "miss",
    "mx",
    "dr",
    "prof",
    "professor",
    "rev",
    "sir",
    "esq",
    "phd",
    "jr",
    "sr",
    "ii",
    "iii",
    "iv",
)
# as they stand when their words are in order
JUNK_NAMES = JUNK | {
    "test test", "test user", "account test", "customer test", "first last", "firstname lastname", "name surname", "name test", "asdf asdf",
    "applicable not", "available not", "not provided", "known not", "given not", "name no", "full name", "name your", "doe john", "doe jane",
    "user", "customer", "guest", "admin", "name", "first", "last", "fname lname", "null null", "none none", "n n", "unknown unknown",
}  # fmt: skip
ONE_LETTER = "|".join(f"{letter}{{3,}}" for letter in "abcdefghijklmnopqrstuvwxyz")

# what a form or a database gives who has none, written as dates are cast to text
PLACEHOLDER_DATES = (
    "0001-01-01", "1111-11-11", "1700-01-01", "1753-01-01", "1800-01-01", "1899-12-30", "1899-12-31", "1900-01-01", "1900-01-02",
    "1901-01-01", "1904-01-01", "1970-01-01", "9999-12-31",
)  # fmt: skip

# printed in advertisements and on sample cards, or typed by those who have none. No other rule of one country's numbers is
# among them: the same nine digits may be somebody's number elsewhere (no area 000 or 666 in the US, but in Greece).
JUNK_NUMBERS = frozenset(
    ["078051120", "219099999", "457555462", "123121234", "123123123", "123456789", "987654321", "0123456789", "1234567890", "9876543210",
     "12345678", "87654321", "1234567", "123456", "654321", "12345", "54321", "1234", "4321", "012345678", "111223333", "999887777",
     "123123", "112233445", "AB123456C", "QQ123456C", "A1234567", "A12345678", "AA123456A", "X1234567X"]
    + [f"98765432{digit}" for digit in range(10)]
)  # fmt: skip
ONE_CHARACTER = "|".join(f"{character}+" for character in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")


def person(name: pl.Expr, birth_date: pl.Expr) -> pl.Expr:
    """The name's words in alphabetical order, with the birth date; null where either is missing or a placeholder.

    Titles go, and so do single letters beside two whole words (a middle initial that one form asks for and another does not).
    Initials in place of a name stay: `J Smith` may be many people.
    """
    both = pl.struct(name=name, born=birth_date.cast(pl.String))
    return both.map_batches(_persons, return_dtype=pl.String)


def national_id(value: pl.Expr) -> pl.Expr:
    """Letters and digits alone, upper case; null for one repeated character, a count, or a number known to be nobody's.

    Which country gave it is not known, so no country's rules are asked.
    """
    return value.map_batches(_national_ids, return_dtype=pl.String)


def _persons(both: pl.Series) -> pl.Series:
    text = plain(both.struct.field("name"))
    words = text.str.replace_all("'", "").str.replace_all(r"[^\p{L}\p{M}\p{N}]+", " ").str.extract_all(r"\S+")
    frame = pl.DataFrame({"text": text, "words": words, "born": both.struct.field("born").str.strip_chars()})
    word = pl.element()
    frame = frame.with_columns(untitled=pl.col("words").list.filter(~word.is_in(list(TITLES))))
    frame = frame.with_columns(whole=pl.col("untitled").list.filter(~word.str.contains(r"^\p{Ll}$")))
    chosen = pl.when(pl.col("whole").list.len() > 1).then("whole").otherwise("untitled")
    frame = frame.with_columns(form=chosen.list.sort().list.join(" "))
    form, born = pl.col("form"), pl.col("born")
    is_nobody = (
        (pl.col("untitled").list.len() == 0)
        | form.is_in(list(JUNK_NAMES))
        | pl.col("text").is_in(list(JUNK))
        | form.str.contains(rf"^(?:{ONE_LETTER})$")
        | born.is_in(list(PLACEHOLDER_DATES))
    )
    return frame.select(form=pl.when(~is_nobody).then(form + SEPARATOR + born))["form"]


def _national_ids(values: pl.Series) -> pl.Series:
    text = folded(folded(values).str.to_uppercase()).str.replace_all(r"[^\p{L}\p{N}]", "")
    is_junk = (
        text.str.contains(rf"^(?:{ONE_CHARACTER})$")
        | text.is_in(list(JUNK_NUMBERS))
        | (text.str.len_chars() < 4)
        | ~text.str.contains("[0-9]")
    )
    return text.set(is_junk, None)
