"""Innocent explanations of shared identifiers, each held against the evidence of a case.

A case file must show that they were looked at. What is said here follows from the links alone; it decides nothing.
"""

from collections.abc import Callable, Sequence

from jobs.casefile.case import CaseLink, Explanation

__all__ = ["consider_innocent"]

FOR, AGAINST, NOTHING = "speaks for", "speaks against", "says nothing"
MANY = 20  # accounts from which on a place or device is a public one rather than a home's

Finding = tuple[str, str]
Rule = Callable[[Sequence[CaseLink], int], Finding]


def consider_innocent(links: Sequence[CaseLink], n_accounts: int) -> tuple[Explanation, ...]:
    """Each innocent explanation with what the links say of it.

    Args:
        links: identifiers that accounts of the case hold, shared or not.
        n_accounts: accounts of the case.
    """
    shared = [link for link in links if len(link.accounts) > 1]
    return tuple(Explanation(name, *rule(shared, n_accounts)) for name, rule in RULES.items())


def _of(links: Sequence[CaseLink], *kinds: str) -> list[CaseLink]:
    return [link for link in links if link.identifier_type in kinds]


def _n_outside(link: CaseLink) -> int:
    """Accounts that hold it and are none of the case; 0 where that is not known."""
    return 0 if link.n_holders is None else link.n_holders - len(link.accounts)


def _household(links: Sequence[CaseLink], n_accounts: int) -> Finding:
    most = [link for link in _of(links, "address") if 2 * len(link.accounts) > n_accounts]
    homes = [link for link in most if _n_outside(link) <= MANY]
    if not homes:
        if most:
            return AGAINST, "The address of most accounts is held by many others as well, as no home's is."
        return AGAINST, "No address is held by more than half of the accounts."
    if _of(links, "national_id", "instrument"):
        return NOTHING, "Most accounts give one address, but share a national id or an instrument as well."
    if n_accounts > MANY:
        return AGAINST, f"Most accounts give one address, but {n_accounts} are too many for a home."
    return (
        FOR,
        f"{len(homes[0].accounts)} of {n_accounts} accounts give one address, and share no national id or instrument.",
    )


def _shared_home(links: Sequence[CaseLink], n_accounts: int) -> Finding:
    places = _of(links, "address", "ip")
    if any(_n_outside(link) > MANY for link in places):
        return (
            FOR,
            "An address or network is held by many accounts outside the case: a dormitory, shelter or public network.",
        )
    if not places:
        return AGAINST, "The accounts share no address and no network."
    if any(link.n_holders is None for link in places):
        return NOTHING, "How many others hold the shared places is not known of all."
    return AGAINST, "The shared addresses and networks are held by few others."


def _shared_device(links: Sequence[CaseLink], n_accounts: int) -> Finding:
    devices = _of(links, "device")
    if not devices:
        return AGAINST, "The accounts share no device."
    if any(_n_outside(link) > MANY for link in devices):
        return FOR, "A device is held by many accounts outside the case: a shop's tablet or an employer's."
    return NOTHING, "Devices are shared by the accounts of the case; a work place cannot be told from the links alone."


def _passed_on(kind: str, what: str) -> Rule:
    def rule(links: Sequence[CaseLink], n_accounts: int) -> Finding:
        held = _of(links, kind)
        if not held:
            return AGAINST, f"The accounts share no {kind}."
        known = [link.is_concurrent for link in held if link.is_concurrent is not None]
        if not known:
            return NOTHING, f"Whether a shared {kind} was held at the same time is not known."
        if any(known):
            return AGAINST, f"A shared {kind} was held by several accounts at the same time."
        return FOR, f"Each shared {kind} went from one account to the next: {what}."

    return rule


RULES: dict[str, Rule] = {
    "household": _household,
    "dormitory, shelter or public network": _shared_home,
    "shop tablet or employer's device": _shared_device,
    "recycled phone number": _passed_on("phone", "numbers are given out again"),
    "refurbished device": _passed_on("device", "devices are sold on"),
}
