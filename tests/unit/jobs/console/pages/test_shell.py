"""The frame of every page: who is led where, what a page goes out with, and the files beside it."""

import hashlib
import tomllib
from importlib.resources import files

import pytest

from jobs.console.pages.shell import CSP
from jobs.console.pages.statics import static_files, static_folder
from jobs.console.paths import local_path

pytestmark = pytest.mark.anyio

PAGE = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
VENDOR = files("jobs.console") / "static" / "vendor"


async def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(served):
    asked = await served.ask("GET", "/auth/../api/v1/me", None, headers=PAGE)
    assert asked.status_code == 401  # the API is answered as an API, whoever asks
    home = await served.ask("GET", "/", None, headers=PAGE)
    assert (home.status_code, home.headers["location"]) == (303, "/signin")
    page = await served.ask("GET", "/signin?next=/rings/c-farm%3Fselect%3Da", None, headers=PAGE)
    assert page.status_code == 200
    assert 'data-next="/rings/c-farm?select=a"' in page.text


@pytest.mark.parametrize(
    ("role", "start"), [("viewer", "/queue"), ("investigator", "/queue"), ("auditor", "/audit"), ("admin", "/help")]
)
async def test_everybody_starts_where_their_work_is(served, role, start):
    async with served.client() as client:
        await client.post("/auth/session", json={"token": served.tokens[role]})
        home = await client.get("/", headers=PAGE)
    assert (home.status_code, home.headers["location"]) == (303, start)


async def test_who_is_signed_in_is_led_on_from_the_sign_in(served):
    async with served.client() as client:
        await client.post("/auth/session", json={"token": served.tokens["viewer"]})
        page = await client.get("/signin?next=/nights", headers=PAGE)
    assert (page.status_code, page.headers["location"]) == (303, "/nights")


async def test_a_proxys_people_are_led_on_too(serve):
    served = serve(trusted_proxies="10.1.0.0/16")
    headers = PAGE | {"X-Forwarded-User": "ana", "X-Forwarded-Roles": "viewer"}
    home = await served.ask("GET", "/", None, peer="10.1.2.3", headers=headers)
    assert home.headers["location"] == "/queue"


async def test_the_way_in_does_not_tell_whether_a_token_holds(served):
    for path in ("/", "/signin"):
        known, unknown = [
            await served.ask("GET", path, None, headers=PAGE | {"Authorization": f"Bearer {token}"})
            for token in (served.tokens["viewer"], "wrong")
        ]
        assert (known.status_code, known.headers.get("location"), known.text) == (
            unknown.status_code,
            unknown.headers.get("location"),
            unknown.text,
        )


@pytest.mark.parametrize(
    "text",
    [None, "", "queue", "//evil.example", "/\\evil.example", "\\/evil.example", "/\t/evil.example", "/\n//evil",
     "https://evil.example/", "javascript:alert(1)", "/ /evil.example", "///evil.example", "/accounts/\u00e9", "/" + "a" * 2_000],
)  # fmt: skip
def test_no_path_leads_out_of_the_console(text):
    assert local_path(text) == "/"


@pytest.mark.parametrize("text", ["/queue", "/rings/c-1?select=a,b&version=x", "/accounts/a%2Fb"])
def test_a_path_of_the_console_stays(text):
    assert local_path(text) == text


def test_a_path_that_is_too_long_to_be_kept_is_cut_to_its_page():
    assert local_path("/rings/c-1?select=" + "a," * 991) == "/rings/c-1?select=" + "a," * 991
    assert local_path("/rings/c-1?select=" + "a," * 992) == "/rings/c-1"


async def test_a_session_that_ends_over_a_long_selection_still_leads_to_the_sign_in(served):
    wanted = "/rings/c-farm?select=" + ",".join(f"account-{number:030d}" for number in range(200))
    led = await served.ask("GET", wanted, None, headers=PAGE)
    assert (led.status_code, led.headers["location"]) == (303, "/signin?next=/rings/c-farm")
    part = await served.ask(
        "GET", "/rings/c-farm/panel", None, headers={"HX-Request": "true", "HX-Current-URL": f"http://x{wanted}"}
    )
    assert part.headers["hx-redirect"] == "/signin?next=/rings/c-farm"
    page = await served.ask("GET", "/signin", None, headers=PAGE, params={"next": wanted})
    assert page.status_code == 200
    assert 'data-next="/rings/c-farm"' in page.text


async def test_a_page_goes_out_with_its_policy_and_is_not_kept(served):
    page = await served.ask("GET", "/signin", None, headers=PAGE)
    assert page.headers["content-security-policy"] == CSP
    assert "unsafe" not in CSP
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["x-frame-options"] == "DENY"
    assert "style=" not in page.text
    assert "onclick" not in page.text


async def test_a_problem_of_a_page_is_a_page_with_its_status(served):
    page = await served.ask("GET", "/nowhere", "viewer", headers=PAGE)
    assert page.status_code == 404
    assert page.headers["content-type"].startswith("text/html")
    assert "<h1>Not there</h1>" in page.text
    part = await served.ask("GET", "/nowhere", "viewer", headers={"HX-Request": "true"})
    assert part.status_code == 404
    assert "<html" not in part.text
    assert 'role="alert"' in part.text
    large = await served.ask("POST", "/nowhere", "viewer", headers=PAGE, content=b"x" * 70_000)
    assert large.status_code == 413
    assert "<h1>" in large.text
    foreign = await served.ask("GET", "/signin", None, headers=PAGE | {"Host": "evil.example"})
    assert foreign.status_code == 421
    assert "<h1>" in foreign.text
    api = await served.ask("GET", "/api/v1/nowhere", "viewer", headers=PAGE)
    assert api.headers["content-type"] == "application/problem+json"


async def test_no_page_is_in_the_description_of_the_api(served):
    described = (await served.ask("GET", "/api/v1/openapi.json", "viewer")).json()
    assert {path for path in described["paths"] if not path.startswith(("/api/", "/auth/", "/healthz"))} == set()


async def test_every_file_is_served_and_kept_for_good(served):
    names = static_files()
    assert {"console.css", "session.js", "mark.svg", "vendor/htmx.min.js"} <= set(names)
    for name, file in names.items():
        for coding, sent in (("gzip, deflate, br", file.packed), ("identity", file.content)):
            answer = await served.ask("GET", f"{static_folder()}/{name}", None, headers={"Accept-Encoding": coding})
            assert answer.content == file.content  # the client unpacks it
            assert int(answer.headers["content-length"]) == len(sent)
            assert "immutable" in answer.headers["cache-control"]
            assert answer.headers["vary"] == "Accept-Encoding"
    styles = await served.ask("GET", f"{static_folder()}/console.css", None)
    assert styles.headers["content-type"] == "text/css; charset=utf-8"


async def test_a_page_names_the_folder_and_one_of_another_release_is_served_but_nothing_of_it_kept(served):
    page = await served.ask("GET", "/signin", None, headers=PAGE)
    assert f'href="{static_folder()}/console.css"' in page.text
    other = await served.ask("GET", "/static/0123456789abcdef/console.css", None)
    assert other.content == static_files()["console.css"].content
    assert other.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    ["../app.py", "%2e%2e/app.py", "..%2fapp.py", "vendor/../../app.py", "/etc/passwd", "%2fetc%2fpasswd", "",
     "vendor", "vendor/", "vendor/SOURCES.toml", "console.css/", "CONSOLE.CSS", "console.css%00.js"],
)  # fmt: skip
async def test_nothing_else_is_served(served, path):
    for folder in ("/static", static_folder()):
        answer = await served.ask("GET", f"{folder}/{path}", None)
        assert answer.status_code == 404


def test_what_others_wrote_is_as_it_was_taken():
    listed = tomllib.loads((VENDOR / "SOURCES.toml").read_text(encoding="utf-8"))["file"]
    for each in listed:
        assert hashlib.sha256((VENDOR / each["file"]).read_bytes()).hexdigest() == each["sha256"], each["file"]
        assert (VENDOR / each["licence_file"]).is_file(), each["file"]
        assert each["version"]
        assert each["licence"]
    scripts = {entry.name for entry in VENDOR.iterdir() if entry.name.endswith((".js", ".css"))}
    assert scripts == {each["file"] for each in listed}
