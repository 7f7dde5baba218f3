"""One shard, from its first row to its statistics; what a kill leaves of it is found again."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from goldpan.core.errors import FormatError, StageError
from goldpan.formats.atomic import replace_file
from goldpan.formats.img2dataset.bodies import Body, Kind, open_body, tar_path
from goldpan.formats.img2dataset.journal import Entry, Journal, Place, write_journal
from goldpan.formats.img2dataset.layout import SUCCESS, Layout, Stats, read_stats
from goldpan.formats.img2dataset.tables import read_images, read_rows, write_table
from goldpan.formats.img2dataset.tar import TarFile, places

_ROOM = 64 << 20  # bytes that must be free when a shard is begun


class Shard:
    """A shard that is being written. Rows come in any order; each has the shard's columns of `tables.OUTCOME`.

    What was appended before a kill is there when the shard is opened again, see `journal.read_journal`. It is finished
    by `seal`, which writes its table, and `complete`, which writes its statistics.

    Args:
        layout: of the folder.
        number: of the shard.
        kind: where images go.
        image_column: name of the column of images in a Parquet file.

    Raises:
        StageError: the disk is full.
    """

    def __init__(self, layout: Layout, number: int, kind: Kind, image_column: str = "jpg") -> None:
        self.layout, self.number, self.kind = layout, number, kind
        self._image_column = image_column
        with disk_errors(layout.folder):
            _check_room(layout.folder)
            self._journal = Journal(layout.journal(number))
            self._body: Body = open_body(kind, layout, number, self._journal.read()[1].values())

    def add(
        self,
        row: dict[str, Any],
        image: bytes,
        suffix: str,
        *,
        caption: str | None = None,
        label: str | None = None,
        note: Callable[[Place], dict[str, Any]] = lambda place: {},
    ) -> Entry:
        """Write an image and what is known of it.

        Args:
            row: of the shard's table.
            image: the bytes of its file.
            suffix: of its file, such as "jpg".
            caption: goes into a file of its own where it is not None.
            label: its class, which names its folder.
            note: gives what to find again in the entry, from the place of the image.

        Raises:
            StageError: the disk is full; all before is kept.
        """
        parts = {suffix: image}
        if self.kind != "parquet":
            if caption is not None:
                parts["txt"] = caption.encode("utf-8", "replace")
            parts["json"] = json.dumps(row).encode()
        with disk_errors(self.layout.folder):
            place = self._body.append(row["key"], parts, label)
            entry = Entry(row | {"file": place.file} if self.kind == "imagefolder" else row, place, note(place))
            self._journal.append(entry)
        return entry

    def miss(self, row: dict[str, Any], note: dict[str, Any] | None = None) -> None:
        """Note a row that gave no image."""
        with disk_errors(self.layout.folder):
            self._journal.append(Entry(row, None, note))

    def sync(self) -> None:
        """Bring everything to the disk: images before the lines that tell of them."""
        with disk_errors(self.layout.folder):
            self._body.sync()
            self._journal.sync()

    @property
    def is_dirty(self) -> bool:
        """Tell whether it is time to `write_back`."""
        return self._body.is_dirty

    def write_back(self) -> None:
        """Bring the images that there are to the disk, in whatever thread."""
        with disk_errors(self.layout.folder):
            self._body.write_back()

    def seal(self, count: int, listed: pa.Schema) -> None:
        """End the files of the shard and write its table, in the order of the list.

        Args:
            count: rows the shard has.
            listed: the columns of the list and their types.

        Raises:
            StageError: not every row has an entry, or the disk is full.
        """
        with disk_errors(self.layout.folder):
            started, found = self._journal.read()
            entries = [entry for _, entry in sorted(found.items())]
            if len(entries) != count:
                raise StageError(
                    f"{self.layout.table(self.number)}: {len(entries):,} of {count:,} rows are known; "
                    "was a file of the folder removed? Remove those of this shard too, and its rows of `images`."
                )
            if self.kind == "imagefolder":
                listed = listed.append(pa.field("file", pa.string()))
            image = (self._image_column, self._image_of(entries)) if self.kind == "parquet" else None
            if image is None:
                self._body.finish()
            rows = [entry.row for entry in entries]
            write_table(self.layout.table(self.number), rows, listed, image)
            self._stats = Stats.of(rows, started)

    def complete(self) -> Stats:
        """Write the statistics, which makes a sealed shard a finished one, and remove what only helped to write it."""
        with disk_errors(self.layout.folder):
            self._stats.write(self.layout.stats(self.number))
        self.close()
        self._journal.remove()
        if self.kind == "parquet":
            tar_path(self.kind, self.layout, self.number).unlink()
        return self._stats

    def close(self) -> None:
        """Let go of the files of a shard that is not finished."""
        self._body.close()
        self._journal.close()

    def _image_of(self, entries: list[Entry]) -> Callable[[str], bytes | None]:
        found = {entry.row["key"]: entry.place for entry in entries if entry.place}
        body = self._body
        assert isinstance(body, TarFile)  # noqa: S101

        def read(key: str) -> bytes | None:
            place = found.get(key)
            return body.read(place) if place else None

        return read


def missing_files(layout: Layout, shard: int, kind: Kind) -> list[str]:
    """Return the names of those files of a finished shard that are not there; files of classes are not looked for."""
    name = layout.name(shard)
    bodies = {"webdataset": [layout.folder / f"{name}.tar"], "files": [layout.folder / name]}
    paths = [layout.table(shard), layout.stats(shard), *bodies.get(kind, [])]
    return [path.name for path in paths if not path.exists()]


def finished_entries(layout: Layout, shard: int, kind: Kind) -> dict[str, Entry]:
    """Return what a finished shard tells of its rows, by key, whichever program wrote it.

    Raises:
        FormatError: a file of the shard is missing or damaged.
    """
    rows = read_rows(layout.table(shard))
    found = _places(layout, shard, kind, rows)
    entries = {row["key"]: Entry(row, found.get(row["key"])) for row in rows}
    for key, entry in entries.items():
        if entry.place is None and entry.row["status"] == SUCCESS:
            raise FormatError(layout.table(shard), f"says that {key} is there, but its image is not")
    return entries


def _places(layout: Layout, shard: int, kind: Kind, rows: list[dict[str, Any]]) -> dict[str, Place]:
    name = layout.name(shard)
    if kind == "webdataset":
        return dict(places(layout.folder / f"{name}.tar"))
    if kind == "parquet":
        whole = Place(f"{name}.parquet", None, 0, None)
        return {row["key"]: whole for row in rows if row["status"] == SUCCESS}
    if kind == "imagefolder":
        files = [layout.folder / row["file"] for row in rows if row.get("file")]
    else:
        files = [path for path in (layout.folder / name).iterdir() if path.suffix not in (".txt", ".json")]
    sizes = {path: path.stat().st_size for path in files if path.is_file()}
    return {path.stem: Place(str(path.relative_to(layout.folder)), None, size, None) for path, size in sizes.items()}


def reopen(layout: Layout, shard: int, kind: Kind) -> None:
    """Make a finished shard one that is being written, so that rows can be added to it.

    Raises:
        FormatError: a file of the shard is missing or damaged.
        StageError: the disk is full.
    """
    entries = finished_entries(layout, shard, kind)
    journal = layout.journal(shard)
    with disk_errors(layout.folder):
        if kind == "parquet":
            spool = TarFile(tar_path(kind, layout, shard), 0)
            for key, image in read_images(layout.table(shard)):
                entries[key] = entries[key]._replace(place=spool.append(key, {"image": image}))
            spool.sync()
            spool.close()
        started = read_stats(layout.stats(shard))["start_time"]
        with replace_file(journal) as fresh:
            write_journal(fresh, started, entries.values())
        layout.stats(shard).unlink()


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say what to do where the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StageError(
            f"No space is left for {folder}; make room, then type the same command again: what was done is kept."
        ) from error


def _check_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < _ROOM:
        raise OSError(errno.ENOSPC, "less is free than a shard needs to begin")
