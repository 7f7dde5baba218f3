"""What every encoder is, and the one thing all image-only encoders say to a text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from goldpan.core.errors import InputError
from goldpan.core.records import Metric

if TYPE_CHECKING:
    from PIL.Image import Image


class Encoder(Protocol):
    """Turns images, and where it can texts, into vectors that `metric` compares.

    Attributes:
        spec: the name it was loaded by.
        revision: digest of the weights and of everything else that decides the vectors.
        dim: columns of the output; bytes of packed bits for hashes.
        dtype: of the output, "float32", or "uint8" for packed bits.
        metric: the comparison the vectors are made for.
        unit_norm: rows have length 1.
        encodes_images: `prepare` and `encode` work.
        encodes_text: `encode_text` works, into the same space.
        concurrency: how many threads may usefully be inside `encode` at once.
        batch_size: a good number of rows for one call of `encode`.
        preprocessing: how an image becomes a model input, as JSON values.
    """

    spec: str
    revision: str
    dim: int
    dtype: str
    metric: Metric
    unit_norm: bool
    encodes_images: bool
    encodes_text: bool
    concurrency: int
    batch_size: int
    preprocessing: dict[str, Any]

    def prepare(self, image: Image) -> NDArray[Any]:
        """Return one model input from an RGB image; any number of threads may be in here."""
        ...

    def encode(self, batch: NDArray[Any]) -> NDArray[Any]:
        """Return ``(b, dim)`` vectors of ``(b, ...)`` model inputs; the input is not changed, and may be empty."""
        ...

    def encode_text(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return ``(n, dim)`` float32 vectors of texts, in their order.

        Raises:
            InputError: the encoder takes images only.
        """
        ...


def takes_no_text(spec: str) -> InputError:
    """Return the error of an image-only encoder that is given texts."""
    return InputError(
        f"{spec} encodes images only; texts need a model with a text tower: onnx:, clip: or hf: (CLIP, SigLIP)."
    )
