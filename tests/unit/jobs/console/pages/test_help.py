"""Help tells everybody what they may do, and nobody what they may not."""

import pytest

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("role", "has", "has_not"),
    [
        ("viewer", ["look at rings", 'href="/queue"', 'action="/search"'], ["give verdicts", 'href="/audit"']),
        ("investigator", ["give verdicts", "reveal one value"], ["read the audit"]),
        ("auditor", ["read the audit", 'href="/audit"'], ["look at rings", 'href="/queue"', 'action="/search"']),
        ("admin", ["made on the command line"], ["look at rings", 'href="/queue"', 'href="/audit"']),
    ],
)
async def test_help_and_head_show_what_the_role_may(served, role, has, has_not):
    page = await served.ask("GET", "/help", role, headers={"Accept": "text/html"})
    assert page.status_code == 200
    assert all(text in page.text for text in has)
    assert not any(text in page.text for text in has_not)


async def test_a_page_says_who_reads_it_and_what_is_in_a_name_is_text(serve):
    served = serve(trusted_proxies="10.1.0.0/16", with_tokens=False)
    headers = {"X-Forwarded-User": "<b>ana</b>", "X-Forwarded-Roles": "viewer", "Accept": "text/html"}
    page = await served.ask("GET", "/help", None, peer="10.1.2.3", headers=headers)
    assert "&lt;b&gt;ana&lt;/b&gt;" in page.text
    assert "<b>ana" not in page.text
