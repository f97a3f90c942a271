"""Tokens: given once, kept as a digest, worth nothing once expired or revoked."""

import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from graph.errors import InputError
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import check_token, list_tokens, make_token, revoke_token

NOW = datetime(2026, 6, 20, 12, tzinfo=UTC)
LATER = NOW + timedelta(days=30)


def made(lake: Path, name: str = "case-export", role: Role = Role.viewer) -> str:
    text, _ = make_token(lake, name, role, LATER, secrets.token_hex, created_by="ada", now=NOW)
    return text


def test_a_token_is_known_by_its_text_alone_and_the_lake_does_not_hold_it(tmp_path: Path) -> None:
    scopes = (Scope.read, Scope.write)
    text, told = make_token(
        tmp_path, "case-tool", Role.investigator, LATER, secrets.token_hex, created_by="ada", now=NOW, scopes=scopes
    )
    assert text.startswith("rl_")
    assert len(text) == 3 + 64
    found = check_token(tmp_path, text, NOW)
    assert found == told
    assert (found.name, found.role, found.scopes, found.created_by) == ("case-tool", Role.investigator, scopes, "ada")
    for path in (tmp_path / "desk").iterdir():
        assert text.removeprefix("rl_").encode() not in path.read_bytes()
    for other in ("", "rl_", text[:-1], text + "0", text.upper(), "\ud800", "x" * 10_000, told.token_id):
        assert check_token(tmp_path, other, NOW) is None


def test_a_digest_is_no_token(tmp_path: Path) -> None:
    import json

    made(tmp_path)
    digest = json.loads((tmp_path / "desk" / "tokens.jsonl").read_text())["digest"]
    assert check_token(tmp_path, digest, NOW) is None
    assert check_token(tmp_path, f"rl_{digest}", NOW) is None


def test_an_expired_token_is_worth_nothing(tmp_path: Path) -> None:
    text = made(tmp_path)
    assert check_token(tmp_path, text, LATER - timedelta(microseconds=1)) is not None
    assert check_token(tmp_path, text, LATER) is None
    with pytest.raises(InputError, match="expires"):
        make_token(tmp_path, "late", Role.viewer, NOW, secrets.token_hex, created_by="ada", now=NOW)


def test_a_revoked_token_is_worth_nothing_and_the_others_stand(tmp_path: Path) -> None:
    one, other = made(tmp_path, "one"), made(tmp_path, "other", Role.auditor)
    token_id = list_tokens(tmp_path)[0].token_id
    with pytest.raises(InputError, match="`name`"):
        made(tmp_path, "one")
    revoked = revoke_token(tmp_path, token_id, actor="ada", now=NOW)
    assert revoked.revoked == NOW
    assert check_token(tmp_path, one, NOW) is None
    assert check_token(tmp_path, other, NOW) is not None
    with pytest.raises(InputError, match="not revoked"):
        revoke_token(tmp_path, token_id, actor="ada", now=NOW)
    with pytest.raises(InputError, match="token_id"):
        revoke_token(tmp_path, "t000", actor="ada", now=NOW)
    again = made(tmp_path, "one")  # the name is free again
    assert check_token(tmp_path, again, NOW) is not None
    assert [token.is_live(NOW) for token in list_tokens(tmp_path)] == [False, True, True]
