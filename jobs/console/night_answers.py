"""Answers about nights, who one is, and signing in."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, Field

from jobs.desk.roles import Role, Scope

__all__ = ["HealthAnswer", "MeAnswer", "NightAnswer", "NightsAnswer", "SessionAnswer", "SessionRequest"]


class HealthAnswer(BaseModel):
    """The console lives. `graph`: whether a store is connected."""

    status: str
    graph: bool


class MeAnswer(BaseModel):
    """Who one is to the console, and what one may do."""

    name: str
    roles: list[Role]
    scopes: list[Scope] | None
    permissions: list[str]


class SessionRequest(BaseModel):
    """A token to sign a browser in with."""

    model_config = ConfigDict(extra="forbid")

    token: str = Field(min_length=1, max_length=200)


class SessionAnswer(BaseModel):
    """A session was begun, or ended."""

    name: str | None
    until: datetime | None


class NightAnswer(BaseModel):
    """A night's health, as its report tells; null where the night left no report."""

    date: date
    is_current: bool
    is_shown: bool = Field(description="the graph store shows this night")
    n_accounts: int | None = None
    n_read: int | None = None
    n_rejected: int | None = None
    n_rings: int | None = None
    largest_cluster: int | None = None
    minutes: float | None = None
    model_version: str | None = None
    alarms: list[str] = []
    warnings: list[str] = []


class NightsAnswer(BaseModel):
    """Complete nights, the latest first."""

    nights: list[NightAnswer]
