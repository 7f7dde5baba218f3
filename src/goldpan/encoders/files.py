"""Where the files of an ONNX model lie: a folder laid out as hub exports are, or a repository of the hub."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from goldpan.core.errors import FormatError, InputError

_CONFIGS = (
    "config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class OnnxFiles:
    """The files of one model.

    Attributes:
        folder: holds the JSON files.
        vision: the photo tower, or a model of photos alone.
        text: the text tower, where there is one and a tokenizer for it.
        config: ``config.json``.
        preprocessor: ``preprocessor_config.json``.
    """

    folder: Path
    vision: Path | None
    text: Path | None
    config: dict[str, Any]
    preprocessor: dict[str, Any]


def find_files(where: str, variant: str | None = None) -> OnnxFiles:
    """Find the files of a model in a folder, or fetch them from the Hugging Face hub.

    The towers are ``vision_model.onnx`` (or ``model.onnx``) and ``text_model.onnx``, in the folder ``onnx`` or
    beside the JSON files; a `variant` is the ending of the stem, as in ``vision_model_quantized.onnx``.

    Raises:
        InputError: no such folder or repository, no connection, or no model in it.
        FormatError: a JSON file is broken.
    """
    ending = f"_{variant}" if variant else ""
    folder = Path(where).expanduser()
    if not folder.is_dir():
        folder = _fetch(where, ending)
    vision = _tower(folder, f"vision_model{ending}.onnx") or _tower(folder, f"model{ending}.onnx")
    text = _tower(folder, f"text_model{ending}.onnx")
    if not (folder / "tokenizer.json").is_file():
        text = None
    if vision is None and text is None:
        found = ", ".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*.onnx"))) or "none"
        raise InputError(
            f"{folder} has no onnx/vision_model{ending}.onnx, onnx/model{ending}.onnx, nor a text model with its "
            f"tokenizer.json; ONNX files found: {found}."
        )
    return OnnxFiles(folder, vision, text, _read(folder / "config.json"), _read(folder / "preprocessor_config.json"))


def _tower(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / "onnx" / name, folder / name) if path.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_bytes())
    except ValueError as error:
        raise FormatError(path, f"is no JSON ({error}).") from error
    return content


def _fetch(repository: str, ending: str) -> Path:
    """Return the local copy of a repository's model files, fetched where it is not there yet."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError

    towers = [f"{stem}{ending}.onnx*" for stem in ("vision_model", "text_model", "model")]
    patterns = [*_CONFIGS, *towers, *(f"onnx/{tower}" for tower in towers)]
    try:
        return Path(snapshot_download(repository, allow_patterns=patterns))
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise InputError(f"onnx:{repository} is neither a folder here nor a repository of the hub.") from error
    except OSError as error:  # no connection, or told not to use it
        raise InputError(
            f"onnx:{repository} is no folder here, and could not be fetched from the hub "
            f"({type(error).__name__}: {str(error).splitlines()[0]}); give the path of a downloaded copy."
        ) from error
