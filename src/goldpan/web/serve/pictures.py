"""Small JPEGs of a pool's pictures, made anew from their pixels; those shown of late are kept."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING

from goldpan.imaging.opening import open_image
from goldpan.imaging.transforms import thumbnail_jpeg
from goldpan.stages.retrieve.pictures import open_picture
from goldpan.stages.retrieve.pool import Pool

if TYPE_CHECKING:
    from PIL.Image import Image

_KEPT_BYTES = 64 << 20


class Pictures:
    """Pictures by pool, row and side; may be used from many threads.

    Args:
        max_pixels: of an image that is opened.
    """

    def __init__(self, max_pixels: int) -> None:
        self._max_pixels = max_pixels
        self._kept: OrderedDict[tuple[int, int, int], bytes] = OrderedDict()
        self._bytes = 0
        self._lock = Lock()

    def jpeg(self, pool: Pool, row: int, side: int) -> bytes:
        """Return the picture of a row, `side` pixels long at most.

        Raises:
            ImageError: it has none on this machine, or one that cannot be used.
        """
        key = (id(pool), row, side)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        return self._keep(key, open_picture(pool, row, max_pixels=self._max_pixels), side)

    def made(self, pool: Pool, row: int, side: int, image: bytes) -> bytes:
        """Return the picture of a row from the bytes of an image that was fetched.

        Raises:
            ImageError: it cannot be used.
        """
        return self._keep((id(pool), row, side), open_image(image, max_pixels=self._max_pixels).image, side)

    def _keep(self, key: tuple[int, int, int], image: Image, side: int) -> bytes:
        made = thumbnail_jpeg(image, side)
        with self._lock:
            self._bytes += len(made) - len(self._kept.get(key, b""))
            self._kept[key] = made
            while self._bytes > _KEPT_BYTES:
                self._bytes -= len(self._kept.popitem(last=False)[1])
        return made
