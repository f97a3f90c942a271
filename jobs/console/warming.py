"""Asks each question once when the console starts, and again when another night is shown, so that no investigator waits for the first.

After a load the server has no plans and a cold page cache: the first question of a kind may take seconds.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from graph.errors import RinglightError, StoreError
from graph.identifier_search import hash_search_term
from graph.queries import (
    find_term,
    nearest_accounts,
    neighbours,
    read_account,
    read_ring_picture,
    shortest_path,
    why_linked,
    why_not,
)
from jobs.console.api.rings import kept_queue, kept_ring
from jobs.console.runtime import Console, graph_of

__all__ = ["keep_warm", "warm"]

LOOK_SECONDS = 10.0
TRIES = 3  # the first may run out of time while the server reads its files and makes its plan
A_PHONE = "+4915100000000"

_log = logging.getLogger("ringlight.console")


def warm(console: Console) -> int:
    """Asks each question once of the night that is shown; none fails for another's failure.

    Returns:
        how many of the four kinds (queue, ring, accounts, search) were answered.
    """
    store = graph_of(console)
    told: dict[str, Any] = {"rings": [], "members": []}

    def queue() -> None:
        told["rings"] = kept_queue(console)[1]

    def ring() -> None:
        if told["rings"]:
            smallest = min(told["rings"][:50], key=lambda row: row["n_accounts"])["ring_id"]
            told["members"] = [row.account_id for row in kept_ring(console, smallest).accounts]
            read_ring_picture(store, smallest)

    def members() -> None:
        if told["members"]:
            a, b = told["members"][0], told["members"][-1]
            read_account(store, a)
            neighbours(store, a)
            nearest_accounts(store, a)
            shortest_path(store, a, b)
            why_linked(store, a, b)
            why_not(store, a, b)

    def search() -> None:
        find_term(store, hash_search_term(A_PHONE, console.secrets.key), A_PHONE)

    return sum(_is_answered(ask) for ask in (queue, ring, members, search))


def _is_answered(ask: Callable[[], None]) -> bool:
    for _ in range(TRIES):
        try:
            ask()
        except RinglightError as error:
            _log.info("A question was not answered while the console warmed up: %s", type(error).__name__)
        else:
            return True
    return False


@contextmanager
def keep_warm(console: Console) -> Iterator[None]:
    """Warms in a thread of its own for the time of the block: at its beginning, and whenever another night is shown."""
    ends = threading.Event()

    def look() -> None:
        warmed = 0
        while True:
            try:
                generation = console.kept.pointer(graph_of(console)).generation
                if generation not in (0, warmed):
                    begun = time.monotonic()
                    n_answered = warm(console)
                    warmed = generation
                    _log.info("%d kinds of questions were warmed in %.1f s", n_answered, time.monotonic() - begun)
            except StoreError:  # no night yet, or the store does not answer: whoever asks is told so
                pass
            if ends.wait(LOOK_SECONDS):
                return

    if console.store is None:
        yield
        return
    thread = threading.Thread(target=look, name="ringlight-warm", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join(timeout=30)
