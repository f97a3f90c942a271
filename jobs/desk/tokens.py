"""API tokens: who may use the API without a person's sign-in. The lake keeps a digest of each, never the token.

A token is 32 random bytes, so a plain sha256 of it can be neither guessed nor inverted: no slow hash is needed.
"""

import hashlib
import hmac
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import ConfigDict, StringConstraints

from graph.errors import InputError
from jobs.desk.records import STRICT, Id, Kind, Name, UtcTime
from jobs.desk.roles import Role, Scope

__all__ = ["TOKENS", "TOKEN_PREFIX", "Token", "TokenLine", "check_token", "list_tokens", "make_token", "revoke_token"]

TOKEN_PREFIX = "rl_"  # noqa: S105  (by which scanners of leaked secrets know one)
RANDOM_BYTES = 32
MAX_CHARACTERS = 200


@dataclass(frozen=True)
class TokenLine:
    """A token is made, or revoked; a revocation repeats what the token was.

    Attributes:
        line_id: the line's own id.
        token_id: by which people speak of the token; it says nothing of it.
        action: `create` or `revoke`.
        name: what it is for; the actor in the audit is `token:<name>`.
        role: what its bearer is.
        scopes: what it may be used for, within the role.
        digest: sha256 of the token, hex.
        expires: from when on it is worth nothing, UTC.
        actor: who made or revoked it.
        time: when, UTC.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    line_id: Id
    token_id: Id
    action: Literal["create", "revoke"]
    name: Name
    role: Role
    scopes: tuple[Scope, ...]
    digest: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
    expires: UtcTime
    actor: Name
    time: UtcTime


@dataclass(frozen=True)
class Token:
    """A token as it stands; see `TokenLine`.

    Attributes:
        created_by, created: who made it, and when.
        revoked: when it was revoked; None where it was not.
    """

    token_id: str
    name: str
    role: Role
    scopes: tuple[Scope, ...]
    expires: datetime
    created_by: str
    created: datetime
    revoked: datetime | None

    def is_live(self, now: datetime) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked is None and now < self.expires


TOKENS = Kind("tokens", TokenLine, "line_id", "API tokens made and revoked; a sha256 of each, never the token")


def make_token(
    lake: Path,
    name: str,
    role: Role,
    expires: datetime,
    random_hex: Callable[[int], str],
    *,
    created_by: str,
    now: datetime,
    scopes: Sequence[Scope] = (Scope.read,),
) -> tuple[str, Token]:
    """Makes a token; the text is given here and never again.

    Args:
        random_hex: source of randomness, like `secrets.token_hex`.

    Returns:
        the token's text, and what is known of it.

    Raises:
        InputError: `expires` is not to come, a live token has the name, or a value is malformed.
        LakeHeldError, StoreError: it could not be written.
    """
    if expires <= now:
        raise InputError(f"`expires` must lie in the future; got {expires}. Give it some days.")
    text = TOKEN_PREFIX + random_hex(RANDOM_BYTES)
    token_id = f"t{random_hex(6)}"
    line = TokenLine(
        f"{token_id}-create",
        token_id,
        "create",
        name,
        role,
        tuple(dict.fromkeys(scopes)),
        _digest(text),
        expires,
        created_by,
        now,
    )

    def check(earlier: Sequence[TokenLine]) -> None:
        if any(token.name == name and token.is_live(now) for token in _tokens(earlier).values()):
            raise InputError(
                f"`name` must be no live token's; got `{name}`. Revoke that one first, or choose another name."
            )

    TOKENS.append(lake, line, check)
    return text, _tokens([TOKENS.checked(line)])[token_id]


def revoke_token(lake: Path, token_id: str, *, actor: str, now: datetime) -> Token:
    """Revokes a token: from now on it is worth nothing.

    Returns:
        the token as it stands.

    Raises:
        InputError: there is no such token, or it is revoked already.
        LakeHeldError, StoreError: it could not be written.
    """
    lines = TOKENS.read(lake)
    made = {line.token_id: line for line in lines if line.action == "create"}
    if token_id not in made:
        raise InputError(
            f"`token_id` must be one of {', '.join(made) or 'none'}; got `{token_id}`. See `ringlight token list`."
        )
    if _tokens(lines)[token_id].revoked is not None:
        raise InputError(f"`token_id` must be a token that is not revoked; got `{token_id}`. Nothing is left to do.")
    old = made[token_id]
    line = TokenLine(
        f"{token_id}-revoke", token_id, "revoke", old.name, old.role, old.scopes, old.digest, old.expires, actor, now
    )

    TOKENS.append(lake, line)
    return _tokens([old, TOKENS.checked(line)])[token_id]


def list_tokens(lake: Path) -> tuple[Token, ...]:
    """All tokens ever made, in order."""
    return tuple(_tokens(TOKENS.read(lake)).values())


def check_token(lake: Path, text: str, now: datetime) -> Token | None:
    """The live token that a text is; None where it is none. Takes as long for a near miss as for a far one."""
    digest = _digest(text[:MAX_CHARACTERS])
    lines = TOKENS.read(lake)
    found = None
    for line in lines:
        if hmac.compare_digest(line.digest, digest) and line.action == "create":
            found = line.token_id
    token = _tokens(lines).get(found) if found is not None else None
    return token if token is not None and token.is_live(now) else None


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _tokens(lines: Sequence[TokenLine]) -> dict[str, Token]:
    revoked = {line.token_id: line.time for line in lines if line.action == "revoke"}
    return {
        line.token_id: Token(
            token_id=line.token_id,
            name=line.name,
            role=line.role,
            scopes=line.scopes,
            expires=line.expires,
            created_by=line.actor,
            created=line.time,
            revoked=revoked.get(line.token_id),
        )
        for line in lines
        if line.action == "create"
    }
