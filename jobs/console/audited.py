"""Rows of the audit that the console writes. Each is on the disk before the answer that it is of goes out."""

import re
from collections.abc import Mapping

from fastapi import Request

from graph.errors import StoreError
from graph.schema import IDENTIFIERS
from jobs.console.access import Actor
from jobs.console.pseudonyms import mask_of
from jobs.console.runtime import Console, actor_of, console_of

__all__ = ["record", "record_refusal", "shown_or_masked", "write_row"]

# Forms of Ringlight's own words, by parameter. Whatever else stands in a URL may be anything, and is written down by its keyed mark;
# an account's id has no form, and a birth date is a date, too, where it does not stand for a night.
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_OWN = {
    "ring_id": re.compile(r"c[0-9a-f]{16}"),
    "identifier_type": re.compile("|".join(IDENTIFIERS)),
    "since": _NIGHT,
    "until": _NIGHT,
    "seen": _NIGHT,
}


def record(request: Request, subject: Mapping[str, str], actor: Actor | None = None) -> None:
    """Writes that the request is granted, once for each subject. Called by handlers that know better than the URL what it is about.

    Args:
        subject: what it is about: never a raw identity value.
        actor: who; default: who sent the request.

    Raises:
        RinglightError: it cannot be written; then nothing may go out.
    """
    written = getattr(request.state, "subjects", ())
    if dict(subject) not in written:  # a page may ask several questions about the same accounts
        write_row(console_of(request), actor or actor_of(request), request.state.rule.action, subject)
    request.state.subjects = (*written, dict(subject))
    request.state.is_recorded = True


def record_refusal(request: Request, subject: Mapping[str, str], why: str) -> None:
    """Writes that the request came to nothing."""
    write_row(console_of(request), actor_of(request), request.state.rule.action, subject, why)
    request.state.is_recorded = request.state.is_refused = True


def write_row(console: Console, actor: Actor, action: str, subject: Mapping[str, str], why: str | None = None) -> None:
    """Writes one row.

    Args:
        why: the reason of a refusal; None where it is granted.

    Raises:
        RinglightError: it cannot be written.
    """
    details = dict(subject) | ({"why": why} if why is not None else {})
    try:
        console.audit.append(
            time=console.clock(),
            actor=actor.name,
            role=",".join(sorted(actor.roles)) or "none",
            action=action,
            target=next(iter(subject.values()), ""),
            result="allowed" if why is None else "refused",
            details=details,
        )
    except OSError as error:
        raise StoreError(
            f"`audit.jsonl` must be writable; got {error.strerror}. Correct the mode of LAKE/desk."
        ) from None


def shown_or_masked(name: str, value: str, key: bytes) -> str:
    """The value as the audit may have it before anybody has looked whether it is an id.

    Args:
        name: of the parameter that holds it.
    """
    form = _OWN.get(name)
    return value if form is not None and form.fullmatch(value) else f"mark:{mask_of(value, key)}"
