"""A file on its way: a `.part` beside the place it goes to, with what is needed to go on with it later."""

from __future__ import annotations

import fcntl
import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from goldpan.core.errors import InputError, Reason
from goldpan.fetch.errors import FetchError


@dataclass(frozen=True, slots=True)
class Checks:
    """What a file is known to be; None for what is not known.

    Attributes:
        sha256: hexadecimal.
        md5: hexadecimal.
        size: bytes.
    """

    sha256: str | None = None
    md5: str | None = None
    size: int | None = None

    def check(self, path: Path) -> None:
        """Compare a file.

        Raises:
            FetchError: WRONG_HASH where it is another.
        """
        size = path.stat().st_size
        if self.size not in (None, size):
            raise FetchError(Reason.WRONG_HASH, f"{path.name} has {size:,} bytes; expected are {self.size:,}.")
        for kind, expected in (("sha256", self.sha256), ("md5", self.md5)):
            if expected is None:
                continue
            with path.open("rb") as file:
                found = hashlib.file_digest(file, kind).hexdigest()
            if found != expected.lower():
                raise FetchError(Reason.WRONG_HASH, f"{path.name} has the {kind} {found}; expected is {expected}.")


class Part:
    """The `.part` file of `target`, open and locked, and the validator that its server gave it.

    Attributes:
        size: bytes that are there.

    Raises:
        InputError: another process is at it, or it cannot be written.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self.path = target.with_name(f"{target.name}.part")
        self._validator = target.with_name(f"{target.name}.part.etag")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("ab", buffering=0)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}.") from error
        if not self._is_ours():
            self._file.close()
            raise InputError(f"{target} is being downloaded by another process; wait for it.")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self.size == 0:
            self.path.unlink(missing_ok=True)
        self._file.close()

    def _is_ours(self) -> bool:
        """Lock the file; return whether that went well, and nobody put it in its place before."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return os.path.samestat(os.fstat(self._file.fileno()), self.path.stat())
        except (BlockingIOError, FileNotFoundError):
            return False

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._file.tell()

    @property
    def validator(self) -> str | None:
        """ETag or date that tells whether the server still has the same file."""
        return self._validator.read_text() if self._validator.exists() else None

    def restart(self, validator: str | None = None) -> None:
        """Drop what is there, for a file that has this validator."""
        self._file.seek(0)
        self._file.truncate()
        self._validator.unlink(missing_ok=True)
        if validator:
            self._validator.write_text(validator)

    def write(self, data: bytes) -> None:
        """Add to it."""
        while data:
            data = data[self._file.write(data) :]

    def finish(self) -> None:
        """Put it in its place; its bytes are on the disk before its name changes."""
        os.fsync(self._file.fileno())
        self.path.replace(self._target)
        self._validator.unlink(missing_ok=True)
        folder = os.open(self._target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
