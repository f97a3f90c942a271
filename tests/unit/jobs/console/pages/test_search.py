"""The search page where nothing is searched for: it is a refusal, and the audit has it as one."""

import json
from dataclasses import replace
from datetime import date

import pytest

from graph.store import Pointer

pytestmark = pytest.mark.anyio


class Shown:
    """What a store shows; nothing can be asked of it, and nothing is."""

    uri = "bolt://here"

    def pointer(self) -> Pointer:
        return Pointer(1, 1, True, "one", {}, date(2026, 3, 31))


async def test_a_search_for_nothing_is_refused_in_the_page_and_in_the_audit(served):
    served.app.state.console = replace(served.app.state.console, store=Shown())
    headers = {"Accept": "text/html", "Origin": "http://127.0.0.1:8484"}
    answer = await served.ask("POST", "/search", headers=headers, data={"term": " "})
    assert answer.status_code == 422
    assert "nothing to search for" in answer.text
    rows = [json.loads(line) for line in served.audit.splitlines()]
    assert [(row["action"], row["result"]) for row in rows] == [("search", "allowed"), ("search", "refused")]
