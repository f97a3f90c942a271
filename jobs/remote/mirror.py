"""A folder that mirrors what lies at a URL, and what is known of both: the index.

    <place>/<name>/             one folder for each URL, mode 0700: events and lakes hold raw values
    <place>/<name>/mirror/      the events or the lake, as on a plain disk
    <place>/<name>/index.json   of each file that was fetched or put: the object's size and mark, and the file's size and time

A file that stands as the index has it, while the object bears the mark that the index has, is the object's content. A file that does not was
written here since; an object that does not was written by others.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from graph.errors import InputError
from jobs.files import write_json
from jobs.key import make_private_folder
from jobs.remote.storage import Entry

__all__ = ["Mirror", "open_mirror"]

INDEX_FILE = "index.json"
GOES_ON = (-1, -1)  # the size and time of no file
_Known = tuple[int, str, int, int]  # the object's size and mark, the file's size and mtime_ns


@dataclass
class Mirror:
    """A working place of one URL.

    Attributes:
        home: the URL's folder in the place.
        folder: what mirrors the URL.
        known: the index, by name.
    """

    home: Path
    folder: Path
    known: dict[str, _Known] = field(default_factory=dict)

    def read_index(self) -> None:
        """Takes the index as it is now: others wrote it while this run did not hold the mirror. One that cannot be read is an empty one."""
        try:
            held: Mapping[str, list[int | str]] = json.loads((self.home / INDEX_FILE).read_text(encoding="utf-8"))
            self.known = {name: (int(a), str(b), int(c), int(d)) for name, (a, b, c, d) in held.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.known = {}

    def stat(self, name: str) -> tuple[int, int] | None:
        """A file's size in bytes and its time in ns; None where it is not there."""
        try:
            held = self.path(name).stat()
        except OSError:
            return None
        return held.st_size, held.st_mtime_ns

    def path(self, name: str) -> Path:
        """Where a name lies."""
        return self.folder / name

    def is_changed_here(self, name: str) -> bool:
        """Whether the file is there and not as it was fetched or put."""
        now = self.stat(name)
        return now is not None and (name not in self.known or self.known[name][2:] != now)

    def is_changed_there(self, name: str, entry: Entry | None) -> bool:
        """Whether the object is not the one that was fetched or put; gone counts, unless this place replaces it; never known counts."""
        known = self.known.get(name)
        if known is not None and entry is None and known[2:] == GOES_ON:
            return False
        return (None if known is None else known[:2]) != (None if entry is None else (entry.size, entry.mark))

    def is_same(self, name: str, entry: Entry | None) -> bool:
        """Whether file and object are both there and of one content."""
        return (
            entry is not None
            and self.path(name).is_file()
            and not self.is_changed_here(name)
            and not self.is_changed_there(name, entry)
        )

    def replace(self, name: str, entry: Entry) -> None:
        """The object is known, and the file is to take its place: also after the object is gone, and by a later run."""
        self.note(name, entry, GOES_ON)

    def note(self, name: str, entry: Entry | None, stat: tuple[int, int] | None = None) -> None:
        """File and object are of one content; None: neither is known any more.

        Args:
            stat: of the file when it was; by default now.
        """
        now = stat or self.stat(name)
        if entry is None or now is None:
            self.known.pop(name, None)
        else:
            self.known[name] = (entry.size, entry.mark, *now)

    def move(self, names: Iterable[str], aside: str, final: str) -> None:
        """What is known of files whose folder was renamed; `names` are relative to it."""
        for name in names:
            if (known := self.known.pop(f"{aside}/{name}", None)) is not None:
                self.known[f"{final}/{name}"] = known

    def save(self) -> None:
        """Writes the index."""
        write_json(self.home / INDEX_FILE, {name: list(known) for name, known in sorted(self.known.items())})


def open_mirror(place: Path, url: str) -> Mirror:
    """The mirror of a URL in a place; made where it is not there. `Mirror.read_index` is for who holds it.

    Raises:
        InputError: the place cannot be made or written.
    """
    digest = hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:12]
    last = "".join(letter if letter.isalnum() else "-" for letter in url.rstrip("/").rpartition("/")[2])[:40]
    try:
        home = make_private_folder(place / f"{last}-{digest}")
        folder = make_private_folder(home / "mirror")
    except OSError as error:
        raise InputError(
            f"`place` must be a folder that can be made and written; got `{place}`: {error.strerror or error}. Name another by `--place` or "
            "RINGLIGHT_PLACE, or correct its owner and mode."
        ) from None
    return Mirror(home, folder)
