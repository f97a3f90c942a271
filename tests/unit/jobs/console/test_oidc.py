"""Sign-in by OpenID Connect, against a small provider that checks PKCE and signs real tokens."""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from jobs.desk.roles import Role

pytestmark = pytest.mark.anyio

CALLBACK = "http://127.0.0.1:8484/auth/callback"


class Provider:
    """Gives a code for whoever asks, and an id token for a code with its verifier. `claims` overrides what the token says."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1"})
        self.other_key = RSAKey.generate_key(2048, {"kid": "k1"})
        self.claims: dict[str, Any] = {}
        self.signs_with, self.now = self.key, 0
        self.asked: dict[str, str] = {}
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.answer(
                    200,
                    provider.metadata()
                    if "well-known" in self.path
                    else {"keys": [provider.key.as_dict(private=False)]},
                )

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                form = {name: values[0] for name, values in parse_qs(self.rfile.read(length).decode()).items()}
                challenge = (
                    base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest())
                    .rstrip(b"=")
                    .decode()
                )
                if (
                    form["code"] != "good"
                    or challenge != provider.asked["code_challenge"]
                    or form["redirect_uri"] != CALLBACK
                ):
                    self.answer(400, {"error": "invalid_grant"})
                    return
                self.answer(200, {"access_token": "a", "token_type": "Bearer", "id_token": provider.id_token()})

            def answer(self, status: int, body: dict[str, Any]) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.issuer = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def metadata(self) -> dict[str, str]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
        }

    def id_token(self) -> str:
        claims = {"iss": self.issuer, "aud": "ringlight", "sub": "ana", "groups": ["fraud", "lunch"], "nonce": self.asked["nonce"],
                  "iat": self.now, "exp": self.now + 300}  # fmt: skip
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims | self.claims, self.signs_with)


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def signing(serve, provider, clock):
    provider.now = int(clock.now.timestamp())
    oidc = {"issuer": provider.issuer, "client_id": "ringlight", "roles": {"fraud": "investigator", "audit": "auditor"}}
    return serve(with_tokens=False, oidc=oidc)


async def begin(client, provider, path: str = "/auth/signin") -> str:
    """The state of a sign-in that was begun; what the browser carried to the provider is kept there."""
    begun = await client.get(path)
    assert begun.status_code == 303
    parts = urlsplit(begun.headers["location"])
    provider.asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    assert f"{parts.scheme}://{parts.netloc}" == provider.issuer
    assert provider.asked["code_challenge_method"] == "S256"
    assert provider.asked["redirect_uri"] == CALLBACK
    return provider.asked["state"]


async def test_a_person_signs_in_with_the_roles_of_their_groups(signing, provider):
    async with signing.client() as client:
        state = await begin(client, provider)
        back = await client.get("/auth/callback", params={"code": "good", "state": state})
        assert (back.status_code, back.headers["location"]) == (303, "/")
        me = (await client.get("/api/v1/me")).json()
        assert (me["name"], me["roles"]) == ("ana", [Role.investigator])
    assert '"action":"signin"' in signing.audit
    assert '"actor":"ana"' in signing.audit


@pytest.mark.parametrize(
    ("wanted", "led"),
    [("/rings/c-farm%3Fselect%3Da", "/rings/c-farm?select=a"), ("https://evil.example/", "/"), ("//evil.example", "/")],
)
async def test_a_person_comes_back_to_the_page_that_they_wanted_and_never_elsewhere(signing, provider, wanted, led):
    async with signing.client() as client:
        page = await client.get(f"/signin?next={wanted}", headers={"Accept": "text/html"})
        assert "Sign in with your organisation" in page.text
        state = await begin(client, provider, f"/auth/signin?next={wanted}")
        back = await client.get("/auth/callback", params={"code": "good", "state": state})
        assert (back.status_code, back.headers["location"]) == (303, led)


@pytest.mark.parametrize("n_letters", [1_000, 1_978, 1_979, 20_000])
async def test_a_long_selection_locks_nobody_out(signing, provider, n_letters):
    page, query = "/rings/c-farm", "?select=" + "a" * n_letters
    async with signing.client() as client:
        begun = await client.get("/auth/signin", params={"next": page + query})
        assert len(begun.headers["set-cookie"]) <= 4_096  # browsers drop what is larger
        provider.asked = {
            name: values[0] for name, values in parse_qs(urlsplit(begun.headers["location"]).query).items()
        }
        back = await client.get("/auth/callback", params={"code": "good", "state": provider.asked["state"]})
        assert back.headers["location"] == (page + query if len(page + query) <= 2_000 else page)


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"},
        {"iss": "https://evil.example"},
        {"nonce": "another"},
        {"exp": 1},
        {"nonce": None},
        {"sub": ""},
        {"sub": 7},
        {"sub": "token:etl"},
        {"sub": "demo"},
    ],
)
async def test_a_token_that_is_not_for_this_sign_in_is_refused(signing, provider, claims):
    provider.claims = claims
    async with signing.client() as client:
        state = await begin(client, provider)
        back = await client.get("/auth/callback", params={"code": "good", "state": state})
        assert back.status_code == 401
        assert (await client.get("/api/v1/me")).status_code == 401
    assert '"result":"refused"' in signing.audit


async def test_a_token_of_another_key_is_refused(signing, provider):
    provider.signs_with = provider.other_key
    async with signing.client() as client:
        state = await begin(client, provider)
        assert (await client.get("/auth/callback", params={"code": "good", "state": state})).status_code == 401


async def test_who_is_in_no_listed_group_has_no_role(signing, provider):
    provider.claims = {"groups": ["lunch"]}
    async with signing.client() as client:
        state = await begin(client, provider)
        assert (await client.get("/auth/callback", params={"code": "good", "state": state})).status_code == 403
        assert (await client.get("/api/v1/me")).status_code == 401


async def test_a_sign_in_that_was_not_begun_here_or_took_too_long_is_refused(signing, provider, clock):
    from datetime import timedelta

    async with signing.client() as client:
        state = await begin(client, provider)
        assert (await client.get("/auth/callback", params={"code": "good", "state": "another"})).status_code == 401
        assert (await client.get("/auth/callback", params={"code": "bad", "state": state})).status_code == 401
        assert (
            await client.get("/auth/callback", params={"error": "access_denied", "state": state})
        ).status_code == 401
    async with signing.client() as stranger:
        assert (await stranger.get("/auth/callback", params={"code": "good", "state": state})).status_code == 401
    async with signing.client() as client:
        state = await begin(client, provider)
        clock.now += timedelta(seconds=601)
        assert (await client.get("/auth/callback", params={"code": "good", "state": state})).status_code == 401


async def test_a_provider_that_is_gone_is_told_and_without_one_there_is_no_way_there(signing, provider, serve):
    provider.server.shutdown()
    provider.server.server_close()
    async with signing.client() as client:
        assert (await client.get("/auth/signin")).status_code == 503
    async with serve().client() as client:
        assert (await client.get("/auth/signin")).status_code == 404
