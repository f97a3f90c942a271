"""How Neo4j plans the investigators' questions, and how long one may take."""

from typing import Any

import pytest

from graph.errors import StoreError
from graph.query_cypher import TEXTS
from graph.store import Store

IDENTIFIER = "d" * 64

PARAMETERS: dict[str, Any] = {
    "account_id": "farm0",
    "accounts": ["farm0", "farm1"],
    "after": 0,
    "hops": [["farm0", "farm1"]],
    "identifier_type": "device",
    "k": 10,
    "limit": 50,
    "max_accounts": 50,
    "max_fan": 50,
    "max_holders": 50,
    "max_identifiers": 50,
    "max_pairs": 50,
    "max_reasons": 5,
    "min_accounts": 2,
    "min_score": 0.5,
    "n_asked": 50,
    "nodes": ["farm0"],
    "ring_id": "r-farm",
    "statuses": ["suspected"],
    "wanted": [{"identifier_type": "device", "identifier": IDENTIFIER}],
}
SEEKS = {"NodeUniqueIndexSeek", "NodeIndexSeek", "DirectedRelationshipIndexSeekByRange"}
OF_NO_ROWS_OF_ITS_OWN = {"Argument", "Unwind"}  # a parameter's rows, or those of the query around
REFUSED = ("Scan", "CartesianProduct", "VarLength", "ShortestPath", "HashJoin", "Eager@", "Repeat", "Trail")


@pytest.mark.parametrize("name", TEXTS)
def test_every_question_begins_at_an_index_and_never_reads_the_whole_graph(console_store: Store, name: str) -> None:
    values = {**PARAMETERS, "nodes": [["device", IDENTIFIER]]} if name == "PATH_ACCOUNTS" else PARAMETERS
    steps = console_store.explain(TEXTS[name], **values)
    leaves = {step.operator for step in steps if step.is_leaf}
    assert leaves & SEEKS, leaves
    assert leaves <= SEEKS | OF_NO_ROWS_OF_ITS_OWN, leaves
    assert not [step for step in steps if any(word in step.operator for word in REFUSED)]
    bounded = {"Limit", "Top", "PartialTop"} & {step.operator for step in steps}
    sliced = any("$limit" in step.details for step in steps)
    assert bounded or sliced, "a question must say how many rows it takes"


def test_a_question_that_takes_too_long_ends_in_one_sentence(console_store: Store) -> None:
    with pytest.raises(StoreError, match="must answer within the time that a question may take") as raised:
        console_store.read_current("UNWIND range(1, 2000000000) AS x RETURN sum(sin(x)) AS total", seconds=0.5)
    assert "\n" not in str(raised.value)
