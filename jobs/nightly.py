"""`ringlight nightly`, and one step of a night alone: what surrounds the chain (Ray, progress, clock, metrics)."""

import argparse
import os
import secrets
import sys
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path

from graph.errors import LakeHeldError, RinglightError
from graph.lake import as_of_of
from jobs.chain import NightOutcome, NightRequest, run_night
from jobs.key import KEY_VARIABLE
from jobs.options import day_of
from jobs.progress import ConsoleProgress
from jobs.prometheus import METRICS_FILE, RunMetrics, write_metrics
from jobs.remote.reach import events_at, lake_to_write
from jobs.remote.urls import is_url
from jobs.settings import SETTINGS_FILE, Settings, read_settings
from jobs.tasks import connected

__all__ = ["run_alone", "run_nightly"]


def run_nightly(
    events: Path | str,
    lake: Path | str,
    day: date,
    settings: Settings,
    *,
    address: str | None = None,
    without: frozenset[str] = frozenset(),
    force: bool = False,
    is_full: bool = False,
    set_current: bool = False,
    only: str | None = None,
) -> NightOutcome:
    """Runs a night and tells about it: progress on stderr, metrics for Prometheus (after a failure, too).

    Args:
        events, lake: folders, or URLs of object storage; see `jobs.remote.reach`.
        address: a running Ray; None starts one on this machine.
        without: steps to leave out.
        only: the one step to run; the night is not published.

    Raises:
        RinglightError: see `jobs.chain.run_night`.
    """
    progress = ConsoleProgress()
    outcome, folder = NightOutcome(), None
    exit_code = RinglightError.exit_code
    work = f"step {only}" if only else "night"
    try:
        with (
            lake_to_write(lake, day, work, settings.place, progress, publishes=only is None) as folder,
            events_at(events, settings.place, progress) as source,
        ):
            request = NightRequest(
                events=source.absolute(),  # a task may run in another folder
                lake=folder.absolute(),
                date=day,
                settings=settings,
                progress=progress,
                session=lambda: _session(address, settings),
                random_hex=secrets.token_hex,
                key=os.environ.get(KEY_VARIABLE),
                without=without,
                force=force,
                is_full=is_full,
                set_current=set_current,
                only=only,
            )
            run_night(request, outcome)
        exit_code = 0
    except RinglightError as error:
        exit_code = error.exit_code
        raise
    finally:
        _tell_prometheus(settings, folder, day, outcome, exit_code, progress)
    if only:
        progress.say(f"The step `{only}` is done.")
    elif outcome.was_complete:
        progress.say(f"The night {day} is complete already; nothing was done. --force runs it again.")
    else:
        progress.say(f"The night {day} is complete: {f'{lake}/nights/{day}' if is_url(lake) else outcome.folder}")
    if outcome.peak_bytes > settings.memory_bytes:
        progress.say(
            f"warning: the run took {outcome.peak_bytes / 2**30:.1f} GiB, more than `memory_bytes` "
            f"({settings.memory_bytes / 2**30:.1f} GiB); more partitions (`n_partitions`) take less."
        )
    return outcome


def _session(address: str | None, settings: Settings) -> AbstractContextManager[None]:
    n_cpus = settings.n_threads or os.cpu_count() or 2
    return connected(address, n_cpus, settings.memory_bytes)


def _tell_prometheus(
    settings: Settings, lake: Path | None, day: date, outcome: NightOutcome, exit_code: int, progress: ConsoleProgress
) -> None:
    path = settings.metrics_path or (lake and lake / METRICS_FILE)
    if path is None or not path.parent.is_dir():
        return  # a refused night leaves no lake behind
    if exit_code == LakeHeldError.exit_code and not outcome.seconds:
        return  # a held lake's metrics are those of the run that holds it
    run = RunMetrics(as_of_of(day), datetime.now(UTC), exit_code, outcome.seconds, outcome.peak_bytes, outcome.results)
    try:
        write_metrics(run, path)
    except OSError as error:
        progress.say(f"warning: the metrics could not be written to {path}: {error.strerror}")


def run_alone(name: str) -> None:
    """Runs one step of a night: `python -m jobs.steps.<name> --events .. --lake .. --as-of ..`, also by `ray job submit`.

    It needs what the steps that it reads have left for the same night, and is recorded like any other, so that
    `ringlight nightly` goes on from it. Ends the process with the step's exit code.
    """
    parser = argparse.ArgumentParser(
        prog=f"python -m jobs.steps.{name}",
        description=f"The step `{name}` of a night, alone. `ringlight nightly` with the same flags does the rest.",
        epilog=f"example: ray job submit -- python -m jobs.steps.{name} --events EVENTS --lake LAKE --as-of 2026-06-30",
    )
    parser.add_argument("--events", required=True, help="a folder, or a URL of object storage")
    parser.add_argument("--lake", required=True, help="a folder, or a URL of object storage")
    parser.add_argument("--as-of", type=lambda text: day_of(text, datetime.now(UTC)), required=True)
    parser.add_argument("--address", default=os.environ.get("RAY_ADDRESS"), help="a running Ray; default: RAY_ADDRESS")
    parser.add_argument("--place", help="working place for URLs, a folder that all nodes see; default: RINGLIGHT_PLACE")
    given = parser.parse_args()
    try:
        flags = {"place": given.place} if given.place else {}
        settings = read_settings(flags, os.environ, Path(SETTINGS_FILE))
        run_nightly(given.events, given.lake, given.as_of, settings, address=given.address, only=name)
    except RinglightError as error:
        print(f"ringlight: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
