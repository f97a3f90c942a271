"""The audit as it stands in its file, read from its end: unverified, as `jobs.desk.audit.verify_audit` is for that."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from jobs.desk.audit import AUDIT_FILE
from jobs.desk.audit_rows import AuditRow, read_row
from jobs.desk.log import canonical, lines_backwards
from jobs.desk.records import DESK_FOLDER

__all__ = ["MAX_LOOKED_AT", "RowsAbout", "newest_rows", "rows_about"]

MAX_LOOKED_AT = 200_000  # of the newest rows, for those about one target: .2 CPU-s


@dataclass(frozen=True)
class RowsAbout:
    """Rows about one target.

    Attributes:
        rows: the newest first.
        is_whole: the audit was read to its beginning, and has no other.
    """

    rows: tuple[AuditRow, ...]
    is_whole: bool


def rows_about(lake: Path, target: str, limit: int, max_looked_at: int = MAX_LOOKED_AT) -> RowsAbout:
    """The newest rows about a target, among the newest of the audit: what it costs does not grow with the audit.

    Args:
        limit: how many, at most.
        max_looked_at: rows of the audit, of whatever target.

    Raises:
        InputError: a line that names the target is no row.
    """
    name = canonical({"target": target})[1:-1]
    found: list[AuditRow] = []
    for n_looked_at, line in enumerate(lines_backwards(lake / DESK_FOLDER / AUDIT_FILE)):
        if n_looked_at == max_looked_at:
            return RowsAbout(tuple(found), is_whole=False)
        if name not in line:  # to parse each row costs ten times as much
            continue
        row = read_row(line)
        if row.target != target:
            continue
        if len(found) == limit:
            return RowsAbout(tuple(found), is_whole=False)
        found.append(row)
    return RowsAbout(tuple(found), is_whole=True)


def newest_rows(
    lake: Path, limit: int, *, before: int | None = None, matches: Callable[[AuditRow], bool] = lambda row: True
) -> list[AuditRow]:
    """The newest rows, the newest first, as they stand in the file: unverified, as `verify_audit` is for that.

    Args:
        limit: how many, at most.
        before: only rows with a smaller seq, for the next page.
        matches: which rows are wanted.

    Raises:
        InputError: a line is no row.
    """
    rows = (read_row(line) for line in lines_backwards(lake / DESK_FOLDER / AUDIT_FILE))
    wanted = (row for row in rows if (before is None or row.seq < before) and matches(row))
    return list(islice(wanted, limit))
