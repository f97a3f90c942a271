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
from jobs.console.kept_answers import NightMark, mark_of
from jobs.console.night_pairs import changes_since
from jobs.console.problems import Problem
from jobs.console.runtime import Console, graph_of

__all__ = ["keep_warm", "warm"]

LOOK_SECONDS = 10.0
TRIES = 3  # the first may run out of time while the server reads its files and makes its plan
A_PHONE = "+4915100000000"

_log = logging.getLogger("ringlight.console")


def warm(console: Console) -> int:
    """Asks each question once of the night that is shown; none fails for another's failure.

    Returns:
        how many of the five kinds (queue, changes since the night before, ring, accounts, search) were answered.
    """
    store = graph_of(console)
    told: dict[str, Any] = {"night": None, "rings": [], "members": []}

    def queue() -> None:
        told["night"], told["rings"] = kept_queue(console)

    def changes() -> None:
        changes_since(console.lake, told["night"], ())

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

    return sum(_is_answered(ask) for ask in (queue, changes, ring, members, search))


def _is_answered(ask: Callable[[], None]) -> bool:
    for _ in range(TRIES):
        try:
            ask()
        except (RinglightError, Problem) as error:  # a ring may be gone with its night
            _log.info("A question was not answered while the console warmed up: %s", type(error).__name__)
        else:
            return True
    return False


@contextmanager
def keep_warm(console: Console) -> Iterator[None]:
    """Warms in a thread of its own for the time of the block: at its beginning, and whenever another night is shown."""
    ends = threading.Event()

    def look() -> None:
        warmed: NightMark | None = None
        while True:
            try:
                shown = console.kept.pointer(graph_of(console))
                if shown.generation and mark_of(shown) != warmed:
                    warmed = mark_of(shown)
                    begun = time.monotonic()
                    n_answered = warm(console)
                    _log.info("%d kinds of questions were warmed in %.1f s", n_answered, time.monotonic() - begun)
            except StoreError:  # no night yet, or the store does not answer: whoever asks is told so
                pass
            except Exception as error:  # the next night is warmed all the same; a message may hold values
                _log.error("Warming failed with an unexpected %s", type(error).__name__)
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
