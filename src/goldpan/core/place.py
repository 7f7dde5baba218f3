"""Where things are kept: a path of this machine, or one in a bucket, used alike.

``s3://bucket/ws`` is a `RemotePath`: a path whose first part is the scheme, with what a workspace and its outputs ask
of `pathlib.Path`, over fsspec. Whatever opens files of this machine gets one sentence from it instead.
"""

from __future__ import annotations

import io
import os
import re
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path, PosixPath
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator

from goldpan.core.errors import InputError
from goldpan.core.refusals import is_taken, speaking
from goldpan.core.remote import deadline, file_system

_SCHEME = re.compile(r"^([a-z][a-z0-9+.-]+:)/+")


def place(address: str | Path) -> Path:
    """Return where an address leads: a `RemotePath` for ``s3://bucket/ws`` and the like, else a plain path.

    A `Path` made of such an address, which lost one of its slashes, is understood too.
    """
    if isinstance(address, RemotePath):
        return address
    found = _SCHEME.match(str(address))
    if found is None:
        return Path(address)
    return Path(unquote(urlsplit(str(address)).path)) if found[1] == "file:" else RemotePath(address)


def is_url(address: str) -> bool:
    """Return whether an address has a scheme, as ``s3://bucket/key.jpg`` has."""
    return _SCHEME.match(address) is not None


@contextmanager
def on_disk(path: Path) -> Iterator[Path]:
    """Give a path on disk with what is at `path`: itself, or a copy of what is in a bucket, which goes at the end.

    Raises:
        RemoteError: it cannot be read.
    """
    if not isinstance(path, RemotePath):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="goldpan-") as folder:
        copy = Path(folder) / path.name
        path.download(copy)
        yield copy


Place = Annotated[Path, AfterValidator(place)]
"""A field of a configuration that takes a path of this machine or an address in a bucket."""


class RemotePath(PosixPath):
    """A path such as ``s3://bucket/ws``: its parts are the scheme, the bucket, and the names below it.

    What the store refuses is a `RemoteError`; what is not there, a FileNotFoundError as on disk. Folders are only
    parts of names: they are there while something is in them.
    """

    _about: dict[str, Any] | None = None

    def __str__(self) -> str:
        return _SCHEME.sub(r"\1//", super().__str__())  # a path keeps one slash of two

    def __fspath__(self) -> str:
        raise InputError(f"{self} is in a bucket, and this works with files on disk: copy it here first.")

    def read_bytes(self) -> bytes:
        """Return the whole object."""
        with speaking(self):
            data: bytes = self._ask("cat_file", start=0)  # so that s3fs does not ask for the size first
            return data

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Return the whole object as text, UTF-8 by default."""
        return self.read_bytes().decode(encoding or "utf-8", errors or "strict")

    def write_bytes(self, data: Any) -> int:
        """Write the whole object; a reader sees the old one or the new one."""
        with speaking(self):
            self._ask("pipe_file", bytes(data))
        return len(data)

    def create(self, data: bytes) -> bool:
        """Write the object unless there is one, which the store decides; return whether it was written."""
        with speaking(self):
            try:
                self._ask("pipe_file", data, mode="create")
            except OSError as error:
                if is_taken(error):
                    return False
                raise
        return True

    def upload(self, file: Path) -> None:
        """Write the object from a file of this machine, in parts where it is large; it appears when all is there."""
        with speaking(self):
            files = file_system(self._scheme)
            files.put_file(str(file), str(self), **deadline(files, file.stat().st_size))

    def download(self, target: Path) -> None:
        """Copy the object, or all below it, to this machine."""
        with speaking(self):
            file_system(self._scheme).get(str(self), str(target), recursive=self.is_dir())

    def stream(self) -> io.BufferedIOBase:
        """Open the object for reading from its beginning to its end."""
        with speaking(self):
            opened: io.BufferedIOBase = file_system(self._scheme).open(str(self), "rb")
            return opened

    def exists(self, **_: Any) -> bool:
        """Return whether there is such an object, or one below it."""
        return self._kind() is not None

    def is_file(self, **_: Any) -> bool:
        """Return whether there is such an object."""
        return self._kind() == "file"

    def is_dir(self, **_: Any) -> bool:
        """Return whether there are objects below it."""
        return self._kind() == "directory"

    def stat(self, **_: Any) -> os.stat_result:
        """Return size in bytes and time of the last change; the rest is zero."""
        about = self._told()
        changed = about.get("LastModified") or about.get("mtime") or about.get("last_modified") or about.get("created")
        seconds = changed.timestamp() if isinstance(changed, datetime) else 0.0
        fields = (stat.S_IFREG | 0o444, 0, 0, 1, 0, 0, about.get("size") or 0, *(3 * [int(seconds)]))
        return os.stat_result(fields, {"st_mtime": seconds, "st_mtime_ns": round(seconds * 1e9)})

    def iterdir(self) -> Iterator[RemotePath]:  # type: ignore[override]
        """Yield what is directly below, in no order; nothing where nothing is."""
        with speaking(self):
            found = self._listed("ls")
        yield from (self._child(about) for about in found)

    def rglob(self, pattern: str, **_: Any) -> Iterator[RemotePath]:  # type: ignore[override]
        """Yield every object below, in the order of their names; the only pattern is ``*``."""
        if pattern != "*":
            raise NotImplementedError(pattern)
        with speaking(self):
            found = self._listed("find")
        yield from (self._child(found[name]) for name in sorted(found))

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the object."""
        try:
            with speaking(self):
                self._ask("rm_file")
        except FileNotFoundError:
            if not missing_ok:
                raise

    def rename(self, target: str | os.PathLike[str]) -> RemotePath:
        """Move the object within its store, which copies it there and then removes it here."""
        with speaking(self):
            self._ask("cp_file", str(target))
            self._ask("rm_file")
        return RemotePath(target)

    def mkdir(self, *_: Any, **__: Any) -> None:
        """Do nothing: a folder of a bucket is there with what is in it."""

    def is_absolute(self) -> bool:
        """Return True: an address says all."""
        return True

    def absolute(self) -> RemotePath:
        """Return the path as it is."""
        return self

    def resolve(self, strict: bool = False) -> RemotePath:
        """Return the path as it is: a bucket has no links."""
        return self

    def _told(self) -> dict[str, Any]:
        with speaking(self):
            return self._about or dict(self._ask("info"))

    def _kind(self) -> str | None:
        try:
            return str(self._told()["type"])
        except FileNotFoundError:
            return None

    def _listed(self, operation: str) -> Any:
        try:
            return self._ask(operation, detail=True)
        except FileNotFoundError:
            return {}

    def _ask(self, operation: str, *given: Any, **options: Any) -> Any:
        """Have the store do something with this object, or nothing within a time."""
        files = file_system(self._scheme)
        return getattr(files, operation)(str(self), *given, **options, **deadline(files))

    @property
    def _scheme(self) -> str:
        return self.parts[0].removesuffix(":")

    def _child(self, about: dict[str, Any]) -> RemotePath:
        child = RemotePath(self.parts[0], about["name"].lstrip("/"))
        child._about = about
        return child
