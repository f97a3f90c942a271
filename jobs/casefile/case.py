"""What a case file holds, as one frozen value. All times are UTC; nothing here is a raw identity value unless the case says so."""

from dataclasses import dataclass
from datetime import date, datetime

from graph.errors import InputError

__all__ = [
    "Amount",
    "AuditLine",
    "Case",
    "CaseAccount",
    "CaseLink",
    "CaseNote",
    "Explanation",
    "Moment",
    "Position",
    "Verdict",
]


@dataclass(frozen=True)
class CaseAccount:
    """An account of the case.

    Attributes:
        role: what it is to the case: `suspected`, `confirmed`, `cleared`, or `beside` (linked, not suspected).
        score: the night's calibrated probability, 0..1; None without a model.
        rank: 1 is the riskiest of the night.
        outcome: the outcome known at the night's as-of.
        first_seen, last_seen: of its links.
    """

    account_id: str
    role: str
    score: float | None = None
    rank: int | None = None
    outcome: str | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None


@dataclass(frozen=True)
class CaseLink:
    """An identifier and the accounts of the case that hold it.

    Attributes:
        identifier_type: a key of `graph.schema.IDENTIFIERS`.
        name: its pseudonym, or the raw value where the case is not masked.
        accounts: those of the case that hold it, sorted.
        weight: what holding it says, in bits.
        n_holders: how many accounts hold it in all; None where that is not known.
        is_concurrent: two of the accounts or more held it at the same time; None where that is not known.
        is_joining: it joins accounts of the case: several hold it, it is no hub, and follows from nothing else that they share.
    """

    identifier_type: str
    name: str
    accounts: tuple[str, ...]
    weight: float
    first_seen: datetime
    last_seen: datetime
    n_holders: int | None = None
    is_concurrent: bool | None = None
    is_joining: bool = False


@dataclass(frozen=True)
class Amount:
    """What the accounts paid until the night's as-of and was settled, in one currency: minor units."""

    currency: str
    n_payments: int
    amount_minor: int


@dataclass(frozen=True)
class Moment:
    """Something that happened, for the timeline."""

    time: datetime
    what: str
    account_id: str | None = None


@dataclass(frozen=True)
class Position:
    """Where a node of the picture lies: an account's id, or an identifier's name. Any unit; y grows upwards."""

    node: str
    x: float
    y: float


@dataclass(frozen=True)
class Explanation:
    """An innocent explanation, and what the evidence says of it.

    Attributes:
        name: a short one: `household`, `dormitory` ...
        finding: `speaks for`, `speaks against`, or `says nothing`.
        text: why, in one sentence.
    """

    name: str
    finding: str
    text: str


@dataclass(frozen=True)
class CaseNote:
    """A note that somebody wrote on the case."""

    time: datetime
    actor: str
    text: str


@dataclass(frozen=True)
class Verdict:
    """A disposition, as it stands in the desk. `is_standing`: none superseded it."""

    time: datetime
    actor: str
    verdict: str
    reason: str
    ring_version: str
    accounts: tuple[str, ...] = ()
    is_standing: bool = True


@dataclass(frozen=True)
class AuditLine:
    """A row of the audit that names the case: who did what, when."""

    time: datetime
    actor: str
    action: str
    outcome: str


@dataclass(frozen=True)
class Case:
    """One ring at one version, as an investigator takes it out of the console.

    Attributes:
        case_id: of the ring and its version; equal for equal ones.
        night: the as-of of the night that it was read from.
        config_version: fingerprint of the night's settings.
        exported_by, exported_at: who took it, and when.
        is_masked: identifiers stand under pseudonyms.
        window: first and last time of the evidence.
        reasons: the night's reasons for the ring, in words.
        is_audit_whole: `audit` has every row of the case; else it has the newest, and earlier ones may be in the console's audit.
        positions: of the picture; empty: a layout that follows from the case alone is made.
    """

    case_id: str
    ring_id: str
    ring_version: str
    night: date
    model_version: str | None
    config_version: str
    exported_by: str
    exported_at: datetime
    is_masked: bool
    score: float | None
    status: str
    window: tuple[datetime, datetime] | None
    reasons: tuple[str, ...] = ()
    accounts: tuple[CaseAccount, ...] = ()
    amounts: tuple[Amount, ...] = ()
    links: tuple[CaseLink, ...] = ()
    timeline: tuple[Moment, ...] = ()
    explanations: tuple[Explanation, ...] = ()
    steps: tuple[str, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[CaseNote, ...] = ()
    audit: tuple[AuditLine, ...] = ()
    is_audit_whole: bool = True
    positions: tuple[Position, ...] = ()

    def __post_init__(self) -> None:
        if self.exported_at.utcoffset() is None:
            raise InputError(f"`exported_at` must have a time zone; got `{self.exported_at}`. Give it in UTC.")
