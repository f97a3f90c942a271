"""The key of the identifiers' hashes: RINGLIGHT_KEY, or one made for the lake."""

import contextlib
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

from graph.errors import InputError

__all__ = ["fingerprint_key", "key_path", "lake_key", "make_private_folder"]

KEY_VARIABLE = "RINGLIGHT_KEY"
MIN_BYTES = 16


def key_path(lake: Path) -> Path:
    """Where a lake keeps the key that was made for it."""
    return lake / "restricted" / "key"


def make_private_folder(folder: Path) -> Path:
    """Makes `folder` and sees to it that its owner alone can enter (mode 0700)."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    folder.chmod(0o700)
    return folder


def lake_key(
    lake: Path, given: str | None, random_hex: Callable[[int], str] | None, warn: Callable[[str], None]
) -> str:
    """The lake's key as hex.

    Args:
        lake: the lake.
        given: RINGLIGHT_KEY's value: hex of at least 16 bytes; None where it is not set.
        random_hex: source of randomness, like `secrets.token_hex`; None makes no key where there is none.
        warn: receives one sentence when a key is made.

    Raises:
        InputError: the key is no hex, too short, or the file cannot be read; or `given` differs from the lake's own; or there
            is none and none may be made.
    """
    path = key_path(lake)
    stored = _read(path) if path.is_file() else None
    if given is not None:
        key = _checked(given, f"`{KEY_VARIABLE}`")
        if stored is not None and stored != key:
            raise InputError(
                f"`{KEY_VARIABLE}` must be the key that this lake was made with; got another one. "
                f"Unset it, or remove `{path}` to begin anew under the other key."
            )
        return key
    if stored is not None:
        return stored
    if random_hex is None:
        raise InputError(
            f"`{KEY_VARIABLE}` must be the key that the lake's nights were made with; got none, and none is kept in `{path}`. Set it."
        )
    key = random_hex(32)
    make_private_folder(path.parent)
    partial = path.with_suffix(".partial")
    with contextlib.suppress(FileNotFoundError):
        partial.unlink()
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(key + "\n")
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    warn(
        f"No {KEY_VARIABLE} is set: a key was made for this lake, readable by its owner alone, in restricted/key. "
        "Back it up; without it no later night can be linked to this one."
    )
    return key


def fingerprint_key(key: str) -> str:
    """16 hex digits that tell whether two keys are the same and nothing else about them."""
    return hashlib.sha256(b"ringlight key fingerprint\0" + bytes.fromhex(key)).hexdigest()[:16]


def _read(path: Path) -> str:
    try:
        return _checked(path.read_text(encoding="ascii").strip(), f"`{path}`")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"`{path}` must be readable; got {type(error).__name__}. Correct its owner or mode.") from None


def _checked(value: str, name: str) -> str:
    text = value.strip().lower()
    try:
        n_bytes = len(bytes.fromhex(text))
    except ValueError:
        n_bytes = -1
    if n_bytes < MIN_BYTES:
        raise InputError(
            f"{name} must be hex of at least {MIN_BYTES} bytes; got "
            + ("text that is not hex" if n_bytes < 0 else f"{n_bytes} bytes")
            + ". Make one with `python -c 'import secrets; print(secrets.token_hex(32))'`."
        )
    return text
