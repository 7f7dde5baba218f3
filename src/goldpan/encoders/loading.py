"""A spec to an encoder: ``kind:rest`` through the catalog, ``file.py:FUNCTION`` from a user's own file."""

from __future__ import annotations

from goldpan.core.catalog import Catalog
from goldpan.core.errors import InputError
from goldpan.encoders.options import EncoderOptions
from goldpan.encoders.protocol import Encoder
from goldpan.encoders.userfile import load_user_file

__all__ = ["CATALOG", "EncoderOptions", "load_encoder"]

CATALOG = Catalog(
    "encoder kind",
    {
        "pixels": "goldpan.encoders.pixels:load",
        "ahash": "goldpan.encoders.hashes:load",
        "dhash": "goldpan.encoders.hashes:load",
        "phash": "goldpan.encoders.hashes:load",
        "whash": "goldpan.encoders.hashes:load",
        "onnx": "goldpan.encoders.onnx:load",
        "clip": "goldpan.encoders.clip:load",
        "hf": "goldpan.encoders.hf:load",
        "timm": "goldpan.encoders.timm:load",
        "torchvision": "goldpan.encoders.torchvision:load",
    },
    group="goldpan.encoders",
)
_EXAMPLES = "An encoder is named kind:rest, such as phash:8, onnx:DIR, clip:ViT-B-32/openai, or file.py:FUNCTION."


def load_encoder(spec: str, options: EncoderOptions | None = None) -> Encoder:
    """Return the encoder that `spec` names, ready to use.

    Args:
        spec: ``kind:rest``, see ``docs/encoders.md``; an entry point of the group ``goldpan.encoders`` may add
            kinds: a function ``(kind, rest, options) -> Encoder``.
        options: None for the model's own configuration.

    Raises:
        InputError: what is wrong with the spec, the options, the files or the device, in one sentence.
        MissingExtra: the kind needs a package that is not installed.
    """
    options = options or EncoderOptions()
    kind, colon, rest = spec.partition(":")
    if spec.rpartition(":")[0].endswith(".py"):
        return load_user_file(spec, options)
    if not (colon and rest):
        if kind in CATALOG.entries():
            raise InputError(f"{spec!r} names a kind of encoder, not which one. {_EXAMPLES}")
        raise InputError(f"{spec!r} is no encoder. {_EXAMPLES}")
    encoder: Encoder = CATALOG.load(kind, hint=_EXAMPLES)(kind, rest, options)
    return encoder
