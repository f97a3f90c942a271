"""`ringlight console`: the command; what it serves is in `jobs.console`."""

import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from graph.errors import InputError
from jobs.options import LakeFolder

__all__ = ["KEEP_ALIVE", "console_command"]

# Seconds that a connection may be idle. Uvicorn's 5 end it while a person reads, and who asks in that moment gets no answer.
KEEP_ALIVE = 75


def console_command(
    lake: LakeFolder,
    events: Annotated[Path | None, typer.Option(help="The event folder, for reveals.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on; default: this machine alone.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; default 8484.")] = None,
    demo: Annotated[
        bool, typer.Option("--demo", help="Look around: on this machine alone, with a token that is printed once.")
    ] = False,
    config: Annotated[Path, typer.Option("--config", help="The settings file.")] = Path("ringlight.toml"),
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Serves the investigators' console: its pages for a browser, and their API under /api/v1.

    Without a way to sign in (a token, `console.oidc`, `console.trusted_proxies`, or --demo) it does not start.

    Examples:

      ringlight console --lake lake --demo

      ringlight console --lake lake --events events

      ringlight console --lake lake --host 127.0.0.1 --port 9000
    """
    import uvicorn

    from graph.lake import current_night
    from graph.store import connect
    from jobs.console.app import create_app
    from jobs.console.config import ConsoleSecrets
    from jobs.key import lake_key
    from jobs.local_store import resolve_store
    from jobs.settings import read_settings
    from jobs.store_commands import store_home

    flags = {"console.events": events, "console.host": host, "console.port": port}
    given = {name: value for name, value in flags.items() if value is not None}
    if config != Path("ringlight.toml") and not config.is_file():
        raise InputError(f"`--config` must be a file that exists; got `{config}`.")
    settings = read_settings(given, os.environ, config)
    own = settings.console
    night = current_night(lake)
    token = secrets.token_urlsafe(32) if demo else None
    held = ConsoleSecrets(
        key=lake_key(lake, os.environ.get("RINGLIGHT_KEY"), None, lambda text: None),
        oidc=os.environ.get("RINGLIGHT_OIDC_SECRET"),
        demo_token=token,
    )
    with connect(resolve_store(os.environ, store_home(settings))) as store:
        app = create_app(own, lake, store, secrets=held, clock=lambda: datetime.now(UTC), random=secrets.token_urlsafe)
        typer.echo(f"The console of the night {night.date} listens on {min(own.origins)}; stop it with Ctrl+C.")
        if token is not None:
            typer.echo(f"Demo: whoever has this token may do everything. It is shown this once:\n{token}")
        # Addresses come from the connection alone, and requests are written down by the audit, not by the server.
        uvicorn.run(
            app,
            host=own.host,
            port=own.port,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            log_level="warning",
        )
