"""LAKE/models/promotions.jsonl: who was made champion, when and why, and so which model a night uses.

One decision a line, only ever added to. A night's decision bears its own as-of; a person's bears that of the night that was
current, and counts for later nights. A night looks at decisions of earlier as-ofs alone, so that one that is run again finds
the champion that it found before; and it adds no line that is there already.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Literal

from graph.errors import InputError
from jobs.files import write_whole
from jobs.models import KnownModel, list_models

__all__ = [
    "PROMOTIONS_FILE",
    "Decision",
    "champion_of",
    "champions",
    "last_decision_on",
    "read_decisions",
    "record_decision",
]

PROMOTIONS_FILE = "promotions.jsonl"


@dataclass(frozen=True)
class Decision:
    """What was decided of a model.

    Attributes:
        as_of: of the night that decided; of a person's decision that of the night that was current.
        version: the model; of a rollback the one that steps down.
        kind: `promoted` (it scores from then on), `refused` (a challenger that does not), `rolled_back` (the champion before
            it scores again).
        why: in words.
        by: who decided.
    """

    as_of: date
    version: str
    kind: Literal["promoted", "refused", "rolled_back"]
    why: str
    by: Literal["night", "person"]

    def to_line(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self) | {"as_of": self.as_of.isoformat()}, sort_keys=True, ensure_ascii=False) + "\n"


def read_decisions(models: Path) -> list[Decision]:
    """All decisions of a lake, in the order in which they were made; none where nothing was decided.

    Raises:
        InputError: a line is none.
    """
    path = models / PROMOTIONS_FILE
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    found = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            found.append(Decision(**row | {"as_of": date.fromisoformat(row["as_of"])}))
        except (ValueError, TypeError, KeyError):
            raise InputError(
                f"`{path}` must hold one decision a line; got a line {number} that is none. Restore it from a backup."
            ) from None
    return found


def record_decision(models: Path, decision: Decision) -> None:
    """Adds a decision; a night's only if it is not what the night of that as-of decided last."""
    earlier = read_decisions(models)
    of_night = [each for each in earlier if each.by == "night" and each.as_of == decision.as_of]
    if decision.by == "night" and of_night and of_night[-1] == decision:
        return
    models.mkdir(parents=True, exist_ok=True)
    write_whole(models / PROMOTIONS_FILE, "".join(each.to_line() for each in [*earlier, decision]))


def champions(decisions: Sequence[Decision]) -> list[str]:
    """The champions one after the other, the present one last; a rollback takes away its model, where it was last promoted.

    That is the last one, or the last whose folder is there. In the order of as-ofs, whatever the order in which nights were run; of one as-of the night's last word, then persons' words.
    """
    found: list[str] = []
    for decision in _in_order(decisions):
        if decision.kind == "promoted" and found[-1:] != [decision.version]:
            found.append(decision.version)
        elif decision.kind == "rolled_back" and decision.version in found:
            place = len(found) - 1 - found[::-1].index(decision.version)
            del found[place]
            if 0 < place < len(found) and found[place - 1] == found[place]:
                del found[place]
    return found


def champion_of(models: Path, as_of: datetime, *, or_equal: bool) -> KnownModel | None:
    """The model that scores a night unless it trains another: the last one promoted before it whose folder is there.

    Where nothing was decided (a lake of before there were decisions) the newest model that no gate and no night refused.

    Args:
        as_of: the night's cut-off; no model that knew more is taken.
        or_equal: what a night of the same cut-off decided counts, too; what a person did after it does not.
    """
    known = {
        model.version: model
        for model in list_models(models)
        if model.as_of < as_of or (or_equal and model.as_of == as_of)
    }
    day = as_of.date()
    counted = [
        decision
        for decision in read_decisions(models)
        if decision.as_of < day or (or_equal and decision.as_of == day and decision.by == "night")
    ]
    there = [version for version in champions(counted) if version in known]
    if there:
        return known[there[-1]]
    refused = {decision.version for decision in counted if decision.kind != "promoted"}
    left = [model for model in known.values() if model.passed is not False and model.version not in refused]
    return left[-1] if left else None


def last_decision_on(decisions: Sequence[Decision], version: str) -> Decision | None:
    """What was last decided of a model."""
    own = [decision for decision in _in_order(decisions) if decision.version == version]
    return own[-1] if own else None


def _in_order(decisions: Sequence[Decision]) -> list[Decision]:
    last = {decision.as_of: decision for decision in decisions if decision.by == "night"}
    nights = [decision for decision in decisions if decision.by == "night" and decision is last[decision.as_of]]
    persons = [decision for decision in decisions if decision.by == "person"]
    return sorted([*nights, *persons], key=lambda decision: (decision.as_of, decision.by == "person"))
