"""No row, no data; and no raw value anywhere before a reveal, nor after it in the audit, the log or an address."""

import json
import logging

import pytest

from jobs.console.access import RULES, Rule
from jobs.console.api import nights
from jobs.desk.audit import verify_audit

pytestmark = pytest.mark.anyio

KEY = "5a" * 32


def break_audit(served):
    """Nothing can be added to the audit: its place is taken by a folder."""
    path = served.lake / "desk" / "audit.jsonl"
    path.unlink(missing_ok=True)
    (served.lake / "desk" / "audit.head").unlink(missing_ok=True)
    path.mkdir()


async def test_each_request_is_a_row_and_the_chain_holds(served):
    await served.ask("GET", "/api/v1/nights")
    await served.ask("GET", "/api/v1/rings/c0123456789abcdef/notes")
    await served.ask("GET", "/api/v1/nights", "auditor")
    rows = [json.loads(line) for line in served.audit.splitlines()]
    assert [(row["action"], row["target"], row["result"]) for row in rows] == [
        ("nights.view", "", "allowed"),
        ("notes.view", "c0123456789abcdef", "allowed"),
        ("nights.view", "", "refused"),
    ]
    verdict = verify_audit(served.lake, KEY)
    assert (verdict.n_rows, verdict.fault) == (3, None)


@pytest.mark.parametrize("value", ["garcia", "anna_maria", "carla-lopez-1990-01-02", "c4915112345678", "1990-01-02"])
async def test_what_only_looks_like_a_word_of_ours_is_written_down_as_a_mark(served, value):
    for path in (
        "accounts/{}",
        "rings/{}/notes",
        "why-linked?a={}&b={}",
        "neighbours?account_id={}&identifier_type={}",
    ):
        await served.ask("GET", f"/api/v1/{path.replace('{}', value)}")
    assert value not in served.audit
    assert "mark:" in served.audit


async def test_types_and_nights_are_written_down_as_they_are(served):
    await served.ask("GET", "/api/v1/neighbours?account_id=farm00&identifier_type=phone")
    await served.ask("GET", "/api/v1/nights/changes?since=2026-03-30&until=2026-03-31")
    rows = [json.loads(line)["details"] for line in served.audit.splitlines()]
    assert [row.get("identifier_type") for row in rows[:1]] == ["phone"]
    assert {row.get("until") for row in rows[1:]} == {"2026-03-31"}


async def test_without_a_row_no_data_goes_out_and_nothing_is_written(served, raw, hash_of_raw):
    known = hash_of_raw("phone", "phone")
    reveal = {
        "account_id": "farm00",
        "identifier_type": "phone",
        "identifier": known,
        "reason": "to call the person back",
    }
    break_audit(served)
    for method, path, body in (
        ("GET", "/api/v1/nights", None),
        ("GET", "/api/v1/rings/c-farm/notes", None),
        ("POST", "/api/v1/rings/c-farm/notes", {"text": "never kept"}),
        ("POST", "/api/v1/rings/c-farm/claim", {}),
        ("POST", "/api/v1/reveal", reveal),
        ("POST", "/auth/session", {"token": served.tokens["viewer"]}),
    ):
        answer = await served.ask(method, path, json=body)
        assert answer.status_code == 503, path
        assert answer.json().keys() == {"type", "title", "status", "detail"}
        assert raw["phone"] not in answer.text
        assert "set-cookie" not in answer.headers
    assert sorted(path.name for path in (served.lake / "desk").glob("*.jsonl")) == ["audit.jsonl", "tokens.jsonl"]


async def test_a_handler_that_forgets_its_row_gives_nothing(served, monkeypatch):
    rule = RULES["GET", "/api/v1/nights"]
    forgetful = {**RULES, ("GET", "/api/v1/nights"): Rule(rule.permission, rule.action, names_subject=True)}
    monkeypatch.setattr("jobs.console.gate.RULES", forgetful)
    answer = await served.ask("GET", "/api/v1/nights")
    assert answer.status_code == 503
    assert "nights" not in answer.json()


async def test_a_reveal_gives_one_value_for_a_reason_and_writes_down_no_value(served, raw, hash_of_raw, caplog):
    asked = {"account_id": "farm00", "identifier_type": "phone", "identifier": hash_of_raw("phone", "phone")}
    with caplog.at_level(logging.DEBUG):
        answer = await served.ask("POST", "/api/v1/reveal", json=asked | {"reason": "the customer asked us to call"})
    assert answer.status_code == 200
    assert answer.json()["values"] == {"phone": raw["phone"]}
    assert answer.json()["name"].startswith("phone ")
    row = json.loads(served.audit.splitlines()[-1])
    assert (row["action"], row["target"], row["result"]) == ("reveal", "farm00", "allowed")
    assert row["details"]["identifier"] == asked["identifier"]
    assert row["details"]["reason"] == "the customer asked us to call"
    assert not any(value in served.audit + caplog.text for value in raw.values())


@pytest.mark.parametrize("kind", ["device", "email", "national_id", "address"])
async def test_each_type_is_revealed_from_its_own_columns(served, raw, hash_of_raw, kind):
    columns = {"device": ["device_id"], "address": ["address", "postcode"]}.get(kind, [kind])
    asked = {
        "account_id": "farm00",
        "identifier_type": kind,
        "identifier": hash_of_raw(kind, *columns),
        "reason": "part of the case review",
    }
    answer = await served.ask("POST", "/api/v1/reveal", json=asked)
    assert answer.json()["values"] == {column: raw[column] for column in columns}


async def test_what_the_account_never_submitted_is_not_revealed(served, raw, hash_of_raw):
    known = {"identifier_type": "phone", "identifier": hash_of_raw("phone", "phone"), "reason": "looking around a bit"}
    for account, other in (
        ("farm01", {}),
        ("farm00", {"identifier": "0" * 64}),
        ("farm00", {"identifier_type": "email"}),
    ):
        answer = await served.ask("POST", "/api/v1/reveal", json={"account_id": account} | known | other)
        assert answer.status_code == 404
        assert '"result":"refused"' in served.audit.splitlines()[-1]
        assert raw["phone"] not in answer.text


@pytest.mark.parametrize("reason", ["to call +4915123456789 back", "call 49 151 2345-6789 again"])
async def test_a_reason_that_holds_the_value_is_refused_and_not_kept(served, raw, hash_of_raw, reason):
    asked = {
        "account_id": "farm00",
        "identifier_type": "phone",
        "identifier": hash_of_raw("phone", "phone"),
        "reason": reason,
    }
    answer = await served.ask("POST", "/api/v1/reveal", json=asked)
    assert answer.status_code == 422
    assert "holds the value" in served.audit.splitlines()[-1]
    assert "2345" not in served.audit.replace(asked["identifier"], "").split('"details":')[1].split('"mac"')[0]
    assert raw["phone"] not in answer.text


async def test_without_an_event_folder_nothing_is_revealed(serve, hash_of_raw):
    served = serve(events=None)
    asked = {
        "account_id": "farm00",
        "identifier_type": "phone",
        "identifier": hash_of_raw("phone", "phone"),
        "reason": "the customer asked",
    }
    assert (await served.ask("POST", "/api/v1/reveal", json=asked)).status_code == 404


async def test_no_raw_value_comes_out_of_any_other_route_nor_stays_anywhere(serve, raw, caplog):
    """Raw values are sent in every place that a careless client might put them, and come back from none."""
    served = serve(requests_per_minute=10_000, searches_per_minute=10_000)
    answers = []
    with caplog.at_level(logging.DEBUG):
        for value in raw.values():
            for method, path in RULES:
                if "openapi" in path or path.startswith("/auth"):
                    continue
                where = path.replace("{ring_id}", value).replace("{account_id:path}", value)
                params = dict.fromkeys(("a", "b", "account_id", "cursor", "identifier_type", "since", "until"), value)
                body = {
                    "term": value,
                    "text": 1,
                    "reason": value,
                    "account_id": value,
                    "verdict": value,
                    "format": value,
                }
                answers += [
                    await served.ask(method, where, role, params=params, json=body)
                    for role in ("investigator", "auditor")
                ]
    assert {answer.status_code for answer in answers} <= {200, 303, 400, 403, 404, 409, 422, 503}
    for value in raw.values():
        assert not any(value in answer.text or value in answer.headers.get("location", "") for answer in answers)
        assert value not in served.audit
        assert value not in "".join(
            record.getMessage() for record in caplog.records if record.name.startswith("ringlight")
        )


async def test_a_night_that_cannot_be_read_is_still_a_row(served, monkeypatch):
    from graph.errors import InputError

    def gone(_):
        raise InputError("x")

    monkeypatch.setattr(nights, "current_night", gone)
    answer = await served.ask("GET", "/api/v1/nights")
    assert answer.status_code == 400
    assert "nights.view" in served.audit
