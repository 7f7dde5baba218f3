"""What can be set about any encoder; None means: as the model's own configuration says."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from pydantic import Field

from goldpan.core.config import Config, runtime_field
from goldpan.core.errors import InputError

Triple = tuple[float, float, float]
Resample = Literal["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"]
Crop = Literal["center", "squash", "pad"]

PREPROCESSING = ("image_size", "resize", "crop", "resample", "mean", "std")
_ALWAYS = frozenset({"device", "threads"})


class EncoderOptions(Config):
    """Where the weights lie, where the model runs, what is taken from it, and how images are prepared."""

    weights: Path | None = Field(None, description="File of weights, in place of those the spec names.")
    variant: str | None = Field(None, description="ONNX file variant, such as quantized, fp16 or int8.")
    output: str | None = Field(None, description="Which output of the model, such as features or logits.")
    normalize: bool | None = Field(None, description="Scale vectors to unit length.")
    image_size: int | None = Field(None, description="Side of the model's square input, in pixels.", ge=1)
    resize: int | None = Field(None, description="Side that images are resized to before the crop.", ge=1)
    crop: Crop | None = Field(None, description="What becomes of a photo's shape: center crop, squash, or pad.")
    resample: Resample | None = Field(None, description="Filter for resizing.")
    mean: Triple | None = Field(None, description="Mean of red, green, blue, on a scale of 0 to 1.")
    std: Triple | None = Field(None, description="Standard deviation of red, green, blue, on a scale of 0 to 1.")
    device: str = runtime_field("auto", "auto, cpu, cuda, cuda:N or mps; auto takes a GPU where there is one.")
    threads: int | None = runtime_field(None, "Processors the model may use; all by default.", ge=1)

    def allow(self, spec: str, taken: Iterable[str] = ()) -> None:
        """Make sure that nothing is set that the encoder `spec` would silently ignore.

        Raises:
            InputError: an option is set that is not in `taken`.
        """
        for name in EncoderOptions.model_fields:
            if name not in _ALWAYS and name not in taken and getattr(self, name) is not None:
                known = ", ".join(sorted(taken)) or "none but device and threads"
                raise InputError(f"{spec} has no option {name}; it takes: {known}.")
