"""Claims: who has a ring. The latest line on a ring stands."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import ConfigDict

from graph.errors import InputError
from jobs.desk.records import STRICT, Id, Kind, Name, UtcTime

__all__ = ["CLAIMS", "Claim", "record_claim", "ring_claims", "standing_claims"]


@dataclass(frozen=True)
class Claim:
    """One change of who has a ring.

    Attributes:
        claim_id: its own id, new for each.
        ring_id: the ring.
        action: `claim` (nobody has it), `release` (the actor has it), `take_over` (somebody else has it).
        actor: who did it; after `claim` and `take_over`, who has it.
        time: when, UTC.
    """

    __pydantic_config__: ClassVar[ConfigDict] = STRICT

    claim_id: Id
    ring_id: Name
    action: Literal["claim", "release", "take_over"]
    actor: Name
    time: UtcTime


CLAIMS = Kind("claims", Claim, "claim_id", "who has a ring; the latest line on it stands")


def record_claim(lake: Path, claim: Claim) -> None:
    """Writes down that somebody claims, releases or takes over a ring. The same one once more changes nothing.

    Raises:
        InputError: it is malformed, its id stands with other content, or who has the ring does not allow it; the message says who
            has it.
        LakeHeldError, StoreError: it could not be written.
    """

    def check(earlier: Sequence[Claim]) -> None:
        held = _standing(earlier).get(claim.ring_id)
        has = f"`{held.actor}` has it" if held else "nobody has it"
        allowed = {
            "claim": held is None,
            "release": held is not None and held.actor == claim.actor,
            "take_over": held is not None and held.actor != claim.actor,
        }
        if not allowed[claim.action]:
            may = ", ".join(name for name, is_allowed in allowed.items() if is_allowed)
            raise InputError(f"`action` must be {may}, since {has}; got {claim.action}. Look at the ring again.")

    CLAIMS.append(lake, claim, check)


def standing_claims(lake: Path) -> dict[str, Claim]:
    """By ring the claim that stands: `actor` has it since `time`. Rings that nobody has are not in it."""
    return _standing(CLAIMS.read(lake))


def ring_claims(lake: Path, ring_id: str) -> tuple[Claim, ...]:
    """All changes of who has a ring, in order."""
    return tuple(claim for claim in CLAIMS.read(lake) if claim.ring_id == ring_id)


def _standing(claims: Iterable[Claim]) -> dict[str, Claim]:
    held: dict[str, Claim] = {}
    for claim in claims:
        if claim.action == "release":
            held.pop(claim.ring_id, None)
        else:
            held[claim.ring_id] = claim
    return held
