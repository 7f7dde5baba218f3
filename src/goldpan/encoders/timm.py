"""``timm:NAME``: the pooled features of any model of timm, with timm's own preprocessing."""

from __future__ import annotations

import math
from typing import Any

from goldpan.core.errors import InputError, MissingExtra, UnknownName
from goldpan.encoders.options import PREPROCESSING, Crop, EncoderOptions
from goldpan.encoders.preprocessing import Preprocessing, not_square
from goldpan.encoders.protocol import Encoder
from goldpan.encoders.towers import TorchEncoder, Towers, load_weights

try:
    import timm
except ImportError as error:
    raise MissingExtra("timm", "torch") from error

_CROPS: dict[str, Crop] = {"center": "center", "squash": "squash", "border": "pad"}


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``timm:NAME``; NAME may also be ``hf-hub:ID`` or ``local-dir:FOLDER``, as in timm itself.

    The output is the vector before the classifier, or its scores with ``output="logits"``.

    Raises:
        InputError: no such model, no weights for it, or no connection to fetch them.
        FormatError: the file of weights is not of this model.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec, ("weights", "output", "normalize", *PREPROCESSING))
    if options.output not in (None, "features", "logits"):
        raise InputError(f"{spec} has no output {options.output!r}; it has: features, logits.")
    network = _create(spec, rest, options)
    rules = _preprocessing(timm.data.resolve_model_data_config(network))
    return TorchEncoder(spec, Towers(network, network, rules, settings={"output": options.output}), options)


def _create(spec: str, name: str, options: EncoderOptions) -> Any:
    if ":" not in name and not timm.is_model(name.partition(".")[0]):
        raise UnknownName("timm model", name, _similar(name))
    more = {} if options.output == "logits" else {"num_classes": 0}
    if options.weights is not None:
        network = timm.create_model(name, pretrained=False, **more)
        load_weights(network, options.weights)
        return network.eval()
    if ":" not in name:
        about = timm.get_pretrained_cfg(name)
        if about is None or not about.has_weights:
            raise InputError(f"timm has no weights for {name}; give a file of them with --weights.")
    try:
        return timm.create_model(name, pretrained=True, **more).eval()
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{spec}: timm could not get the weights ({_first_line(error)}); "
            "without a connection, give a downloaded file with --weights."
        ) from error


def _similar(name: str) -> list[str]:
    """Return the names worth showing: timm has a thousand."""
    found: list[str] = timm.list_models(f"{name[:4]}*")
    return found[:40]


def _preprocessing(data: dict[str, Any]) -> Preprocessing:
    """Translate timm's data configuration; see ``transforms_imagenet_eval`` in timm."""
    _, height, width = data["input_size"]
    if height != width:
        raise not_square(height, width)
    red, green, blue = (round(255 * value) for value in data["mean"])
    return Preprocessing(
        size=height,
        resize=math.floor(height / data["crop_pct"]),
        crop=_CROPS[data["crop_mode"]],
        resample=data["interpolation"],
        mean=data["mean"],
        std=data["std"],
        rounding="even",
        fill=(red, green, blue),
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
