"""What a night's fingerprint covers."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import gnn
import graph
from jobs.manifest import PACKAGES


def test_every_package_that_results_follow_from_is_part_of_the_fingerprint() -> None:
    imported = set()
    for package in (graph, gnn):
        for file in Path(str(package.__file__)).parent.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    imported |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module:
                    imported.add(node.module.split(".")[0])
    others = imported - set(sys.stdlib_module_names) - {"graph", "gnn"}
    owners = packages_distributions()
    unlisted = {
        name for name in others if not {owner.lower().replace("_", "-") for owner in owners[name]} & set(PACKAGES)
    }
    assert unlisted == set()
