"""The night's chain: validate, take the lake, run the steps that are not yet done, publish.

nothing is written before input, store and lake are found good
LAKE/nights/.<date>.partial     steps write here; what a killed run finished is not done again
LAKE/nights/<date>              by one rename when all steps are done
LAKE/current                    by one rename, last; moves forward only, unless told
"""

import json
import math
import os
import socket
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from graph.errors import GateError, InputError
from graph.events import EventSource, open_events
from graph.lake import Night, list_nights, night_folder
from jobs.files import delete, write_json
from jobs.key import fingerprint_key, lake_key, make_private_folder
from jobs.lock import hold_lake
from jobs.manifest import (
    Inputs,
    Manifest,
    hash_events,
    mark_of_night,
    partitions_of_night,
    previous_night,
    read_manifest,
    refuse_other_key,
)
from jobs.night import NightContext, NightPlan, Progress, Step, StepResult
from jobs.publish import clear_work, open_lake, publish, recover, remove_empty, set_current
from jobs.settings import MOST_PARTITIONS, Settings
from jobs.state import Reader, begin_from, find_state, keep_state, with_state_begun
from jobs.steps import STEPS, load_step, order_steps
from jobs.usage import Usage, UsageWatch

__all__ = ["NightOutcome", "NightRequest", "run_night"]

TIMINGS_FILE = "timings.json"
PARTITION_BYTES = (
    192 * 1024**2
)  # of event files: two partitions of 130 MiB of Parquet at once held 2.9 GiB while links were made
FEWEST_PARTITIONS = 4
SLACK = 1.25  # by which partitions may outgrow their size before there are more of them


@dataclass(frozen=True)
class NightRequest:
    """What a person or a scheduler asks for.

    Attributes:
        key: RINGLIGHT_KEY's value, hex; None takes or makes the lake's own.
        random_hex: source of randomness for a new key.
        session: opens Ray for the time of the steps.
        without: steps to leave out (`store` for --no-store).
        force: run again even though the night is complete.
        is_full: make the linkage anew, without what the night before left; the result is the same.
        set_current: let `current` move back to this night.
        only: the one step to run, on what earlier ones left; the night is not published.
        steps: the steps by name; the registry's unless told otherwise.
        after_step: called with the name of each step that was just finished and recorded.
    """

    events: Path
    lake: Path
    date: date
    settings: Settings
    progress: Progress
    session: Callable[[], AbstractContextManager[None]]
    random_hex: Callable[[int], str]
    key: str | None = None
    without: frozenset[str] = frozenset()
    force: bool = False
    is_full: bool = False
    set_current: bool = False
    only: str | None = None
    steps: Mapping[str, Step] | None = None
    after_step: Callable[[str], None] = lambda name: None


@dataclass
class NightOutcome:
    """How a run went; filled while it goes, so that a failed one tells what it did.

    Attributes:
        folder: the complete night; None until then.
        was_complete: there was nothing to do.
        seconds: of each step that was run.
        results: of each step that is done.
        peak_bytes: peak memory of the run.
    """

    folder: Path | None = None
    was_complete: bool = False
    seconds: dict[str, float] = field(default_factory=dict)
    results: dict[str, StepResult] = field(default_factory=dict)
    peak_bytes: int = 0


def run_night(request: NightRequest, outcome: NightOutcome) -> None:
    """Runs one night, or what is left of it.

    Raises:
        InputError: input or configuration is at fault; a lake that did not exist does not exist afterwards either.
        StoreError: the store or Ray does not answer.
        GateError: an alarm refused the night; `current` stays.
        LakeHeldError: another run holds the lake.
    """
    steps = request.steps or {name: load_step(name) for name in STEPS}
    order = [
        name for name in order_steps({name: step.READS for name, step in steps.items()}) if name not in request.without
    ]
    source = open_events(request.events)
    for warning in source.warnings:
        request.progress.say(f"warning: {warning}")
    plan = NightPlan(request.events, request.lake, request.date, request.settings)
    for name in [request.only] if request.only else order:
        check = getattr(steps[name], "check", None)
        if check is not None:
            check(plan, request.settings.of_step(name))
    hashes = hash_events(source)
    made = open_lake(request.lake)
    try:
        with hold_lake(request.lake, request.date, say=request.progress.say):
            recover(request.lake)
            _run_held(request, outcome, {name: steps[name] for name in order}, source, hashes)
    except (InputError, GateError):
        remove_empty(request.lake, made)
        raise


def _with_partitions(settings: Settings, source: EventSource, before: Night | None) -> Settings:
    """How many partitions the accounts are cut into, where nobody said: as the night before did while that will do, for all is made anew
    when it changes; else by the size of the events, a power of two."""
    if settings.n_partitions:
        return settings
    n_bytes = sum(file.stat().st_size for files in source.files.values() for file in files)
    doublings = math.ceil(math.log2(max(n_bytes / PARTITION_BYTES, FEWEST_PARTITIONS)))
    wanted = min(2**doublings, MOST_PARTITIONS)
    kept = None if before is None else partitions_of_night(before)
    if kept is not None and kept <= 2 * wanted and n_bytes <= kept * PARTITION_BYTES * SLACK:
        wanted = kept
    return settings.model_copy(update={"n_partitions": wanted})


def _run_held(
    request: NightRequest,
    outcome: NightOutcome,
    steps: Mapping[str, Step],
    source: EventSource,
    hashes: Mapping[str, str],
) -> None:
    previous = previous_night(list_nights(request.lake), request.date)
    request = replace(request, settings=_with_partitions(request.settings, source, previous))
    had_key = (request.lake / "restricted" / "key").exists()
    key = lake_key(request.lake, request.key, request.random_hex, lambda text: request.progress.say(f"warning: {text}"))
    try:
        refuse_other_key(request.lake, key, is_given=request.key is not None)
    except InputError:
        if not had_key:
            delete(request.lake / "restricted" / "key")
        raise
    inputs = Inputs(request.date, hashes, fingerprint_key(key), request.settings.general(), mark_of_night(previous))
    final = night_folder(request.lake, request.date)
    reader = Reader(inputs.key, inputs.settings, request.settings.n_partitions)
    found = None if request.is_full else find_state(request.lake, previous, reader)
    state, restricted_state = found or (None, None)
    night = NightContext(
        events=request.events,
        lake=request.lake,
        date=request.date,
        out=final.with_name(f".{final.name}.partial"),
        work=request.lake / "restricted" / "work" / request.date.isoformat(),
        key=key,
        settings=request.settings,
        previous=previous,
        state=state,
        restricted_state=restricted_state,
        progress=request.progress,
    )
    plan = NightPlan(request.events, request.lake, request.date, request.settings)
    marks = _marks(Manifest(inputs), steps, plan)
    complete = None if request.force else read_manifest(final, inputs, None)
    if complete is not None and complete.status == "complete":
        missing = [name for name, mark in marks.items() if not complete.held(name, mark, final, None)]
        if all(getattr(steps[name], "SINK", False) for name in missing):
            _finish_complete(request, outcome, steps, replace(night, out=final), complete, marks, missing)
            return
    try:
        _run_partial(request, outcome, steps, night, inputs, marks)
    except InputError:
        if not outcome.results:  # refused at the door: nothing half-written stays
            delete(night.out)
            delete(night.work)
            if not had_key:
                delete(request.lake / "restricted" / "key")
        raise
    except GateError:
        if not outcome.results:  # raw values go; what the gate speaks of, the quarantine, stays to be looked at
            delete(night.work)
        raise
    if request.only:
        return
    publish(night, final)
    outcome.folder = final
    set_current(request.lake, request.date, request.set_current, request.progress.say)
    try:
        keep_state(request.lake, Night(final, request.date), night.work, outcome.results.values(), reader)
    except OSError as error:  # it costs the next night time, and this one nothing
        request.progress.say(f"warning: nothing was left for the next night to update from: {error.strerror or error}")
    clear_work(night)


def _marks(manifest: Manifest, steps: Mapping[str, Step], plan: NightPlan) -> dict[str, str]:
    """Fingerprint of every step, by name."""
    marks: dict[str, str] = {}
    for name, step in steps.items():
        reads = {read: marks[read] for read in step.READS if read in marks}
        depends_on = getattr(step, "depends_on", None)
        told = {"lake": depends_on(plan)} if depends_on is not None else {}
        marks[name] = manifest.step_fingerprint(name, _config(plan.settings, name) | told, reads)
    return marks


def _config(settings: Settings, name: str) -> dict[str, Any]:
    return settings.of_step(name).model_dump(mode="json")


def _run_partial(
    request: NightRequest,
    outcome: NightOutcome,
    steps: Mapping[str, Step],
    night: NightContext,
    inputs: Inputs,
    marks: Mapping[str, str],
) -> None:
    """Runs into the partial folder all steps whose results do not stand already."""
    manifest = None if request.force else read_manifest(night.out, inputs, night.work)
    begun = None if manifest is None else with_state_begun(night)
    if manifest is None or begun is None:
        if request.only and set(steps[request.only].READS) & set(steps):
            raise _lacking(request, [name for name in steps[request.only].READS if name in steps])
        delete(night.out)
        delete(night.work)
        manifest = Manifest(inputs)
        if previous := night.previous:
            request.progress.say(f"The linkage is made {_from_what(request, night, previous)}.")
    else:
        night = begun
    night.out.mkdir(parents=True, exist_ok=True)
    make_private_folder(night.work.parent.parent)
    make_private_folder(night.work.parent)
    make_private_folder(night.work)
    begin_from(night)
    held = {
        name
        for name, mark in marks.items()
        if manifest.held(name, mark, night.out, night.work) and _has_models(manifest.result(name), request.lake)
    }
    held = {name for name in held if set(steps[name].READS) & set(steps) <= held}
    outcome.results.update({name: manifest.result(name) for name in steps if name in held})
    if held:
        request.progress.say(f"Goes on where an earlier run stopped: {', '.join(outcome.results)} done already.")
    for name in [name for name in manifest.steps if name not in held]:
        del manifest.steps[name]
    if request.only:
        lacking = [name for name in steps[request.only].READS if name in steps and name not in held]
        if lacking:
            raise _lacking(request, lacking)
        _run_steps(request, outcome, steps, night, manifest, marks, [request.only])
        return
    left = [name for name in steps if name not in held]
    _run_steps(request, outcome, steps, night, manifest, marks, left)
    manifest.status = "complete"
    manifest.write(night.out, None)


def _lacking(request: NightRequest, names: list[str]) -> InputError:
    return InputError(
        f"`--lake` must hold what the steps {', '.join(names)} leave for {request.date}; got none that stands. "
        "Run them first, with the same flags."
    )


def _from_what(request: NightRequest, night: NightContext, previous: Night) -> str:
    if night.state is not None:
        return f"from what the night {previous.date} left"
    why = "--full" if request.is_full else f"the night {previous.date} left nothing that fits"
    return f"anew ({why})"


def _finish_complete(
    request: NightRequest,
    outcome: NightOutcome,
    steps: Mapping[str, Step],
    night: NightContext,
    manifest: Manifest,
    marks: Mapping[str, str],
    missing: list[str],
) -> None:
    """A complete night: runs the sinks that it has not fed yet, if any."""
    outcome.folder = night.out
    outcome.was_complete = not missing
    outcome.results.update({name: manifest.result(name) for name in steps if name not in missing})
    if missing:
        _run_steps(request, outcome, steps, night, manifest, marks, missing)
    set_current(request.lake, request.date, request.set_current, request.progress.say)


def _run_steps(
    request: NightRequest,
    outcome: NightOutcome,
    steps: Mapping[str, Step],
    night: NightContext,
    manifest: Manifest,
    marks: Mapping[str, str],
    names: list[str],
) -> None:
    if not names:
        return
    work = night.work if night.work.is_dir() else None
    with UsageWatch() as watch, request.session():
        for name in names:
            request.progress.say(f"{name} ...")
            started = time.monotonic()
            config = request.settings.of_step(name)
            result = _plain(steps[name].run(replace(night, results=dict(outcome.results)), config))
            manifest.add(name, marks[name], _config(request.settings, name), result, night.out, night.work)
            manifest.write(night.out, work)
            outcome.results[name] = result
            outcome.seconds[name] = time.monotonic() - started
            usage = watch.take()
            outcome.peak_bytes = max(outcome.peak_bytes, usage.peak_bytes)
            _add_timing(night.out, name, outcome.seconds[name], usage)
            rows = ", ".join(f"{count:,} {output}" for output, count in result.rows.items())
            request.progress.say(f"{name}: {rows or 'done'} ({outcome.seconds[name]:.1f} s)")
            request.after_step(name)


def _has_models(result: StepResult, lake: Path) -> bool:
    """Whether the models that a finished step wrote or chose are still there."""
    return all((lake / "models" / version / "model.json").is_file() for version in result.models)


def _plain(result: StepResult) -> StepResult:
    """The result as a later run reads it back from the manifest, so that both see the same."""
    return replace(
        result,
        rows=dict(sorted(result.rows.items())),
        outputs=sorted(result.outputs),
        intermediates=sorted(result.intermediates),
        state=sorted(result.state),
        restricted_state=sorted(result.restricted_state),
        models=sorted(result.models),
        facts=json.loads(json.dumps(_finite(result.facts), sort_keys=True, allow_nan=False)),
    )


def _finite(value: Any) -> Any:
    """The value with null in place of numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _add_timing(folder: Path, name: str, seconds: float, usage: Usage) -> None:
    path = folder / TIMINGS_FILE
    try:
        timings = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        timings = {"steps": {}}
    timings["steps"][name] = {
        "seconds": round(seconds, 3),
        "host": socket.gethostname(),
        "n_cores": os.cpu_count(),
        "peak_memory_bytes": usage.peak_bytes,
        "cpu_seconds": round(usage.cpu_seconds, 2),
        "read_bytes": usage.read_bytes,
        "written_bytes": usage.written_bytes,
    }
    write_json(path, timings)
