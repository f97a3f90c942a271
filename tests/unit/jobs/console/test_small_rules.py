"""Rules at the edges: health checks, sign-ins begun, requests that come to nothing, lineage."""

import json

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("host", ["10.1.2.3:8484", "ringlight-pod", "anything.example"])
async def test_a_health_check_needs_no_name_and_everything_else_does(served, host):
    assert (await served.ask("GET", "/healthz", None, headers={"Host": host})).status_code == 200
    for method, path in (("POST", "/healthz"), ("GET", "/healthz/"), ("GET", "/api/v1/me"), ("GET", "/auth/signin")):
        assert (await served.ask(method, path, headers={"Host": host})).status_code == 421, path


async def test_sign_ins_are_begun_so_often_a_minute_from_one_address(serve):
    served = serve(signins_per_minute=3)
    answers = [await served.ask("GET", "/auth/signin", None) for _ in range(5)]
    assert [answer.status_code == 429 for answer in answers] == [False] * 3 + [True] * 2
    assert answers[-1].headers["retry-after"]
    rows = [json.loads(line) for line in served.audit.splitlines()]
    assert [(row["action"], row["result"]) for row in rows] == [("signin.begin", "refused")]  # once a minute
    other = await served.ask("GET", "/auth/signin", None, peer="127.0.0.2")
    assert other.status_code != 429
    assert (await served.ask("GET", "/api/v1/me")).status_code == 200  # who is signed in works on


async def test_a_request_that_was_let_in_and_comes_to_nothing_says_so_in_a_second_row(served):
    for method, path, body, why in (
        ("POST", "/api/v1/rings/c-none/claim", {}, "404 no-ring"),
        ("POST", "/api/v1/rings/c-farm/release", {}, "409 conflict"),
        ("POST", "/api/v1/rings/c-farm/notes", {"text": ""}, "422 validation"),
        ("GET", "/api/v1/queue", None, "503 unavailable"),
    ):
        before = len(served.audit.splitlines())
        answer = await served.ask(method, path, json=body)
        rows = [json.loads(line) for line in served.audit.splitlines()[before:]]
        assert str(answer.status_code) == why[:3]
        assert [row["result"] for row in rows] == ["allowed", "refused"]
        assert rows[1]["details"]["why"] == why
        assert rows[0]["target"] == rows[1]["target"]


async def test_a_question_without_a_graph_is_written_down_although_its_subject_was_never_looked_up(served):
    answer = await served.ask("GET", "/api/v1/accounts/+4915123456789")
    assert answer.status_code == 503
    row = json.loads(served.audit.splitlines()[-1])
    assert (row["result"], row["details"]["why"]) == ("refused", "503 unavailable")
    assert row["target"].startswith("mark:")


async def test_what_was_granted_leaves_one_row(served):
    await served.ask("GET", "/api/v1/nights")
    assert len(served.audit.splitlines()) == 1


async def test_the_lineage_of_a_ring_over_the_nights(served):
    found = (await served.ask("GET", "/api/v1/rings/c-farm/lineage", "viewer")).json()
    assert found == {
        "ring_id": "c-farm",
        "rows": [
            {"date": "2026-03-31", "cluster_id": "c-farm", "event": "grew", "parents": ["c-farm"], "n_accounts": 8}
        ],
        "n_rows_left_out": 0,
    }
    assert (await served.ask("GET", "/api/v1/rings/c-none/lineage")).status_code == 404
