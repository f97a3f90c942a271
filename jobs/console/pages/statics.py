"""Files that pages need: scripts, styles, the icon. What is in the package when it is first asked for is served, and nothing else."""

import functools
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated

from fastapi import Path, Request, Response

from jobs.console.endpoints import Endpoint
from jobs.console.problems import Problem

__all__ = ["ENDPOINTS", "StaticFile", "static_files"]

_MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",  # licences
}


@dataclass(frozen=True)
class StaticFile:
    """A file as it goes out. `tag`: its entity tag, the sha256 of its bytes."""

    content: bytes = field(repr=False)
    media: str
    tag: str


@functools.cache
def static_files() -> Mapping[str, StaticFile]:
    """Every file that may be served, by its path under `/static/`."""
    found = {}
    for name, entry in _walk(files("jobs.console") / "static"):
        media = _MEDIA.get(f".{name.rpartition('.')[2]}")
        if media is not None:
            content = entry.read_bytes()
            found[name] = StaticFile(content, media, f'"{hashlib.sha256(content).hexdigest()}"')
    return found


def get_static(request: Request, path: Annotated[str, Path(max_length=200)]) -> Response:
    """A file. Names are looked up in the list, never on the disk."""
    found = static_files().get(path)
    if found is None:
        raise Problem(404, "no-file", "The console has no such file.")
    headers = {"ETag": found.tag, "Cache-Control": "no-cache"}
    asked = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if found.tag in asked or "*" in asked:
        return Response(status_code=304, headers=headers)
    return Response(found.content, 200, headers, found.media)


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


ENDPOINTS = (Endpoint("GET", "/static/{path:path}", get_static, is_page=True),)
