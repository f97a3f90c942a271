"""A case in its canonical form, its sha256, and the tables that people read: what every file of a case is made from."""

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

from jobs.casefile.case import Case
from jobs.casefile.summary import summarise

__all__ = ["FORMAT", "MARK", "Section", "canonical", "hash_case", "sections", "text_of"]

FORMAT = "ringlight-case/1"
MARK = "Draft, not a filing"


@dataclass(frozen=True)
class Section:
    """A table of the case: a title, the columns' names, and rows of text, each as long as `columns`."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def canonical(case: Case) -> dict[str, Any]:
    """The case as plain JSON values: times in RFC 3339 with Z, dates as YYYY-MM-DD, numbers that are not finite as null."""
    plain = _plain(asdict(case))
    assert isinstance(plain, dict)
    return plain


def hash_case(case: Case) -> str:
    """sha256, hex, of the canonical form as compact JSON with sorted keys in UTF-8."""
    text = json.dumps(canonical(case), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def text_of(value: Any) -> str:
    """A value as the tables show it: empty for None, `yes` and `no`, times in RFC 3339."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return ", ".join(text_of(part) for part in value)
    plain = _plain(value)
    return f"{plain:g}" if isinstance(plain, float) else str(plain)


def sections(case: Case) -> tuple[Section, ...]:
    """The tables of the case, in the order in which they are read; those without rows are there, too."""
    start, end = case.window or (None, None)
    facts = (
        ("case", case.case_id),
        ("ring", case.ring_id),
        ("ring version", case.ring_version),
        ("status", case.status),
        ("score", case.score),
        ("night", case.night),
        ("model version", case.model_version),
        ("configuration", case.config_version),
        ("exported by", case.exported_by),
        ("exported at", case.exported_at),
        ("identifiers are masked", case.is_masked),
        ("audit extract is whole", case.is_audit_whole),
        ("window begins", start),
        ("window ends", end),
        ("sha256", hash_case(case)),
    )
    return (
        _section("Case", ("fact", "value"), facts),
        _section("Summary", ("question", "answer"), summarise(case)),
        _section("Reasons", ("reason",), ((reason,) for reason in case.reasons)),
        _of("Accounts", case.accounts, "account_id", "role", "score", "rank", "outcome", "first_seen", "last_seen"),
        _of("Amounts", case.amounts, "currency", "n_payments", "amount_minor"),
        _of("Link evidence", case.links, "identifier_type", "name", "accounts", "weight", "first_seen", "last_seen", "n_holders"),
        _of("Timeline", case.timeline, "time", "account_id", "what"),
        _of("Innocent explanations considered", case.explanations, "name", "finding", "text"),
        _section("Steps taken", ("step",), ((step,) for step in case.steps)),
        _of("Dispositions", case.verdicts, "time", "actor", "verdict", "reason", "ring_version", "accounts", "is_standing"),
        _of("Notes", case.notes, "time", "actor", "text"),
        _of("Audit extract", case.audit, "time", "actor", "action", "outcome"),
    )  # fmt: skip


def _of(title: str, items: Iterable[Any], *names: str) -> Section:
    return _section(title, names, (tuple(getattr(item, name) for name in names) for item in items))


def _section(title: str, columns: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> Section:
    shown: Callable[[tuple[Any, ...]], tuple[str, ...]] = lambda row: tuple(text_of(value) for value in row)  # noqa: E731
    return Section(title, tuple(name.replace("_", " ") for name in columns), tuple(shown(row) for row in rows))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(part) for part in value]
    return value
