"""``pixels:N``: the image itself, squashed to N x N. The baseline that needs no model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.machine import processors
from goldpan.core.records import Metric
from goldpan.encoders.digests import digest
from goldpan.encoders.options import EncoderOptions
from goldpan.encoders.protocol import Encoder, takes_no_text
from goldpan.imaging.transforms import resampling

if TYPE_CHECKING:
    from PIL.Image import Image

_MAX_SIDE = 1024


class PixelEncoder:
    """RGB of an N x N image, row by row, ``3 * N**2`` float32 from 0 to 1, compared by Euclidean distance."""

    def __init__(self, spec: str, side: int, resample: str) -> None:
        self.spec = spec
        self.dim = 3 * side * side
        self.dtype = "float32"
        self.metric = Metric.L2
        self.unit_norm = False
        self.encodes_images = True
        self.encodes_text = False
        self.concurrency = processors()
        self.batch_size = max(1, min(256, (1 << 24) // self.dim))
        self.preprocessing: dict[str, Any] = {"size": [side, side], "resample": resample, "range": [0, 1]}
        self.revision = digest({"goldpan": "pixels 1", **self.preprocessing})
        self._side = side
        self._filter = resampling(resample)

    def prepare(self, image: Image) -> NDArray[np.float32]:
        """Return the ``(3 * N**2,)`` vector itself."""
        small = np.asarray(image.resize((self._side, self._side), self._filter), np.float32)
        return (small * np.float32(1 / 255)).reshape(-1)

    def encode(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return the batch as it is: `prepare` made the vectors."""
        return np.asarray(batch, np.float32).reshape(len(batch), self.dim)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Refuse: pixels say nothing of texts."""
        raise takes_no_text(self.spec)


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``pixels:N``.

    Raises:
        InputError: N is no number from 1 to 1024, or an option is set that has no meaning here.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec, ("resample",))
    if not (rest.isdecimal() and 1 <= int(rest) <= _MAX_SIDE):
        raise InputError(f"{spec} is no encoder; N of pixels:N goes from 1 to {_MAX_SIDE}, such as pixels:32.")
    return PixelEncoder(spec, int(rest), options.resample or "bilinear")
