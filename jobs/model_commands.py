"""`ringlight models list|promote|rollback`: the lake's models, and which one scores."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from graph.errors import InputError
from jobs.options import Lake, reading, writing

if TYPE_CHECKING:  # polars and rich load when a command runs
    from rich.console import Console

    from jobs.models import KnownModel
    from jobs.promotions import Decision

__all__ = ["list_table", "models_app", "promote_model", "roll_back"]

models_app = typer.Typer(help="The lake's models, and which one scores.", no_args_is_help=True)

Why = Annotated[str, typer.Option("--why", help="The reason, kept with the decision.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")]


@models_app.command("list")
def list_command(lake: Lake, debug: Debug = False) -> None:
    """All models: which one scores, how good each is, and why one was not promoted.

    Example:

      ringlight models list --lake lake
    """
    with reading(lake, None) as (folder, _):
        list_table(folder)


@models_app.command("promote")
def promote_command(
    version: Annotated[str, typer.Argument(help="Version of a model, as `list` names it.")],
    lake: Lake,
    why: Why = "by hand",
    debug: Debug = False,
) -> None:
    """Lets a model score from the next night on. A night that is there already is not changed: run it with --model.

    Example:

      ringlight models promote 3f1a9c0b77d2e415 --lake lake --why "its gate and quality were looked at"
    """
    with writing(lake, "promotion of a model") as folder:
        promote_model(folder, version, why)


@models_app.command("rollback")
def rollback_command(lake: Lake, why: Why = "by hand", debug: Debug = False) -> None:
    """Takes the model that scores away: from the next night on the one before it scores again.

    Example:

      ringlight models rollback --lake lake --why "half of its cases were households"
    """
    with writing(lake, "rollback of a model") as folder:
        roll_back(folder, why)


def list_table(lake: Path, console: "Console | None" = None) -> None:
    """Prints the models, the oldest first.

    Raises:
        InputError: the lake is none.
    """
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from jobs.models import list_models
    from jobs.promotions import last_decision_on, read_decisions

    folder = _models_of(lake)
    console = console or Console(highlight=False)
    known, decisions = list_models(folder), read_decisions(folder)
    if not known:
        console.print(
            "This lake has no model yet; `ringlight nightly` trains one as soon as there are outcomes enough."
        )
        return
    champion = _champion(folder)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for name in ("version", "as of", "champion"):
        table.add_column(name, no_wrap=True)
    for name in ("AUPRC", "precision at capacity", "calibration error"):
        table.add_column(name, justify="right")
    for name in ("gate", "why not promoted"):
        table.add_column(name)
    for model in known:
        decision = last_decision_on(decisions, model.version)
        table.add_row(
            model.version,
            str(model.as_of.date()),
            "yes" if champion == model.version else "",
            *_quality(folder / model.version),
            {True: "passed", False: "failed", None: "none"}[model.passed],
            _why_not(model, decision, champion),
        )
    console.print(table)


def promote_model(lake: Path, version: str, why: str) -> None:
    """Makes a model the champion of the nights after the current one.

    Raises:
        InputError: there is no such model, it was trained on other features or by another version, or it is the champion already.
        GateError: its training did not pass the leakage gate.
    """
    from jobs.lock import hold_lake
    from jobs.models import list_models, refuse_ungated, refuse_unknown
    from jobs.promotions import Decision, read_decisions, record_decision

    folder = _models_of(lake)
    with hold_lake(lake, None, "promotion of a model"):
        known = {model.version: model for model in list_models(folder)}
        refuse_unknown("VERSION", version, known)
        model = known[version]
        if not model.passed:
            raise refuse_ungated("VERSION", model, known.values())
        if not model.fits:
            raise InputError(
                f"`VERSION` must be a model on this program's features; got `{version}`, trained on others. "
                f"There are: {', '.join(name for name, other in known.items() if other.fits) or 'none'}."
            )
        decisions = read_decisions(folder)
        if _champion(folder) == version:
            raise InputError(
                f"`VERSION` must be another model than the champion; got `{version}`, which scores already."
            )
        day = _day_of(lake, decisions, known)
        record_decision(folder, Decision(day, version, "promoted", why, "person"))
    typer.echo(f"The model {version} scores from the next night after {day} on.")


def roll_back(lake: Path, why: str) -> None:
    """Lets the champion before the present one score the nights after the current one.

    Raises:
        InputError: there is none before it, or it was trained on other features or by another version.
        GateError: the training of the one before did not pass the leakage gate.
    """
    from jobs.lock import hold_lake
    from jobs.models import list_models, refuse_ungated
    from jobs.promotions import Decision, champions, read_decisions, record_decision

    folder = _models_of(lake)
    with hold_lake(lake, None, "rollback of a model"):
        known = {model.version: model for model in list_models(folder)}
        decisions = read_decisions(folder)
        line = [version for version in champions(decisions) if version in known]
        before = line[:-1]
        if not before:
            raise InputError(
                f"`--lake` must have had a champion before the present one; got {f'`{line[-1]}` alone' if line else 'none'}. "
                "Name another model: `ringlight models promote VERSION`."
            )
        model = known[before[-1]]
        if not model.passed:
            raise refuse_ungated("rollback", model, known.values())
        if not model.fits:
            raise InputError(
                f"`rollback` must lead to a model on this program's features; got `{model.version}`, trained on others. "
                "Train a new one: `--train always`."
            )
        day = _day_of(lake, decisions, known)
        record_decision(folder, Decision(day, line[-1], "rolled_back", why, "person"))
    typer.echo(f"The model {model.version} scores again from the next night after {day} on, in place of {line[-1]}.")


def _models_of(lake: Path) -> Path:
    if not (lake / "nights").is_dir():
        raise InputError(f"`--lake` must be a lake; got `{lake}`, which holds no nights. Name another folder.")
    return lake / "models"


def _champion(folder: Path) -> str | None:
    """Who scores the next night."""
    from jobs.promotions import champion_of

    found = champion_of(folder, datetime.max.replace(tzinfo=UTC), or_equal=True)
    return found.version if found else None


def _day_of(lake: Path, decisions: "list[Decision]", known: "Mapping[str, KnownModel]") -> date:
    """The as-of of a person's decision: the current night's, and never before what was decided or trained already."""
    current = lake / "current"
    days = [date.fromisoformat(current.read_text(encoding="utf-8").strip())] if current.is_file() else []
    return max([*days, *(each.as_of for each in decisions), *(each.as_of.date() for each in known.values())])


def _quality(folder: Path) -> tuple[str, str, str]:
    """AUPRC, precision at capacity and calibration error of the model that scores, on its validation accounts."""
    try:
        default = json.loads((folder / "model.json").read_text(encoding="utf-8"))["default"]
        found: Mapping[str, Any] = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"][default]
        return (
            f"{found['auprc']:.3f}",
            f"{found['precision_at_capacity']:.3f} at {found['capacity']}",
            f"{found['ece']:.4f}",
        )
    except (OSError, ValueError, KeyError, TypeError):
        return "", "", ""


def _why_not(model: "KnownModel", decision: "Decision | None", champion: str | None) -> str:
    """Why a model does not score; nothing for the one that does, and for one that did until another took over."""
    from jobs.models import UNFIT

    if model.version == champion:
        return ""
    if not model.fits:
        return UNFIT
    if decision is None or decision.kind == "promoted":
        return ""
    return decision.why if decision.kind == "refused" else f"rolled back: {decision.why}"
