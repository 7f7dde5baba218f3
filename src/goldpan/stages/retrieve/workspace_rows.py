"""What `images` says of the rows of a table of vectors, by their numbers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from goldpan.core.errors import FormatError, ImageError, Reason
from goldpan.core.records import Ids
from goldpan.formats.clip_indices import addressed
from goldpan.store.workspace import Workspace

_LOOKED_AT = 1000
_OF_IMAGES = ("id", "uri", "label", "caption", "width", "height", "license", "author", "extra")


class WorkspaceRows:
    """A `RowStore` over a workspace, in the order of its vectors.

    Columns are `USUAL`, those that clip-retrieval has and more of `images`; then what sources carried along (`extra`),
    under its own names, as far as the first 1,000 images have it.

    Args:
        ws: the workspace.
        ids: of the images, in the order of the vectors.

    Raises:
        FormatError: an image is not there.
    """

    USUAL = ("id", "image_path", "url", "caption", "label", "width", "height", "license", "author")

    def __init__(self, ws: Workspace, ids: pa.StringArray) -> None:
        self._images, self._blobs = ws.images.dataset(), ws.blobs
        first = ws.images.to_table(columns=["extra"], limit=_LOOKED_AT)["extra"].to_pylist()
        self.columns = tuple(dict.fromkeys(chain(self.USUAL, *(json.loads(extra or "{}") for extra in first))))
        self.n = len(ids)
        known = ws.images.to_table(columns=["id"])["id"]
        places = pc.index_in(ids, known)
        if places.null_count:
            missing = ids.filter(places.is_null())[0].as_py()
            raise FormatError(ws.path, f"the image {missing!r} has a vector and no row in `images`.")
        self._places = places.to_numpy().astype(np.int64)

    def rows(self, numbers: Ids, columns: Sequence[str]) -> list[dict[str, Any]]:
        """See `goldpan.formats.row_store.RowStore`."""
        if not len(numbers) or self._images is None:
            return []
        wanted, back = np.unique(self._places[numbers], return_inverse=True)
        found = self._images.take(wanted.tolist(), columns=list(_OF_IMAGES)).to_pylist()
        return [_row(found[at], columns) for at in back.tolist()]

    def picture(self, number: int) -> tuple[bytes | Path, tuple[int, int, int, int] | None]:
        """Return the file or the bytes of the image of a row, and the part of it that is meant.

        Raises:
            ImageError: it cannot be read any more.
        """
        if self._images is None:
            raise ImageError(Reason.MISSING_FILE, "the workspace holds no images.")
        (image,) = self._images.take([int(self._places[number])], columns=["uri", "box"]).to_pylist()
        return self._blobs.read(image["uri"] or ""), tuple(image["box"]) if image["box"] else None


def _row(image: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    extra = json.loads(image["extra"] or "{}")
    told = extra | {name: value for name, value in image.items() if name != "extra"} | addressed(image["uri"])
    told["url"] = extra.get("url") or told["url"]
    return {name: told.get(name) for name in columns}
