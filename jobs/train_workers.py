"""A training by one task, or by several workers of Ray Train that sum their gradients: the same steps, and the same model but for rounding.

Every worker runs the whole training on the same files; of the network's steps each computes its share (`gnn.batches`), all else, the
trees above all, each does for itself. What is more than a share is cheap beside the network, and nothing has to be sent but gradients.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from jobs.tasks import run_task, run_workers

if TYPE_CHECKING:  # torch takes seconds to import, and the chain's own process needs none of it
    from torch import Tensor

    from gnn.workers import Workers

__all__ = ["run_training", "this_worker"]

R = TypeVar("R")


def run_training(
    function: Callable[..., R], *arguments: Any, n_workers: int, n_cpus: int, label: str, poll: Callable[[], None]
) -> R:
    """`function(*arguments)` as one task, or in each of several workers; the first's result.

    `poll` is called while one task runs, and at its end; with several workers once, at their end, so that lines of progress come late.

    See `jobs.tasks.run_task` and `jobs.tasks.run_workers`.
    """
    if n_workers == 1:
        return run_task(function, *arguments, n_cpus=n_cpus, label=label, poll=poll)
    result = run_workers(function, *arguments, n_workers=n_workers, n_cpus=n_cpus, label=label)
    poll()
    return result


def this_worker() -> "Workers":
    """This process among the workers of its process group; alone where there is none."""
    from torch import distributed

    from gnn.workers import ALONE, Workers

    if not distributed.is_available() or not distributed.is_initialized():
        return ALONE
    return Workers(distributed.get_rank(), distributed.get_world_size(), _sum_in_place)


def _sum_in_place(values: "list[Tensor]") -> None:
    """One message for all: gloo adds in the same order each time, and every worker gets the same bytes."""
    import torch
    from torch import distributed

    flat = torch.cat([value.detach().reshape(-1).float().cpu() for value in values])
    distributed.all_reduce(flat)
    start = 0
    for value in values:
        value.copy_(flat[start : start + value.numel()].view_as(value))
        start += value.numel()
