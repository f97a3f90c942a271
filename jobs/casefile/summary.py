"""Who, what, when, where, why and how of a case, in one sentence each, from its facts alone."""

from collections import Counter

from jobs.casefile.case import Case

__all__ = ["summarise"]


def summarise(case: Case) -> tuple[tuple[str, str], ...]:
    """Six questions and their answers.

    Example:
        >>> from datetime import UTC, date, datetime
        >>> at = datetime(2026, 6, 30, tzinfo=UTC)
        >>> case = Case("c", "r", "v", date(2026, 6, 30), None, "s", "ana", at, True, None, "suspected", None)
        >>> dict(summarise(case))["why"]
        'no reason is given'
    """
    joining = [link for link in case.links if link.is_joining]
    kinds = Counter(link.identifier_type for link in joining)
    by_kind = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in sorted(kinds.items()))
    roles = Counter(account.role for account in case.accounts)
    n_payments = sum(amount.n_payments for amount in case.amounts)
    paid = ", ".join(f"{amount.amount_minor} {amount.currency} in minor units" for amount in case.amounts)
    strongest = max(joining, key=lambda link: (link.weight, link.name), default=None)
    return (
        ("who", ", ".join(f"{n} {role}" for role, n in sorted(roles.items())) or "no accounts"),
        ("what", f"{len(joining)} identifiers that join the accounts"
                 + (f"; {n_payments} payments of {paid}" if n_payments else "")),
        ("when", "not known" if case.window is None
                 else f"{case.window[0]:%Y-%m-%d} to {case.window[1]:%Y-%m-%d}"),
        ("where", by_kind or "no identifier joins them"),
        ("why", "; ".join(case.reasons) or "no reason is given"),
        ("how", "no identifier joins them" if strongest is None
                else f"the strongest evidence is {strongest.name}, which {len(strongest.accounts)} accounts hold"
                     f" ({strongest.weight:.1f} bits)"),
    )  # fmt: skip
