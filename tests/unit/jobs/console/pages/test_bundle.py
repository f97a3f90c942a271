"""The picture's bundle and the page's modules: the one style that the policy allows, licences, and names that hold."""

import base64
import hashlib
import re
from importlib.resources import files

from jobs.console.pages.ring import MODULES
from jobs.console.pages.shell import CSP

STATIC = files("jobs.console") / "static"
BUNDLE = (STATIC / "vendor" / "graph.js").read_text(encoding="utf-8")


def test_the_policy_allows_the_style_that_the_bundle_writes_and_the_bundle_writes_no_other():
    assert len(re.findall(r'createElement\("style"\)', BUNDLE)) == 1
    container = re.search(r'"(_+cytoscape_container)"', BUNDLE)
    rule = re.search(r'\.textContent="\."\+\w+\+"( \{[^"]*\})"', BUNDLE)
    assert container is not None
    assert rule is not None
    style = f".{container[1]}{rule[1]}"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'self' 'sha256-{digest}'" in CSP


def test_the_licence_of_each_package_in_the_bundle_is_beside_it():
    text = (STATIC / "vendor" / "graph.licenses.txt").read_text(encoding="utf-8")
    for name in ("cytoscape 3.34.0", "cytoscape-fcose 2.2.0", "cose-base", "layout-base", "heap", "lodash"):
        assert re.search(rf"^{re.escape(name)}\b", text, re.MULTILINE), name
    assert text.count("Permission is hereby granted") >= 6


def test_the_page_asks_ahead_for_all_that_its_script_imports():
    reached, left = set(), ["ring.js"]
    while left:
        text = (STATIC / left.pop()).read_text(encoding="utf-8")
        for name in re.findall(r'^import .*?from "\./([\w./]+)";', text, re.MULTILINE):
            if name not in reached:
                reached.add(name)
                left += [] if name.startswith("vendor/") else [name]
    assert reached == set(MODULES)


def test_no_script_of_ours_makes_markup_or_code_from_text():
    for entry in STATIC.iterdir():
        if entry.name.endswith(".js"):
            text = entry.read_text(encoding="utf-8")
            assert not re.search(
                r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function", text
            ), entry.name
