"""The reasons that an account's score can have: code, the features behind it, when it holds, and its words.

To add one, add a row to `REASON_CODES`. A reason speaks of counts of accounts, people and times, never of who somebody is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from gnn.features import FEATURES
from gnn.near import NEAR
from graph.schema import IDENTIFIERS

__all__ = [
    "CODE_OF",
    "NETWORK_LINKS",
    "REASON_CODES",
    "WITHOUT_LINKS",
    "ReasonCode",
    "links_in_words",
    "say_network_links",
    "say_without_links",
]

NETWORK_LINKS = "NETWORK_LINKS"  # links that the network's part of the score rests on
WITHOUT_LINKS = "WITHOUT_LINKS"  # links without which the score would be below the threshold

Values = Mapping[str, float]


@dataclass(frozen=True)
class ReasonCode:
    """A declared reason.

    Attributes:
        code: stays the same over versions; in upper case.
        holds: whether it can be said of an account with these features.
        text: its words.
        evidence: identifier types whose shared values are its evidence.
        within_cluster: only accounts of the same cluster are evidence.
    """

    code: str
    holds: Callable[[Values], bool]
    text: Callable[[Values], str]
    evidence: tuple[str, ...] = ()
    within_cluster: bool = False


def _count(number: float, one: str, many: str | None = None) -> str:
    n = round(number)
    return f"{n} {one if n == 1 else many or one + 's'}"


def links_in_words(labels: Sequence[str]) -> str:
    """Identifier types of links as "2 devices, 1 payee", in the order of `graph.schema.IDENTIFIERS`."""
    irregular = {"address": "addresses", "person": "names with birth date", "ip": "IP addresses"}
    one = {"person": "name with birth date", "ip": "IP address"}
    counts = [(label, labels.count(label)) for label in IDENTIFIERS if label in labels]
    return ", ".join(_count(n, one.get(label, label.replace("_", " ")), irregular.get(label)) for label, n in counts)


def say_network_links(labels: Sequence[str], n_accounts: int) -> str:
    """Of the links that raise the network's score most, and the accounts that they lead to."""
    return f"the graph network scores it by its links to {links_in_words(labels)}, used by {_count(n_accounts, 'other account')}"


def say_without_links(labels: Sequence[str], score: float, threshold: float, suffices: bool) -> str:
    """What the score would be without links, and whether that is below the threshold."""
    words = links_in_words(labels)
    # as many digits as it takes for the rounded score to lie on the same side of the threshold
    rounded = (f"{score:.{digits}f}" for digits in range(2, 16))
    about = next((text for text in rounded if (float(text) < threshold) == suffices), f"{score:g}")
    if suffices:
        these = "this link" if len(labels) == 1 else f"these {len(labels)} links"
        return f"without {these} ({words}) the score would be about {about}, below the threshold of {threshold:g}"
    if len(labels) == 1:
        return f"without its only link ({words}) the score would be about {about}, not below the threshold of {threshold:g}"
    return (
        f"none of the sets of its links that were tried takes it below the threshold of {threshold:g}: without all "
        f"{len(labels)} links ({words}) the score would be about {about}"
    )


def _shares(label: str) -> ReasonCode:
    words = label.replace("_", " ")
    return ReasonCode(
        f"SHARES_{label.upper()}",
        lambda v: v[f"n_shared_{label}"] > 0,
        lambda v: (
            f"shares {'an' if words[0] in 'aeio' else 'a'} {words} with up to {_count(v[f'max_accounts_{label}'], 'other account')}, "
            f"and one with accounts of up to {_count(v[f'max_identities_{label}'], 'other person', 'other people')}"
        ),
        (label,),
    )


def _crossed(v: Values) -> str:
    said = (
        (v["people_per_national_id"], "its national id number is used by {} ", "other person", "other people"),
        (v["national_ids_per_person"], "its name and birth date come with {} ", "other national id number", None),
        (
            v["national_ids_one_off"],
            "{} of a national id number one digit from its own",
            "other person",
            "other people",
        ),
        (v["accounts_per_person"], "{} of its name and birth date", "other account", None),
        (v["own_national_ids"], "submitted {}", "further national id number", None),
    )
    parts = [text.format(_count(n, one, many)).strip() for n, text, one, many in said if n > 0]
    if parts:
        return "; ".join(parts)
    most = max(("device", "instrument", "phone", "email", "address"), key=lambda label: v[f"people_per_{label}"])
    return f"{_count(v[f'people_per_{most}'], 'other person uses', 'other people use')} its {most}"


def _in_step(v: Values) -> str:
    """`joined_7d` counts one person once for each value; only on one value are people counted."""
    most = max(v[f"joined_7d_{label}"] for label in IDENTIFIERS)
    return (
        f"up to {_count(most, 'other person', 'other people')} came to one value that it uses within 7 days of it, "
        f"{_count(v['joined_7d'], 'time')} over all values"
    )


REASON_CODES: tuple[ReasonCode, ...] = (
    *(_shares(label) for label in IDENTIFIERS),
    ReasonCode(
        "IN_STEP",
        lambda v: v["joined_7d"] > 0,
        _in_step,
        ("device", "instrument", "phone", "email", "national_id", "address", "building", "ip"),
    ),
    ReasonCode(
        "LINKED",
        lambda v: v["n_pairs"] > 0,
        lambda v: (
            f"evidence joins it to {_count(v['n_pairs'], 'account')}, by up to "
            f"{_count(v['max_pair_groups'], 'independent kind')} and {v['max_pair_bits']:.0f} bits"
        ),
        ("device", "instrument", "phone", "email", "national_id", "person"),
    ),
    ReasonCode(
        "GROUP",
        lambda v: v["cluster_size"] > 1,
        lambda v: (
            f"lies in a group of {_count(v['cluster_size'], 'account')}, {round(v['cluster_signups_7d'])} of which signed up "
            "within 7 days"
        ),
        tuple(IDENTIFIERS),
        True,
    ),
    ReasonCode(
        "CROSSED_IDENTITY",
        lambda v: any(
            v[name] > 0
            for name in CODE_FEATURES["CROSSED_IDENTITY"]
            if name not in ("identity_size", "own_people", "national_ids_one_off_7d")
        ),
        _crossed,
        ("national_id", "person", "phone", "email"),
    ),
    ReasonCode(
        "MONEY_FLOW",
        lambda v: v["co_payers"] > 0 or v["n_paid_by"] > 0,
        lambda v: (
            f"pays {_count(v['n_rare_payees'], 'rare payee')} that up to {_count(v['max_co_payers'], 'other account')} pay, "
            f"{_count(v['max_co_payers_2d'], 'payment')} of theirs within 2 days; paid by {_count(v['n_paid_by'], 'account')}"
        ),
        ("payee",),
    ),
    ReasonCode(
        "EMULATED_DEVICE",
        lambda v: v["emulator_share"] > 0,
        lambda v: f"{v['emulator_share']:.0%} of its logins come from an emulated device",
    ),
    ReasonCode(
        "IDENTITY_CHECKS",
        lambda v: v["n_id_checks"] > 0,
        lambda v: (
            f"{_count(v['n_id_checks'], 'identity check')}, {round(v['n_id_fails'])} failed"
            + (f", vendor score {v['vendor_score']:.2f}" if v["vendor_score"] >= 0 else "")
        ),
    ),
    ReasonCode(
        "PAYMENT_PATTERN",
        lambda v: v["n_payments"] > 0,
        lambda v: (
            f"{_count(v['n_payments'], 'payment')}, {v['burst_amount_share']:.0%} of the sum within its busiest 48 hours, "
            f"{v['reversed_share']:.0%} reversed"
        ),
    ),
    ReasonCode(
        "ACTIVITY",
        lambda v: True,
        lambda v: f"{_count(v['n_logins'], 'login')} in the {_count(v['age_days'], 'day')} since its signup",
    ),
    ReasonCode(
        "COMPANY",
        lambda v: v["n_types_shared"] > 0,
        lambda v: "the accounts that it shares identifiers with behave as confirmed rings did",
        tuple(IDENTIFIERS),
    ),
)

_ACCOUNT_CODES = (
    ("EMULATED_DEVICE", ("emulator",)),
    ("IDENTITY_CHECKS", ("id_check", "id_fail", "id_review", "vendor", "first_check")),
    ("PAYMENT_PATTERN", ("payment", "amount", "reversed", "declined", "payee")),
)
_FAMILY_CODES = {
    "timing": "IN_STEP",
    "sharing": "IN_STEP",
    "pairs": "LINKED",
    "cluster": "GROUP",
    "crossed": "CROSSED_IDENTITY",
    "money": "MONEY_FLOW",
    "neighbours": "COMPANY",
}


def _code_of(name: str, family: str) -> str:
    if family in ("sharing", "timing"):
        for label in sorted(IDENTIFIERS, key=len, reverse=True):
            if name.endswith(f"_{label}"):
                return f"SHARES_{label.upper()}"
    if family == "account":
        for code, stems in _ACCOUNT_CODES:
            if any(stem in name for stem in stems):
                return code
        return "ACTIVITY"
    return _FAMILY_CODES[family]


CODE_OF: dict[str, str] = {feature.name: _code_of(feature.name, feature.family) for feature in (*FEATURES, *NEAR)}
CODE_FEATURES: dict[str, tuple[str, ...]] = {
    reason.code: tuple(name for name, code in CODE_OF.items() if code == reason.code) for reason in REASON_CODES
}
