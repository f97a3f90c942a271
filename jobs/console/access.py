"""Who may use which route: one table. What is not in it is denied, and an application with a route that is not in it does not start."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from graph.errors import RinglightError
from jobs.desk.roles import Role, Scope

__all__ = [
    "GRANTS",
    "RULES",
    "Actor",
    "Limit",
    "Permission",
    "Rule",
    "body_limit",
    "is_allowed",
    "person_name",
    "refuse_unlisted",
]


class Permission(StrEnum):
    """What a route asks of whoever calls it."""

    public = "public"  # nobody in particular: signing in, and whether the console lives
    signed_in = "signed_in"  # anybody who is known
    read = "read"  # cases, masked
    write = "write"  # claims, notes, dispositions
    export = "export"  # case files
    reveal = "reveal"  # one raw value
    audit = "audit"  # who did what


class Limit(StrEnum):
    """Which rate limit counts a request beside the general one."""

    none = "none"
    search = "search"
    export = "export"
    reveal = "reveal"
    signin = "signin"  # by address


# An admin makes tokens and an auditor reads the audit: neither needs to see a case, so neither may.
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.viewer: frozenset({Permission.signed_in, Permission.read}),
    Role.investigator: frozenset(
        {Permission.signed_in, Permission.read, Permission.write, Permission.export, Permission.reveal}
    ),
    Role.admin: frozenset({Permission.signed_in}),
    Role.auditor: frozenset({Permission.signed_in, Permission.audit}),
}

# What a token must be scoped to; any token may ask who it is.
_SCOPES: Mapping[Permission, Scope] = {
    Permission.read: Scope.read,
    Permission.write: Scope.write,
    Permission.export: Scope.export,
    Permission.reveal: Scope.reveal,
    Permission.audit: Scope.read,
}


@dataclass(frozen=True)
class Actor:
    """Whoever signed in.

    Attributes:
        name: as the audit has it.
        scopes: what a token is narrowed to; None: whatever the roles allow.
        by: `token`, `session`, `proxy` or `demo`.
        token_id: of the token that it came by, itself or as a session.
        session_id: of its session.
    """

    name: str
    roles: frozenset[Role]
    by: str
    scopes: frozenset[Scope] | None = None
    token_id: str | None = None
    session_id: str | None = None


@dataclass(frozen=True)
class Rule:
    """What holds for a route.

    Attributes:
        permission: the least that it asks for.
        action: what the audit calls it.
        subject: parameters of path and query that name what it is about: what a refusal is written down with.
        limit: the rate limit that counts it, beside the general one.
        names_subject: its handler writes the audit row itself, once it knows what the request is about (it stands in the body, or may be no
            account's id); no row, no answer.
        is_change: it writes: an `Idempotency-Key` is kept.
        max_body_bytes: its largest request, where that is more than `console.max_body_bytes` allows the rest.
    """

    permission: Permission
    action: str
    subject: tuple[str, ...] = ()
    limit: Limit = Limit.none
    names_subject: bool = False
    is_change: bool = False
    max_body_bytes: int = 0


_READ, _WRITE = Permission.read, Permission.write
_RING, _V1 = ("ring_id",), "/api/v1"

RULES: Mapping[tuple[str, str], Rule] = {
    ("GET", "/healthz"): Rule(Permission.public, "health"),
    ("GET", "/auth/signin"): Rule(Permission.public, "signin.begin", limit=Limit.signin),
    ("GET", "/auth/callback"): Rule(Permission.public, "signin", names_subject=True),
    ("POST", "/auth/session"): Rule(Permission.public, "signin", names_subject=True),
    ("POST", "/auth/signout"): Rule(Permission.signed_in, "signout"),
    ("GET", "/"): Rule(Permission.public, "home"),
    ("GET", "/signin"): Rule(Permission.public, "signin.view"),
    ("GET", "/static/{release}/{path:path}"): Rule(Permission.public, "static"),
    ("GET", "/help"): Rule(Permission.signed_in, "help.view"),
    ("GET", "/queue"): Rule(_READ, "queue.view"),
    ("GET", "/night"): Rule(_READ, "night.view", ("seen",)),
    ("GET", "/rings/{ring_id}"): Rule(_READ, "ring.view", _RING),
    ("GET", "/rings/{ring_id}/panel"): Rule(_READ, "case.view", _RING),
    ("GET", "/rings/{ring_id}/history"): Rule(Permission.export, "case_history.view", _RING),
    ("GET", "/accounts/{account_id:path}"): Rule(_READ, "account.view", ("account_id",), names_subject=True),
    ("GET", "/neighbours"): Rule(_READ, "neighbours.view", ("account_id", "identifier_type"), names_subject=True),
    ("GET", "/alike"): Rule(_READ, "alike.view", ("account_id",), names_subject=True),
    ("GET", "/search"): Rule(_READ, "search.view"),
    ("POST", "/search"): Rule(_READ, "search", (), Limit.search, names_subject=True),
    ("GET", "/compare"): Rule(_READ, "why_linked.view", ("a", "b"), names_subject=True),
    ("POST", "/compare"): Rule(_READ, "compare", names_subject=True),
    ("GET", "/compare/path"): Rule(_READ, "path.view", ("a", "b"), names_subject=True),
    ("GET", "/nights"): Rule(_READ, "nights.view", ("since", "until")),
    ("GET", "/audit"): Rule(Permission.audit, "audit.view"),
    ("POST", "/audit"): Rule(Permission.audit, "audit.view"),
    ("GET", f"{_V1}/openapi.json"): Rule(Permission.signed_in, "openapi.view"),
    ("GET", f"{_V1}/me"): Rule(Permission.signed_in, "me.view"),
    ("GET", f"{_V1}/nights"): Rule(_READ, "nights.view"),
    ("GET", f"{_V1}/nights/changes"): Rule(_READ, "changes.view", ("since", "until")),
    ("GET", f"{_V1}/queue"): Rule(_READ, "queue.view"),
    ("GET", f"{_V1}/rings/{{ring_id}}"): Rule(_READ, "ring.view", _RING),
    ("GET", f"{_V1}/rings/{{ring_id}}/picture"): Rule(_READ, "picture.view", _RING),
    ("POST", f"{_V1}/rings/{{ring_id}}/positions"): Rule(
        _WRITE, "positions.write", _RING, is_change=True, max_body_bytes=524_288
    ),
    ("GET", f"{_V1}/rings/{{ring_id}}/lineage"): Rule(_READ, "lineage.view", _RING),
    ("GET", f"{_V1}/rings/{{ring_id}}/dispositions"): Rule(_READ, "dispositions.view", _RING),
    ("POST", f"{_V1}/rings/{{ring_id}}/dispositions"): Rule(
        _WRITE, "disposition.write", _RING, is_change=True, max_body_bytes=4 * 2**20  # 50,000 members by their ids
    ),
    ("GET", f"{_V1}/rings/{{ring_id}}/notes"): Rule(_READ, "notes.view", _RING),
    ("POST", f"{_V1}/rings/{{ring_id}}/notes"): Rule(_WRITE, "note.write", _RING, is_change=True),
    ("POST", f"{_V1}/rings/{{ring_id}}/claim"): Rule(_WRITE, "ring.claim", _RING, is_change=True),
    ("POST", f"{_V1}/rings/{{ring_id}}/release"): Rule(_WRITE, "ring.release", _RING, is_change=True),
    ("POST", f"{_V1}/rings/{{ring_id}}/exports"): Rule(Permission.export, "case.export", _RING, Limit.export),
    ("GET", f"{_V1}/accounts/{{account_id:path}}"): Rule(_READ, "account.view", ("account_id",), names_subject=True),
    ("GET", f"{_V1}/neighbours"): Rule(_READ, "neighbours.view", ("account_id", "identifier_type"), names_subject=True),
    ("GET", f"{_V1}/alike"): Rule(_READ, "alike.view", ("account_id",), names_subject=True),
    ("GET", f"{_V1}/path"): Rule(_READ, "path.view", ("a", "b"), names_subject=True),
    ("GET", f"{_V1}/why-linked"): Rule(_READ, "why_linked.view", ("a", "b"), names_subject=True),
    ("GET", f"{_V1}/why-not"): Rule(_READ, "why_not.view", ("a", "b"), names_subject=True),
    ("POST", f"{_V1}/search"): Rule(_READ, "search", (), Limit.search, names_subject=True),
    ("POST", f"{_V1}/reveal"): Rule(Permission.reveal, "reveal", (), Limit.reveal, names_subject=True),
    ("GET", f"{_V1}/audit"): Rule(Permission.audit, "audit.view"),
}  # fmt: skip


MAX_NAME = 200
# Whom the audit, the rates and the claims know by these is no person: nobody, the demo, the product itself, and words of the queue's filter.
_NO_PERSONS = frozenset({"anonymous", "demo", "ringlight", "@me", "@nobody"})

_LARGE = tuple(
    (method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), rule.max_body_bytes)
    for (method, path), rule in RULES.items()
    if rule.max_body_bytes
)


def is_allowed(actor: Actor, permission: Permission) -> bool:
    """Whether the actor's roles grant the permission and its token's scopes, if it has one, cover it."""
    if not any(permission in GRANTS[role] for role in actor.roles):
        return False
    scope = _SCOPES.get(permission)
    return actor.scopes is None or scope is None or scope in actor.scopes


def person_name(told: str) -> str | None:
    """The name under which somebody may come in whom a provider or a proxy names; None where no person may have it.

    Whoever had the name of a token, say, would write its audit rows, use up its rates and release its claims.
    """
    name = told.strip()
    folded = name.casefold()
    is_own = folded in _NO_PERSONS or folded.startswith("token:")
    return None if is_own or not 1 <= len(name) <= MAX_NAME else name


def body_limit(method: str, path: str, usual: int) -> int:
    """The largest body of a request, in bytes, before it is known who sends it.

    Args:
        path: as it was asked for.
        usual: what holds for routes that say nothing else.
    """
    return max([usual, *(limit for way, form, limit in _LARGE if way == method and form.fullmatch(path))])


def refuse_unlisted(routes: Iterable[tuple[str, str]]) -> None:
    """Ends an application that has a route without a rule, or a rule without a route.

    Args:
        routes: (method, path) of each.

    Raises:
        RinglightError: as said; the message names them.
    """
    found = set(routes)
    unlisted, unused = sorted(found - set(RULES)), sorted(set(RULES) - found)
    if unlisted or unused:
        raise RinglightError(
            f"`RULES` must name every route of the console and no other; got routes without a rule {unlisted}, rules without a route {unused}."
        )
