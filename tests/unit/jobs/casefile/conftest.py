"""A case with something in every part of it."""

from datetime import UTC, date, datetime, timedelta

import pytest

from jobs.casefile import (
    Amount,
    AuditLine,
    Case,
    CaseAccount,
    CaseLink,
    CaseNote,
    Moment,
    Verdict,
    consider_innocent,
)

AT = datetime(2026, 6, 30, 8, 15, tzinfo=UTC)


@pytest.fixture
def case() -> Case:
    """Six accounts on one device, two of them on a card."""
    names = tuple(f"acc{number:02d}" for number in range(6))
    start = AT - timedelta(days=40)
    links = (
        CaseLink("device", "device k3f2-9xq1", names, 7.25, start, AT, 6, True, is_joining=True),
        CaseLink("instrument", "instrument a0z1-77bb", names[:2], 5.5, start, AT, 2, False, is_joining=True),
        CaseLink("email", "email 11aa-22bb", names[:1], 1.0, start, AT, 1),
    )
    accounts = (
        CaseAccount(names[0], "confirmed", 0.97, 1, "confirmed_synthetic", start, AT),
        *(CaseAccount(name, "suspected", 0.9, place, None, start, AT) for place, name in enumerate(names[1:], start=2)),
    )
    return Case(
        case_id="c-farm@4f00",
        ring_id="c-farm",
        ring_version="4f00",
        night=date(2026, 6, 30),
        model_version="m1",
        config_version="0123abcd",
        exported_by="ana",
        exported_at=AT,
        is_masked=True,
        score=0.93,
        status="suspected",
        window=(start, AT),
        reasons=("6 accounts share one device",),
        accounts=accounts,
        amounts=(Amount("EUR", 12, 431900),),
        links=links,
        timeline=(Moment(start, "first seen with device k3f2-9xq1", names[0]),),
        explanations=consider_innocent(links, len(accounts)),
        steps=("looked at the ring",),
        verdicts=(Verdict(AT, "ana", "confirmed_ring", "one actor", "4f00", names[:2]),),
        notes=(CaseNote(AT, "ana", "Zoë Müller says: 中文, Ελλάδα"),),
        audit=(AuditLine(AT, "ana", "ring.view", "allowed"),),
    )
