"""The steps of the night, one module each; see `jobs.night` for their shape.

A new step: one module here, one line in `STEPS`. Steps run in an order that agrees with their `READS`; among those that are
free to run, the earlier line goes first.
"""

import importlib
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import cast

from jobs.night import Step

__all__ = ["STEPS", "load_step", "order_steps"]

STEPS: tuple[str, ...] = (
    "ingest",
    "links",
    "pairs",
    "clusters",
    "features",
    "train",
    "score",
    "rings",
    "report",
    "store",
)


@cache
def load_step(name: str) -> Step:
    """The step's module."""
    return cast(Step, importlib.import_module(f"jobs.steps.{name}"))


def order_steps(reads: dict[str, tuple[str, ...]]) -> list[str]:
    """The steps in an order in which each comes after those that it reads.

    Args:
        reads: for each step, the steps that it reads, in the order of the registry.

    Raises:
        ValueError: a step reads one that is not registered, or they read in a circle.
    """
    unknown = {(name, read) for name, needed in reads.items() for read in needed if read not in reads}
    if unknown:
        raise ValueError(f"`READS` must name registered steps ({', '.join(reads)}); got {sorted(unknown)}.")
    sorter = TopologicalSorter(reads)
    try:
        sorter.prepare()
    except CycleError as error:
        raise ValueError(f"`READS` must be free of circles; got {' -> '.join(error.args[1])}.") from error
    rank = {name: position for position, name in enumerate(reads)}
    ready: list[str] = []
    order: list[str] = []
    while sorter.is_active():
        ready = sorted([*ready, *sorter.get_ready()], key=rank.__getitem__)
        order.append(ready.pop(0))
        sorter.done(order[-1])
    return order
