"""``ahash:N``, ``dhash:N``, ``phash:N``, ``whash:N``: perceptual hashes of N x N bits."""

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
from goldpan.imaging.hashes import HASHES, check_side

if TYPE_CHECKING:
    from PIL.Image import Image


class HashEncoder:
    """Packed bits, ``ceil(N**2 / 8)`` uint8 a row, compared by the number of bits that differ."""

    def __init__(self, spec: str, name: str, side: int) -> None:
        self.spec = spec
        self.dim = -(-side * side // 8)
        self.dtype = "uint8"
        self.metric = Metric.HAMMING
        self.unit_norm = False
        self.encodes_images = True
        self.encodes_text = False
        self.concurrency = processors()
        self.batch_size = 256
        self.preprocessing: dict[str, Any] = {"hash": name, "bits": side * side, "resample": "lanczos"}
        self.revision = digest({"goldpan": "hash 1", **self.preprocessing})
        self._hash = HASHES[name]
        self._side = side

    def prepare(self, image: Image) -> NDArray[np.uint8]:
        """Return the packed bits themselves, ``(dim,)`` uint8."""
        return self._hash(image, self._side)

    def encode(self, batch: NDArray[Any]) -> NDArray[np.uint8]:
        """Return the batch as it is: `prepare` made the bits."""
        return np.asarray(batch, np.uint8).reshape(len(batch), self.dim)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Refuse: hashes say nothing of texts."""
        raise takes_no_text(self.spec)


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``{kind}:N``.

    Raises:
        InputError: N is not what the hash can have, or an option is set that has no meaning here.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec)
    if not rest.isdecimal():
        raise InputError(f"{spec} is no hash; after the colon comes its side, such as {kind}:8 for 64 bits.")
    check_side(kind, int(rest))
    return HashEncoder(spec, kind, int(rest))
