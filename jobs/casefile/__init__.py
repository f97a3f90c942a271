"""A case as a file: PDF, JSON and CSV, each made from one frozen value, so that the three cannot differ.

The same case at the same time gives the same bytes. Each file carries the sha256 of the case's canonical form.
"""

from jobs.casefile.case import (
    Amount,
    AuditLine,
    Case,
    CaseAccount,
    CaseLink,
    CaseNote,
    Explanation,
    Moment,
    Position,
    Verdict,
)
from jobs.casefile.facts import MARK, Section, hash_case, sections
from jobs.casefile.innocent import consider_innocent
from jobs.casefile.render_csv import render_csv
from jobs.casefile.render_json import render_json
from jobs.casefile.render_pdf import render_pdf

__all__ = [
    "MARK",
    "Amount",
    "AuditLine",
    "Case",
    "CaseAccount",
    "CaseLink",
    "CaseNote",
    "Explanation",
    "Moment",
    "Position",
    "Section",
    "Verdict",
    "consider_innocent",
    "hash_case",
    "render_csv",
    "render_json",
    "render_pdf",
    "sections",
]
