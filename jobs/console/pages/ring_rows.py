"""What the ring page shows of a ring's answer: rows of its tables, and evidence in words. Pure."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jobs.console.graph_answers import EvidenceRow, MemberLinkRow, MemberRow, PairRow, RingAnswer

__all__ = ["MemberLine", "NamedEvidence", "evidence_words", "member_lines", "named_evidence", "pair_page"]


@dataclass(frozen=True)
class MemberLine:
    """A member as the table shows it.

    Attributes:
        place: 1 for the riskiest member.
        account: the member's row.
        first_seen: its first use of anything, UTC; None where it holds nothing.
        shared: identifier type and how many of it another member holds as well, hubs aside; the most first.
        n_shared: their sum.
        reason: its strongest reason, in words; empty where it has none.
        evidence: names that this reason gives.
    """

    place: int
    account: MemberRow
    first_seen: datetime | None
    shared: tuple[tuple[str, int], ...]
    n_shared: int
    reason: str
    evidence: tuple[str, ...]


@dataclass(frozen=True)
class NamedEvidence:
    """An identifier that members' reasons name, and how many of them."""

    name: str
    n_members: int


def member_lines(ring: RingAnswer) -> list[MemberLine]:
    """The members, the riskiest first."""
    held: dict[str, list[MemberLinkRow]] = defaultdict(list)
    holders: Counter[tuple[str, str]] = Counter()
    for link in ring.links:
        held[link.account_id].append(link)
        holders[link.identifier_type, link.identifier] += 1
    lines = []
    for place, account in enumerate(ring.accounts, start=1):
        links = held[account.account_id]
        shared = Counter(
            link.identifier_type
            for link in links
            if not link.is_hub and holders[link.identifier_type, link.identifier] > 1
        )
        reason = account.reasons[0] if account.reasons else None
        lines.append(
            MemberLine(
                place=place,
                account=account,
                first_seen=min((link.first_seen for link in links), default=None),
                shared=tuple(sorted(shared.items(), key=lambda item: (-item[1], item[0]))),
                n_shared=sum(shared.values()),
                reason=reason.text if reason else "",
                evidence=tuple(row.name for row in reason.evidence if row.name) if reason else (),
            )
        )
    return lines


def named_evidence(accounts: Sequence[MemberRow], n_most: int = 8) -> list[NamedEvidence]:
    """The identifiers that most members' reasons name, at most `n_most`."""
    named: Counter[str] = Counter()
    for account in accounts:
        named.update({row.name for reason in account.reasons for row in reason.evidence if row.name})
    found = sorted(named.items(), key=lambda item: (-item[1], item[0]))
    return [NamedEvidence(name, n) for name, n in found[:n_most]]


def pair_page(pairs: Sequence[PairRow], page: int, n_rows: int) -> tuple[list[PairRow], int]:
    """One page of pairs, the strongest first, and how many pages there are.

    Args:
        page: 1 for the first; beyond the last, the last.
        n_rows: of a page.
    """
    n_pages = max(1, -(-len(pairs) // n_rows))
    start = (min(page, n_pages) - 1) * n_rows
    ordered = sorted(pairs, key=lambda pair: (-pair.weight_bits, pair.account_a, pair.account_b))
    return ordered[start : start + n_rows], n_pages


def evidence_words(row: EvidenceRow) -> str:
    """What one shared identifier says of two accounts, beside its bits."""
    said = []
    if row.n_accounts:
        said.append(f"{row.n_accounts:,} {'account holds' if row.n_accounts == 1 else 'accounts hold'} it")
    if row.gap_days is not None:
        said.append(_gap(row.gap_days))
    if row.is_concurrent is not None:
        said.append("in use at the same time" if row.is_concurrent else "one after the other")
    if row.is_crossed:
        said.append("under names and birth dates that are not one person's")
    return "; ".join(said)


def _gap(days: float) -> str:
    if days < 1 / 24:
        return "first used within an hour of each other"
    if days < 1:
        hours = round(days * 24)
        return f"first used {hours} {'hour' if hours == 1 else 'hours'} apart"
    return f"first used {days:,.{1 if days < 10 else 0}f} days apart"
