"""`ringlight audit verify` and `ringlight token`: exit codes, what is shown once, and what stands in the audit."""

import re

import pytest

from jobs.cli import main
from jobs.desk.audit_reading import newest_rows
from jobs.desk.tokens import list_tokens

KEY = "5a" * 32


@pytest.fixture
def lake(tmp_path, monkeypatch):
    monkeypatch.setenv("RINGLIGHT_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "200")
    lake = tmp_path / "lake"
    lake.mkdir()
    return lake


def desk(*arguments):
    return main([*map(str, arguments)])


def create(lake, capsys, name="case-export", *more):
    assert desk("token", "create", "--lake", lake, "--name", name, "--by", "ada", *more) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [["audit", "verify"], ["token", "create"], ["token", "list"], ["token", "revoke"]], ids=" ".join
)
def test_every_command_has_help_with_an_example(command, capsys):
    assert main([*command, "--help"]) == 0
    assert f"ringlight {' '.join(command)}" in capsys.readouterr().out.split("xample", 1)[1]


def test_a_token_is_shown_once_and_making_it_stands_in_the_audit(lake, capsys):
    told = create(
        lake, capsys, "case-tool", "--role", "investigator", "--scope", "read", "--scope", "write", "--days", "30"
    )
    text = re.search(r"^rl_[0-9a-f]{64}$", told, re.MULTILINE)[0]
    token = list_tokens(lake)[0]
    assert (token.role, token.scopes, token.created_by) == ("investigator", ("read", "write"), "ada")
    assert desk("token", "list", "--lake", lake) == 0
    listed = capsys.readouterr().out
    assert token.token_id in listed
    assert "live" in listed
    assert text not in listed
    row = newest_rows(lake, 1).rows[0]
    assert (row.action, row.actor, row.target) == ("token.create", "ada", "case-tool")
    assert desk("token", "revoke", token.token_id, "--lake", lake, "--by", "ada") == 0
    assert desk("token", "list", "--lake", lake) == 0
    assert "revoked" in capsys.readouterr().out
    assert [row.action for row in newest_rows(lake, 5).rows] == ["token.revoke", "token.create"]
    assert text.encode() not in b"".join(path.read_bytes() for path in (lake / "desk").iterdir())


def test_what_a_user_got_wrong_ends_with_2(lake, capsys):
    create(lake, capsys)
    for arguments in (
        ("token", "create", "--lake", lake, "--name", "case-export", "--by", "ada"),
        ("token", "create", "--lake", lake, "--name", "x", "--role", "king"),
        ("token", "create", "--lake", lake, "--name", "x", "--days", "0"),
        ("token", "revoke", "t000", "--lake", lake, "--by", "ada"),
        ("token", "list", "--lake", lake / "absent"),
        ("audit", "verify", "--lake", lake / "absent"),
    ):
        assert desk(*arguments) == 2, arguments
        assert capsys.readouterr().err.startswith("ringlight: ")
    assert len(list_tokens(lake)) == 1


def test_without_the_key_nothing_is_verified_or_written(lake, capsys, monkeypatch):
    create(lake, capsys)
    monkeypatch.delenv("RINGLIGHT_KEY")
    assert desk("audit", "verify", "--lake", lake) == 2
    assert desk("token", "create", "--lake", lake, "--name", "x", "--by", "ada") == 2
    assert "RINGLIGHT_KEY" in capsys.readouterr().err
    assert len(list_tokens(lake)) == 1


def test_verify_ends_with_0_or_with_4_and_the_place(lake, capsys):
    assert desk("audit", "verify", "--lake", lake) == 0
    assert "no row yet" in capsys.readouterr().out
    for name in ("one", "two", "three"):
        create(lake, capsys, name)
    assert desk("audit", "verify", "--lake", lake) == 0
    assert re.search(r"^3 rows are as written\. Seal: 3:[0-9a-f]{64}$", capsys.readouterr().out, re.MULTILINE)
    log = lake / "desk" / "audit.jsonl"
    log.write_bytes(log.read_bytes().replace(b'"two"', b'"too"'))
    assert desk("audit", "verify", "--lake", lake) == 4
    assert "row 2 was edited" in capsys.readouterr().err
    assert desk("token", "list", "--lake", lake) == 0
