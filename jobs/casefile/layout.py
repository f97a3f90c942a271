"""Where the nodes of a case's picture lie: as the console kept them, else by a layout that follows from the case alone."""

import math
from collections.abc import Mapping, Sequence

from graph.ring_picture import FOLD_ABOVE
from jobs.casefile.case import Case, CaseLink

__all__ = ["MAX_DRAWN", "drawn_links", "place_nodes"]

MAX_DRAWN = FOLD_ABOVE  # accounts and identifiers; above, the console folds, and a printed picture says nothing that the tables do not

Point = tuple[float, float]


def drawn_links(case: Case) -> list[CaseLink]:
    """What the picture shows of the links, as the console's does: those that join accounts."""
    return [link for link in case.links if link.is_joining]


def place_nodes(case: Case) -> dict[str, Point]:
    """A place in the unit square for each account (by id) and drawn identifier (by name).

    Kept positions are used if they have every node; then the console and the file show one picture. Else accounts lie on a circle in
    the order of what they share, and identifiers within it at the middle of their holders.
    """
    links = drawn_links(case)
    names = [account.account_id for account in case.accounts] + [link.name for link in links]
    kept = {position.node: (position.x, position.y) for position in case.positions}
    if names and all(name in kept for name in names):
        return _fitted({name: kept[name] for name in names})
    return _fitted(_circles([account.account_id for account in case.accounts], links))


def _circles(accounts: Sequence[str], links: Sequence[CaseLink]) -> dict[str, Point]:
    order: dict[str, None] = {}
    for link in sorted(links, key=lambda link: (-len(link.accounts), link.name)):
        order |= dict.fromkeys(account for account in link.accounts if account in set(accounts))
    order |= dict.fromkeys(accounts)
    step = 2 * math.pi / max(1, len(order))
    places: dict[str, Point] = {
        account: (math.cos(number * step), math.sin(number * step)) for number, account in enumerate(order)
    }
    taken: dict[Point, int] = {}
    for link in links:
        held = [places[account] for account in link.accounts if account in places]
        x, y = (0.62 * sum(axis) / len(held) for axis in zip(*held, strict=True)) if held else (0.0, 0.0)
        spot = (round(x, 2), round(y, 2))
        turn = taken[spot] = taken.get(spot, -1) + 1  # what the same accounts hold would lie on one spot
        places[link.name] = (x + 0.09 * turn * math.cos(2.4 * turn), y + 0.09 * turn * math.sin(2.4 * turn))
    return places


def _fitted(places: Mapping[str, Point]) -> dict[str, Point]:
    """Moved and scaled, both axes alike, into the unit square; rounded, so that the last bits of a sine change no byte."""
    if not places:
        return {}
    xs, ys = ([point[axis] for point in places.values()] for axis in (0, 1))
    extent = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
    middle = ((max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2)
    return {
        name: (round(0.5 + (x - middle[0]) / extent, 4), round(0.5 + (y - middle[1]) / extent, 4))
        for name, (x, y) in places.items()
    }
