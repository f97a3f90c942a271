"""Files of a lake: fingerprints of content, and writing that is either whole or not there."""

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

__all__ = ["delete", "fingerprint", "hash_file", "hash_tree", "sync_folder", "write_json", "write_whole"]


def hash_file(path: Path) -> str:
    """sha256 of a file's bytes, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_tree(root: Path, names: tuple[str, ...] | list[str]) -> dict[str, str]:
    """sha256 of every file that `names` (files or folders, relative to `root`) hold, by path relative to `root`, sorted.

    Raises:
        FileNotFoundError: a name does not exist.
    """
    hashes: dict[str, str] = {}
    for name in names:
        path = root / name
        files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
        hashes |= {file.relative_to(root).as_posix(): hash_file(file) for file in files}
    return dict(sorted(hashes.items()))


def fingerprint(value: Any) -> str:
    """sha256 of a JSON value, hex; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def write_whole(path: Path, text: str) -> None:
    """Writes a file that is there whole or not at all: beside it, to the disk, then renamed."""
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Writes a JSON value, indented, keys sorted; see `write_whole`."""
    write_whole(path, json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")


def delete(path: Path) -> None:
    """Deletes a file or folder with all in it; nothing where it does not exist."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Sees to it that a new file's name is on the disk, too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
