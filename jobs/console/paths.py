"""Paths of this console, told from what only looks like one."""

from urllib.parse import urlsplit

__all__ = ["local_path"]

MAX_LENGTH = 2_000  # in the cookie of a sign-in a third more, and browsers drop a cookie above 4,096 bytes


def local_path(text: str | None) -> str:
    """The path if it is one of this console; else `/`. One above 2,000 characters, of a long selection, is cut to the page without its query.

    Browsers take a backslash for a slash and drop tabs and line ends, so none of these may stand in it; what is not ASCII they send encoded.
    """
    is_plain = text is not None and text.isascii() and text.isprintable() and "\\" not in text and " " not in text
    if text is None or not is_plain or not text.startswith("/") or text.startswith("//"):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or len(parts.path) > MAX_LENGTH:
        return "/"
    return text if len(text) <= MAX_LENGTH else parts.path
