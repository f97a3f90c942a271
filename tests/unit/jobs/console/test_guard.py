"""What requests pass: origin, host, size, rate; what every answer carries; and that an error tells nothing."""

import json
import logging

import pytest

from jobs.console.app import routes_of
from jobs.console.guard import SECURITY_HEADERS
from jobs.console.problems import PROBLEM_TYPE

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:8484"
NOTE = {"text": "seen"}
NOTES = "/api/v1/rings/c-farm/notes"


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}, True),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "http://localhost:8484"}, True),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:8485"}, False),
        ({}, False),
    ],
)
async def test_a_change_by_cookie_comes_from_the_consoles_own_pages(served, headers, is_let_in):
    async with served.client() as client:
        await client.post("/auth/session", json={"token": served.tokens["investigator"]})
        answer = await client.post(NOTES, json=NOTE, headers=headers)
    assert answer.status_code == (201 if is_let_in else 403)
    if not is_let_in:
        assert answer.json()["type"] == "urn:ringlight:problem:origin"
        assert "foreign origin" in served.audit.splitlines()[-1]


async def test_a_bearer_token_needs_no_origin_and_a_foreign_one_is_refused_all_the_same(served):
    assert (await served.ask("POST", NOTES, json=NOTE)).status_code == 201
    foreign = await served.ask("POST", NOTES, json=NOTE, headers={"Origin": "https://evil.example"})
    assert foreign.status_code == 403


async def test_signing_in_from_a_foreign_page_is_refused(served):
    async with served.client() as client:
        answer = await client.post(
            "/auth/session", json={"token": served.tokens["viewer"]}, headers={"Origin": "https://evil.example"}
        )
    assert answer.status_code == 403


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8484", "127.0.0.1:9999", ""])
async def test_another_name_for_this_address_is_not_answered(served, host):
    answer = await served.ask("GET", "/api/v1/me", headers={"Host": host})
    assert answer.status_code == 421


async def test_every_answer_carries_the_headers(served):
    for path, role in (("/healthz", None), ("/api/v1/nights", "viewer"), ("/nowhere", None), ("/api/v1/me", None)):
        answer = await served.ask("GET", path, role)
        assert {name: answer.headers[name] for name in SECURITY_HEADERS} == SECURITY_HEADERS
        assert "set-cookie" not in answer.headers


async def test_a_request_that_is_too_large_is_not_read(served):
    large = b'{"text": "' + b"x" * 70_000 + b'"}'
    announced = await served.ask("POST", NOTES, content=large)

    async def pieces():
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    streamed = await served.ask("POST", NOTES, content=pieces())
    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert answer.headers["content-type"] == PROBLEM_TYPE
        assert answer.json()["detail"] == "The request's body must be at most 65,536 bytes here. Send less at once."


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/api/v1/nights", 405), ("PUT", NOTES, 405)]
)
async def test_what_is_not_there_is_a_problem(served, method, path, status):
    answer = await served.ask(method, path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == PROBLEM_TYPE
    assert answer.json()["status"] == status


async def test_a_validation_problem_says_where_and_not_what(served, raw):
    body = {"text": 7, raw["email"]: raw["phone"], "supersedes": raw["national_id"] + "!"}
    answer = await served.ask("POST", NOTES, json=body)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == PROBLEM_TYPE
    faults = answer.json()["faults"]
    assert {(fault["part"], fault["pointer"]) for fault in faults} == {
        ("body", "/text"),
        ("body", "/supersedes"),
        ("body", ""),
    }
    assert not any(value in answer.text for value in raw.values())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"text": "\\ud800"}'])
async def test_a_body_that_is_none_is_a_problem(served, body):
    answer = await served.ask("POST", NOTES, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == PROBLEM_TYPE


async def test_a_fault_tells_nothing_and_is_written_down_where_values_may_lie(served, raw, monkeypatch, caplog):
    def fail(*_):
        raise ValueError(raw["national_id"])

    monkeypatch.setattr("jobs.console.api.nights.list_nights", fail)
    with caplog.at_level(logging.DEBUG):
        answer = await served.ask("GET", "/api/v1/nights")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == PROBLEM_TYPE
    assert raw["national_id"] not in answer.text + caplog.text
    faults = served.lake / "restricted" / "faults.log"
    assert raw["national_id"] in faults.read_text()
    assert faults.stat().st_mode & 0o777 == 0o600


async def test_rates_are_counted_for_each_and_tighter_where_it_matters(serve):
    served = serve(searches_per_minute=3, requests_per_minute=8)
    body = {"term": "somebody"}
    statuses = [(await served.ask("POST", "/api/v1/search", json=body)).status_code for _ in range(5)]
    assert statuses == [503, 503, 503, 429, 429]  # 503: there is no graph here
    assert (await served.ask("POST", "/api/v1/search", "viewer", json=body)).status_code == 503
    statuses = [(await served.ask("GET", "/api/v1/me")).status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    refused = await served.ask("GET", "/api/v1/me")
    assert int(refused.headers["retry-after"]) > 0
    assert served.audit.count("too many requests") == 2  # a flood is told of once a minute, of each kind


async def test_guessing_tokens_is_slowed_down_for_the_address(serve):
    served = serve(failures_per_minute=4)
    wrong = {"Authorization": "Bearer wrong"}
    statuses = [(await served.ask("GET", "/api/v1/me", None, headers=wrong)).status_code for _ in range(6)]
    assert statuses == [401, 401, 401, 401, 429, 429]
    assert (await served.ask("GET", "/api/v1/me", None, peer="127.0.0.2", headers=wrong)).status_code == 401
    assert (await served.ask("GET", "/api/v1/me")).status_code == 200
    async with served.client() as client:
        assert (await client.post("/auth/session", json={"token": "wrong"})).status_code == 429


async def test_who_brings_no_sign_in_locks_nobody_out_and_is_written_down_a_few_times(serve):
    served = serve(failures_per_minute=3)
    statuses = [
        (await served.ask("GET", "/queue", None, headers={"Accept": "text/html"})).status_code for _ in range(8)
    ]
    assert statuses == [303] * 8
    async with served.client() as client:
        assert (await client.post("/auth/session", json={"token": served.tokens["viewer"]})).status_code == 201
    assert served.audit.count('"not signed in"') == 3
    assert served.audit.count("not signed in, again and again") == 1


async def test_behind_a_listed_proxy_each_client_is_counted_alone(serve):
    served = serve(failures_per_minute=2, trusted_proxies="10.1.0.0/16")

    async def guess(forwarded: str, peer: str = "10.1.0.1") -> int:
        headers = {"Authorization": "Bearer wrong", "X-Forwarded-For": forwarded}
        return (await served.ask("GET", "/api/v1/me", None, peer=peer, headers=headers)).status_code

    made_up = [await guess(f"203.0.113.{number}, 198.51.100.7, 10.1.0.2") for number in range(3)]
    assert made_up == [401, 401, 429]
    assert await guess("198.51.100.8") == 401
    assert [await guess(f"203.0.113.{number}", "192.0.2.1") for number in range(3)] == [401, 401, 429]
    assert [await guess(text) for text in ("", "unknown", "10.1.0.1x")] == [401, 401, 429]  # the proxy's own address
    async with served.client("10.1.0.1") as client:
        answers = [
            await client.post("/auth/session", json={"token": "wrong"}, headers={"X-Forwarded-For": address})
            for address in ("198.51.100.7", "198.51.100.9")
        ]
    assert [answer.status_code for answer in answers] == [429, 401]


async def test_signins_with_the_provider_are_counted_for_each_client_behind_a_proxy(serve):
    served = serve(signins_per_minute=1, trusted_proxies="10.1.0.0/16")

    async def begin(address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return (await served.ask("GET", "/auth/signin", None, peer="10.1.0.1", headers=headers)).status_code

    first = await begin("198.51.100.7")
    assert first != 429
    assert [await begin("198.51.100.7"), await begin("198.51.100.8")] == [429, first]


async def test_openapi_names_every_route_and_its_problems(served):
    answer = await served.ask("GET", "/api/v1/openapi.json")
    described = answer.json()
    found = {(method.upper(), path) for path, methods in described["paths"].items() for method in methods}
    spoken = {(method, path.replace(":path", "")) for method, path in routes_of(served.app)}
    assert found == {(method, path) for method, path in spoken if path.startswith(("/api/", "/auth/", "/healthz"))}
    for methods in described["paths"].values():
        for operation in methods.values():
            assert PROBLEM_TYPE in operation["responses"]["422"]["content"]
    assert json.dumps(described)
