"""What the desk's lines are: each kind is a frozen dataclass, checked as it is declared, and one `Kind`.

A new kind of record is one dataclass with its `Kind` in a module here, and a line in `jobs.desk.kinds`.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, AwareDatetime, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from graph.errors import InputError
from jobs.desk.log import Place, canonical, hold, read_on, settle, write_lines

__all__ = [
    "DESK_FOLDER",
    "STRICT",
    "AccountId",
    "Id",
    "Kind",
    "Name",
    "Text",
    "UtcTime",
    "history",
    "refuse_superseded",
    "standing",
]

DESK_FOLDER = "desk"
STRICT = ConfigDict(extra="forbid")  # every shape's `__pydantic_config__`: a field that nobody knows is no field

T = TypeVar("T")

_seen: dict[
    tuple[str, Path], tuple[Place, tuple[Any, ...]]
] = {}  # by kind and log: how far it was read, and its records

Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S([^\n]*\S)?$")]
AccountId = Annotated[str, StringConstraints(min_length=1, max_length=1_000)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=4_000, pattern=r"\S")]
UtcTime = Annotated[AwareDatetime, AfterValidator(lambda value: value.astimezone(UTC))]


@dataclass(frozen=True)
class Kind(Generic[T]):
    """One kind of record, and so one log.

    Attributes:
        name: LAKE/desk/<name>.jsonl.
        shape: its frozen dataclass, with `STRICT`; annotations are checked when it is written and when it is read.
        id_field: the field with the record's own id.
        meaning: one line for the data dictionary.
    """

    name: str
    shape: type[T]
    id_field: str
    meaning: str

    @cached_property
    def adapter(self) -> TypeAdapter[T]:
        """Reads and writes the shape."""
        return TypeAdapter(self.shape)

    def path(self, lake: Path) -> Path:
        """The kind's log."""
        return lake / DESK_FOLDER / f"{self.name}.jsonl"

    def id_of(self, record: T) -> str:
        """The record's own id."""
        return str(getattr(record, self.id_field))

    def read(self, lake: Path) -> tuple[T, ...]:
        """All records, in the order in which they were written; none where there is no log.

        Raises:
            InputError: a line is none of this kind.
        """
        return self._read(self.path(lake))

    def append(self, lake: Path, record: T, check: Callable[[Sequence[T]], None] = lambda earlier: None) -> None:
        """Writes a record down, on the disk before this returns. The same one once more changes nothing.

        Args:
            check: called with the records before it, while nobody else can write; refuses by raising.

        Raises:
            InputError: the record is malformed (every fault is listed), its id stands with other content, or `check` refused.
            LakeHeldError, StoreError: it could not be written; see `jobs.desk.log`.
        """
        checked = self.checked(record)
        path = self.path(lake)
        with hold(path):
            settle(path)
            earlier = self._read(path)
            same = [other for other in earlier if self.id_of(other) == self.id_of(checked)]
            if checked in same:
                return
            if same:
                raise InputError(
                    f"`{self.id_field}` must be new; got `{self.id_of(checked)}`, which stands with other content."
                )
            check(earlier)
            write_lines(path, [canonical(self.adapter.dump_python(checked, mode="json"))])

    def checked(self, record: T) -> T:
        """The record with its values as they are read back.

        Raises:
            InputError: values do not keep the annotations; every fault is listed.
        """
        try:
            return self.adapter.validate_python(asdict(record))  # type: ignore[call-overload]
        except ValidationError as error:
            raise InputError(
                f"`{self.shape.__name__}` must be well formed; got {error.error_count()} fault(s):", _faults(error)
            ) from None

    def _read(self, path: Path) -> tuple[T, ...]:
        """What was read before, and what was added since: a page that asks again pays for what is new."""
        place, known = _seen.get((self.name, path), (Place(), ()))
        try:
            lines, end = read_on(path, place)
        except LookupError:
            place, known = Place(), ()
            lines, end = read_on(path, place)
        found = list(known)
        for number, line in enumerate(lines, start=place.n_lines + 1):
            try:
                found.append(self.adapter.validate_python(line))
            except ValidationError as error:
                raise InputError(
                    f"`{path.name}` must hold one record a line; line {number} is none: {_faults(error)[0]}. Restore the desk from a backup."
                ) from None
        records = tuple(found) if lines else known
        if end is not None:
            _seen[self.name, path] = end, records
        return records


def standing(kind: Kind[T], records: Sequence[T], as_of: datetime | None = None) -> tuple[T, ...]:
    """The records that none supersedes, in order; of a kind with `time` and `supersedes`.

    Args:
        as_of: only what was written before it counts, superseding too; None takes all.
    """
    known: list[Any] = [record for record in records if as_of is None or record.time < as_of]  # type: ignore[attr-defined]
    gone = {record.supersedes for record in known}
    return tuple(record for record in known if kind.id_of(record) not in gone)


def history(kind: Kind[T], records: Sequence[T], ring_id: str) -> tuple[T, ...]:
    """All records on a ring, in order, with those of other ids of it that they supersede or that supersede them."""
    chains: dict[str, str] = {}  # record -> the first of its chain
    for record in records:
        supersedes = getattr(record, "supersedes", None)
        chains[kind.id_of(record)] = chains.get(supersedes, kind.id_of(record)) if supersedes else kind.id_of(record)
    own = {chains[kind.id_of(record)] for record in records if record.ring_id == ring_id}  # type: ignore[attr-defined]
    return tuple(record for record in records if chains[kind.id_of(record)] in own)


def refuse_superseded(kind: Kind[T], record: T, earlier: Sequence[T]) -> None:
    """Refuses a record that supersedes none, one that is superseded already, or one written after it.

    Raises:
        InputError: as said.
    """
    new: Any = record
    if new.supersedes is None:
        return
    old: Any = next((other for other in earlier if kind.id_of(other) == new.supersedes), None)
    if old is None:
        raise InputError(
            f"`supersedes` must be the id of one of the {kind.name}; got `{new.supersedes}`. Read them again."
        )
    by = next((other for other in earlier if getattr(other, "supersedes", None) == new.supersedes), None)
    if by is not None:
        raise InputError(
            f"`supersedes` must stand; got `{new.supersedes}`, which `{kind.id_of(by)}` supersedes already. Read it, and supersede that one."
        )
    if new.time < old.time:
        raise InputError(
            f"`time` must not lie before that of what it supersedes ({old.time}); got {new.time}. Set the clock."
        )


def _faults(error: ValidationError) -> list[str]:
    """What is wrong, field by field, without the values, which may be anything."""
    return [
        f"`{'.'.join(map(str, fault['loc'])) or 'record'}`: {fault['msg']}"
        for fault in error.errors(include_input=False, include_url=False)
    ]
