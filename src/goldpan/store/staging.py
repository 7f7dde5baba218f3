"""Rows that workers write beside a table: they reach it as files, past the one that commits them."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from goldpan.core.place import RemotePath, place
from goldpan.core.refusals import speaking
from goldpan.core.remote import lance_options

if TYPE_CHECKING:
    from lance.fragment import FragmentMetadata


class Staged(NamedTuple):
    """A file of rows that is part of no table yet.

    Attributes:
        folder: that it is in.
        about: what Lance has to know of it, JSON.
    """

    folder: str
    about: str

    @property
    def fragment(self) -> FragmentMetadata:
        """What Lance has to know of it."""
        from lance.fragment import FragmentMetadata

        return FragmentMetadata.from_json(self.about)

    def read(self, schema: pa.Schema) -> pa.Table:
        """Read the rows; `schema` is theirs, with the metadata of the table that they are for."""
        from lance.file import LanceFileReader

        options = lance_options(self.folder).get("storage_options")
        with speaking(self.folder):
            return LanceFileReader(str(self._file(self.folder)), options).read_all().to_table().cast(schema)

    def move(self, folder: str) -> FragmentMetadata:
        """Move the file to another folder of the same store, and return what Lance has to know of it there."""
        self._file(folder).parent.mkdir(parents=True, exist_ok=True)
        self._file(self.folder).rename(self._file(folder))
        return self.fragment

    def _file(self, folder: str) -> Path:
        name: str = self.fragment.files[0].path
        return place(folder) / "data" / name


def stage(rows: pa.Table, folder: Path, version: str | None) -> Staged:
    """Write rows to a file of their own, whole or not at all.

    Args:
        rows: with all columns of the table that they are for, in its order.
        folder: that no table is in.
        version: of the format that the table is in; the newest where None.
    """
    from lance.fragment import write_fragments

    options = lance_options(str(folder)) | {"mode": "create", "data_storage_version": version}
    with speaking(folder):
        (fragment,) = write_fragments(rows, str(folder), rows.schema, max_rows_per_file=len(rows), **options)
    return Staged(str(folder), json.dumps(fragment.to_json()))


@contextmanager
def staging(folder: Path) -> Iterator[Path]:
    """Give a new folder below `folder` to stage in; what is there, of runs that were killed too, goes.

    Who calls this holds the right to what is staged there, so that nobody else is at work in `folder`.
    """
    _remove(folder)
    try:
        yield folder / secrets.token_hex(8)
    finally:
        _remove(folder)


def _remove(folder: Path) -> None:
    if isinstance(folder, RemotePath):
        for path in folder.rglob("*"):
            path.unlink(missing_ok=True)
    else:  # a worker that has not heard of the end of its run may write there still: the next run removes that
        shutil.rmtree(folder, ignore_errors=True)
