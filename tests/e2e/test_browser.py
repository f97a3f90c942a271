"""The browser of these tests: it is there, it works, and in CI its absence is no excuse."""

import os
import re
import stat
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from playwright.sync_api import Browser

Rule = Callable[[Mapping[str, str]], str]


def test_a_page_is_shown(browser: Browser) -> None:
    page = browser.new_page()
    page.set_content("<h1>here</h1>")
    assert page.inner_text("h1") == "here"
    page.close()


@pytest.mark.parametrize("ci", [{}, {"CI": ""}])
def test_without_a_browser_a_test_is_skipped_and_says_why(
    chromium_rule: Rule, tmp_path: Path, ci: dict[str, str]
) -> None:
    with pytest.raises(pytest.skip.Exception, match="no Chromium: run `make chromium`"):
        chromium_rule({"PATH": str(tmp_path)} | ci)


@pytest.mark.parametrize("named", [{}, {"RINGLIGHT_CHROMIUM": "/nowhere/chromium"}])
def test_in_ci_a_missing_browser_is_a_failure(chromium_rule: Rule, tmp_path: Path, named: dict[str, str]) -> None:
    with pytest.raises(pytest.fail.Exception, match="no Chromium"):
        chromium_rule({"PATH": str(tmp_path), "CI": "true"} | named)


def test_ci_sets_ci(request: pytest.FixtureRequest) -> None:
    assert re.search("^export CI=true\\b", (request.config.rootpath / ".ci" / "run").read_text(), re.MULTILINE)


def test_a_browser_is_found_by_name_and_on_the_path(chromium_rule: Rule, tmp_path: Path) -> None:
    for name in ("chromium", "another"):
        (tmp_path / name).touch(stat.S_IRWXU)
    assert chromium_rule({"PATH": str(tmp_path)}) == str(tmp_path / "chromium")
    named = str(tmp_path / "another")
    assert chromium_rule({"PATH": os.defpath, "RINGLIGHT_CHROMIUM": named}) == named
