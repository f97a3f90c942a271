"""What a step of the night is, and what it is given.

A step is one module in `jobs/steps/` and one line in `jobs.steps.STEPS`. The module holds

    READS: tuple[str, ...]      the steps whose results it reads; order and resume follow from these
    class Config(BaseModel)     its own settings (frozen, each with a default); `ringlight.toml` has them under [<step>]
    def run(night: NightContext, config: Config) -> StepResult

it may hold

    SINK = True                                             it feeds something outside the lake: a complete night can still be given to it
    def check(plan: NightPlan, config: Config) -> None      refuses before anything is written (a server that does not answer)
    def depends_on(plan: NightPlan) -> JSON values          what else of the lake its result follows from: done anew where that changed

and, so that `python -m jobs.steps.<name>` and `ray job submit` run it alone,

    if __name__ == "__main__":
        run_alone("<name>")     # from jobs.nightly

Work over partitions goes through `jobs.tasks.map_tasks(function, [(arguments), ...], progress=night.progress, label="links")`: one core and one
polars thread a task; what needs all cores once, through `run_task(function, *arguments, n_cpus=...)`. Files carry the data: parquet under
`night.work` (raw values allowed) or `night.out` (hashes only). A step replaces what a killed run may have left of its own files.

Its top level imports nothing heavy (no ray, no torch): settings are read from it when the command line starts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from graph.lake import Night, as_of_of

if TYPE_CHECKING:
    from jobs.settings import Settings

__all__ = ["NightContext", "NightPlan", "Progress", "SilentProgress", "Step", "StepConfig", "StepResult"]

T = TypeVar("T")


class Progress(Protocol):
    """Tells a person how far a step is. Inside a Ray task it is silent."""

    def say(self, text: str) -> None:
        """One line."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        """The items, with a bar (or a line now and then) that counts them."""

    def bar(self, label: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """For the block, a function to call with (done, in all; 0 where unknown)."""


class SilentProgress:
    """Says nothing: what progress is in tasks and tests."""

    def say(self, text: str) -> None:
        """Nothing."""

    def track(self, items: Iterable[T], label: str, total: int | None = None) -> Iterable[T]:
        """The items as they are."""
        return items

    def bar(self, label: str) -> AbstractContextManager[Callable[[int, int], None]]:
        """A function that does nothing."""
        return nullcontext(lambda done, total: None)


class StepConfig(BaseModel):
    """Base of every step's `Config`: unknown names are refused, values are fixed."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class StepResult:
    """What a step leaves.

    Attributes:
        rows: row counts by the output's name, for manifest and report.
        outputs: files or folders that it wrote, relative to `NightContext.out`; they stay with the night.
        intermediates: the same relative to `NightContext.work`; they may hold raw values and go when the night is complete.
        state: of `intermediates`, those that the next night updates from; they hold no raw values, and move to LAKE/state/ when the
            night is complete.
        restricted_state: the same with raw values, or digests of them; they move to LAKE/restricted/state/.
        models: folders of LAKE/models/ that it wrote or uses, by version.
        facts: what else the manifest and the report should tell: JSON values, the same in equal runs (no times, no paths).
    """

    rows: Mapping[str, int] = field(default_factory=dict)
    outputs: Sequence[str] = ()
    intermediates: Sequence[str] = ()
    state: Sequence[str] = ()
    restricted_state: Sequence[str] = ()
    models: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class NightPlan:
    """What a step's `check` may look at: the wish, before there is anything else. The lake may not exist yet."""

    events: Path
    lake: Path
    date: date
    settings: "Settings"

    @property
    def as_of(self) -> datetime:
        """The cut-off of knowledge, exclusive, UTC."""
        return as_of_of(self.date)


@dataclass(frozen=True)
class NightContext:
    """One run at one as-of. Picklable, so that it travels to a Ray task as it is.

    Attributes:
        events: the event folder.
        lake: the lake.
        date: the as-of, a date.
        out: LAKE/nights/.<date>.partial; becomes LAKE/nights/<date> when the night is complete.
        work: LAKE/restricted/work/<date>, mode 0700: intermediate files, raw values allowed; deleted when the night is complete.
        key: key of the identifiers' hashes, hex.
        settings: all settings; a step's own are handed to `run`.
        previous: the latest complete night with an earlier as-of.
        state: LAKE/state/<date>, what the previous night left to update from; None where it is not at hand, or was left by
            other code: then all is made anew, with the same result.
        restricted_state: LAKE/restricted/state/<date>, the same with raw values; at hand exactly where `state` is.
        results: what the steps before left, by name.
        progress: for the person who waits.
    """

    events: Path
    lake: Path
    date: date
    out: Path
    work: Path
    key: str = field(repr=False)
    settings: "Settings"
    previous: Night | None = None
    state: Path | None = None
    restricted_state: Path | None = None
    results: Mapping[str, StepResult] = field(default_factory=dict)
    progress: Progress = field(default_factory=SilentProgress, compare=False)

    @property
    def as_of(self) -> datetime:
        """The cut-off of knowledge, exclusive, UTC."""
        return as_of_of(self.date)

    @property
    def n_partitions(self) -> int:
        """Into how many hash partitions the accounts are cut."""
        return self.settings.n_partitions

    @property
    def seed(self) -> int:
        """Seed of all that is drawn."""
        return self.settings.seed


class Step(Protocol):
    """The shape of a module in `jobs/steps/`."""

    READS: tuple[str, ...]
    Config: type[StepConfig]

    def run(self, night: NightContext, config: Any) -> StepResult:
        """Does the step; writes into `night.out` and `night.work` alone."""
