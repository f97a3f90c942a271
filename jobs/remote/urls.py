"""What is a URL and what a folder. Apart, for the command line asks at its start and imports nothing heavy."""

import re

__all__ = ["is_url"]

_URL = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")


def is_url(text: object) -> bool:
    """Whether it reads like a URL with a scheme, and so names no folder."""
    return bool(_URL.match(str(text)))
