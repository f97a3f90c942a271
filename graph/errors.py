"""The errors of Ringlight, one tree; each class carries the exit code that the command line ends with.

    RinglightError          1  our fault: a bug, or a state that must not be
    ├── InputError          2  input or configuration: the user can mend it
    │   └── HindsightError  2  a model learnt what was not known on the day that it is asked for
    ├── StoreError          3  store or network: trying again helps
    ├── GateError           4  a gate or an alarm refused the night
    └── LakeHeldError       5  another run holds the lake

A message reads "`<name>` must be `<constraint>`; got `<value>`. `<remedy>`." and never holds a raw identity value.
"""

from collections.abc import Sequence

__all__ = ["GateError", "HindsightError", "InputError", "LakeHeldError", "RinglightError", "StoreError", "first_line"]


class RinglightError(Exception):
    """Base of all errors that Ringlight raises on purpose."""

    exit_code = 1


class InputError(RinglightError):
    """Input or configuration is at fault. `faults` holds every fault found, not only the first."""

    exit_code = 2

    def __init__(self, message: str, faults: Sequence[str] = ()) -> None:
        self.faults = tuple(faults)
        super().__init__(message if not faults else message + "".join(f"\n  - {fault}" for fault in faults))


class HindsightError(InputError):
    """What is asked for was made by a model that learnt what was not known on its day."""


class StoreError(RinglightError):
    """Neo4j or the network failed; trying again helps."""

    exit_code = 3


class GateError(RinglightError):
    """A gate or an alarm refused; `current` stays where it was."""

    exit_code = 4


class LakeHeldError(RinglightError):
    """Another run holds the lake's lock."""

    exit_code = 5


def first_line(error: BaseException) -> str:
    """What an error of another library says first, without its full stop; its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
