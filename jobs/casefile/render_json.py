"""A case as JSON."""

import json

from jobs.casefile.case import Case
from jobs.casefile.facts import FORMAT, MARK, canonical, hash_case

__all__ = ["render_json"]


def render_json(case: Case) -> bytes:
    """The case's canonical form with its sha256 beside it, UTF-8, indented, keys sorted; equal bytes for equal cases."""
    whole = {"format": FORMAT, "mark": MARK, "sha256": hash_case(case), "case": canonical(case)}
    return (json.dumps(whole, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n").encode()
