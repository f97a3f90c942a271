"""Who trains beside whom: all that a model has to know of a training by several workers."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

__all__ = ["ALONE", "Workers"]


def _leave(_values: list[Tensor]) -> None:
    """The sum over one worker."""


@dataclass(frozen=True)
class Workers:
    """Who trains beside whom.

    Attributes:
        number: this worker, below `count`.
        count: how many there are.
        reduce: replaces each tensor, in place, by its sum over all workers; every worker calls it alike.
    """

    number: int = 0
    count: int = 1
    reduce: Callable[[list[Tensor]], None] = _leave


ALONE = Workers()
