"""``onnx:DIR_OR_HUB_ID``: a photo tower, and a text tower where there is one, on ONNX Runtime."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.core.errors import FormatError, InputError
from goldpan.core.machine import processors
from goldpan.core.records import Metric
from goldpan.encoders.digests import digest, file_digest
from goldpan.encoders.files import OnnxFiles, find_files
from goldpan.encoders.options import PREPROCESSING, EncoderOptions
from goldpan.encoders.preprocessing import Preparer, Preprocessing, from_transformers
from goldpan.encoders.protocol import Encoder, takes_no_text
from goldpan.encoders.sessions import Model
from goldpan.encoders.tokens import Tokenizer

if TYPE_CHECKING:
    from PIL.Image import Image

# The space that both towers share, then what photo models alone call their vector.
_OUTPUTS = ("image_embeds", "pooler_output", "features", "last_hidden_state")
_TEXT_OUTPUT = "text_embeds"
_TEXT_BATCH = 256


class OnnxEncoder:
    """Both towers of a text-image model, or a model of photos alone."""

    encodes_images = True
    dtype = "float32"
    metric = Metric.COSINE

    def __init__(self, spec: str, files: OnnxFiles, options: EncoderOptions) -> None:
        if files.vision is None:
            raise InputError(f"{spec} has a text tower only; a model of photos is needed beside it.")
        self.spec = spec
        self._vision = Model(files.vision, options.device)
        self._input = _photo_input(spec, self._vision)
        self._output = _choose_output(spec, self._vision, options.output)
        rules = _preprocessing(spec, files, options, self._vision, self._input)
        self.preprocessing: dict[str, Any] = rules.as_json()
        self._prepare = Preparer(rules, spec)
        shared = self._output == _OUTPUTS[0]
        self._text = None
        if shared and files.text is not None:
            self._text = _TextTower(files.text, Tokenizer(files.folder, files.config), options.device)
        self.encodes_text = self._text is not None
        self.unit_norm = shared if options.normalize is None else options.normalize
        self.concurrency = processors(options.threads) if self._vision.on_cpu else 1
        self.batch_size = 32 if self._vision.on_cpu else 128
        self.dim = self._photos(np.zeros((1, 3, rules.size, rules.size), np.float32)).shape[1]
        self.revision = self._digest()

    def prepare(self, image: Image) -> NDArray[np.float32]:
        """Return ``(3, size, size)`` float32 of an RGB image."""
        return self._prepare(image)

    def encode(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(b, dim)`` float32 of ``(b, 3, size, size)``."""
        return self._finished(self._photos(batch)) if len(batch) else np.empty((0, self.dim), np.float32)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(n, dim)`` float32 in the space of the photos; long texts are cut as the model's own files say.

        Raises:
            InputError: there is no text tower, or another output than ``image_embeds`` is taken.
        """
        if self._text is None:
            raise takes_no_text(self.spec)
        return self._finished(self._text.encode(texts)) if len(texts) else np.empty((0, self.dim), np.float32)

    def _digest(self) -> str:
        settings: dict[str, Any] = {
            "goldpan": "onnx 1",
            "preprocessing": self.preprocessing,
            "output": self._output,
            "unit_norm": self.unit_norm,
        }
        files = _weights(self._vision.path)
        if self._text is not None:
            settings["tokens"] = [self._text.tokenizer.max_tokens, self._text.tokenizer.pad_id]
            files += [*_weights(self._text.path), self._text.tokenizer.path]
        return digest(settings, *map(file_digest, files))

    def _photos(self, batch: NDArray[Any]) -> NDArray[Any]:
        step = self._vision.chunk or len(batch)
        parts = [
            _pooled(self._vision.run(self._output, {self._input: batch[start : start + step]}))
            for start in range(0, len(batch), step)
        ]
        return np.concatenate(parts)

    def _finished(self, vectors: NDArray[Any]) -> NDArray[np.float32]:
        return unit_rows(vectors) if self.unit_norm else vectors.astype(np.float32, copy=False)


class _TextTower:
    """The model is loaded when the first text comes: who embeds photos only does not wait for it."""

    def __init__(self, path: Path, tokenizer: Tokenizer, device: str) -> None:
        self.path = path
        self.tokenizer = tokenizer
        self._device = device
        self._lock = threading.Lock()
        self._model: Model | None = None

    def encode(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return ``(n, dim)``; texts of like length share a call, so that little padding is computed."""
        model = self._loaded()
        ids = self.tokenizer.token_ids(texts)
        order = np.argsort([len(sequence) for sequence in ids], kind="stable")
        step = model.chunk or _TEXT_BATCH
        parts = [
            self._run(model, [ids[row] for row in order[start : start + step]]) for start in range(0, len(order), step)
        ]
        sorted_vectors = np.concatenate(parts)
        vectors = np.empty_like(sorted_vectors)
        vectors[order] = sorted_vectors
        return vectors

    def _loaded(self) -> Model:
        with self._lock:
            if self._model is None:
                model = Model(self.path, self._device)
                if _TEXT_OUTPUT not in model.outputs or "input_ids" not in model.inputs:
                    raise FormatError(
                        self.path,
                        f"goes from {', '.join(model.inputs)} to {', '.join(model.outputs)}; "
                        f"a text tower goes from input_ids to {_TEXT_OUTPUT}.",
                    )
                self._model = model
            return self._model

    def _run(self, model: Model, ids: list[list[int]]) -> NDArray[Any]:
        # Without a mask the tower was trained on padding up to its full length (SigLIP); some are fixed to it.
        length = model.inputs["input_ids"].shape[1]
        fixed = length if isinstance(length, int) else None
        if "attention_mask" not in model.inputs:
            fixed = fixed or self.tokenizer.max_tokens
        tokens = self.tokenizer.padded(ids, fixed)
        feeds = {"input_ids": tokens.ids, "attention_mask": tokens.mask, "token_type_ids": np.zeros_like(tokens.ids)}
        return model.run(_TEXT_OUTPUT, {name: array for name, array in feeds.items() if name in model.inputs})


def load(kind: str, rest: str, options: EncoderOptions) -> Encoder:
    """Return ``onnx:DIR_OR_HUB_ID``.

    Raises:
        InputError: no such model, output or device, or an option that has no meaning here.
        FormatError: a file of the model is broken.
    """
    spec = f"{kind}:{rest}"
    options.allow(spec, ("variant", "output", "normalize", *PREPROCESSING))
    return OnnxEncoder(spec, find_files(rest, options.variant), options)


def _photo_input(spec: str, model: Model) -> str:
    photos: list[str] = [name for name, node in model.inputs.items() if len(node.shape) == 4]
    if len(model.inputs) != 1 or not photos:
        raise InputError(
            f"{spec}: {model.path.name} takes {', '.join(model.inputs)}; a model of photos takes one array of "
            "4 axes. Export the towers apart, as vision_model.onnx and text_model.onnx."
        )
    return photos[0]


def _choose_output(spec: str, model: Model, asked: str | None) -> str:
    if asked is None:
        return next((name for name in _OUTPUTS if name in model.outputs), next(iter(model.outputs)))
    if asked not in model.outputs:
        raise InputError(f"{spec} has no output {asked!r}; it has: {', '.join(model.outputs)}.")
    return asked


def _preprocessing(
    spec: str, files: OnnxFiles, options: EncoderOptions, model: Model, photo_input: str
) -> Preprocessing:
    """Return the model's own rules with the options in their place, checked against what the model takes."""
    side = model.inputs[photo_input].shape[2]
    fixed = side if isinstance(side, int) else None
    stated = (files.config.get("vision_config") or files.config).get("image_size")
    if files.preprocessor:
        rules = from_transformers(files.preprocessor, fixed or stated)
    elif options.mean and options.std and (size := options.image_size or fixed or stated):
        rules = Preprocessing(size, size)
    else:
        raise InputError(
            f"{files.folder} has no preprocessor_config.json; say how images are prepared: "
            "--image-size N --mean R G B --std R G B."
        )
    rules = rules.overridden(options)
    if fixed and rules.size != fixed:
        if options.image_size:
            raise InputError(f"{spec} takes images of {fixed} pixels only, not {rules.size}.")
        rules = replace(rules, size=fixed, resize=max(fixed, rules.resize))
    return rules


def _pooled(answer: NDArray[Any]) -> NDArray[Any]:
    """Return one vector a photo: of a sequence its first (class) token, of a feature map its mean."""
    if answer.ndim == 3:
        return answer[:, 0]
    return answer.mean(axis=(2, 3)) if answer.ndim == 4 else answer


def _weights(model: Path) -> list[Path]:
    """Return the model's file, and those named after it that hold the weights of one above 2 GB."""
    return sorted(model.parent.glob(f"{model.name}*"))
