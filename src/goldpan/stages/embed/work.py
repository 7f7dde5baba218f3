"""One batch: open and prepare its images, run the model, and tell which rows failed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from goldpan.core.arrays import bad_rows
from goldpan.core.errors import ImageError, Reason, StageError
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.imaging.opening import open_image
from goldpan.stages.embed.config import EmbedConfig
from goldpan.store.failures import Failure
from goldpan.store.staging import Staged
from goldpan.store.workspace import Workspace

if TYPE_CHECKING:
    from PIL.Image import Image


class Row(NamedTuple):
    """What a row of `images` gives to embed: an address and perhaps a box, or a text."""

    id: str
    uri: str | None
    box: tuple[int, int, int, int] | None
    text: str | None


class Done(NamedTuple):
    """The outcome of a batch.

    Attributes:
        ids: of the rows that made it.
        vectors: of them, in order; none where they are staged.
        failures: of the other rows.
        staged: a file of ids and vectors.
    """

    ids: list[str]
    vectors: NDArray[Any]
    failures: list[Failure]
    staged: Staged | None = None


class BatchWorker:
    """Embeds one batch; it may be called from several threads at once.

    Every thread opens and prepares its own batch, then takes its turn at the model: decoding of some batches
    overlaps with the model at work on others, and memory holds one batch a thread. Sent to another process, it loads
    the encoder there, once.
    """

    def __init__(self, ws: Workspace, config: EmbedConfig, encoder: Encoder) -> None:
        self.ws, self._config, self._encoder = ws, config, encoder
        self._turn = threading.Semaphore(encoder.concurrency)
        self._dtype = stored_dtype(config, encoder)

    def __call__(self, rows: list[Row]) -> Done:
        """Open and prepare the images, or take the texts, and encode them."""
        ready = _texts(rows) if self._config.column else _images(rows, self.ws, self._config, self._encoder)
        with self._turn:
            done = _encoded(ready, self._encode, self._encoder.dim)
        with np.errstate(over="ignore"):  # what does not fit becomes infinite, and a failure below
            narrow = done._replace(vectors=done.vectors.astype(self._dtype, copy=False))
            return _drop_not_finite(narrow, self._dtype)

    def _encode(self, inputs: list[Any]) -> NDArray[Any]:
        return self._encoder.encode_text(inputs) if self._config.column else self._encoder.encode(_stack(inputs))

    def __reduce__(self) -> tuple[Any, ...]:
        return _elsewhere, (self.ws, self._config, self._encoder.revision)


@lru_cache(1)
def _elsewhere(ws: Workspace, config: EmbedConfig, revision: str) -> BatchWorker:
    """Make the worker anew in the process it was sent to.

    Raises:
        StageError: the encoder has other weights there.
    """
    encoder = load_encoder(config.encoder, config)
    if encoder.revision != revision:
        raise StageError(f"{config.encoder} is {encoder.revision} on {os.uname().nodename}, not {revision}.")
    return BatchWorker(ws, config, encoder)


def stored_dtype(config: EmbedConfig, encoder: Encoder) -> str:
    """Return the type that vectors are stored as: the one asked for, but packed bits stay bits."""
    return config.dtype if encoder.dtype == "float32" else encoder.dtype


def as_rows(done: Done, schema: pa.Schema) -> pa.RecordBatch:
    """Return ids and vectors as rows of their table."""
    kind = schema.field("vector").type
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(done.vectors.reshape(-1), kind.value_type), kind.list_size)
    return pa.RecordBatch.from_arrays([pa.array(done.ids, pa.string()), vectors], schema=schema)


def _encoded(ready: _Ready, encode: Callable[[list[Any]], NDArray[Any]], dim: int) -> Done:
    """Run the model; where it raises on a batch, run it row by row and count the rows it cannot take."""
    try:
        return Done(ready.ids, _of_width(encode(ready.inputs), len(ready.ids), dim), ready.failures)
    except Exception as error:  # noqa: BLE001  a model may raise anything on an odd row
        if len(ready.ids) <= 1:
            detail = f"{type(error).__name__}: {error}"
            failures = [Failure(key, Reason.ENCODER_FAILED, detail) for key in ready.ids]
            return Done([], np.empty((0, dim), np.float32), ready.failures + failures)
    parts = [
        _encoded(_Ready([key], [value], []), encode, dim) for key, value in zip(ready.ids, ready.inputs, strict=True)
    ]
    return Done(
        [key for part in parts for key in part.ids],
        np.concatenate([part.vectors for part in parts]),
        ready.failures + [failure for part in parts for failure in part.failures],
    )


def _of_width(vectors: NDArray[Any], rows: int, dim: int) -> NDArray[Any]:
    if vectors.shape != (rows, dim):
        raise ValueError(f"the encoder answered {vectors.shape}, not {(rows, dim)}")
    return vectors


class _Ready(NamedTuple):
    ids: list[str]
    inputs: list[Any]
    failures: list[Failure]


def _texts(rows: list[Row]) -> _Ready:
    good = [row for row in rows if row.text]
    missing = [Failure(row.id, Reason.NO_TEXT, "the text column is empty") for row in rows if not row.text]
    return _Ready([row.id for row in good], [row.text for row in good], missing)


def _images(rows: list[Row], ws: Workspace, config: EmbedConfig, encoder: Encoder) -> _Ready:
    ready = _Ready([], [], [])
    for row, image in _opened(rows, ws, config):
        if isinstance(image, ImageError):
            ready.failures.append(Failure(row.id, image.reason, f"{row.uri}: {image.detail}"))
            continue
        try:
            ready.inputs.append(encoder.prepare(image))
            ready.ids.append(row.id)
        except Exception as error:  # noqa: BLE001  an encoder of the user's may raise anything on an odd image
            ready.failures.append(Failure(row.id, Reason.ENCODER_FAILED, f"{type(error).__name__}: {error}"))
    return ready


def _opened(rows: list[Row], ws: Workspace, config: EmbedConfig) -> Iterator[tuple[Row, Image | ImageError]]:
    """Open each row's image; crops of one photo follow each other, so the photo is decoded once."""
    photos = [(uri, list(crops)) for uri, crops in groupby(rows, lambda row: row.uri or "")]
    found = ws.blobs.read_all([uri for uri, _ in photos])
    for (_, crops), source in zip(photos, found, strict=True):
        image = source if isinstance(source, ImageError) else _open(source, config)
        for row in crops:
            yield row, image.crop(row.box) if row.box and not isinstance(image, ImageError) else image


def _open(source: bytes | Path, config: EmbedConfig) -> Image | ImageError:
    try:
        return open_image(source, max_pixels=config.max_pixels).image
    except ImageError as error:
        return error


def _stack(inputs: list[NDArray[Any]]) -> NDArray[Any]:
    return np.stack(inputs) if inputs else np.empty((0,), np.float32)


def _drop_not_finite(done: Done, dtype: str) -> Done:
    bad = bad_rows(done.vectors)
    if not len(bad):
        return done
    detail = "the encoder answered NaN or infinity" + (", or what float16 cannot hold" if dtype == "float16" else "")
    failures = [Failure(done.ids[i], Reason.NOT_FINITE, detail) for i in bad]
    keep = np.setdiff1d(np.arange(len(done.ids)), bad)
    return Done([done.ids[i] for i in keep], done.vectors[keep], done.failures + failures)
