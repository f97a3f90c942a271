"""The event contract, declared once: tables, columns, and the identifier types that are drawn from them.

Everything else is derived from here: the reader's checks, the links, the store's labels, the data dictionary. To add an
identifier type, add one row to `IDENTIFIERS`; to add an event table, one entry to `TABLES`.
"""

from dataclasses import dataclass, field
from typing import Literal

import polars as pl

__all__ = [
    "EVENT_COLUMNS",
    "IDENTIFIERS",
    "PRIVACY_CLASSES",
    "TABLES",
    "UTC_TIME",
    "Column",
    "IdentifierType",
    "Privacy",
    "Table",
    "known_time",
]

Privacy = Literal["public", "pseudonym", "personal", "restricted"]

PRIVACY_CLASSES: dict[Privacy, str] = {
    "public": "says nothing of a person",
    "pseudonym": "an opaque id, or a number about one; shown to who works with the case",
    "personal": "says who or where somebody is: raw in EVENTS and `restricted/` alone, elsewhere its keyed hash or a mask",
    "restricted": "could be used to harm: as personal, and a reveal is for named roles with a reason, and is audited",
}

UTC_TIME = pl.Datetime("us", "UTC")


def known_time() -> pl.Expr:
    """When we knew of an event: its `known_time`, by default when it happened."""
    return pl.col("known_time").fill_null(pl.col("event_time"))


@dataclass(frozen=True)
class Column:
    """One column of an event table.

    Attributes:
        dtype: polars type that the column has after reading.
        optional: the column may be missing, and its values null. A null in a column that is not optional
            sends the row to quarantine.
        values: the values that are allowed; another one sends the row to quarantine.
        plausible: name of the check in `graph.plausible` that an optional value must pass, else it becomes null.
        privacy: who may see the raw value; `personal` and `restricted` never leave EVENTS and `restricted/`.
    """

    name: str
    dtype: pl.DataType
    meaning: str
    optional: bool = False
    values: tuple[str, ...] = ()
    plausible: str | None = None
    privacy: Privacy = "public"


@dataclass(frozen=True)
class Table:
    """One event table: its own columns; those that every table has are in `EVENT_COLUMNS`."""

    name: str
    meaning: str
    own: tuple[Column, ...]
    required: bool = False
    columns: tuple[Column, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", EVENT_COLUMNS + self.own)


@dataclass(frozen=True)
class IdentifierType:
    """A kind of identifier that accounts can share.

    Attributes:
        label: name in links, evidence and the store.
        table: event table that carries it.
        columns: source columns; an identifier is null where the first of them is null.
        normaliser: name in `graph.normalise.NORMALISERS`.
        cap: identifiers with more accounts than this are hubs: they link nobody. Nor do placeholders (`graph.junk`).
        privacy: class of the raw value.
        group: types of one group are not independent evidence (a device and its IP).
        meaning: one line for the data dictionary.
        within: a type of the same columns whose agreement implies this one's: where both agree, this one says nothing more.
    """

    label: str
    table: str
    columns: tuple[str, ...]
    normaliser: str
    cap: int
    privacy: Privacy
    group: str
    meaning: str
    within: str | None = None


EVENT_COLUMNS: tuple[Column, ...] = (
    Column("event_id", pl.String(), "unique in its table; the same id twice is one event", privacy="pseudonym"),
    Column("event_time", UTC_TIME, "when it happened"),
    Column("known_time", UTC_TIME, "when we knew; default: event_time", optional=True),
    Column("account_id", pl.String(), "the account that acted", privacy="pseudonym"),
)

TABLES: dict[str, Table] = {
    table.name: table
    for table in (
        Table(
            "signups",
            "an account was opened",
            (
                Column("channel", pl.String(), "how the account was opened"),
                Column(
                    "referrer_account_id",
                    pl.String(),
                    "the account that referred it",
                    optional=True,
                    privacy="pseudonym",
                ),
                Column("country", pl.String(), "never a feature, reason, rule or filter", optional=True),
            ),
            required=True,
        ),
        Table(
            "profiles",
            "what was submitted then; one row per submission or change",
            (
                Column(
                    "full_name", pl.String(), "name as submitted", optional=True, plausible="text", privacy="personal"
                ),
                Column(
                    "birth_date", pl.Date(), "any century", optional=True, plausible="birth_date", privacy="personal"
                ),
                Column(
                    "national_id", pl.String(), "as submitted", optional=True, plausible="text", privacy="restricted"
                ),
                Column("email", pl.String(), "as submitted", optional=True, plausible="email", privacy="personal"),
                Column("phone", pl.String(), "as submitted", optional=True, plausible="phone", privacy="personal"),
                Column(
                    "address", pl.String(), "street, number, unit", optional=True, plausible="text", privacy="personal"
                ),
                Column("postcode", pl.String(), "as submitted", optional=True, plausible="text", privacy="personal"),
            ),
        ),
        Table(
            "logins",
            "a session on a device",
            (
                Column("device_id", pl.String(), "the device's id", privacy="personal"),
                Column(
                    "ip", pl.String(), "public address, v4 or v6", optional=True, plausible="ip", privacy="personal"
                ),
                Column("platform", pl.String(), "operating system", optional=True),
                Column("is_emulator", pl.Boolean(), "the device is emulated", optional=True),
            ),
        ),
        Table(
            "instruments",
            "an instrument was linked or unlinked",
            (
                Column("instrument_id", pl.String(), "the instrument's token", privacy="restricted"),
                Column(
                    "kind",
                    pl.String(),
                    "kind of instrument",
                    values=("debit_card", "credit_card", "prepaid_card", "bank_account"),
                ),
                Column("action", pl.String(), "what was done", values=("link", "unlink")),
            ),
        ),
        Table(
            "payments",
            "money left the account",
            (
                Column(
                    "counterparty_id",
                    pl.String(),
                    "who was paid: an account or somebody outside",
                    optional=True,
                    privacy="pseudonym",
                ),
                Column("instrument_id", pl.String(), "the instrument used", optional=True, privacy="restricted"),
                Column("amount_minor", pl.Int64(), "amount in the currency's minor unit"),
                Column("currency", pl.String(), "ISO 4217"),
                Column("status", pl.String(), "what became of it", values=("settled", "reversed", "declined")),
            ),
        ),
        Table(
            "id_checks",
            "identity verification",
            (
                Column("check", pl.String(), "which check"),
                Column("result", pl.String(), "its result", values=("pass", "fail", "review")),
                Column("vendor_score", pl.Float64(), "the vendor's score", optional=True, plausible="finite"),
            ),
        ),
        Table(
            "outcomes",
            "what an account turned out to be; the latest known per account stands",
            (
                Column("outcome", pl.String(), "the finding", values=("confirmed_synthetic", "confirmed_benign")),
                Column("source", pl.String(), "where it came from"),
                Column("actor", pl.String(), "who decided", optional=True, privacy="pseudonym"),
                Column("ring_id", pl.String(), "the ring decided on", optional=True),
                Column("ring_version", pl.String(), "its version then", optional=True),
                Column("reason", pl.String(), "the reason given", optional=True),
            ),
        ),
    )
}

IDENTIFIERS: dict[str, IdentifierType] = {
    kind.label: kind
    for kind in (
        IdentifierType("device", "logins", ("device_id",), "token", 500, "personal", "device", "device id"),
        IdentifierType("ip", "logins", ("ip",), "ip", 200, "personal", "place", "IPv4 address or IPv6 /64"),
        IdentifierType(
            "instrument",
            "instruments",
            ("instrument_id",),
            "token",
            200,
            "restricted",
            "instrument",
            "card or bank account",
        ),
        IdentifierType("phone", "profiles", ("phone",), "phone", 200, "personal", "phone", "phone number"),
        IdentifierType("email", "profiles", ("email",), "email", 200, "personal", "email", "mailbox"),
        IdentifierType(
            "national_id",
            "profiles",
            ("national_id",),
            "national_id",
            100,
            "restricted",
            "national_id",
            "national id number",
        ),
        IdentifierType(
            "person",
            "profiles",
            ("full_name", "birth_date"),
            "person",
            100,
            "personal",
            "person",
            "name with birth date",
        ),
        IdentifierType(
            "address", "profiles", ("address", "postcode"), "address", 300, "personal", "place", "address with postcode"
        ),
        IdentifierType(
            "building",
            "profiles",
            ("address", "postcode"),
            "building",
            100,
            "personal",
            "place",
            "address without its unit: a drop address is given with units that do not exist",
            within="address",
        ),
        IdentifierType("payee", "payments", ("counterparty_id",), "token", 200, "pseudonym", "payee", "who was paid"),
    )
}
