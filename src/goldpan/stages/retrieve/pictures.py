"""The pictures of a pool that are on this machine, each by its row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from goldpan.core.errors import ImageError, Reason
from goldpan.imaging.opening import DEFAULT_MAX_PIXELS, open_image
from goldpan.stages.retrieve.index_rows import IndexRows
from goldpan.stages.retrieve.pool import Pool
from goldpan.stages.retrieve.workspace_rows import WorkspaceRows

if TYPE_CHECKING:
    from PIL.Image import Image

COLUMN = "image_path"


def open_picture(pool: Pool, row: int, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> Image:
    """Open the image of a row, or the part of it that the row is about; RGB.

    Raises:
        ImageError: there is none on this machine, or it cannot be used.
    """
    if isinstance(pool.metadata, WorkspaceRows | IndexRows):
        source, box = pool.metadata.picture(row)
        image = open_image(source, max_pixels=max_pixels).image
        return image.crop(box) if box else image
    (told,) = pool.rows(np.array([row]), [COLUMN])
    if not told.get(COLUMN):
        raise ImageError(Reason.MISSING_FILE, "the row names no image on this machine.")
    return open_image(Path(str(told[COLUMN])), max_pixels=max_pixels).image
