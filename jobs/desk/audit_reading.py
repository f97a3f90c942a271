"""The audit as it stands in its file, read from its end: unverified, as `jobs.desk.audit.verify_audit` is for that."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jobs.desk.audit import AUDIT_FILE
from jobs.desk.audit_rows import AuditRow, read_row
from jobs.desk.log import canonical, lines_backwards
from jobs.desk.records import DESK_FOLDER

__all__ = ["MAX_LOOKED_AT", "NewestRows", "RowsAbout", "newest_rows", "rows_about"]

MAX_LOOKED_AT = 200_000  # rows, for one question: .2 CPU-s


@dataclass(frozen=True)
class NewestRows:
    """A page of the audit.

    Attributes:
        rows: those that were wanted, the newest first.
        n_looked_at: how many were looked at to find them.
        earlier: the byte before which the rows end that were not looked at; None where there are none.
    """

    rows: tuple[AuditRow, ...]
    n_looked_at: int
    earlier: int | None


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
    """The newest rows about a target, among the newest of the audit; see `newest_rows`.

    Args:
        limit: how many, at most.
        max_looked_at: rows of the audit, of whatever target.

    Raises:
        InputError: a line that names the target is no row.
    """
    found = newest_rows(lake, limit + 1, wanted={"target": target}, max_looked_at=max_looked_at)
    return RowsAbout(found.rows[:limit], is_whole=found.earlier is None and len(found.rows) <= limit)


def newest_rows(
    lake: Path,
    limit: int,
    *,
    before: int | None = None,
    wanted: Mapping[str, str] | None = None,
    max_looked_at: int = MAX_LOOKED_AT,
) -> NewestRows:
    """The newest rows, the newest first, as they stand in the file: what it costs does not grow with the audit.

    Args:
        limit: how many, at most.
        before: `earlier` of the page before, for the next one.
        wanted: fields of a row and what stands in them, whole; every row where it is empty.
        max_looked_at: rows of the audit, wanted or not.

    Raises:
        InputError: a line that may be wanted is no row.
    """
    fields = dict(wanted or {})
    parts = [canonical({name: value})[1:-1] for name, value in fields.items()]
    found: list[AuditRow] = []
    earlier, n_looked_at = None, 0
    for start, line in lines_backwards(lake / DESK_FOLDER / AUDIT_FILE, before):
        n_looked_at, earlier = n_looked_at + 1, start or None
        if all(part in line for part in parts):  # to parse each row costs ten times as much
            row = read_row(line)
            if all(getattr(row, name) == value for name, value in fields.items()):
                found.append(row)
        if len(found) == limit or n_looked_at == max_looked_at:
            break
    return NewestRows(tuple(found), n_looked_at, earlier)
