"""Values that a browser keeps for us and cannot make: sessions, states of a sign-in, cursors. HMAC-SHA-256, one key a purpose."""

import base64
import binascii
import hashlib
import hmac
import json
from typing import Any

__all__ = ["derive_key", "open_signed", "sign"]


def derive_key(key: str, purpose: str) -> bytes:
    """A key of its own for each purpose, from the lake's key; what is signed for one purpose is worth nothing for another.

    Args:
        key: hex.
    """
    return hmac.digest(bytes.fromhex(key), f"ringlight console {purpose}".encode(), hashlib.sha256)


def sign(value: dict[str, Any], key: bytes) -> str:
    """The value as text that `open_signed` takes, in letters that cookies and URLs allow. It is signed, not hidden."""
    body = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    return _text(body) + "." + _text(hmac.digest(key, body, hashlib.sha256))


def open_signed(text: str, key: bytes) -> dict[str, Any] | None:
    """The value that was signed; None for anything that was not signed with this key."""
    body_text, _, mark_text = text.partition(".")
    try:
        body, mark = _bytes(body_text), _bytes(mark_text)
    except (ValueError, binascii.Error):
        return None
    if not hmac.compare_digest(mark, hmac.digest(key, body, hashlib.sha256)):
        return None
    value = json.loads(body)
    return value if isinstance(value, dict) else None


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    if _text(data) != text:  # one value, one text
        raise ValueError
    return data
