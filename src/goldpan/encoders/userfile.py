"""``file.py:FUNCTION``: an encoder from a user's own Python file, which is run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import check_vectors, unit_rows
from goldpan.core.errors import InputError
from goldpan.core.records import Metric
from goldpan.encoders.digests import digest, file_digest
from goldpan.encoders.options import EncoderOptions
from goldpan.encoders.protocol import Encoder, takes_no_text
from goldpan.imaging.transforms import Size, resampling, resize_and_crop, short_side_size

if TYPE_CHECKING:
    from PIL.Image import Image

_OPTIONS = ("normalize", "image_size", "crop", "resample")
_MADE = ("prepare", "encode", "encode_text", *Encoder.__annotations__)


class FunctionEncoder:
    """Wraps a function from ``(b, size, size, 3)`` uint8 RGB to ``(b, dim)`` numbers; called by one thread at a time.

    Raises:
        InputError: the function answers something else than one vector an image.
    """

    encodes_images = True
    encodes_text = False
    dtype = "float32"
    metric = Metric.COSINE
    concurrency = 1
    batch_size = 32

    def __init__(
        self, spec: str, function: Callable[[NDArray[np.uint8]], Any], path: Path, options: EncoderOptions
    ) -> None:
        if options.crop == "pad":
            raise InputError(f"{spec}: crop is center or squash here, not pad.")
        self.spec = spec
        self.unit_norm = bool(options.normalize)
        self._function = function
        self._size = options.image_size or 224
        self._squash = options.crop == "squash"
        self._filter = resampling(options.resample or "bicubic")
        self.preprocessing: dict[str, Any] = {
            "size": self._size,
            "crop": options.crop or "center",
            "resample": options.resample or "bicubic",
        }
        self.revision = digest({"unit_norm": self.unit_norm, **self.preprocessing}, file_digest(path))
        self.dim = self._called(np.zeros((1, self._size, self._size, 3), np.uint8)).shape[1]

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Return ``(size, size, 3)`` uint8 of an RGB image."""
        square = Size(self._size, self._size)
        resized = square if self._squash else short_side_size(image.size, self._size)
        return np.asarray(resize_and_crop(image, resized, square, self._filter))

    def encode(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(b, dim)`` float32."""
        return self._called(batch) if len(batch) else np.empty((0, self.dim), np.float32)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Refuse: the function takes images."""
        raise takes_no_text(self.spec)

    def _called(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        vectors = np.asarray(self._function(batch.copy()), np.float32)
        if vectors.ndim != 2 or len(vectors) != len(batch):
            raise InputError(
                f"{self.spec} answered an array of shape {vectors.shape} for {len(batch)} images; "
                f"expected ({len(batch)}, dim)."
            )
        return unit_rows(check_vectors(vectors)) if self.unit_norm else vectors


def load_user_file(spec: str, options: EncoderOptions) -> Encoder:
    """Run the file, call FUNCTION without arguments, and take the encoder or the function it returns.

    Raises:
        InputError: no such file or function, or it returns neither an `Encoder` nor a function.
    """
    file, _, name = spec.rpartition(":")
    path = Path(file).expanduser()
    if not path.is_file():
        raise InputError(f"There is no file {path} to take an encoder from; write it as FILE.py:FUNCTION.")
    made = _function(path, name)()
    missing = [word for word in _MADE if not hasattr(made, word)]
    if not missing:
        options.allow(spec)
        encoder: Encoder = made
        return encoder
    if not callable(made):
        raise InputError(
            f"{spec} returned {type(made).__name__}, which is no function, and no encoder either: "
            f"it lacks {', '.join(missing)}."
        )
    options.allow(spec, _OPTIONS)
    return FunctionEncoder(spec, made, path, options)


def _function(path: Path, name: str) -> Callable[[], Any]:
    found = importlib.util.spec_from_file_location(path.stem, path)
    if found is None or found.loader is None:
        raise InputError(f"{path} is no Python file.")
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    function = getattr(module, name, None)
    if not callable(function):
        raise InputError(f"{path} has no function {name!r}; write the encoder as {path}:FUNCTION.")
    wanted: Callable[[], Any] = function
    return wanted
