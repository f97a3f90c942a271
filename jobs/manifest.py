"""The manifest of a night: what went in, what came out, and by that which finished steps still hold.

manifest.json            in the night's folder: the same bytes for equal runs (no times, no absolute paths)
timings.json             beside it: seconds, hosts, memory
<work>/records.json      hashes of the intermediate files, which may hold raw values and so stay with them
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import gnn
import graph as graph_package
import jobs
from graph.errors import InputError
from graph.events import EventSource
from graph.lake import LAKE_VERSION, Night, list_nights
from jobs.files import fingerprint, hash_file, hash_tree, write_json
from jobs.key import fingerprint_key
from jobs.night import StepResult

__all__ = [
    "Inputs",
    "Manifest",
    "code_version",
    "hash_events",
    "key_of_night",
    "mark_of_night",
    "partitions_of_night",
    "previous_night",
    "read_manifest",
    "refuse_other_key",
    "versions",
]

MANIFEST_FILE = "manifest.json"
CLUSTERS_FILE = "clusters.parquet"
RECORDS_FILE = "records.json"
PACKAGES = (  # whose results a night's depend on: all that `graph` and `gnn` import, and ray
    "ringlight",
    "disposable-email-domains",
    "graspologic-native",
    "idna",
    "lightgbm",
    "neo4j",
    "networkx",
    "numba",
    "numpy",
    "phonenumbers",
    "polars",
    "polars-hash",
    "ray",
    "scikit-learn",
    "scipy",
    "torch",
    "torch-geometric",
)


@dataclass(frozen=True)
class Inputs:
    """All that a night's result follows from.

    Attributes:
        date: the as-of.
        events: sha256 of each event file, by its path in the event folder.
        key: fingerprint of the key.
        settings: general settings that change what a night finds.
        previous: date and manifest's sha256 of the previous night; None without one.
    """

    date: date
    events: Mapping[str, str]
    key: str
    settings: Mapping[str, Any]
    previous: Mapping[str, str] | None

    def to_json(self) -> dict[str, Any]:
        """As the manifest holds them."""
        return {
            "events": dict(self.events),
            "key": self.key,
            "settings": dict(self.settings),
            "previous": dict(self.previous) if self.previous else None,
        }

    def fingerprint(self) -> str:
        """Of the inputs with the code and the versions that read them."""
        return fingerprint([LAKE_VERSION, self.date.isoformat(), self.to_json(), versions(), code_version()])


@dataclass
class Manifest:
    """The manifest while a night runs; `write` after each step.

    Attributes:
        inputs: what the night's result follows from.
        steps: record of each finished step, by name.
        records: hashes of each finished step's intermediate files, by name.
        status: "partial" until all steps are done, then "complete".
    """

    inputs: Inputs
    steps: dict[str, dict[str, Any]] = field(default_factory=dict)
    records: dict[str, dict[str, str]] = field(default_factory=dict)
    status: str = "partial"

    def step_fingerprint(self, name: str, config: Mapping[str, Any], reads: Mapping[str, str]) -> str:
        """Of one step: inputs, its own settings, and the fingerprints of the steps that it reads."""
        return fingerprint([self.inputs.fingerprint(), name, dict(config), dict(reads)])

    def add(self, name: str, mark: str, config: Mapping[str, Any], result: StepResult, out: Path, work: Path) -> None:
        """Records a finished step.

        Raises:
            FileNotFoundError: the step names a file that it did not write.
        """
        self.steps[name] = {
            "status": "done",
            "fingerprint": mark,
            "settings": dict(config),
            "rows": dict(result.rows),
            "outputs": hash_tree(out, list(result.outputs)),
            "output_names": list(result.outputs),
            "intermediate_names": list(result.intermediates),
            "state_names": list(result.state),
            "restricted_state_names": list(result.restricted_state),
            "models": list(result.models),
            "facts": dict(result.facts),
        }
        self.records[name] = hash_tree(work, list(result.intermediates))

    def held(self, name: str, mark: str, out: Path, work: Path | None) -> bool:
        """Whether a finished step still stands: the same fingerprint, and its files as they were written.

        Args:
            work: None once the night is complete and its intermediate files are gone.
        """
        step = self.steps.get(name)
        if step is None or step["fingerprint"] != mark:
            return False
        try:
            if hash_tree(out, step["output_names"]) != step["outputs"]:
                return False
            return work is None or hash_tree(work, step["intermediate_names"]) == self.records.get(name)
        except OSError:
            return False

    def result(self, name: str) -> StepResult:
        """What a finished step left, as it is read back."""
        step = self.steps[name]
        return StepResult(
            rows=step["rows"],
            outputs=step["output_names"],
            intermediates=step["intermediate_names"],
            state=step["state_names"],
            restricted_state=step["restricted_state_names"],
            models=step["models"],
            facts=step["facts"],
        )

    def write(self, out: Path, work: Path | None) -> None:
        """Writes manifest.json into `out`, the hashes of intermediate files into `work`."""
        if work is not None:
            write_json(work / RECORDS_FILE, self.records)
        write_json(
            out / MANIFEST_FILE,
            {
                "lake_version": LAKE_VERSION,
                "date": self.inputs.date.isoformat(),
                "status": self.status,
                "inputs": self.inputs.to_json(),
                "inputs_fingerprint": self.inputs.fingerprint(),
                "versions": versions(),
                "code": code_version(),
                "steps": self.steps,
            },
        )


def read_manifest(folder: Path, inputs: Inputs, work: Path | None) -> Manifest | None:
    """The manifest in a night's folder, if it is there, whole, and of the same inputs and code; else None.

    Raises:
        InputError: the folder belongs to another version of the lake.
    """
    try:
        found = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        records = json.loads((work / RECORDS_FILE).read_text(encoding="utf-8")) if work is not None else {}
    except (OSError, ValueError):
        return None
    if found.get("lake_version") != LAKE_VERSION:
        raise _other_version(found.get("lake_version"))
    if found.get("inputs_fingerprint") != inputs.fingerprint():
        return None
    return Manifest(inputs, found["steps"], records, found["status"])


def _other_version(version: object) -> InputError:
    return InputError(
        f"`--lake` must be a lake of version {LAKE_VERSION}; got version {version}. "
        "Use the Ringlight that made it, or a new lake."
    )


def key_of_night(night: Night) -> str | None:
    """Fingerprint of the key under which a night was made; None where its manifest does not tell."""
    key = _inputs_of(night).get("key")
    return None if key is None else str(key)


def partitions_of_night(night: Night) -> int | None:
    """Into how many partitions a night cut the accounts; None where its manifest does not tell."""
    settings = _inputs_of(night).get("settings")
    found = settings.get("n_partitions") if isinstance(settings, dict) else None
    return found if isinstance(found, int) and found > 0 else None


def _inputs_of(night: Night) -> dict[str, Any]:
    try:
        inputs: dict[str, Any] = json.loads((night.folder / MANIFEST_FILE).read_text(encoding="utf-8"))["inputs"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return inputs if isinstance(inputs, dict) else {}


def refuse_other_key(lake: Path, key: str, *, is_given: bool) -> None:
    """Under another key no identifier is one of the lake's nights.

    Args:
        key: hex.
        is_given: it is RINGLIGHT_KEY's value, for the message.

    Raises:
        InputError: the newest night was made with another key.
    """
    nights = list_nights(lake)
    known = key_of_night(nights[-1]) if nights else None
    if known is None or known == fingerprint_key(key):
        return
    raise InputError(
        f"`RINGLIGHT_KEY` must be the key of the lake's nights; got {'another one' if is_given else 'none'}. "
        f"Set the one that the night {nights[-1].date} was made with, or begin a new lake."
    )


def hash_events(source: EventSource) -> dict[str, str]:
    """sha256 of every event file of the contract's tables, by path relative to the event folder.

    Raises:
        InputError: a file cannot be read.
    """
    hashes = {}
    for file in sorted(file for files in source.files.values() for file in files):
        name = file.relative_to(source.folder).as_posix()
        try:
            hashes[name] = hash_file(file)
        except OSError as error:
            raise InputError(
                f"`{name}` must be readable; got {type(error).__name__}. Correct its owner or mode."
            ) from None
    return hashes


def previous_night(nights: list[Night], day: date) -> Night | None:
    """The latest of `nights` before `day`."""
    return max((night for night in nights if night.date < day), key=lambda night: night.date, default=None)


def mark_of_night(night: Night | None) -> dict[str, str] | None:
    """What identifies a previous night: its date, and a fingerprint of the outputs that its manifest lists.

    Raises:
        InputError: the night has no readable manifest, is of another version of the lake, or its clusters, which the next
            night builds on, are not what it wrote.
    """
    if night is None:
        return None
    try:
        found = json.loads((night.folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if found["lake_version"] != LAKE_VERSION:
            raise _other_version(found["lake_version"])
        outputs = {name: step["outputs"] for name, step in found["steps"].items() if step["outputs"]}
        written = {file: mark for files in outputs.values() for file, mark in files.items()}
        if CLUSTERS_FILE in written and hash_file(night.folder / CLUSTERS_FILE) != written[CLUSTERS_FILE]:
            raise InputError(
                f"`{night.folder / CLUSTERS_FILE}` must be what that night wrote; got other bytes. "
                "Restore it, or run that night again with --force."
            )
    except (OSError, ValueError, KeyError):
        raise InputError(
            f"`{night.folder / MANIFEST_FILE}` must be a night's manifest; got a file that cannot be read as one. "
            "Restore it, or run that night again with --force."
        ) from None
    return {"date": night.date.isoformat(), "outputs": fingerprint(outputs)}


@cache
def versions() -> dict[str, str]:
    """Versions of Python and of the packages that results depend on."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = "absent"
    return found


@cache
def code_version() -> str:
    """sha256 over Ringlight's own sources and templates: a night made by other code is another night."""
    digest = hashlib.sha256()
    for package in (graph_package, gnn, jobs):
        root = Path(str(package.__file__)).parent
        files = (file for pattern in ("*.py", "*.j2") for file in root.rglob(pattern))
        for file in sorted(files):
            digest.update(f"{package.__name__}/{file.relative_to(root).as_posix()}\0".encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
