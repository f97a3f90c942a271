"""Processes and ports of this machine: who lives, who has ended, who answers."""

import http.client
import socket
import time

import psutil

from graph.errors import StoreError

__all__ = ["bolt_answers", "free_port_from", "has_ended", "http_answers", "is_alive", "kill"]

_STOP_SECONDS = 60.0
_POLL_SECONDS = 0.1


def is_alive(pid: int) -> bool:
    """Whether a process runs. Of a child of ours this is sure: its id is no other's until it is waited for. What it runs cannot be read yet just after its start."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def kill(pid: int) -> None:
    """Ends a process without asking it.

    Raises:
        StoreError: it is still there.
    """
    try:
        child = psutil.Process(pid)
        child.kill()
    except psutil.NoSuchProcess:
        return
    if not has_ended(child):
        raise StoreError(f"`Neo4j` must end when killed; got process {pid} still there. Look at it by hand.")


def has_ended(process: psutil.Process) -> bool:
    """Waits for a process. One that ended is enough: where another than us started it, it may never ask how it ended."""
    end = time.monotonic() + _STOP_SECONDS
    while time.monotonic() < end:
        try:
            process.wait(_POLL_SECONDS)
        except psutil.TimeoutExpired:
            if is_alive(process.pid):
                continue
        return True
    return False


def free_port_from(wanted: int, exact: bool, name: str, other: int = 0) -> int:
    """The first free port of 127.0.0.1 from `wanted` on that is not `other`; only `wanted` itself if `exact`.

    Raises:
        StoreError: it is taken, or all of a hundred are.
    """
    last = wanted if exact else min(wanted + 99, 65_535)
    for port in range(wanted, last + 1):
        if port != other and _is_free(port):
            return port
    taken = f"{wanted}, which is taken" if exact else f"{wanted} to {last}, which are all taken"
    raise StoreError(
        f"`{name}` must be a free port of 127.0.0.1; got {taken}. Stop what listens there, or choose another."
    )


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def bolt_answers(port: int) -> bool:
    """Whether a Bolt server agrees to a version: the magic word and four proposals (any 6.x, any 5.x) go, one comes back."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as bolt:
            bolt.sendall(bytes.fromhex("6060b017 00000006 00080805 00020404 00000003"))
            answer = bolt.recv(4)
    except OSError:
        return False
    return len(answer) == 4 and any(answer)


def http_answers(port: int) -> bool:
    """Whether a web server says that all is well."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)  # not urllib: it would ask a proxy
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
