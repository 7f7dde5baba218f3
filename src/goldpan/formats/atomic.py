"""Write a file or a folder so that a reader sees the old one or the whole new one, never a half."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replace_file(path: str | Path) -> Iterator[Path]:
    """Give a temporary file beside `path` to write to; put it in place of `path` when the block ends well.

    The bytes reach the disk (fsync of the file, then of its folder) before the name changes. When the block
    raises, the temporary file goes and `path` is untouched. Missing folders above `path` are made.

    Yields:
        The path to write; nothing is there yet.
    """
    target = Path(path)
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
    new one is complete on disk before the old one moves.

    Yields:
        The folder to fill.
    """
    target = Path(path)
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


def _beside(path: Path) -> Path:
    """Return an unused hidden name in the folder of `path`, so that a rename stays within one file system."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
