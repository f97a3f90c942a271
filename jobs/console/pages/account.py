"""An account: where it stands and why, what it holds, who is beside it and who is like it."""

from collections import defaultdict
from collections.abc import Sequence

from fastapi import Request, Response

from graph.schema import IDENTIFIERS
from jobs.console.api.accounts import AccountPath, get_account, get_alike, get_neighbours
from jobs.console.endpoints import AccountQuery, Endpoint
from jobs.console.graph_answers import LinkRow
from jobs.console.pages.fields import TypeField
from jobs.console.pages.shell import render, shown_night
from jobs.console.runtime import console_of

__all__ = ["ENDPOINTS"]


def account_page(request: Request, account_id: AccountPath) -> Response:
    """The account; its neighbours and those like it are fetched by the page, each with a row of the audit of its own."""
    answer = get_account(request, account_id)
    groups = _by_type(answer.identifiers)
    context = {
        "account": answer.account,
        "groups": groups,
        "n_left_out": answer.n_identifiers_left_out,
        "types": [label for label, _ in groups],
        "can_reveal": console_of(request).config.events is not None,
    }
    return render(request, "account.html", context, night=shown_night(request))


def neighbours_part(request: Request, account_id: AccountQuery, identifier_type: TypeField = None) -> Response:
    """Who shares something with the account; hubs are named and not followed."""
    answer = get_neighbours(request, account_id, identifier_type)
    context = {"answer": answer, "account_id": account_id, "identifier_type": identifier_type}
    return render(request, "_neighbours.html", context)


def alike_part(request: Request, account_id: AccountQuery) -> Response:
    """Accounts whose embeddings are most like this one's."""
    return render(request, "_alike.html", {"answer": get_alike(request, account_id), "account_id": account_id})


def _by_type(links: Sequence[LinkRow]) -> list[tuple[str, list[LinkRow]]]:
    """In the schema's order of types; within one, what weighs most first."""
    held: dict[str, list[LinkRow]] = defaultdict(list)
    for link in sorted(links, key=lambda link: (-link.weight, link.name)):
        held[link.identifier_type].append(link)
    return [(label, held[label]) for label in IDENTIFIERS if label in held]


ENDPOINTS = (
    Endpoint("GET", "/accounts/{account_id:path}", account_page, is_page=True),
    Endpoint("GET", "/neighbours", neighbours_part, is_page=True),
    Endpoint("GET", "/alike", alike_part, is_page=True),
)
