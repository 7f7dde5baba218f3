"""``clip:ARCH/PRETRAINED``: both towers of a model of open_clip, with its own preprocessing and tokenizer."""

from __future__ import annotations

from typing import Any

import torch

from goldpan.core.errors import InputError, MissingExtra, UnknownName
from goldpan.encoders.options import PREPROCESSING, Crop, EncoderOptions
from goldpan.encoders.preprocessing import Preprocessing, not_square
from goldpan.encoders.protocol import Encoder
from goldpan.encoders.towers import TorchEncoder, Towers

try:
    import open_clip
except ImportError as error:
    raise MissingExtra("open_clip_torch", "torch") from error

_CROPS: dict[str, Crop] = {"shortest": "center", "squash": "squash", "longest": "pad"}
_SCHEMES = ("hf-hub:", "local-dir:")


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``clip:ARCH/PRETRAINED``, ``clip:ARCH`` with a file of weights, or ``clip:hf-hub:ID`` as in open_clip.

    Raises:
        InputError: no such architecture or weights, no connection to fetch them, or a file that does not fit.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec, ("weights", "normalize", *PREPROCESSING))
    if rest.startswith(_SCHEMES):
        arch, tag = rest, ""
    else:
        arch, _, tag = rest.partition("/")
        _check_names(spec, arch, tag, options)
    network = _create(spec, arch, tag, options).eval()
    tokenizer = open_clip.get_tokenizer(arch)

    def texts(batch: list[str], device: torch.device) -> torch.Tensor:
        return network.encode_text(tokenizer(batch).to(device))

    rules = _preprocessing(network.visual.preprocess_cfg)
    return TorchEncoder(spec, Towers(network, network.encode_image, rules, texts, unit_norm=True), options)


def _check_names(spec: str, arch: str, tag: str, options: EncoderOptions) -> None:
    if arch not in open_clip.list_models():
        raise UnknownName("open_clip architecture", arch, open_clip.list_models())
    tags = open_clip.list_pretrained_tags_by_model(arch)
    if tag and tag not in tags:
        raise UnknownName(f"weights of {arch}", tag, tags)
    if not tag and options.weights is None:
        raise InputError(f"{spec} names no weights; known: {', '.join(tags) or 'none'}; or give --weights FILE.")
    if options.weights is not None and not options.weights.is_file():
        raise InputError(f"There is no file of weights {options.weights}.")


def _create(spec: str, arch: str, tag: str, options: EncoderOptions) -> Any:
    about = open_clip.get_pretrained_cfg(arch, tag) if tag else {}
    # Which activation a model was trained with belongs to its weights; open_clip would only warn of another.
    own = {key: about[key] for key in ("mean", "std", "interpolation", "resize_mode") if key in about}
    try:
        return open_clip.create_model(
            arch,
            pretrained=None if ":" in arch else str(options.weights or tag),
            force_quick_gelu=bool(about.get("quick_gelu")),
            force_preprocess_cfg=own,
            pretrained_text=False,
            require_pretrained=True,
        )
    except (OSError, RuntimeError, ValueError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{spec}: open_clip could not load the weights ({problem}); "
            "without a connection, give a downloaded file with --weights."
        ) from error


def _preprocessing(config: dict[str, Any]) -> Preprocessing:
    """Translate open_clip's ``PreprocessCfg``."""
    size = config["size"]
    height, width = size if isinstance(size, tuple | list) else (size, size)
    if height != width:
        raise not_square(height, width)
    fill = config.get("fill_color", 0)
    red, green, blue = fill if isinstance(fill, tuple | list) else (fill,) * 3
    return Preprocessing(
        size=height,
        resize=height,
        crop=_CROPS[config.get("resize_mode", "shortest")],
        resample=config.get("interpolation", "bicubic"),
        mean=tuple(config["mean"]),
        std=tuple(config["std"]),
        rounding="even",
        fill=(int(red), int(green), int(blue)),
    )
