"""Linkage rules: how much a shared identifier says of two accounts, in bits. One entry a type; nothing else knows them.

Bits start from rarity (log2 of accounts by holders: what a chance agreement would cost) and are discounted by how readily
honest people share such a thing, by tenure (one after the other is a recycled phone or a refurbished device, not a ring), and
by haste (people who come to share an address do so over years, rings within days). The discounts are judgements after
`domain.md`, not fitted; the model learns from features beside them.
"""

from dataclasses import dataclass

from graph.schema import IDENTIFIERS

__all__ = ["FURTHER_IN_GROUP", "RULES", "Rule"]

# a second agreement within one group of types (another device, an address beside its IP) is largely the first one again
FURTHER_IN_GROUP = 0.25


@dataclass(frozen=True)
class Rule:
    """How to weigh one shared identifier of a type.

    Attributes:
        reliability: share of the rarity that stands when tenures overlap and both came at once.
        slack_days: tenures this far apart still count as concurrent.
        sequential: factor where they are further apart.
        haste_days: first uses this close together count as in step.
        unhurried: factor where they are further apart.
        ties_alone: whether it can tie two accounts with no evidence of another group beside it. Where people live, and what
            they connect from, never does.
    """

    reliability: float
    slack_days: float
    sequential: float
    haste_days: float
    unhurried: float
    ties_alone: bool = True


RULES: dict[str, Rule] = {
    "device": Rule(1.0, 7, 0.3, 14, 0.8),
    "ip": Rule(0.4, 3, 0.25, 7, 0.6, ties_alone=False),
    "instrument": Rule(1.0, 14, 0.3, 30, 0.7),
    "phone": Rule(0.9, 30, 0.3, 30, 0.6),
    "email": Rule(1.0, 30, 0.5, 30, 0.7),
    "national_id": Rule(1.0, 30, 0.6, 30, 0.7),
    "person": Rule(0.8, 30, 0.8, 30, 0.8),
    "address": Rule(0.5, 30, 0.4, 14, 0.5, ties_alone=False),
    "building": Rule(0.5, 30, 0.4, 14, 0.4, ties_alone=False),
    "payee": Rule(0.6, 3, 0.4, 3, 0.4),
}

if missing := set(IDENTIFIERS) - set(RULES):
    raise AssertionError(f"every identifier type needs a rule; missing: {sorted(missing)}")
