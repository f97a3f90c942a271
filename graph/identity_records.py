"""Records to resolve: one for each account and distinct submission, in normal forms, then as arrays for comparison.

A record is a function of its own row; `build_records` of parts, put together and sorted, is that of the whole.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
import polars_hash  # noqa: F401  (registers `Expr.nchash`)
from numpy.typing import NDArray

from graph.accounts import find_accounts
from graph.identity_names import TITLES, name_groups
from graph.identity_text import Texts, encode_texts
from graph.marks import Differing, are_among
from graph.normal_persons import JUNK_NAMES
from graph.normal_text import SEPARATOR
from graph.normalise import Forms

__all__ = [
    "NORMALISED",
    "RECORD_SCHEMA",
    "Encoded",
    "build_records",
    "carry_records",
    "digest_records",
    "encode_records",
    "number_records",
    "sorted_records",
    "submit_anew",
]

NO_DATE = np.int32(-(2**31))
MAX_GROUPS = 6
NORMALISED = ("national_id", "email", "phone", "address")  # normalisers of what was submitted
_AT_ONCE = 1_000_000  # records whose texts are put together at once

RECORD_SCHEMA: dict[str, pl.DataType] = {
    "account": pl.Int32(),
    "first": pl.String(),  # first word of the name
    "last": pl.String(),  # last word; null where there is one word only
    "second": pl.String(),  # words between, up to two
    "third": pl.String(),
    "birth_date": pl.Date(),
    "national_id": pl.String(),
    "email": pl.String(),
    "mailbox": pl.String(),  # what stands before the @
    "phone": pl.String(),
    "address": pl.String(),
    "postcode": pl.String(),
}


class Encoded(NamedTuple):
    """Some records as arrays: n records, texts by number in the order of their digests (-1: none).

    Attributes:
        rows: int32[n], their numbers among all records, rising.
        names: int32[n, 4], words of the name: first, last, second, third.
        leads: bool[n], the name is one word, and that leads rather than ends the names of others.
        days: int32[n], days since 1970, `NO_DATE` for none.
        parts: int16[n, 3], year, month, day.
        national_id, email, mailbox, phone, address, postcode: int32[n].
        home: int32[n], address and postcode together.
        words, ..., homes: the texts; mailboxes and homes, which are the same or not, without code points.
        groups: int32[n_words, MAX_GROUPS], groups of short forms (-1: none).
    """

    rows: NDArray[np.int32]
    names: NDArray[np.int32]
    leads: NDArray[np.bool_]
    days: NDArray[np.int32]
    parts: NDArray[np.int16]
    national_id: NDArray[np.int32]
    email: NDArray[np.int32]
    mailbox: NDArray[np.int32]
    phone: NDArray[np.int32]
    address: NDArray[np.int32]
    postcode: NDArray[np.int32]
    home: NDArray[np.int32]
    words: Texts
    national_ids: Texts
    emails: Texts
    mailboxes: Texts
    phones: Texts
    addresses: Texts
    postcodes: Texts
    homes: Texts
    groups: NDArray[np.int32]


def build_records(profiles: pl.DataFrame, forms: Forms | None = None) -> pl.DataFrame:
    """Records of the submissions of any set of accounts.

    Args:
        profiles: account (its number, or its id while it has none) and the columns of the event table `profiles`.
        forms: normal forms that have been made of these profiles.

    Returns:
        `RECORD_SCHEMA`, `account` as it was given, as `sorted_records` gives it. What names nobody (no name, no birth date, no number, no email,
        no phone) is no record.
    """
    name = pl.col("full_name")
    plain = (
        name.str.normalize("NFKD")
        .str.replace_all("[\u0300-\u036f]", "")
        .str.normalize("NFC")
        .str.to_lowercase()
        .str.replace_all(r"['’`]", "")
        .str.replace_all(r"[^\p{L}\p{M}\p{N} ]", " ")
    )
    words = plain.str.extract_all(r"\S+").list.eval(
        pl.element().filter(~pl.element().is_in(TITLES.split()) & ~pl.element().str.contains(r"^\d+$"))
    )
    distinct = profiles.select("account", *_SUBMITTED).unique()
    known = forms or Forms()
    national_id, email, phone = (known.find(distinct.select(name), name) for name in ("national_id", "email", "phone"))
    address = known.find(distinct.select("address", "postcode"), "address")
    split = distinct.select(
        "account",
        "birth_date",
        words=pl.when(~words.list.join(" ").is_in(list(JUNK_NAMES))).then(words),
        national_id=national_id,
        email=email,
        mailbox=email.str.extract(r"^([^@]+)@"),
        phone=phone,
        address=address.str.split(SEPARATOR).list.first(),
        postcode=_filled(pl.col("postcode").str.to_uppercase().str.replace_all(r"[^\p{L}\p{N}]", "")),
    )
    n_words = pl.col("words").list.len()
    records = split.select(
        "account",
        first=pl.col("words").list.get(0, null_on_oob=True),
        last=pl.when(n_words >= 2).then(pl.col("words").list.get(-1, null_on_oob=True)),
        second=pl.when(n_words >= 3).then(pl.col("words").list.get(1, null_on_oob=True)),
        third=pl.when(n_words >= 4).then(pl.col("words").list.get(2, null_on_oob=True)),
        **{column: pl.col(column) for column in list(RECORD_SCHEMA)[5:]},
    )
    personal = ("first", "birth_date", "national_id", "email", "phone")
    named = records.filter(pl.any_horizontal(pl.col(column).is_not_null() for column in personal))
    return sorted_records(named)


def sorted_records(records: pl.DataFrame) -> pl.DataFrame:
    """By account, and within one by a digest of what was submitted; without repeats."""
    keyed = records.with_columns(digest=digest_records(records)).sort("account", "digest")
    return keyed.unique(["account", "digest"], keep="first", maintain_order=True).drop("digest")


def digest_records(records: pl.DataFrame) -> pl.Series:
    """A digest, u64, of what each record says, whoever's it is."""
    text = pl.concat_str(
        *(pl.col(name).cast(pl.String).fill_null("") for name in list(RECORD_SCHEMA)[1:]), separator="\x1f"
    )
    digest: pl.Expr = text.nchash.xxh3_64()  # type: ignore[attr-defined]  # polars-hash registers it
    some = [
        records.slice(begin, _AT_ONCE).select(digest=digest) for begin in range(0, max(records.height, 1), _AT_ONCE)
    ]
    return pl.concat(some, rechunk=True)["digest"]


def carry_records(before: pl.DataFrame, differing: Differing, fresh: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records brought up to date, as `build_records` of all profiles gives them.

    Args:
        before: of an earlier night; `account` is the account's id.
        differing: as `graph.marks.find_differing` gives it.
        fresh: of changed accounts all, of grown ones those of the events that came.

    Returns:
        all records; and of them those of the accounts that changed, or grew by some.
    """
    own = before.filter(~are_among(before["account"], differing.changed))
    grows = own["account"].is_in(fresh["account"].unique().implode())
    whole = sorted_records(pl.concat([own.filter(grows), fresh]))
    return pl.concat([own.filter(~grows), whole]).sort("account", maintain_order=True), whole


def submit_anew(account_ids: pl.Series, differing: Differing, fresh: pl.DataFrame) -> pl.Series:
    """Whether all records of an account are among the fresh ones of `carry_records`, bool: those of others are as they were."""
    return are_among(account_ids, differing.changed) | account_ids.is_in(fresh["account"].unique().implode())


def number_records(records: pl.DataFrame, accounts: pl.DataFrame) -> pl.DataFrame:
    """Records of parts put together, with their accounts' numbers in place of ids, in the numbers' order.

    Args:
        records: `account` is the account's id; those of one account in order, as `sorted_records` gives them.
        accounts: account, account_id; records of others are left out.
    """
    number = find_accounts(records["account"], accounts)
    order = np.argsort(number, kind="stable")
    order = order[np.searchsorted(number[order], 0) :]
    return records[order].with_columns(pl.Series("account", number[order], dtype=pl.Int32))


_SUBMITTED = ("full_name", "birth_date", "national_id", "email", "phone", "address", "postcode")


def _filled(value: pl.Expr) -> pl.Expr:
    return pl.when(value.str.len_bytes() > 0).then(value)


def encode_records(records: pl.DataFrame, rows: NDArray[np.int32], leads: NDArray[np.bool_]) -> Encoded:
    """Records as arrays; numbers of texts have a meaning within one result only.

    Args:
        records: n of them (`RECORD_SCHEMA`).
        rows: int32[n], their numbers among all records, rising.
        leads: bool[n], as `graph.identity_values.leading` finds them among all records.
    """
    words, word_texts, known = encode_texts([records[name] for name in ("first", "last", "second", "third")])
    home = records.select(home=pl.col("address") + "\x1f" + pl.col("postcode"))["home"]
    (national_id, national_ids), (email, emails), (phone, phones), (address, addresses), (postcode, postcodes) = (
        _coded(records[name]) for name in ("national_id", "email", "phone", "address", "postcode")
    )
    mailbox, mailboxes = _coded(records["mailbox"], with_points=False)
    home_code, homes = _coded(home, with_points=False)
    born = records["birth_date"]
    parts = [part.fill_null(0).cast(pl.Int16).to_numpy() for part in (born.dt.year(), born.dt.month(), born.dt.day())]
    return Encoded(
        rows=rows,
        names=np.stack(words, axis=1),
        leads=leads,
        days=born.cast(pl.Int32).fill_null(int(NO_DATE)).to_numpy(writable=True),
        parts=np.stack(parts, axis=1),
        national_id=national_id,
        email=email,
        mailbox=mailbox,
        phone=phone,
        address=address,
        postcode=postcode,
        home=home_code,
        words=word_texts,
        national_ids=national_ids,
        emails=emails,
        mailboxes=mailboxes,
        phones=phones,
        addresses=addresses,
        postcodes=postcodes,
        homes=homes,
        groups=_groups_of(known.to_list()),
    )


def _coded(values: pl.Series, *, with_points: bool = True) -> tuple[NDArray[np.int32], Texts]:
    (codes,), texts, _ = encode_texts([values], with_points=with_points)
    return codes, texts


def _groups_of(words: list[str]) -> NDArray[np.int32]:
    groups = np.full((len(words), MAX_GROUPS), -1, dtype=np.int32)
    for number, own in enumerate(name_groups(words)):
        groups[number, : len(own)] = own[:MAX_GROUPS]
    return groups
