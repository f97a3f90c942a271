"""Claims, notes and verdicts over the API: whose, on which version, once, and never changed."""

from dataclasses import replace
from datetime import UTC, datetime

import polars as pl
import pytest

from graph.lake import current_night, write_table
from jobs.desk.dispositions import Disposition, read_dispositions, record_disposition, shared_evidence

START = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)  # as in conftest.py
pytestmark = pytest.mark.anyio

RING = "/api/v1/rings/c-farm"
VERDICT = {"verdict": "confirmed_ring", "reason": "one actor behind one device", "account_ids": ["farm02", "farm03"]}


def version_of(served, ring: str = "c-farm") -> str:
    rings = current_night(served.lake).read("rings")
    return rings.filter(pl.col("ring_id") == ring)["ring_version"].item()


def matching(served) -> dict[str, str]:
    return {"If-Match": f'"{version_of(served)}"'}


async def test_a_ring_is_claimed_given_back_and_taken_over_knowingly(served):
    claimed = await served.ask("POST", f"{RING}/claim")
    assert claimed.json()["owner"].startswith("token:investigator")
    assert (await served.ask("POST", f"{RING}/claim")).status_code == 409
    served.tokens["other"] = served.tokens["viewer"]
    assert (await served.ask("POST", f"{RING}/release", "viewer")).status_code == 403
    assert (await served.ask("POST", f"{RING}/release")).json()["owner"] is None
    assert (await served.ask("POST", f"{RING}/release")).status_code == 409
    assert (await served.ask("POST", f"{RING}/claim", json={"takes_over": True})).status_code == 409
    assert (await served.ask("POST", "/api/v1/rings/c-nothing/claim")).status_code == 404


async def test_a_note_is_kept_and_superseded_never_changed(served):
    first = await served.ask("POST", f"{RING}/notes", json={"text": "a farm"})
    assert first.status_code == 201
    assert first.json()["ring_version"] == version_of(served)
    second = await served.ask("POST", f"{RING}/notes", json={"text": "no farm", "supersedes": first.json()["note_id"]})
    assert second.status_code == 201
    again = await served.ask("POST", f"{RING}/notes", json={"text": "x", "supersedes": first.json()["note_id"]})
    assert again.status_code == 409
    listed = (await served.ask("GET", f"{RING}/notes", "viewer")).json()["notes"]
    assert [note["text"] for note in listed] == ["a farm", "no farm"]
    foreign = await served.ask(
        "POST", "/api/v1/rings/c-chain/notes", json={"text": "x", "supersedes": first.json()["note_id"]}
    )
    assert foreign.status_code == 422


async def test_a_verdict_is_on_the_version_that_was_looked_at(served):
    assert (await served.ask("POST", f"{RING}/dispositions", json=VERDICT)).status_code == 428
    moved = await served.ask("POST", f"{RING}/dispositions", json=VERDICT, headers={"If-Match": '"older"'})
    assert moved.status_code == 409
    assert moved.json()["ring_version"] == version_of(served)
    assert read_dispositions(served.lake) == ()
    made = await served.ask("POST", f"{RING}/dispositions", json=VERDICT, headers=matching(served))
    assert made.status_code == 201
    assert made.headers["etag"] == f'"{version_of(served)}"'
    kept = read_dispositions(served.lake)[0]
    assert (kept.ring_version, kept.night, kept.account_ids) == (
        version_of(served),
        current_night(served.lake).date,
        ("farm02", "farm03"),
    )
    assert kept.evidence == shared_evidence(current_night(served.lake), ["farm02", "farm03"]) != ()


async def test_a_second_verdict_says_which_it_supersedes(served):
    first = await served.ask("POST", f"{RING}/dispositions", json=VERDICT, headers=matching(served))
    other = VERDICT | {"verdict": "household", "reason": "a family"}
    stands = await served.ask("POST", f"{RING}/dispositions", json=other, headers=matching(served))
    assert stands.status_code == 409
    assert stands.json()["standing"] == [first.json()["disposition_id"]]
    named = other | {"supersedes": first.json()["disposition_id"]}
    second = await served.ask("POST", f"{RING}/dispositions", json=named, headers=matching(served))
    assert second.status_code == 201
    history = (await served.ask("GET", f"{RING}/dispositions", "viewer")).json()
    assert [each["verdict"] for each in history["dispositions"]] == ["confirmed_ring", "household"]
    assert history["standing"] == [second.json()["disposition_id"]]


async def test_of_two_first_verdicts_at_once_one_stands_even_from_two_consoles(served, monkeypatch):
    theirs = []

    def overtaken(night, accounts):  # another console writes after this one has looked, and before it writes
        theirs.append(Disposition("d1", "c-farm", version_of(served), night.date, "needs_more", "x", (), "ben", START))
        record_disposition(served.lake, theirs[0])
        return shared_evidence(night, accounts)

    monkeypatch.setattr("jobs.console.api.desk.shared_evidence", overtaken)
    answer = await served.ask("POST", f"{RING}/dispositions", json=VERDICT, headers=matching(served))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:ringlight:problem:conflict")
    assert list(read_dispositions(served.lake)) == theirs


async def test_a_verdict_names_all_members_of_a_large_ring(served):
    night = current_night(served.lake)
    members = [f"{number:036d}" for number in range(5_000)]
    scores = night.read("scores")
    more = (
        scores.filter(pl.col("account_id") == "farm00")
        .drop("account_id")
        .join(pl.DataFrame({"account_id": members}), how="cross")
    )
    write_table(pl.concat([scores, more.select(scores.columns)]), night.folder, "scores")
    body = VERDICT | {"account_ids": members}
    made = await served.ask("POST", f"{RING}/dispositions", json=body, headers=matching(served))
    assert (made.status_code, len(made.json()["account_ids"])) == (201, 5_000)
    assert len(read_dispositions(served.lake)[0].account_ids) == 5_000


@pytest.mark.parametrize("accounts", [["home00"], ["farm02", "stranger"], []])
async def test_a_verdict_is_on_members_alone(served, accounts):
    body = VERDICT | {"account_ids": accounts}
    answer = await served.ask("POST", f"{RING}/dispositions", json=body, headers=matching(served))
    assert answer.status_code == 422
    assert read_dispositions(served.lake) == ()


async def test_more_may_be_needed_of_nobody_in_particular(served):
    body = {"verdict": "needs_more", "reason": "ask for papers"}
    assert (await served.ask("POST", f"{RING}/dispositions", json=body, headers=matching(served))).status_code == 201


async def test_a_change_that_is_sent_twice_is_done_once(served):
    headers = {"Idempotency-Key": "k1"}
    first = await served.ask("POST", f"{RING}/notes", json={"text": "once"}, headers=headers)
    again = await served.ask("POST", f"{RING}/notes", json={"text": "once"}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["idempotency-replayed"] == "true"
    other = await served.ask("POST", f"{RING}/notes", json={"text": "twice"}, headers=headers)
    assert other.status_code == 422
    assert len((await served.ask("GET", f"{RING}/notes")).json()["notes"]) == 1
    elsewhere = await served.ask("POST", "/api/v1/rings/c-chain/notes", json={"text": "once"}, headers=headers)
    assert elsewhere.status_code == 201
    assert "idempotency-replayed" not in elsewhere.headers


async def test_a_change_that_failed_may_be_tried_again_with_its_key(served):
    headers = {"Idempotency-Key": "k2"}
    assert (await served.ask("POST", f"{RING}/dispositions", json=VERDICT, headers=headers)).status_code == 428
    good = await served.ask("POST", f"{RING}/dispositions", json=VERDICT, headers=headers | matching(served))
    assert good.status_code == 201


async def test_a_key_that_is_too_long_is_refused(served):
    answer = await served.ask("POST", f"{RING}/notes", json={"text": "x"}, headers={"Idempotency-Key": "k" * 129})
    assert answer.status_code == 400


async def test_the_audit_is_read_page_by_page_and_filtered(served):
    for _ in range(3):
        await served.ask("GET", f"{RING}/notes", "viewer")
    await served.ask("GET", "/api/v1/nights", "viewer")
    first = (await served.ask("GET", "/api/v1/audit", "auditor", params={"limit": 2})).json()
    assert [row["action"] for row in first["rows"]] == ["audit.view", "nights.view"]
    following = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await served.ask("GET", "/api/v1/audit", "auditor", params=following)).json()
    assert [row["action"] for row in second["rows"]] == ["notes.view", "notes.view"]
    assert second["rows"][0]["seq"] < first["rows"][-1]["seq"]
    notes = (await served.ask("GET", "/api/v1/audit", "auditor", params={"action": "notes.view"})).json()
    assert len(notes["rows"]) == 3
    assert (notes["n_looked_at"], notes["next_cursor"]) == (7, None)
    other = await served.ask("GET", "/api/v1/audit", "auditor", params=following | {"action": "notes.view"})
    assert other.status_code == 400
    tampered = await served.ask("GET", "/api/v1/audit", "auditor", params={"cursor": first["next_cursor"][:-2] + "AA"})
    assert tampered.status_code == 400


async def test_nights_and_what_changed_between_two(served, made_night):
    day = current_night(served.lake).date
    later = replace(made_night(served.lake, day.replace(month=4, day=1)))
    listed = (await served.ask("GET", "/api/v1/nights", "viewer")).json()["nights"]
    assert [(night["date"], night["is_current"]) for night in listed] == [(str(later.date), True), (str(day), False)]
    params = {"since": str(day), "until": str(later.date), "limit": 1}
    found = (await served.ask("GET", "/api/v1/nights/changes", "viewer", params=params)).json()
    assert found["totals"]["unchanged"] == 2
    assert len(found["rings"]) == 1
    more = (
        await served.ask("GET", "/api/v1/nights/changes", "viewer", params=params | {"cursor": found["next_cursor"]})
    ).json()
    assert more["next_cursor"] is None
    assert {found["rings"][0]["ring_id"], more["rings"][0]["ring_id"]} == {"c-farm", "c-chain"}
    backwards = await served.ask(
        "GET", "/api/v1/nights/changes", "viewer", params={"since": params["until"], "until": params["since"]}
    )
    assert backwards.status_code == 422
    nothing = await served.ask(
        "GET", "/api/v1/nights/changes", "viewer", params={"since": "2020-01-01", "until": str(day)}
    )
    assert nothing.status_code == 404
