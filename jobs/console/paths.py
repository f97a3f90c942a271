"""Paths of this console, told from what only looks like one."""

from urllib.parse import urlsplit

__all__ = ["local_path"]


def local_path(text: str | None) -> str:
    """The path if it is one of this console; else `/`.

    Browsers take a backslash for a slash and drop tabs and line ends, so none of these may stand in it.
    """
    is_plain = text is not None and text.isprintable() and "\\" not in text and " " not in text
    if text is None or not is_plain or not text.startswith("/") or text.startswith("//"):
        return "/"
    try:
        parts = urlsplit(text)
    except ValueError:
        return "/"
    return "/" if parts.scheme or parts.netloc else text
