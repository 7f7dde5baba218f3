"""Write a file or a folder so that a reader sees the old one or the whole new one, never a half.

What goes to a bucket is made in the folder for temporary files and uploaded when it is finished.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from goldpan.core.place import RemotePath, place

_SEAL = "SHA256SUMS"


@contextlib.contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to; put it in place of `path` when the block ends well.

    The bytes reach the disk (fsync of the file, then of its folder) before the name changes. When the block
    raises, the temporary file goes and `path` is untouched. Missing folders above `path` are made.

    Yields:
        The path to write; nothing is there yet.

    Raises:
        RemoteError: `path` is in a bucket that cannot be written.
    """
    target = place(path)
    if isinstance(target, RemotePath):
        with _to_upload(target) as temporary:
            yield temporary
            target.upload(temporary)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = _beside(target)
    try:
        yield temporary
        _sync(temporary)
        temporary.replace(target)
        _sync(target.parent)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replace_folder(path: str | Path) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; put it in place of `path` when the block ends well.

    A folder cannot replace a full one in one step, so for a moment between two renames there is none; the
    new one is complete on disk before the old one moves. A bucket has no folders to rename: what is there is
    removed, then the files are uploaded, SHA256SUMS last: a release without it is not whole.

    Yields:
        The folder to fill.

    Raises:
        RemoteError: `path` is in a bucket that cannot be written.
    """
    target = place(path)
    if isinstance(target, RemotePath):
        with _to_upload(target) as temporary:
            temporary.mkdir()
            yield temporary
            _upload_folder(temporary, target)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary, old = _beside(target), _beside(target)
    temporary.mkdir()
    try:
        yield temporary
        for entry in sorted(temporary.rglob("*")):
            _sync(entry)
        _sync(temporary)
        if target.exists():
            target.rename(old)
        temporary.rename(target)
        _sync(target.parent)
    finally:
        for leftover in (temporary, old):
            shutil.rmtree(leftover, ignore_errors=True)


def forget_halves(folder: Path, name: str = "*") -> None:
    """Remove what `replace_file` and `replace_folder` left that were killed; none may be at work there.

    Args:
        folder: that holds what was to be written; it need not be there.
        name: of the file or folder to be written, or a pattern.
    """
    for left in folder.glob(f".{name}.{'[0-9a-f]' * 8}.tmp"):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


@contextlib.contextmanager
def _to_upload(target: RemotePath) -> Iterator[Path]:
    """Give a path on disk with the name of `target`, so that its suffix tells the same format."""
    folder = Path(tempfile.mkdtemp(prefix="goldpan-"))
    try:
        yield folder / target.name
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _upload_folder(folder: Path, target: RemotePath) -> None:
    for old in [*target.rglob("*")]:
        old.unlink(missing_ok=True)
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    for file in sorted(files, key=lambda file: file.name == _SEAL):
        (target / file.relative_to(folder)).upload(file)


def _beside(path: Path) -> Path:
    """Return an unused hidden name in the folder of `path`, so that a rename stays within one file system."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
