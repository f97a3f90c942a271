"""`ringlight embeddings backfill`: the command; what it does is in `jobs.embeddings`."""

import os
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from graph.errors import InputError
from jobs.options import EventsFolder, LakeFolder

__all__ = ["embeddings_app"]

embeddings_app = typer.Typer(help="Embeddings of past nights.", no_args_is_help=True)


def _day(text: str | date) -> date:
    try:
        return text if isinstance(text, date) else date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"must be a date like 2026-06-30; got `{text}`.") from None


@embeddings_app.command("backfill")
def backfill_command(
    events: EventsFolder,
    lake: LakeFolder,
    model: Annotated[str, typer.Option(metavar="VERSION", help="A model of the lake.")],
    first: Annotated[date, typer.Option("--from", parser=_day, metavar="DATE", help="The first date.")],
    last: Annotated[date, typer.Option("--to", parser=_day, metavar="DATE", help="The last date, inclusive.")],
    step_days: Annotated[int, typer.Option(min=1, help="Days from one date to the next.")] = 1,
    with_hindsight: Annotated[
        bool,
        typer.Option(
            "--with-hindsight", help="Dates before the model's own, too: it learnt from outcomes not known then."
        ),
    ] = False,
    config: Annotated[Path, typer.Option("--config", help="The settings file.")] = Path("ringlight.toml"),
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
) -> None:
    """Writes embeddings of past dates by one model, each from what was known at that date alone.

    They lie in LAKE/embeddings/<embedding version>/<date>.parquet; no night is touched. A run that was stopped goes on where it
    stopped.

    Example:

      ringlight embeddings backfill --events events --lake lake --model 5d41402abc4b2a76 --from 2026-06-01 --to 2026-06-29
    """
    from jobs.embeddings import backfill
    from jobs.progress import ConsoleProgress
    from jobs.settings import read_settings

    settings = read_settings({}, os.environ, config)
    written = backfill(
        events,
        lake,
        model,
        _days(first, last, step_days),
        seed=settings.seed,
        n_threads=settings.n_threads or os.cpu_count() or 1,
        environment=os.environ,
        progress=ConsoleProgress(),
        with_hindsight=with_hindsight,
    )
    typer.echo(f"{len(written)} date(s) written; read them by `graph.embeddings.read_embeddings`.")


def _days(first: date, last: date, step_days: int) -> list[date]:
    if last < first:
        raise InputError(f"`--to` must be {first} or later; got {last}. Exchange them.")
    return [first + timedelta(days=day) for day in range(0, (last - first).days + 1, step_days)]
