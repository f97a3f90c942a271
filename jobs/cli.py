"""The command line `ringlight`: reads flags, environment and settings, calls what does the work, and maps errors to exit codes.

Exit codes: 0 done, 1 our fault, 2 input or configuration, 3 store or network, 4 a gate or an alarm refused, 5 the lake is held.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from graph.errors import InputError, RinglightError
from jobs.console_commands import console_command
from jobs.desk_commands import audit_app, token_app
from jobs.embedding_commands import embeddings_app
from jobs.model_commands import models_app
from jobs.options import DEFAULT_CONFIG, Events, Lake, day_of, reading

__all__ = ["app", "main"]

INTERRUPTED = 130

app = typer.Typer(
    name="ringlight",
    help="Links the accounts that one actor runs: from event tables to rings worth a case.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
store_app = typer.Typer(help="A local Neo4j, or the one that NEO4J_URI names.", no_args_is_help=True)
app.add_typer(store_app, name="store")
app.add_typer(models_app, name="models")
app.add_typer(embeddings_app, name="embeddings")
app.add_typer(audit_app, name="audit")
app.add_typer(token_app, name="token")
app.command("console")(console_command)


class TrainMode(StrEnum):
    """When a night trains a model."""

    auto = "auto"
    always = "always"
    never = "never"


def _day(text: str | date) -> date:
    if isinstance(text, date):
        return text  # a default
    try:
        return day_of(text, datetime.now(UTC))
    except ValueError:
        raise typer.BadParameter(f"must be a date like 2026-06-30, or `today`; got `{text}`.") from None


Day = Annotated[
    date,
    typer.Option(
        "--as-of",
        parser=_day,
        metavar="DATE",
        help="Cut-off of knowledge: this day's midnight UTC, exclusive. `today`, for schedulers: in UTC.",
    ),
]
MaybeDay = Annotated[
    date | None, typer.Option("--as-of", parser=_day, metavar="DATE", help="The night; default: the current one.")
]
Config = Annotated[Path, typer.Option("--config", help="The settings file.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting, as `ringlight config` names it. May be repeated."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")]

DEFAULT_UNTIL = date(2026, 6, 30)  # fixed, so that the same command gives the same bytes on any day


def _settings(config: Path, assignments: Sequence[str] | None, **flags: Any) -> Any:
    from jobs.settings import read_settings

    if config != DEFAULT_CONFIG and not config.is_file():
        raise InputError(f"`--config` must be a file that exists; got `{config}`.")
    given = {name.replace("__", "."): value for name, value in flags.items() if value is not None}
    for assignment in assignments or ():
        name, separator, value = assignment.partition("=")
        if not separator:
            raise InputError(f"`--set` must read NAME=VALUE; got `{assignment}`.")
        given[name.strip()] = value.strip()
    return read_settings(given, os.environ, config)


@app.command()
def nightly(
    events: Events,
    lake: Lake,
    as_of: Day,
    no_store: Annotated[bool, typer.Option("--no-store", help="Leave Neo4j out.")] = False,
    train: Annotated[
        TrainMode | None,
        typer.Option(help="auto: on the first night, then weekly or on drift. Default: the setting train.mode (auto)."),
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="VERSION", help="Score with this model of the lake.")] = None,
    address: Annotated[
        str | None,
        typer.Option(metavar="RAY", envvar="RAY_ADDRESS", help="A running Ray; default: one on this machine."),
    ] = None,
    capacity: Annotated[int | None, typer.Option(help="Cases that investigators review in a day.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of all that is drawn.")] = None,
    place: Annotated[
        Path | None,
        typer.Option(
            help="Working place of events and lakes at URLs, a folder that all nodes see; default: in the cache."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Run again even though the night is complete.")] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="Make links, pairs and clusters anew, not from the night before; the result is the same. On a complete night with --force.",
        ),
    ] = False,
    set_current: Annotated[
        bool, typer.Option("--set-current", help="Let LAKE/current move back to this night.")
    ] = False,
    config: Config = DEFAULT_CONFIG,
    assignments: Set = None,
    debug: Debug = False,
) -> None:
    """Runs one night: from events to rings, report and store.

    A night that was stopped goes on where it stopped; one that is complete is left as it is.

    Examples:

      ringlight nightly --events events --lake lake --as-of 2026-06-30

      ringlight nightly --events events --lake lake --as-of 2026-06-30 --no-store --train never

      ray job submit -- python -m jobs nightly --events /data/events --lake /data/lake --as-of 2026-06-30 --address auto

      ringlight nightly --events s3://bucket/events --lake s3://bucket/lake --place /shared/place --as-of 2026-06-30
    """
    from jobs.nightly import run_nightly

    settings = _settings(
        config,
        assignments,
        capacity=capacity,
        seed=seed,
        place=place,
        train__mode=train,
        train__version=model,
        store__allow_older=True if set_current else None,
    )
    run_nightly(
        events,
        lake,
        as_of,
        settings,
        address=address,
        without=frozenset({"store"} if no_store else ()),
        force=force,
        is_full=full,
        set_current=set_current,
    )


@app.command()
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder for events/ and truth/: not there, empty, or a made world.")],
    accounts: Annotated[int, typer.Option(help="How many accounts.")] = 10_000,
    days: Annotated[int, typer.Option(help="How many days of history.")] = 180,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    until: Annotated[
        date, typer.Option(parser=_day, metavar="DATE", help="End of the history, exclusive.")
    ] = DEFAULT_UNTIL,
    events_per_account: Annotated[float | None, typer.Option(help="Mean number of events.")] = None,
    debug: Debug = False,
) -> None:
    """Makes a world: events/ for the night, truth/ for `ringlight evaluate`.

    Example:

      ringlight simulate world --accounts 10000 --days 180 --seed 7
    """
    from jobs.progress import ConsoleProgress
    from jobs.simulate import simulate as make_world

    progress = ConsoleProgress()
    with progress.bar(f"{accounts:,} accounts") as advance:
        make_world(
            out,
            n_accounts=accounts,
            n_days=days,
            seed=seed,
            until=until,
            events_per_account=events_per_account,
            progress=advance,
        )
    typer.echo(f"The world is in {out}: events/ and truth/. Its night is --as-of {until}.")


@app.command()
def show(lake: Lake, as_of: MaybeDay = None, debug: Debug = False) -> None:
    """What a night found.

    Example:

      ringlight show --lake lake --as-of 2026-06-30
    """
    from jobs.show import run

    with reading(lake, as_of) as (folder, (day,)):
        run(folder, day)


@app.command()
def lineage(
    cluster: Annotated[str, typer.Argument(help="Id of a cluster or ring.")],
    lake: Lake,
    as_of: MaybeDay = None,
    debug: Debug = False,
) -> None:
    """Which clusters became this one, from the night back to the first.

    Example:

      ringlight lineage c1a87ef24e30552ae --lake lake --as-of 2026-06-30
    """
    from jobs.lineage import run

    with reading(lake, as_of, with_lineage=True) as (folder, (day,)):
        run(folder, cluster, day)


@app.command()
def explain(
    account_a: Annotated[str, typer.Argument(help="Id of an account.")],
    account_b: Annotated[str, typer.Argument(help="Id of another.")],
    lake: Lake,
    as_of: MaybeDay = None,
    debug: Debug = False,
) -> None:
    """What two accounts share, and whether one person stands behind them, field by field, in bits.

    Example:

      ringlight explain a-17 a-42 --lake lake --as-of 2026-06-30
    """
    from jobs.explain import run

    with reading(lake, as_of, with_records=True) as (folder, (day,)):
        run(folder, account_a, account_b, day)


@app.command()
def evaluate(
    lake: Lake,
    truth: Annotated[
        Path, typer.Option(help="Parquet or CSV: account_id and any of ring_id, group, label, person_id.")
    ],
    as_of: MaybeDay = None,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the numbers there, too.")] = None,
    config: Config = DEFAULT_CONFIG,
    assignments: Set = None,
    debug: Debug = False,
) -> None:
    """A night against the truth, apart for accounts with and without a known outcome.

    Example:

      ringlight evaluate --lake lake --as-of 2026-06-30 --truth world/truth/accounts.parquet
    """
    from jobs.evaluate import run

    settings = _settings(config, assignments)
    with reading(lake, as_of, place=settings.place) as (folder, (day,)):
        run(folder, truth, day, json_out, capacity=settings.capacity, seed=settings.seed)


@app.command()
def downstream(
    events: Events,
    lake: Lake,
    fit: Annotated[date, typer.Option(parser=_day, metavar="DATE", help="The night to fit on.")],
    measure: Annotated[date, typer.Option(parser=_day, metavar="DATE", help="A night 30 days or more later.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the numbers there, too.")] = None,
    config: Config = DEFAULT_CONFIG,
    assignments: Set = None,
    debug: Debug = False,
) -> None:
    """What the embeddings add to a model that foresees reversed payments.

    Example:

      ringlight downstream --events events --lake lake --fit 2026-04-30 --measure 2026-05-31
    """
    from jobs.downstream import run
    from jobs.progress import ConsoleProgress
    from jobs.remote.reach import events_at

    settings = _settings(config, assignments)
    with (
        reading(lake, fit, measure, zones=("embeddings",), place=settings.place) as (folder, _),
        events_at(events, settings.place, ConsoleProgress()) as source,
    ):
        run(source, folder, fit, measure, json_out, seed=settings.seed, n_threads=settings.n_threads)


@app.command("config")
def show_config(config: Config = DEFAULT_CONFIG, assignments: Set = None, debug: Debug = False) -> None:
    """Prints the settings that hold, and where each came from.

    Example:

      ringlight config --set capacity=30
    """
    from jobs.settings import describe

    for line in describe(_settings(config, assignments)):
        typer.echo(line)


@store_app.command("start")
def store_start(config: Config = DEFAULT_CONFIG, debug: Debug = False) -> None:
    """Starts a local Neo4j; fetches it first where need be.

    Example:

      ringlight store start
    """
    from jobs.store_commands import start_store

    start_store(_settings(config, None))


@store_app.command("stop")
def store_stop(config: Config = DEFAULT_CONFIG, debug: Debug = False) -> None:
    """Stops the local Neo4j.

    Example:

      ringlight store stop
    """
    from jobs.store_commands import stop_store

    stop_store(_settings(config, None))


@store_app.command("status")
def store_status(config: Config = DEFAULT_CONFIG, debug: Debug = False) -> None:
    """Says whether the store runs, and where.

    Example:

      ringlight store status
    """
    from jobs.store_commands import show_store

    show_store(_settings(config, None))


@app.command("rebuild-store")
def rebuild_store(lake: Lake, as_of: MaybeDay = None, config: Config = DEFAULT_CONFIG, debug: Debug = False) -> None:
    """Empties Neo4j of what Ringlight put there, and loads a night of the lake anew.

    Example:

      ringlight rebuild-store --lake lake
    """
    from jobs.store_commands import rebuild_store as rebuild

    with reading(lake, as_of) as (folder, (day,)):
        rebuild(folder, day, _settings(config, None))


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command.

    Args:
        arguments: the command line without the program's name; default: the process's.

    Returns:
        the exit code.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(arguments, prog_name="ringlight", standalone_mode=False)
    except TyperException as error:
        typer.echo(f"ringlight: {error.format_message()} See `ringlight {_command(arguments)}--help`.", err=True)
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("Stopped. The same command goes on where it stopped.", err=True)
        return INTERRUPTED
    except RinglightError as error:
        typer.echo(f"ringlight: {error}", err=True)
        return error.exit_code
    except BrokenPipeError:
        return 0
    except Exception as error:
        return _report_fault(error, arguments)
    return code if isinstance(code, int) else 0


def _command(arguments: Sequence[str]) -> str:
    return f"{arguments[0]} " if arguments and not arguments[0].startswith("-") else ""


def _report_fault(error: Exception, arguments: Sequence[str]) -> int:
    """An error that nobody foresaw: one sentence for the person, the traceback for whoever mends it."""
    import traceback

    text = "".join(traceback.format_exception(error))
    place = "run again with --debug to see it"
    if "--debug" in arguments:
        typer.echo(text, err=True)
        place = "it stands above"
    elif (log := _fault_log(arguments)) is not None:
        try:
            with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "a") as file:
                file.write(text + "\n")
            place = f"it stands in {log}"
        except OSError:
            pass
    typer.echo(
        f"ringlight: an unexpected {type(error).__name__}: this is our fault. The traceback helps to mend it: {place}.",
        err=True,
    )
    return RinglightError.exit_code


def _fault_log(arguments: Sequence[str]) -> Path | None:
    """LAKE/restricted/faults.log, if the command names a lake that is there: a traceback may hold values."""
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--lake":
            lake = Path(value or next(iter(arguments[position + 1 :]), ""))
            return lake / "restricted" / "faults.log" if (lake / "restricted").is_dir() else None
    return None
