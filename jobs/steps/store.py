"""Store: the night in Neo4j, for people. The lake stays the truth; what Neo4j holds can be made anew from it.

Reads the night's tables, writes nothing into the lake.
"""

import os

from pydantic import Field

from graph.lake import Night
from jobs.night import NightContext, NightPlan, StepConfig, StepResult

__all__ = ["SINK", "Config", "check", "run"]

READS = ("links", "pairs", "clusters", "score", "rings")
SINK = True


class Config(StepConfig):
    """Settings of the store."""

    allow_older: bool = Field(False, description="let Neo4j move back to an earlier night; --set-current does")


def check(plan: NightPlan, config: Config) -> None:
    """Whether the store answers, before the night begins.

    Raises:
        InputError: NEO4J_URI is set without NEO4J_PASSWORD.
        StoreError: it does not answer, or refuses user and password.
    """
    from graph.store import connect
    from jobs.local_store import resolve_store
    from jobs.store_commands import store_home

    with connect(resolve_store(os.environ, store_home(plan.settings))):
        pass


def run(night: NightContext, config: Config) -> StepResult:
    """Shows the night in Neo4j, unless Neo4j shows a later one."""
    from graph.store import connect, current_date
    from graph.store_load import load_night
    from jobs.first_load import import_first_night
    from jobs.local_store import default_cache, resolve_store
    from jobs.store_commands import store_home

    home, shown_night = store_home(night.settings), Night(night.out, night.date)
    with night.progress.bar("store") as advance:
        import_first_night(
            os.environ,
            home,
            default_cache(os.environ),
            shown_night,
            say=night.progress.say,
            progress=lambda text, done, total: advance(done, total),
        )
    with connect(resolve_store(os.environ, home)) as store:
        shown = current_date(store)
        if shown is not None and shown > night.date and not config.allow_older:
            night.progress.say(
                f"Neo4j stays at {shown}, which is later than {night.date}; `--set-current` moves it back."
            )
            return StepResult(facts={"is_shown": False})
        with night.progress.bar("store") as advance:
            result = load_night(
                store,
                shown_night,
                night.previous,
                allow_older=config.allow_older,
                progress=lambda text, done, total: advance(done, total),
            )
    return StepResult(rows=result.counts, facts={"is_shown": True})


if __name__ == "__main__":
    from jobs.nightly import run_alone

    run_alone("store")
