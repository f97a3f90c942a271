"""Who may do what, in words: the roles of people and tokens, and what a token may be narrowed to."""

from enum import StrEnum

__all__ = ["Role", "Scope"]


class Role(StrEnum):
    """What somebody who signed in is. Which role may use which route is the console's one table; what is not in it is denied."""

    viewer = "viewer"  # sees cases, masked
    investigator = "investigator"  # works on cases: claims, notes, dispositions, exports, reveals
    admin = "admin"  # makes and revokes tokens
    auditor = "auditor"  # reads the audit


class Scope(StrEnum):
    """What a token may be used for, within its role."""

    read = "read"  # look at cases and search
    write = "write"  # claims, notes and dispositions
    export = "export"  # case files
    reveal = "reveal"  # raw values, with a reason
