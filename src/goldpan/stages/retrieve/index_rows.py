"""The metadata of an index folder that was built from a workspace, whose pictures the workspace has."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from goldpan.core.records import Ids
from goldpan.formats.clip_indices import addressed
from goldpan.formats.row_store import RowStore
from goldpan.store.blobs import Blobs

_URI = "uri"


class IndexRows:
    """A `RowStore` over another, with `image_path` and `url`, the columns of clip-retrieval, in place of `uri`.

    Args:
        rows: of the index folder.
        blobs: of the workspace.
    """

    def __init__(self, rows: RowStore, blobs: Blobs) -> None:
        self._rows, self._blobs = rows, blobs
        self.n = rows.n
        self.columns = ("image_path", "url", *(name for name in rows.columns if name != _URI))

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `goldpan.formats.row_store.RowStore`."""
        known = [_URI, *(name for name in columns if name not in ("image_path", "url"))]
        told = [addressed(row[_URI]) | row for row in self._rows.rows(numbers, known)]
        return [{name: row[name] for name in columns} for row in told]

    def picture(self, number: int) -> tuple[bytes | Path, tuple[int, int, int, int] | None]:
        """Return the file or the bytes of the image of a row, and the part of it that is meant.

        Raises:
            ImageError: it cannot be read any more.
        """
        known = [name for name in (_URI, "box") if name in self._rows.columns]
        (row,) = self._rows.rows(np.array([number]), known)
        return self._blobs.read(row[_URI] or ""), tuple(row["box"]) if row.get("box") else None
