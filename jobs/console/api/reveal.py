"""Reveal: one raw value of one account, with a reason. The audit has who, which identifier and why, never the value."""

from typing import Annotated

from fastapi import Body, Request
from pydantic import BaseModel, ConfigDict, Field

from graph.lake import current_night
from jobs.console.audited import record, record_refusal, shown_or_masked
from jobs.console.endpoints import Endpoint, IdentifierLabel
from jobs.console.problems import Problem
from jobs.console.pseudonyms import name_identifier
from jobs.console.raw_values import read_raw
from jobs.console.runtime import console_of

__all__ = ["ENDPOINTS"]

SHORTEST = 4  # characters of a value that a reason may not hold


class RevealRequest(BaseModel):
    """Which value, and why."""

    model_config = ConfigDict(extra="forbid")

    account_id: str = Field(min_length=1, max_length=1_000)
    identifier_type: IdentifierLabel
    identifier: str = Field(pattern=r"^[0-9a-f]{64}$", description="hex of the keyed hash")
    reason: str = Field(
        min_length=10, max_length=500, pattern=r"\S", description="why it must be seen; without the value itself"
    )


class RevealAnswer(BaseModel):
    """The value as it was submitted, by column."""

    name: str
    values: dict[str, str]


def reveal(request: Request, wanted: Annotated[RevealRequest, Body()]) -> RevealAnswer:
    """One raw value. 404 where the account never submitted it, 422 where the reason holds it."""
    console = console_of(request)
    if console.config.events is None:
        raise Problem(404, "no-events", "Nothing can be revealed: the setting `console.events` names no event folder.")
    subject = {
        "account_id": shown_or_masked("account_id", wanted.account_id, console.keys.pseudonym),
        "identifier_type": wanted.identifier_type,
        "identifier": wanted.identifier,
    }
    night = current_night(console.lake)
    values = read_raw(
        console.config.events,
        night.as_of,
        wanted.account_id,
        wanted.identifier_type,
        wanted.identifier,
        console.secrets.key,
    )
    if values is None:
        record_refusal(request, subject, "not submitted by the account")
        raise Problem(404, "no-value", "The account never submitted this identifier.")
    subject["account_id"] = wanted.account_id
    if _holds_value(wanted.reason, values):
        record_refusal(request, subject, "the reason holds the value")
        raise Problem(422, "reason", "`reason` is kept, so it must not hold the value.")
    record(request, subject | {"reason": wanted.reason})
    name = name_identifier(wanted.identifier_type, wanted.identifier, console.keys.pseudonym)
    return RevealAnswer(name=name, values=values)


def _holds_value(reason: str, values: dict[str, str]) -> bool:
    """Whether any of the values, or their letters and digits, stand in the reason."""
    told, plain = reason.casefold(), _plain(reason)
    return any(
        len(value) >= SHORTEST and (value.casefold() in told or (_plain(value) and _plain(value) in plain))
        for value in values.values()
    )


def _plain(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())


ENDPOINTS = (Endpoint("POST", "/api/v1/reveal", reveal, RevealAnswer),)
