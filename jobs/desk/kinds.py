"""The kinds of records that the desk keeps, beside the audit: a new kind is one line here, and its module."""

from typing import Any

from jobs.desk.claims import CLAIMS
from jobs.desk.dispositions import DISPOSITIONS
from jobs.desk.notes import NOTES
from jobs.desk.records import Kind
from jobs.desk.tokens import TOKENS

__all__ = ["KINDS"]

KINDS: tuple[Kind[Any], ...] = (DISPOSITIONS, NOTES, CLAIMS, TOKENS)
