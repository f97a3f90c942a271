"""Search: any identifier as somebody would submit it, or an account's id. The term goes no further than to its hash."""

import hmac
from typing import Annotated

from fastapi import Body, Request
from pydantic import BaseModel, ConfigDict, Field

from graph.errors import InputError
from graph.identifier_search import hash_search_term
from graph.queries import find_term
from jobs.console.audited import record
from jobs.console.endpoints import Endpoint
from jobs.console.graph_answers import SearchAnswer
from jobs.console.naming import with_names
from jobs.console.problems import Problem
from jobs.console.pseudonyms import mask_of
from jobs.console.runtime import console_of, graph_of

__all__ = ["ENDPOINTS"]

MAX_TERMS = 200


class SearchRequest(BaseModel):
    """What to search for: one value, exact once it is normalised as at ingest."""

    model_config = ConfigDict(extra="forbid")

    term: str = Field(min_length=1, max_length=500)
    limit: int = Field(50, ge=1, le=200, description="accounts an identifier at most")


def search(request: Request, wanted: Annotated[SearchRequest, Body()]) -> SearchAnswer:
    """Which identifiers a term may be that anybody holds, and who. The audit has a keyed mark of the term, never the term."""
    console = console_of(request)
    record(request, {"term": mask_of(wanted.term, console.keys.pseudonym)})
    store = graph_of(console)
    try:
        hashes = hash_search_term(wanted.term, console.secrets.key)[:MAX_TERMS]
    except InputError:
        raise Problem(422, "term", "`term` must be one value, of 1,000 bytes at most.") from None
    account_id = wanted.term.strip()

    def read() -> SearchAnswer:
        account, found = find_term(store, hashes, account_id, limit=wanted.limit)
        rows = {"account": account, "identifiers": found}
        return SearchAnswer.model_validate(with_names(rows, console.keys.pseudonym))

    mark = hmac.digest(console.keys.pseudonym, account_id.encode("utf-8", "surrogatepass"), "sha256")  # no term is kept
    question = (SearchAnswer, mark, tuple(hashes), wanted.limit)
    return console.kept.get(store, question, read, lambda found: sum(len(row.accounts) for row in found.identifiers))


ENDPOINTS = (Endpoint("POST", "/api/v1/search", search, SearchAnswer),)
