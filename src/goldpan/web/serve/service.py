"""What all requests share, and the steps that answers are made of."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from goldpan.core.errors import ImageError, InputError
from goldpan.core.machine import processors
from goldpan.core.records import Ids, Metric
from goldpan.fetch.client import Fetcher, FetchOptions
from goldpan.formats.clip_indices import Modality
from goldpan.imaging.opening import open_image
from goldpan.search.fusion import distinct
from goldpan.stages.retrieve.pictures import COLUMN
from goldpan.stages.retrieve.pool import Found
from goldpan.web.serve.config import ServeConfig
from goldpan.web.serve.errors import Refused
from goldpan.web.serve.judges import load_judges
from goldpan.web.serve.lanes import Lane
from goldpan.web.serve.metrics import Metrics
from goldpan.web.serve.pictures import Pictures
from goldpan.web.serve.plain import plain
from goldpan.web.serve.served import Search, ServedPool, open_all

_FETCHES_AT_ONCE = 8
_FETCH_SECONDS = 10.0
_URL = "url"


class Service:
    """The pools, and everything that answers about them.

    Raises:
        InputError: a pool or a model cannot be opened.
        FormatError: as `InputError`.
    """

    def __init__(self, config: ServeConfig) -> None:
        self.config = config
        self.judges = load_judges(config)
        self.pools = open_all(config)
        self.metrics = Metrics()
        self.work = Lane("work", max(2, processors()))
        self._pictures = Pictures(config.max_pixels)
        self.keeps = Lane("keep", 1)
        self._fetches = Lane("fetch", _FETCHES_AT_ONCE)
        self._fetcher = Fetcher(_fetch_options(config))
        # Products here are small; threads of BLAS that wait for one another make them slow on a busy machine.
        self._one_thread = threadpool_limits(1, "blas")

    def close(self) -> None:
        """Let go of threads and connections."""
        self._one_thread.restore_original_limits()
        for lane in (self.work, self.keeps, self._fetches):
            lane.close()
        self._fetcher.close()
        for pool in self.pools.values():
            pool.close()

    def check_results(self, asked: int) -> None:
        """Refuse to answer with more than is allowed.

        Raises:
            Refused: it is more.
        """
        if asked > self.config.max_results:
            most = self.config.max_results
            raise Refused(400, "too_many_results", f"{asked:,} answers are asked for; {most:,} are the most.")

    @property
    def shown_by(self) -> tuple[str, ...]:
        """Columns that tell where a row's picture is."""
        return (COLUMN, _URL) if self.config.remote_pictures else (COLUMN,)

    async def of_text(self, pool: ServedPool, text: str) -> NDArray[np.float32]:
        """Return the vector of a text, ``(dim,)``."""
        with self.metrics["text_clip_inference_time"].time():
            return await pool.needs_encoder().texts.ask(text)

    async def of_image(self, pool: ServedPool, image: bytes) -> NDArray[np.float32]:
        """Return the vector of an image file, ``(dim,)``."""
        encoder = pool.needs_encoder()
        with self.metrics["image_prepro_time"].time():
            prepared = await self.work.run(self._prepared, encoder.encoder.prepare, image)
        with self.metrics["image_clip_inference_time"].time():
            return await encoder.images.ask(prepared)

    def _prepared(self, prepare: Any, image: bytes) -> NDArray[Any]:
        opened = open_image(image, max_bytes=self.config.max_body, max_pixels=self.config.max_pixels).image
        prepared: NDArray[Any] = prepare(opened)
        return prepared

    async def of_url(self, pool: ServedPool, url: str) -> NDArray[np.float32]:
        """Return the vector of an image somewhere else, ``(dim,)``."""
        if not self.config.image_urls:
            raise Refused(403, "image_urls_off", "This server fetches no images; send the image itself.")
        pool.needs_encoder()
        with self.metrics["download_time"].time():
            fetched = await self._fetches.run(self._fetcher.fetch, url)
        return await self.of_image(pool, fetched.body)

    async def of_row(self, pool: ServedPool, row: int) -> NDArray[np.float32]:
        """Return the vector of a row, ``(dim,)``."""
        if not pool.by_row:
            raise InputError(f"{pool.name} cannot be asked about rows: its index does not keep vectors by row.")
        side = pool.pool.modalities[0]
        found: NDArray[np.float32] = (await self.work.run(pool.pool.vectors, known_rows(pool, [row]), side))[0]
        if not np.isfinite(found).all() or not (found.any() or pool.pool.metric is Metric.HAMMING):
            raise InputError(f"Row {row} of {pool.name} has no {side} vector to search by.")
        return found

    async def search(
        self, pool: ServedPool, queries: NDArray[np.float32], k: int, modality: Modality, *, vectors: bool
    ) -> Found:
        """Return up to k neighbors of queries, ``(m, dim)``."""
        if modality not in pool.pool.modalities:
            raise InputError(f"{pool.name} has no {modality} index; it has: {', '.join(pool.pool.modalities)}.")
        with self.metrics["knn_index_time"].time():
            return await pool.search.ask(Search(queries, min(k, pool.pool.n), modality, vectors))

    def rows(self, pool: ServedPool, rows: Ids, columns: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Return what is known of rows, as values that JSON has."""
        with self.metrics["metadata_get_time"].time():
            return [plain(row) for row in pool.pool.rows(rows, columns)] if len(rows) else []

    def add_pictures(self, pool: ServedPool, rows: Ids, told: Sequence[dict[str, Any]]) -> None:
        """Give rows that have a picture on this machine the key `image`, as base64 of a JPEG."""
        for row, one in list(zip(rows.tolist(), told, strict=True))[: self.config.max_pictures]:
            if one.get(COLUMN):
                try:
                    one["image"] = base64.b64encode(self.picture(pool, row, self.config.picture_side)).decode()
                except ImageError:
                    continue  # as clip-retrieval has it: no picture, no key

    def distinct(self, vectors: NDArray[np.float32], threshold: float) -> NDArray[np.bool_]:
        """Return which answers, ``(m, k, dim)``, are unlike all better ones to the same query."""
        with self.metrics["dedup_time"].time():
            return np.stack([distinct(one, threshold) for one in vectors])

    async def thumbnail(self, pool: ServedPool, row: int, side: int) -> bytes:
        """Return the picture of a row as a JPEG, fetched where it is elsewhere and that was allowed.

        Raises:
            Refused: there is none.
        """
        try:
            return await self.work.run(self.picture, pool, row, side)
        except ImageError as error:
            url = pool.pool.rows(np.array([row]), [_URL])[0].get(_URL) if self.config.remote_pictures else None
            if not url:
                raise Refused(404, "no_picture", f"Row {row} has no picture to show: {error.detail}") from error
        fetched = await self._fetches.run(self._fetcher.fetch, str(url))
        return await self.work.run(self._pictures.made, pool.pool, row, side, fetched.body)

    def picture(self, pool: ServedPool, row: int, side: int) -> bytes:
        """Return the picture of a row as a JPEG.

        Raises:
            ImageError: it has none on this machine, or one that cannot be used.
        """
        return self._pictures.jpeg(pool.pool, row, side)


def from_base64(text: str) -> bytes:
    """Return the bytes of an image that was sent, also of a data URL.

    Raises:
        Refused: it is no base64.
    """
    try:
        return base64.b64decode(text.partition(",")[2] if text.startswith("data:") else text)
    except (binascii.Error, ValueError) as error:
        raise Refused(400, "bad_request", f"The image is no base64: {error}.") from error


def _fetch_options(config: ServeConfig) -> FetchOptions:
    """Return how an image is fetched that a person names: at once, once, and without asking robots.txt."""
    return FetchOptions(
        timeout=min(_FETCH_SECONDS, config.timeout),
        connect_timeout=min(_FETCH_SECONDS, config.timeout),
        retries=0,
        max_bytes=config.max_body,
        robots="ignore",
        opt_outs=[],
        allow_private=config.allow_private,
        ports=config.ports,
    )


def known_rows(pool: ServedPool, rows: Sequence[int]) -> Ids:
    """Return row numbers as an array.

    Raises:
        Refused: the pool has no such row.
    """
    outside = next((row for row in rows if not 0 <= row < pool.pool.n), None)
    if outside is not None:
        raise Refused(404, "no_such_row", f"{pool.name} has rows 0 to {pool.pool.n - 1}, not {str(outside)[:40]}.")
    return np.array(rows, np.int64)
