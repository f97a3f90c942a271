"""Ray: a local one or a cluster, and tasks over partitions on it. The one module that imports ray.

`connected` starts or joins Ray; inside it `map_tasks` spreads a function over partitions and `run_task` runs one function that
needs more than a core. What a task raises arrives as it was raised, so that a user's fault stays one sentence.
"""

import contextlib
import ctypes
import gc
import os
import secrets
import shutil
import socket
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from graph.errors import InputError, RinglightError, StoreError, first_line
from jobs.night import Progress, SilentProgress

__all__ = ["BESIDE", "connected", "cores_for", "map_tasks", "run_task", "run_workers", "start_ahead"]

R = TypeVar("R")

OBJECT_STORE_BYTES = 512 * 1024**2
PROBE_SECONDS = 10.0
BESIDE = 3_000_000  # accounts up to which a task does two things at once that each take some KB an account
LARGE_WORLD = 200_000  # accounts; below, a worker of its own costs more than its threads save
POLL_SECONDS = 1.0
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS": "0",
}
# Of a Ray that is started here: it listens on 127.0.0.1 alone (the switch was made for macOS and works anywhere), and who
# else is on the machine needs the token.
_PRIVATE = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
# A worker that waits is kept for an hour: in a new one a step begins with three seconds of imports.
_KEPT = {"RAY_idle_worker_killing_time_threshold_ms": "3600000"}
_TOKEN_VARIABLE = "RAY_AUTH_TOKEN"  # noqa: S105  (a name)
# One thread of polars a task. Threads of torch and LightGBM that wait must sleep: on a machine with other work, spinning
# ones take the cores from those that they wait for.
_TASK_ENVIRONMENT = {"env_vars": {"POLARS_MAX_THREADS": "1", "OMP_WAIT_POLICY": "passive"}}


@contextlib.contextmanager
def connected(address: str | None, n_cpus: int, memory_bytes: int = 4 * 1024**3) -> Iterator[None]:
    """Ray for the time of the block.

    Args:
        address: a running Ray's address, `auto` for the one that RAY_ADDRESS or `ray job submit` names; None starts one on this
            machine, on loopback alone, and stops it at the end.
        n_cpus: cores of a Ray that is started here.
        memory_bytes: what it may take; an eighth of it, 512 MiB at most, is for objects, since data goes through files.

    Raises:
        InputError: `address` is not an address.
        StoreError: no Ray answers at `address`, or none could be started (one try again included).
    """
    _prepare_environment(is_local=address is None)
    import ray

    if ray.is_initialized():
        yield
        return
    if address:
        _probe(address)
    folder = None if address else _short_temporary_folder()
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR", "runtime_env": _TASK_ENVIRONMENT}
    if address:
        options["address"] = address
    else:
        options |= {
            "address": "local",
            "num_cpus": n_cpus,
            "num_gpus": None,
            "object_store_memory": min(OBJECT_STORE_BYTES, memory_bytes // 8),
            "include_dashboard": False,
            "_temp_dir": f"{folder}/r",  # Ray opens its folder to all; the one around it stays its owner's
        }
    try:
        _init(options, tries=1 if address else 2)
        yield
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _probe(address: str) -> None:
    """Whether anything listens there: Ray itself would try for minutes and then end the process."""
    place = urlsplit(address if "://" in address else f"ray://{address}")
    try:
        host, port = place.hostname, place.port
    except ValueError:
        host, port = None, None
    if not host or not port:
        if address == "auto":
            return
        raise InputError(f"`--address` must be HOST:PORT, ray://HOST:PORT or `auto`; got `{address}`.")
    try:
        socket.create_connection((host, port), timeout=PROBE_SECONDS).close()
    except OSError as error:
        raise _no_ray(address, error) from None


def _no_ray(address: str, error: BaseException) -> StoreError:
    return StoreError(
        f"`--address` must be a running Ray; got `{address}`: {first_line(error)}. "
        "Start it with `ray start --head`, or leave `--address` out."
    )


def _prepare_environment(is_local: bool) -> None:
    """Ray's own switches, which it reads once, when it is imported or started."""
    wanted = _QUIET | (_PRIVATE | _KEPT | {_TOKEN_VARIABLE: secrets.token_hex(32)} if is_local else {})
    for name, value in wanted.items():
        os.environ.setdefault(name, value)


def _short_temporary_folder() -> str:
    """A folder whose path leaves room for Ray's socket names (107 bytes at most)."""
    base = tempfile.gettempdir()
    return tempfile.mkdtemp(prefix="rl-", dir=base if len(base) <= 32 else "/tmp")  # noqa: S108


def _init(options: dict[str, Any], tries: int) -> None:
    import ray

    for left in reversed(range(tries)):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # ray's own, about its future defaults
                ray.init(**options)
            return
        except Exception as error:
            ray.shutdown()
            if left:
                time.sleep(2)  # a crowded machine: the first start may run into ray's own time limit
                continue
            if options["address"] == "local":
                raise StoreError(f"Ray did not start on this machine: {first_line(error)}. Try again.") from error
            raise _no_ray(options["address"], error) from error


def map_tasks(
    function: Callable[..., R],
    arguments: Sequence[tuple[Any, ...]],
    *,
    progress: Progress | None = None,
    label: str = "",
    n_cpus: int = 1,
    poll: Callable[[], None] | None = None,
    is_columnar: bool = False,
) -> list[R]:
    """`function(*arguments[i])` for each i as Ray tasks; the results in the order of the arguments.

    Args:
        function: a function of a module's top level. It runs in another process: big data goes through files, not arguments.
        arguments: one tuple a task, small.
        n_cpus: cores that one task takes. polars has one thread in every task; what else has threads is told so by its own
            argument. Never more than the largest node has.
        is_columnar: polars takes as many threads as the task has cores, not one; for tasks whose result does not depend on them.
        poll: called about every second while tasks run.

    Raises:
        Exception: what the first failing task raised; the others end with the run.
    """
    import ray

    options = _options(n_cpus, is_columnar) | {"name": getattr(function, "__name__", label)}
    remote = ray.remote(_run_and_give_back).options(**options)
    references = [remote.remote(function, *each) for each in arguments]
    done: dict[Any, R] = {}

    def finished() -> Iterator[None]:
        waiting = list(references)
        while waiting:
            ready, waiting = ray.wait(waiting, num_returns=1, timeout=POLL_SECONDS)
            if poll is not None:
                poll()
            for reference in ready:
                done[reference] = ray.get(reference)
                yield

    try:
        for _ in (progress or SilentProgress()).track(finished(), label, len(references)):
            pass
    except ray.exceptions.RayTaskError as error:
        raise _cause(error) from error
    except ray.exceptions.RayError as error:
        raise RinglightError(f"A task of `{label or function.__name__}` was lost: {first_line(error)}.") from error
    return [done[reference] for reference in references]


def _run_and_give_back(function: Callable[..., R], *arguments: Any) -> R:
    """The function's result; what it freed goes back to the system, for a worker that waits must not hold what the next one needs."""
    try:
        return function(*arguments)
    finally:
        gc.collect()
        if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):  # glibc's
            trim(0)


def _options(n_cpus: int, is_columnar: bool) -> dict[str, Any]:
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    most = max((int(node["Resources"].get("CPU", 0)) for node in nodes if node["Alive"]), default=1)
    n_cores = min(n_cpus, max(most, 1))
    options: dict[str, Any] = {"num_cpus": n_cores, "max_retries": 1}
    if is_columnar:
        options["runtime_env"] = {"env_vars": _TASK_ENVIRONMENT["env_vars"] | {"POLARS_MAX_THREADS": str(n_cores)}}
    return options


def cores_for(n_accounts: int) -> dict[str, Any]:
    """What a task gets that is done once for all accounts: in a large world, several cores and polars' threads on them."""
    return {"n_cpus": 4, "is_columnar": True} if n_accounts > LARGE_WORLD else {}


def start_ahead(function: Callable[[], object], n_cpus: int = 1, is_columnar: bool = False) -> None:
    """Lets a worker start for the task that will be run so, and `function` prepare it; returns at once.

    A new worker begins with seconds of imports: meanwhile others work. Whether it comes to anything changes no result; a Ray that
    was not started here may end the worker before it is needed.
    """
    import ray

    ray.remote(function).options(**_options(n_cpus, is_columnar) | {"num_cpus": 0}).remote()


def run_task(
    function: Callable[..., R],
    *arguments: Any,
    n_cpus: int = 1,
    progress: Progress | None = None,
    label: str = "",
    poll: Callable[[], None] | None = None,
    is_columnar: bool = False,
) -> R:
    """`function(*arguments)` as one Ray task with `n_cpus` cores; see `map_tasks`."""
    return map_tasks(
        function,
        [arguments],
        progress=progress,
        label=label,
        n_cpus=n_cpus,
        poll=poll,
        is_columnar=is_columnar,
    )[0]


def run_workers(function: Callable[..., R], *arguments: Any, n_workers: int, n_cpus: int = 1, label: str = "") -> R:
    """`function(*arguments)` in each of several workers of Ray Train, which are one process group of torch (gloo); the first's result.

    Args:
        function: a function of a module's top level; every worker calls it alike. Its result is plain values.
        arguments: small; big data goes through files.
        n_workers: how many; Ray must have a core for each.
        n_cpus: cores that a worker takes, fewer where Ray has not so many for each.

    Raises:
        InputError: Ray Train is not installed, or Ray has fewer cores than workers.
        RinglightError: what a worker raised of this tree; or a worker failed or was lost.
    """
    import ray

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from ray.train import RunConfig, ScalingConfig
            from ray.train.torch import TorchConfig, TorchTrainer
    except ImportError:
        raise InputError(
            f"`n_workers` must be 1 without Ray Train; got {n_workers}. Install `ringlight[workers]`."
        ) from None
    n_cores = int(ray.cluster_resources().get("CPU", 0))  # type: ignore[no-untyped-call]
    if n_cores < n_workers:  # Ray Train would wait for them without end
        raise InputError(f"`n_workers` must be at most Ray's cores, {n_cores}; got {n_workers}. Say a smaller number.")
    folder = tempfile.mkdtemp(prefix="rl-train-")
    scaling = ScalingConfig(
        num_workers=n_workers, resources_per_worker={"CPU": min(n_cpus, n_cores // n_workers)}, use_gpu=False
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ray's own, about its own settings
            trainer = TorchTrainer(
                _run_task,
                train_loop_config={"function": function, "arguments": arguments},
                torch_config=TorchConfig(backend="gloo"),
                scaling_config=scaling,
                run_config=RunConfig(name="training", storage_path=folder),
            )
            fitted: Any = trainer.fit()  # typed as the older Result, which has no return value
    except ray.train.TrainingFailedError as error:
        for failure in getattr(error, "worker_failures", {}).values():
            cause = _cause(getattr(failure, "_base_exc", failure))
            if isinstance(cause, RinglightError):  # a gate's refusal stays one
                raise cause from error
        raise RinglightError(f"A worker of `{label or function.__name__}` failed: {first_line(error)}.") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    result: R = fitted.return_value
    return result


def _run_task(task: dict[str, Any]) -> Any:
    """What a worker of Ray Train does."""
    return task["function"](*task["arguments"])


def _cause(error: Any) -> BaseException:
    """What the task itself raised, freed of Ray's wrapping."""
    cause: Any = error
    while isinstance(getattr(cause, "cause", None), BaseException):
        cause = cause.cause
    return cause if isinstance(cause, BaseException) else RinglightError(first_line(error))
