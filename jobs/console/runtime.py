"""What the console's requests share: the lake, the store, keys, limits, and answers that may be asked for again."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import cast

from fastapi import Request
from limits import RateLimitItem, RateLimitItemPerHour, RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter

from graph.errors import StoreError
from graph.store import Store
from jobs.console.access import Actor, Limit
from jobs.console.config import ConsoleConfig, ConsoleSecrets
from jobs.console.kept_answers import KeptAnswers
from jobs.console.signing import derive_key
from jobs.desk.audit import AuditLog

__all__ = ["Console", "Keys", "RateLimits", "Replay", "Replays", "actor_of", "console_of", "graph_of"]

MAX_REPLAYS = 5_000


@dataclass(frozen=True)
class Keys:
    """A key for each purpose; see `jobs.console.signing.derive_key`."""

    session: bytes = field(repr=False)
    flow: bytes = field(repr=False)
    cursor: bytes = field(repr=False)
    pseudonym: bytes = field(repr=False)

    @classmethod
    def of(cls, key: str) -> "Keys":
        """The keys that follow from the lake's key: the same after a restart."""
        return cls(*(derive_key(key, purpose) for purpose in ("session", "flow", "cursor", "pseudonym")))


class RateLimits:
    """Requests of one actor in a sliding window, in the memory of this process."""

    def __init__(self, config: ConsoleConfig) -> None:
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())
        self._general = RateLimitItemPerMinute(config.requests_per_minute)
        self._failures = RateLimitItemPerMinute(config.failures_per_minute)
        self._special: dict[Limit, RateLimitItem] = {
            Limit.search: RateLimitItemPerMinute(config.searches_per_minute),
            Limit.export: RateLimitItemPerHour(config.exports_per_hour),
            Limit.reveal: RateLimitItemPerHour(config.reveals_per_hour),
            Limit.signin: RateLimitItemPerMinute(config.signins_per_minute),
        }
        self._told = RateLimitItemPerMinute(1)

    def wait_seconds(self, actor: str, limit: Limit) -> int | None:
        """Counts a request; how long to wait where it is one too many, else None."""
        for name, item in (("general", self._general), (limit.value, self._special.get(limit))):
            if item is not None and not self._limiter.hit(item, name, actor):
                return int(item.get_expiry())
        return None

    def is_failing(self, peer: str) -> bool:
        """Whether too many tokens or cookies that do not hold came from this address."""
        return not self._limiter.test(self._failures, "failures", peer)

    def count_failure(self, peer: str) -> None:
        """Counts a token or cookie that does not hold."""
        self._limiter.hit(self._failures, "failures", peer)

    def is_few(self, peer: str) -> bool:
        """Counts a request that carries no sign-in; whether so few came from this address that each is written down."""
        return self._limiter.hit(self._failures, "anonymous", peer)

    def is_first(self, what: str) -> bool:
        """Whether this is the first of its kind within a minute: a flood of refusals is written down once a minute."""
        return self._limiter.hit(self._told, "told", what)


@dataclass(frozen=True)
class Replay:
    """An answer that was given. `request`: fingerprint of what was asked; `status` None while it is being made."""

    request: str
    status: int | None = None
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


class Replays:
    """Answers to changes, by actor, route and `Idempotency-Key`; the newest 5,000, in the memory of this process."""

    def __init__(self) -> None:
        self._held: OrderedDict[tuple[str, ...], Replay] = OrderedDict()
        self._guard = threading.Lock()

    def begin(self, name: tuple[str, ...], request: str) -> Replay | None:
        """Takes a name for a request that is to be done; what is held under it already, if anything."""
        with self._guard:
            if (found := self._held.get(name)) is not None:
                return found
            self._held[name] = Replay(request)
            while len(self._held) > MAX_REPLAYS:
                self._held.popitem(last=False)
        return None

    def end(self, name: tuple[str, ...], answer: Replay | None) -> None:
        """Holds the answer; None frees the name, so that the request may be tried again."""
        with self._guard:
            if answer is None:
                self._held.pop(name, None)
            else:
                self._held[name] = answer


@dataclass(frozen=True)
class Console:
    """All that a request may reach.

    Attributes:
        store: None where no Neo4j is connected: what needs the graph answers 503.
        clock: the time now, with a zone.
        random: text of n random bytes, like `secrets.token_urlsafe`.
        kept: answers of the night that is shown.
        ended: ids of sessions that were signed out.
    """

    config: ConsoleConfig
    secrets: ConsoleSecrets
    lake: Path
    store: Store | None
    clock: Callable[[], datetime]
    random: Callable[[int], str]
    keys: Keys
    rates: RateLimits
    audit: AuditLog
    replays: Replays = field(default_factory=Replays)
    kept: KeptAnswers = field(default_factory=KeptAnswers)
    ended: set[str] = field(default_factory=set)


def console_of(request: Request) -> Console:
    """The console that serves the request."""
    return cast(Console, request.app.state.console)


def actor_of(request: Request) -> Actor:
    """Who sent the request; set before any handler runs."""
    return cast(Actor, request.state.actor)


def graph_of(console: Console) -> Store:
    """The store.

    Raises:
        StoreError: none is connected.
    """
    if console.store is None:
        raise StoreError("`NEO4J_URI` must name a Neo4j that answers; got none. Run `ringlight store start`.")
    return console.store
