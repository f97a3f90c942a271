"""Help: the keys, the words, and what whoever reads it may do."""

from collections.abc import Mapping

from fastapi import Request, Response

from jobs.console.access import Permission
from jobs.console.endpoints import Endpoint
from jobs.console.pages.shell import permissions_of, render
from jobs.console.pages.words import LIKELIHOODS
from jobs.console.runtime import actor_of

__all__ = ["ENDPOINTS"]

_KEYS: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    (
        "Everywhere",
        (
            ("/", "search"),
            ("?", "keys of this page"),
            ("g q", "go to the queue"),
            ("g n", "go to the nights"),
            ("j", "next row of the table"),
            ("k", "previous row"),
            ("Enter", "open the row"),
        ),
    ),
    (
        "On a ring",
        (
            ("x", "select the row"),
            ("X", "select the rows from the last one to this"),
            ("f", "fit the picture"),
            ("e", "expand the selected account"),
            ("E", "take away what was added"),
            ("w", "why two selected accounts are linked, or why not"),
            ("p", "path between two selected accounts"),
            ("h", "hide the selected"),
            ("i", "pin the selected"),
            ("z", "fold or unfold communities"),
            ("u", "undo"),
            ("c", "claim"),
            ("n", "write a note"),
            ("d", "give a verdict"),
        ),
    ),
)

_TERMS: tuple[tuple[str, str], ...] = (
    ("Ring", "Accounts that evidence ties together and that are suspected to be run by one actor. Its id stays from night to night; its version changes with its members and what they share."),
    ("Suspected, confirmed", "Suspected: the model's score is above the threshold. Confirmed: an investigator's verdict said so."),
    ("Identifier", "A device, card, phone, email, address or the like, under a name such as “device k3f2-9xq1” that is the same on every page and in every file. The value itself is shown by a reveal alone, with a reason."),
    ("Hub", "An identifier that so many accounts hold that it ties nobody: nothing is followed through it."),
    ("Bits", "How strongly something shared speaks for one actor: each bit doubles the odds. What few hold weighs more."),
    ("Verdict", "Confirmed ring: run by one actor. Household: people who share a home or a device. Needs more: not to be decided yet. A verdict is never undone, only superseded by a later one."),
    ("Night", "One run over all that was known before its date, 00:00 UTC."),
)  # fmt: skip

_MAY: Mapping[Permission, str] = {
    Permission.read: "look at rings and accounts, masked, and search",
    Permission.write: "claim rings, write notes, give verdicts",
    Permission.export: "export case files",
    Permission.reveal: "reveal one value, with a reason",
    Permission.audit: "read the audit",
}


def help_page(request: Request) -> Response:
    """Keys and words."""
    may = permissions_of(actor_of(request))
    words = [text for permission, text in _MAY.items() if permission.value in may]
    context = {
        "key_groups": _KEYS,
        "terms": _TERMS,
        "likelihoods": (*LIKELIHOODS, (0.0, "unlikely")),
        "may_words": words or ["nothing but this page; tokens are made on the command line"],
    }
    return render(request, "help.html", context)


ENDPOINTS = (Endpoint("GET", "/help", help_page, is_page=True),)
