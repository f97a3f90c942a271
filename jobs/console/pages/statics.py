"""Files that pages need: scripts, styles, the icon. What is in the package when it is first asked for is served, and nothing else.

All lie under a folder named by what they say, so a browser keeps them for good and a new release is new addresses: of the thirty requests that a
ring's page makes, it repeats none but for data. A page of another release that is still open gets today's files, which nobody keeps.
"""

import functools
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Annotated

from fastapi import Path, Request, Response

from jobs.console.endpoints import Endpoint
from jobs.console.problems import Problem

__all__ = ["ENDPOINTS", "StaticFile", "static_files", "static_folder"]

_MEDIA = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",  # licences
}
_FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class StaticFile:
    """A file as it goes out, as it is and packed by gzip."""

    content: bytes = field(repr=False)
    packed: bytes = field(repr=False)
    media: str


@functools.cache
def static_files() -> Mapping[str, StaticFile]:
    """Every file that may be served, by its path under the folder."""
    found = {}
    for name, entry in _walk(files("jobs.console") / "static"):
        media = _MEDIA.get(f".{name.rpartition('.')[2]}")
        if media is not None:
            content = entry.read_bytes()
            found[name] = StaticFile(content, gzip.compress(content, mtime=0), media)
    return found


@functools.cache
def static_folder() -> str:
    """The folder's path in a URL, without a slash at its end: it names all the files' bytes."""
    told = hashlib.sha256()
    for name, file in static_files().items():
        told.update(f"{name}\0{hashlib.sha256(file.content).hexdigest()}\n".encode())
    return f"/static/{told.hexdigest()[:16]}"


def get_static(
    request: Request, release: Annotated[str, Path(max_length=64)], path: Annotated[str, Path(max_length=200)]
) -> Response:
    """A file. Names are looked up in the list, never on the disk."""
    found = static_files().get(path)
    if found is None:
        raise Problem(404, "no-file", "The console has no such file.")
    headers = {"Vary": "Accept-Encoding"}
    if f"/static/{release}" == static_folder():
        headers["Cache-Control"] = _FOR_GOOD
    offered = {each.strip().partition(";")[0] for each in request.headers.get("accept-encoding", "").split(",")}
    if "gzip" in offered:
        return Response(found.packed, 200, headers | {"Content-Encoding": "gzip"}, found.media)
    return Response(found.content, 200, headers, found.media)


def _walk(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, Traversable]]:
    for entry in sorted(folder.iterdir(), key=lambda each: each.name):
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield f"{prefix}{entry.name}", entry


ENDPOINTS = (Endpoint("GET", "/static/{release}/{path:path}", get_static, is_page=True),)
