"""Every route with every role; who is let in by what; and that a console which nobody guards does not start."""

import secrets
from datetime import timedelta

import pytest

from graph.errors import InputError, RinglightError
from jobs.console.access import GRANTS, RULES, Permission, person_name, refuse_unlisted
from jobs.console.app import routes_of
from jobs.console.config import ConsoleConfig
from jobs.console.gate import NOBODY
from jobs.console.pages.queue import MINE, NOBODYS
from jobs.console.signin import DEMO
from jobs.desk.roles import Role, Scope
from jobs.desk.tokens import list_tokens, make_token, revoke_token

pytestmark = pytest.mark.anyio

# What the product promises, written out and not derived from the code's table.
MAY = {
    Permission.signed_in: {"viewer", "investigator", "admin", "auditor"},
    Permission.read: {"viewer", "investigator"},
    Permission.write: {"investigator"},
    Permission.export: {"investigator"},
    Permission.reveal: {"investigator"},
    Permission.audit: {"auditor"},
}
GUARDED = [(method, path) for (method, path), rule in RULES.items() if rule.permission is not Permission.public]
PUBLIC = {
    ("GET", "/healthz"), ("GET", "/auth/signin"), ("GET", "/auth/callback"), ("POST", "/auth/session"),
    ("GET", "/"), ("GET", "/signin"), ("GET", "/static/{release}/{path:path}"),
}  # fmt: skip
OWN_NAMES = (DEMO.name, NOBODY.name, MINE, NOBODYS, "ringlight")  # the last writes down that the audit was torn


def concrete(path: str) -> str:
    return path.replace("{ring_id}", "c-farm").replace("{account_id:path}", "farm00")


def test_the_public_routes_are_these_and_no_other():
    assert {name for name, rule in RULES.items() if rule.permission is Permission.public} == PUBLIC


def test_every_route_of_the_application_has_a_rule(served):
    assert set(routes_of(served.app)) == set(RULES)


def test_a_route_without_a_rule_does_not_start(served):
    with pytest.raises(RinglightError, match="/api/v1/new"):
        refuse_unlisted([*RULES, ("GET", "/api/v1/new")])
    with pytest.raises(RinglightError, match="healthz"):
        refuse_unlisted(set(RULES) - {("GET", "/healthz")})


def test_a_route_that_is_not_behind_the_gate_does_not_start(served):
    served.app.add_route("/healthz", lambda request: None, methods=["GET"])
    with pytest.raises(RinglightError, match="not gated"):
        refuse_unlisted(routes_of(served.app))


@pytest.mark.parametrize("role", list(Role))
async def test_every_route_with_every_role(serve, role):
    served = serve(requests_per_minute=10_000)
    for method, path in GUARDED:
        answer = await served.ask(method, concrete(path), role.value)
        place = f"{method} {path}"
        last = served.audit.splitlines()[-1] if served.audit else ""
        if role.value in MAY[RULES[method, path].permission]:
            assert answer.status_code not in (401, 403, 500), place
            assert '"result":"allowed"' in last or answer.status_code >= 400, place
        else:
            assert answer.status_code == 403, place
            assert answer.json()["type"] == "urn:ringlight:problem:permission", place
            assert '"result":"refused"' in last, place


async def test_no_route_without_a_sign_in(serve):
    served = serve(failures_per_minute=10_000)
    for number, (method, path) in enumerate(GUARDED, start=1):
        answer = await served.ask(method, concrete(path), None, content=b"{broken")
        assert answer.status_code == 401, f"{method} {path}"
        assert answer.headers["content-type"] == "application/problem+json"
        rows = served.audit.splitlines()
        assert len(rows) == number
        assert '"actor":"anonymous"' in rows[-1]
        assert '"result":"refused"' in rows[-1]


@pytest.mark.parametrize("scope", list(Scope))
async def test_a_token_does_no_more_than_its_scopes(served, clock, scope):
    served.tokens["narrow"], _ = make_token(
        served.lake, "narrow", Role.investigator, clock.now + timedelta(days=1), secrets.token_hex,
        created_by="test", now=clock.now, scopes=(scope,),
    )  # fmt: skip
    calls = {
        Scope.read: ("GET", "/api/v1/nights"),
        Scope.write: ("POST", "/api/v1/rings/c-farm/claim"),
        Scope.export: ("POST", "/api/v1/rings/c-farm/exports"),
        Scope.reveal: ("POST", "/api/v1/reveal"),
    }
    for wanted, (method, path) in calls.items():
        answer = await served.ask(method, path, "narrow")
        assert (answer.status_code == 403) is (wanted is not scope)


async def test_a_token_that_expired_or_was_revoked_is_nobody(served, clock):
    assert (await served.ask("GET", "/api/v1/me")).status_code == 200
    token = next(each for each in list_tokens(served.lake) if each.name.startswith("investigator"))
    revoke_token(served.lake, token.token_id, actor="test", now=clock.now)
    assert (await served.ask("GET", "/api/v1/me")).status_code == 401
    clock.now += timedelta(days=31)
    assert (await served.ask("GET", "/api/v1/me", "viewer")).status_code == 401


@pytest.mark.parametrize("header", ["Bearer wrong", "Basic cm9vdDpyb290", "Bearer", "bearer ", "Bearer \u00e9"])
async def test_what_is_no_token_is_nobody(served, header):
    answer = await served.ask("GET", "/api/v1/me", None, headers={"Authorization": header.encode()})
    assert answer.status_code == 401


async def test_a_session_is_begun_with_a_token_and_ends_for_good(served):
    async with served.client() as client:
        own = {"Origin": "http://127.0.0.1:8484", "Sec-Fetch-Site": "same-origin"}
        begun = await client.post("/auth/session", json={"token": served.tokens["viewer"]}, headers=own)
        assert begun.status_code == 201
        cookie = begun.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=lax" in cookie
        assert served.tokens["viewer"] not in cookie
        assert (await client.get("/api/v1/me")).json()["roles"] == ["viewer"]
        kept = dict(client.cookies)
        assert (await client.post("/auth/signout", headers=own)).status_code == 200
        assert (await client.get("/api/v1/me")).status_code == 401
        client.cookies.update(kept)
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_session_ends_with_its_time_and_with_its_token(served, clock):
    async with served.client() as client:
        await client.post("/auth/session", json={"token": served.tokens["viewer"]})
        clock.now += timedelta(minutes=481)
        assert (await client.get("/api/v1/me")).status_code == 401
        await client.post("/auth/session", json={"token": served.tokens["viewer"]})
        assert (await client.get("/api/v1/me")).status_code == 200
        token = next(each for each in list_tokens(served.lake) if each.name.startswith("viewer"))
        revoke_token(served.lake, token.token_id, actor="test", now=clock.now)
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_cookie_that_was_changed_is_nobody(served):
    async with served.client() as client:
        await client.post("/auth/session", json={"token": served.tokens["viewer"]})
        cookie = client.cookies["ringlight"]
        for changed in ("", "x", cookie[:-1], cookie[1:], cookie.replace(".", ".A"), cookie + "A"):
            client.cookies.clear()
            answer = await client.get("/api/v1/me", headers={"Cookie": f"ringlight={changed}"})
            assert answer.status_code == 401


async def test_behind_https_the_cookie_is_for_https_alone(serve):
    served = serve(origin="https://ringlight.example")
    async with served.client(base="https://ringlight.example") as client:
        begun = await client.post("/auth/session", json={"token": served.tokens["viewer"]})
        assert begun.headers["set-cookie"].startswith("__Host-ringlight=")
        assert "Secure" in begun.headers["set-cookie"]
        assert "strict-transport-security" in begun.headers


async def test_a_listed_proxy_signs_people_in_and_no_other_address_does(serve):
    served = serve(trusted_proxies="10.1.0.0/16", with_tokens=False)
    headers = {"X-Forwarded-User": "ana", "X-Forwarded-Roles": "viewer, unheard-of"}
    known = await served.ask("GET", "/api/v1/me", None, peer="10.1.2.3", headers=headers)
    assert (known.json()["name"], known.json()["roles"]) == ("ana", ["viewer"])
    forged = headers | {"X-Forwarded-For": "10.1.2.3", "Forwarded": "for=10.1.2.3"}
    for peer in ("127.0.0.1", "10.2.0.1", "::1"):
        assert (await served.ask("GET", "/api/v1/me", None, peer=peer, headers=forged)).status_code == 401
    for bad in (
        {"X-Forwarded-User": "ana"},
        {"X-Forwarded-User": "ana", "X-Forwarded-Roles": "root"},
        {"X-Forwarded-Roles": "viewer"},
    ):
        assert (await served.ask("GET", "/api/v1/me", None, peer="10.1.2.3", headers=bad)).status_code == 401


@pytest.mark.parametrize("name", [*OWN_NAMES, "token:etl", " Token:etl ", "DEMO"])
async def test_nobody_comes_by_a_proxy_under_a_name_of_the_consoles_own(serve, name):
    served = serve(trusted_proxies="10.1.0.0/16", with_tokens=False)
    headers = {"X-Forwarded-User": name, "X-Forwarded-Roles": "viewer"}
    assert (await served.ask("GET", "/api/v1/me", None, peer="10.1.2.3", headers=headers)).status_code == 401


def test_a_name_is_a_persons_where_it_only_holds_a_word_of_the_consoles_own():
    names = ["ana", "demo-user", "ana@ringlight.example", "tokens", "@mei"]
    assert [person_name(f" {name} ") for name in names] == names


async def test_the_demo_is_for_this_machine_alone(serve):
    served = serve(demo_token="demo-secret", with_tokens=False)
    headers = {"Authorization": "Bearer demo-secret"}
    assert (await served.ask("GET", "/api/v1/me", None, headers=headers)).json()["name"] == "demo"
    assert (await served.ask("GET", "/api/v1/me", None, peer="192.168.1.9", headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "settings", [{"host": "0.0.0.0", "origin": "https://ringlight.example"}, {"origin": "https://ringlight.example"}]
)
def test_the_demo_does_not_start_beyond_loopback(serve, settings):
    with pytest.raises(InputError, match="--demo"):
        serve(demo_token="demo-secret", with_tokens=False, **settings)


def test_without_a_way_to_sign_in_nothing_starts(serve):
    with pytest.raises(InputError, match="sign in"):
        serve(with_tokens=False)


@pytest.mark.parametrize(
    "settings",
    [
        {"host": "0.0.0.0"},
        {"origin": "http://ringlight.example"},
        {"origin": "https://ringlight.example/path"},
        {"trusted_proxies": "0.0.0.0/0"},
        {"trusted_proxies": "not-a-network"},
        {"oidc": {"issuer": "http://idp.example", "client_id": "c", "roles": {"g": "viewer"}}},
        {"oidc": {"issuer": "https://idp.example", "client_id": "c", "roles": {"g": "root"}}},
        {"oidc": {"issuer": "https://idp.example", "client_id": "c", "roles": {}}},
        {"demo": True},
    ],
)
def test_settings_that_would_open_a_door_are_refused(settings):
    with pytest.raises(ValueError, match=r"validation error"):
        ConsoleConfig.model_validate(settings)


def test_no_role_has_every_permission_and_each_is_somebodys():
    assert {permission for granted in GRANTS.values() for permission in granted} == set(MAY)
    assert all(len(granted) < len(MAY) for granted in GRANTS.values())
