"""Lists of images, as `goldpan.formats.metadata` reads them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from goldpan.formats import metadata
from goldpan.formats.metadata import Metadata, Row, count_rows, metadata_files, open_metadata

__all__ = ["Listed", "Row", "count_rows", "find_column", "listed_files", "open_listed"]

Listed = Metadata
open_listed = open_metadata


def listed_files(path: Path) -> list[Path]:
    """Return the files of a list; see `metadata_files`."""
    return metadata_files([path])


def find_column(asked: str | None, usual: Sequence[str], listed: Listed, flag: str) -> str | None:
    """Return a column of a list; see `goldpan.formats.metadata.find_column`."""
    return metadata.find_column(asked, usual, listed.names, listed.path, flag)
