"""Index folders of ours, read and written; see `goldpan.formats.index_folder`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from goldpan import __version__
from goldpan.core.errors import StageError
from goldpan.core.records import Ids
from goldpan.formats.atomic import replace_folder
from goldpan.formats.index_folder import METADATA, RECORD, ROW, checked_record, fingerprint
from goldpan.formats.parquet import TableFile, open_parquet
from goldpan.formats.sums import list_files
from goldpan.search.engines.loading import load_index, save_index
from goldpan.search.engines.protocol import Index
from goldpan.stages.index.infos import INFOS, infos

if TYPE_CHECKING:
    import pyarrow as pa

_GROUP_ROWS = 1 << 16


class IndexFolder:
    """An index folder that is there.

    Args:
        path: the folder.

    Raises:
        InputError: there is no index.
        FormatError: its ids or metadata are not those it was written with.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record: dict[str, Any] = checked_record(path)

    def open(self, threads: int | None = None) -> Index:
        """Load the index."""
        return load_index(self.path, threads=threads)

    def metadata(self) -> Iterable[pa.Table]:
        """Yield the metadata, a row group at a time; nothing where there is none."""
        if (self.path / METADATA).is_file():
            file = open_parquet(self.path / METADATA)
            for group in range(file.num_row_groups):
                yield file.read_row_group(group)

    def rows_of(self, rows: Ids) -> dict[int, dict[str, Any]]:
        """Return the metadata of a few rows, by row."""
        import pyarrow as pa
        import pyarrow.compute as pc

        wanted = pa.array(rows)
        found = [table.filter(pc.is_in(table[ROW], wanted)).to_pylist() for table in self.metadata()]
        return {int(line.pop(ROW)): line for part in found for line in part}


def write_index_folder(
    path: Path,
    index: Index,
    metadata: Iterable[pa.Table],
    about: dict[str, Any],
    *,
    beside: dict[str, str] | None = None,
    unchanged: Callable[[], bool] = lambda: True,
) -> dict[str, Any]:
    """Write an index folder in one step; return its record.

    Args:
        path: where; the index that is there is replaced.
        index: what to write.
        metadata: tables with the column `row`, in any steps.
        about: more for the record.
        beside: other files for the folder, text by name.
        unchanged: asked last: whether what this was made from is still so.

    Raises:
        StageError: it was not; another command changed the index meanwhile.
    """
    with replace_folder(path) as temporary:
        save_index(index, temporary)
        _write_metadata(temporary / METADATA, metadata)
        record: dict[str, Any] = json.loads((temporary / RECORD).read_text("utf-8"))
        record |= about | {"goldpan": __version__, "fingerprint": fingerprint(temporary)}
        (temporary / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
        for name, text in (beside or {}).items():
            (temporary / name).write_text(text, encoding="utf-8")
        size = sum((temporary / name).stat().st_size for name in list_files(temporary))
        names = infos(record, path, size)
        (temporary / INFOS).write_text(json.dumps(names, indent=2) + "\n", encoding="utf-8")
        if not unchanged():
            raise StageError(f"{path} was changed by another command meanwhile; run this one again.")
    return record


def _write_metadata(path: Path, metadata: Iterable[pa.Table]) -> None:
    file, any_rows = TableFile(path, _GROUP_ROWS), False
    for table in metadata:
        file.append(table)
        any_rows = True
    if any_rows:
        file.close()
