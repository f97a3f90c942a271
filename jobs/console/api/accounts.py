"""An account, who is beside it, who is like it, and how two are tied."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

from fastapi import Path, Query, Request
from pydantic import BaseModel

from graph.errors import InputError
from graph.queries import nearest_accounts, neighbours, read_account
from graph.query_pairs import why_linked, why_not
from graph.query_paths import MAX_HOPS, shortest_path
from graph.store import Store
from jobs.console.audited import record, record_refusal, shown_or_masked
from jobs.console.endpoints import AccountQuery, Endpoint, IdentifierLabel, LimitQuery
from jobs.console.graph_answers import (
    AccountAnswer,
    AlikeAnswer,
    NeighboursAnswer,
    PathAnswer,
    WhyLinkedAnswer,
    WhyNotAnswer,
)
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.runtime import console_of, graph_of

__all__ = ["ENDPOINTS"]

Answer = TypeVar("Answer", bound=BaseModel)
AccountPath = Annotated[str, Path(min_length=1, max_length=1_000, description="id of an account")]


def get_account(request: Request, account_id: AccountPath) -> AccountAnswer:
    """An account: where it stands, why, and what it holds."""
    return _ask(request, AccountAnswer, [account_id], (), lambda store: vars(read_account(store, account_id)))


def get_neighbours(
    request: Request,
    account_id: AccountQuery,
    identifier_type: IdentifierLabel | None = None,
    limit: LimitQuery = 50,
) -> NeighboursAnswer:
    """Accounts that share an identifier with this one. Nothing is followed through a hub."""
    return _ask(
        request,
        NeighboursAnswer,
        [account_id],
        (identifier_type, limit),
        lambda store: vars(neighbours(store, account_id, identifier_type=identifier_type, limit=limit)),
    )


def get_alike(
    request: Request, account_id: AccountQuery, limit: Annotated[int, Query(ge=1, le=50)] = 10
) -> AlikeAnswer:
    """Accounts whose embeddings are most like this one's; none for an account without one."""

    def ask(store: Store) -> dict[str, Any]:
        read_account(
            store, account_id, max_identifiers=1
        )  # so that an unknown account is told from one without an embedding
        return {"accounts": nearest_accounts(store, account_id, limit)}

    return _ask(request, AlikeAnswer, [account_id], (limit,), ask)


def get_path(
    request: Request, a: AccountQuery, b: AccountQuery, max_hops: Annotated[int, Query(ge=1, le=MAX_HOPS)] = MAX_HOPS
) -> PathAnswer:
    """A shortest path of two accounts over what they share."""
    return _ask(
        request, PathAnswer, [a, b], (max_hops,), lambda store: vars(shortest_path(store, a, b, max_hops=max_hops))
    )


def get_why_linked(request: Request, a: AccountQuery, b: AccountQuery) -> WhyLinkedAnswer:
    """The evidence that joins two accounts."""

    def ask(store: Store) -> dict[str, Any]:
        for account_id in (a, b):  # so that two strangers are told from two accounts that nothing joins
            read_account(store, account_id, max_identifiers=1)
        return why_linked(store, a, b) or {"weight_bits": None, "evidence": []}

    return _ask(request, WhyLinkedAnswer, [a, b], (), ask)


def get_why_not(request: Request, a: AccountQuery, b: AccountQuery) -> WhyNotAnswer:
    """What two accounts share all the same, and why it does not join them."""
    return _ask(request, WhyNotAnswer, [a, b], (), lambda store: vars(why_not(store, a, b)))


def _ask(
    request: Request,
    form: type[Answer],
    accounts: Sequence[str],
    further: Sequence[str | int | None],
    question: Callable[[Store], dict[str, Any]],
) -> Answer:
    """The answer with names, once the row about these accounts is written.

    Args:
        further: what else the answer depends on.

    Raises:
        Problem: 404, an account is not in the night that is shown. What was asked for may be anything: the audit has its mark.
    """
    console = console_of(request)
    store = graph_of(console)

    def read() -> Answer:
        return form.model_validate(with_names(question(store), console.keys.pseudonym))

    names = ("account_id",) if len(accounts) == 1 else ("a", "b")
    try:
        found = console.kept.get(store, (form, *accounts, *further), read, _weigh)
    except InputError:
        key = console.keys.pseudonym
        marks = {name: shown_or_masked(name, account, key) for name, account in zip(names, accounts, strict=True)}
        record_refusal(request, marks, "not in the night")
        raise Problem(404, "no-account", "The night that is shown has no such account.") from None
    record(request, dict(zip(names, accounts, strict=True)))
    return found


def _weigh(found: BaseModel) -> int:
    return sum(len(value) for _, value in found if isinstance(value, list))


_V1 = "/api/v1"
ENDPOINTS = (
    Endpoint("GET", f"{_V1}/accounts/{{account_id:path}}", get_account, AccountAnswer),
    Endpoint("GET", f"{_V1}/neighbours", get_neighbours, NeighboursAnswer),
    Endpoint("GET", f"{_V1}/alike", get_alike, AlikeAnswer),
    Endpoint("GET", f"{_V1}/path", get_path, PathAnswer),
    Endpoint("GET", f"{_V1}/why-linked", get_why_linked, WhyLinkedAnswer),
    Endpoint("GET", f"{_V1}/why-not", get_why_not, WhyNotAnswer),
)
