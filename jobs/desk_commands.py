"""`ringlight audit verify` and `ringlight token create|list|revoke`: what an administrator does with the desk."""

import getpass
import os
import secrets
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graph.errors import GateError, InputError
from jobs.desk.roles import Role, Scope
from jobs.options import LakeFolder

if TYPE_CHECKING:  # rich loads when a command runs
    from rich.console import Console

__all__ = ["audit_app", "token_app"]

audit_app = typer.Typer(help="Who did what, and whether that record is whole.", no_args_is_help=True)
token_app = typer.Typer(help="Tokens for the API of the console.", no_args_is_help=True)

By = Annotated[str | None, typer.Option("--by", help="Who does it, for the audit; default: the user of this machine.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")]


@audit_app.command("verify")
def verify_command(lake: LakeFolder, debug: Debug = False) -> None:
    """Reads the audit through: exit code 0 where every row is as it was written, 4 with the place where one is not.

    Note the printed seal elsewhere: only so is it found if somebody puts the whole audit back to an earlier state.

    Example:

      ringlight audit verify --lake lake
    """
    from jobs.desk.audit import verify_audit

    verdict = verify_audit(_existing(lake), _key(lake))
    if verdict.fault is not None:
        raise GateError(
            f"`audit.jsonl` must be as it was written; got {verdict.n_rows:,} rows that are, and then a fault: {verdict.fault}. "
            "Keep the files of desk/ as they are, and compare them with a backup."
        )
    if not verdict.n_rows:
        typer.echo("The audit has no row yet.")
        return
    rows = "row is" if verdict.n_rows == 1 else "rows are"
    typer.echo(f"{verdict.n_rows:,} {rows} as written. Seal: {verdict.n_rows}:{verdict.last_mac}")
    if verdict.n_unsealed:
        typer.echo(
            f"The last {verdict.n_unsealed:,} were not sealed before a crash; the next row that is written seals them, too."
        )


@token_app.command("create")
def create_command(
    lake: LakeFolder,
    name: Annotated[str, typer.Option(help="What it is for; it stands in the audit.")],
    role: Annotated[Role, typer.Option(help="What its bearer is.")] = Role.viewer,
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may be used for. May be repeated.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="It expires after so many days.")] = 90,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Makes a token and prints it, once: the lake keeps only a digest.

    Examples:

      ringlight token create --lake lake --name case-export

      ringlight token create --lake lake --name case-tool --role investigator --scope read --scope write --days 30
    """
    from jobs.desk.tokens import make_token

    now = datetime.now(UTC)
    expires = now + timedelta(days=days)
    scopes = tuple(scope or (Scope.read,))
    _write_down(lake, now, by, "token.create", name, {"role": role, "scopes": list(scopes), "days": days})
    text, token = make_token(
        lake, name, role, expires, secrets.token_hex, created_by=_actor(by), now=now, scopes=scopes
    )
    typer.echo(
        f"Token {token.token_id} for `{name}`, {role}, until {expires:%Y-%m-%d %H:%M} UTC. It is shown this once:"
    )
    typer.echo(text)


@token_app.command("list")
def list_command(lake: LakeFolder, debug: Debug = False) -> None:
    """All tokens: whose they are, what they may do, and which are live.

    Example:

      ringlight token list --lake lake
    """
    _list_tokens(_existing(lake), datetime.now(UTC))


@token_app.command("revoke")
def revoke_command(
    token_id: Annotated[str, typer.Argument(help="Id of a token, as `list` names it.")],
    lake: LakeFolder,
    by: By = None,
    debug: Debug = False,
) -> None:
    """Revokes a token: from now on it is worth nothing.

    Example:

      ringlight token revoke t3f1a9c0b77d2 --lake lake
    """
    from jobs.desk.tokens import revoke_token

    now = datetime.now(UTC)
    _write_down(lake, now, by, "token.revoke", token_id, {})
    token = revoke_token(lake, token_id, actor=_actor(by), now=now)
    typer.echo(f"Token {token.token_id} for `{token.name}` is revoked.")


def _list_tokens(lake: Path, now: datetime, console: "Console | None" = None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from jobs.desk.tokens import list_tokens

    console = console or Console(highlight=False)
    tokens = list_tokens(lake)
    if not tokens:
        console.print("This lake has no token yet; `ringlight token create` makes one.")
        return
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("token", "name", "role", "scopes", "expires", "made by", "state"):
        table.add_column(name, no_wrap=name == "token")
    for token in tokens:
        state = "live" if token.is_live(now) else "revoked" if token.revoked else "expired"
        row = (token.token_id, token.name, token.role, ", ".join(token.scopes), f"{token.expires:%Y-%m-%d}")
        table.add_row(*row, token.created_by, state)
    console.print(table)


def _write_down(
    lake: Path, now: datetime, by: str | None, action: str, target: str, details: dict[str, object]
) -> None:
    """The audit row, before anything is done."""
    from jobs.desk.audit import AuditLog

    audit = AuditLog(_existing(lake), _key(lake))
    who = {"time": now, "actor": _actor(by), "role": Role.admin.value}
    audit.append(**who, action=action, target=target, result="allowed", details=details)  # type: ignore[arg-type]


def _actor(by: str | None) -> str:
    """Who runs the command: whoever may write the lake is its administrator."""
    return by or getpass.getuser()


def _key(lake: Path) -> str:
    from jobs.key import KEY_VARIABLE, lake_key
    from jobs.manifest import refuse_other_key

    given = os.environ.get(KEY_VARIABLE)
    key = lake_key(lake, given, None, lambda text: typer.echo(f"warning: {text}", err=True))
    refuse_other_key(lake, key, is_given=given is not None)
    return key


def _existing(lake: Path) -> Path:
    if not lake.is_dir():
        raise InputError(f"`--lake` must be a folder that exists; got `{lake}`.")
    return lake
