"""Object storage by a URL of any scheme that fsspec knows. The one module that imports fsspec.

Credentials and endpoints come from the environment, by each provider's own names (for s3: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_ENDPOINT_URL_S3, or the role of the machine), never from a URL.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from graph.errors import InputError, RinglightError, StoreError, first_line
from jobs.night import Progress, SilentProgress

__all__ = ["Entry", "Storage"]

R = TypeVar("R")

SIDE_BY_SIDE = 8  # transfers: one waits for the network, not for a core
_MARKS = ("ETag", "etag", "md5Hash", "content_md5", "checksum", "mtime", "LastModified", "last_modified", "created")


@dataclass(frozen=True)
class Entry:
    """An object as a listing tells it.

    Attributes:
        size: bytes.
        mark: what changes with its content: its ETag, checksum or time, whichever the storage has.
    """

    size: int
    mark: str


class Storage:
    """The objects below one URL, by their names relative to it."""

    def __init__(self, url: str, flag: str) -> None:
        """Opens it; nothing is asked of the network yet.

        Args:
            url: with a scheme, without credentials.
            flag: that named it, for messages: `--lake` or `--events`.

        Raises:
            InputError: the scheme is unknown, its package is not installed, or the URL holds credentials or nothing else.
        """
        import fsspec
        from fsspec.registry import known_implementations

        self.url, self.flag = url.rstrip("/"), flag
        parts = urlsplit(url)
        if parts.password is not None:
            raise InputError(
                f"`{flag}` must be a URL without credentials; got one with some. Give them by the environment."
            )
        if not parts.netloc and not parts.path.strip("/"):
            raise InputError(f"`{flag}` must name a place, such as s3://BUCKET/FOLDER; got `{url}`.")
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url, skip_instance_cache=True, use_listings_cache=False)
        except ImportError:
            known = known_implementations.get(parts.scheme, {})
            package = str(known.get("class", parts.scheme)).split(".")[0]
            raise InputError(
                f"`{flag}` must be a URL that this installation can read; got `{url}`, whose scheme `{parts.scheme}` needs the package "
                f"`{package}`. Install it."
            ) from None
        except ValueError:
            schemes = "s3, gs, az, abfs, file"
            raise InputError(
                f"`{flag}` must be a URL of a scheme that fsspec knows ({schemes}, ...); got `{url}`."
            ) from None
        self._is_local = "file" in _protocols(self._fs)

    def list(self, prefix: str = "") -> dict[str, Entry]:
        """All objects below `prefix` (a folder's name, without a slash at its end), by name; none where there is nothing."""
        below = f"{self._root}/{prefix}" if prefix else self._root
        with self._told():
            try:
                found: dict[str, Any] = self._fs.find(below, detail=True)
            except FileNotFoundError as error:
                if "bucket" in str(error).lower() or "container" in str(error).lower():
                    raise
                return {}
        return {
            path.removeprefix(self._root).lstrip("/"): Entry(int(facts["size"]), _mark(facts))
            for path, facts in found.items()
            if facts.get("type") == "file" and not path.endswith("/")
        }

    def entry(self, name: str) -> Entry | None:
        """One object; None where it is not there."""
        with self._told():
            try:
                facts = self._fs.info(self._path(name))
            except FileNotFoundError:
                return None
        return Entry(int(facts["size"]), _mark(facts))

    def read(self, name: str) -> str | None:
        """A small object's text; None where it is not there."""
        with self._told():
            try:
                content: bytes = self._fs.cat_file(self._path(name))
            except FileNotFoundError:
                return None
        return content.decode("utf-8", errors="replace")

    def write(self, name: str, text: str) -> None:
        """Writes a small object, whole or not at all."""
        with self._told():
            self._make_parent(name)
            self._fs.pipe_file(self._path(self._aside(name)), text.encode())
            self._from_aside(name)

    def create(self, name: str, text: str) -> bool:
        """Writes a small object unless it is there; whether it was not.

        One of several at once succeeds where the storage has exclusive creation (S3's If-None-Match, a local disk's O_EXCL); elsewhere fsspec
        looks first and then writes.
        """
        with self._told():
            self._make_parent(name)
            try:
                if self._is_local:
                    with self._fs.open(self._path(name), "xb") as file:
                        file.write(text.encode())
                else:
                    self._fs.pipe_file(self._path(name), text.encode(), mode="create")
            except FileExistsError:
                return False
        return True

    def fetch(self, name: str, path: Path) -> None:
        """Copies an object to a file, which is there whole or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.partial")
        with self._told():
            self._fs.get_file(self._path(name), str(aside))
        aside.replace(path)

    def put(self, path: Path, name: str) -> Entry:
        """Copies a file to an object, which is there whole or not at all; what a listing says of it then.

        Raises:
            StoreError: it did not arrive whole, or the storage does not answer.
        """
        with self._told():
            self._make_parent(name)
            self._fs.put_file(str(path), self._path(self._aside(name)))
            self._from_aside(name)
        found = self.entry(name)
        if found is None or found.size != path.stat().st_size:
            raise StoreError(f"`{self.url}/{name}` must hold what was sent; got other bytes. Try again.")
        return found

    def remove(self, names: Iterable[str]) -> None:
        """Deletes objects; those that are not there are gone already."""
        with self._told():
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    self._fs.rm_file(self._path(name))

    def fetch_all(
        self,
        files: Sequence[tuple[str, Path]],
        done: Callable[[str], None],
        label: str,
        progress: Progress | None = None,
    ) -> None:
        """`fetch` of several, some at once; `done` hears each name, in the order given, when it and those before are there."""
        calls = [partial(self.fetch, name, path) for name, path in files]
        for (name, _), _ in zip(files, _side_by_side(calls, label, progress), strict=True):
            done(name)

    def put_all(
        self,
        files: Sequence[tuple[Path, str]],
        done: Callable[[str, Entry], None],
        label: str,
        progress: Progress | None = None,
    ) -> None:
        """`put` of several, some at once; `done` hears each name with what a listing now says of it, as for `fetch_all`."""
        calls = [partial(self.put, path, name) for path, name in files]
        for (_, name), entry in zip(files, _side_by_side(calls, label, progress), strict=True):
            done(name, entry)

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    def _aside(self, name: str) -> str:
        """Where a file is written before it is renamed; an object storage shows what is whole alone."""
        folder, slash, last = name.rpartition("/")
        return f"{folder}{slash}.{last}.partial" if self._is_local else name

    def _from_aside(self, name: str) -> None:
        if self._is_local:
            Path(self._path(self._aside(name))).replace(self._path(name))

    def _make_parent(self, name: str) -> None:
        if self._is_local:  # an object storage has no folders
            self._fs.makedirs(self._path(name).rpartition("/")[0], exist_ok=True)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """What a storage's own library raises, as one sentence of ours."""
        try:
            yield
        except RinglightError:
            raise
        except FileNotFoundError as error:
            raise InputError(
                f"`{self.flag}` must be a place that exists; got `{self.url}`: {first_line(error)}. Make the bucket, or correct the URL."
            ) from error
        except NotImplementedError as error:
            raise InputError(
                f"`{self.flag}` must be a place that can be written; got `{self.url}`, whose kind fsspec only reads. Name another."
            ) from error
        except PermissionError as error:
            raise InputError(
                f"`{self.flag}` must be a place that these credentials may use; got `{self.url}`: {first_line(error)}. Correct "
                "the credentials or the policy."
            ) from error
        except Exception as error:
            if "Credential" in type(error).__name__:
                raise InputError(
                    f"`{self.flag}` must be a place whose credentials are at hand; got `{self.url}` and none. Set them in the "
                    "environment (for s3: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)."
                ) from error
            raise StoreError(
                f"`{self.flag}` must answer; got `{self.url}`: {first_line(error)}. Try again, or look at the network and the endpoint."
            ) from error


def _side_by_side(calls: Sequence[Callable[[], R]], label: str, progress: Progress | None) -> Iterator[R]:
    with ThreadPoolExecutor(SIDE_BY_SIDE, thread_name_prefix="storage") as pool:
        waiting = [pool.submit(call) for call in calls]
        try:
            for one in (progress or SilentProgress()).track(waiting, label):
                yield one.result()
        finally:
            for one in waiting:
                one.cancel()


def _protocols(fs: Any) -> tuple[str, ...]:
    named = fs.protocol
    return (named,) if isinstance(named, str) else tuple(named)


def _mark(facts: Any) -> str:
    mark = next((facts[name] for name in _MARKS if facts.get(name) is not None), "")
    return str(
        mark.timestamp() if isinstance(mark, datetime) else mark
    )  # listings and single looks may tell times differently
