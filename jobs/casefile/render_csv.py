"""A case as one CSV: a fact a line, since its tables have different columns."""

import csv
import io

from jobs.casefile.case import Case
from jobs.casefile.facts import MARK, sections

__all__ = ["quote_cell", "render_csv"]

COLUMNS = ("section", "row", "field", "value")
# What spreadsheets read as the beginning of a formula; the full-width forms are folded to these by some.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def quote_cell(text: str) -> str:
    """The text, with an apostrophe before it where a spreadsheet would take it for a formula, however many blanks lead it."""
    return f"'{text}" if text.startswith(_FORMULA) or text.lstrip(" ").startswith(_FORMULA) else text


def render_csv(case: Case) -> bytes:
    """Rows of section, row (from 1), field, value; RFC 4180, CRLF; UTF-8 with a byte order mark, which spreadsheets ask for.

    The same tables as the PDF has. Equal bytes for equal cases.
    """
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    writer.writerow(("Mark", "1", "mark", MARK))
    for section in sections(case):
        for number, row in enumerate(section.rows, start=1):
            for name, value in zip(section.columns, row, strict=True):
                writer.writerow((section.title, str(number), name, quote_cell(value)))
    return stream.getvalue().encode("utf-8-sig")
