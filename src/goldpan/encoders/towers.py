"""What the PyTorch kinds share: a device, weights from a file, a digest of them, and one encoder class.

Of goldpan, only this module and those that use it import torch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.core.errors import FormatError, InputError, MissingExtra
from goldpan.core.records import Metric
from goldpan.encoders.digests import digest
from goldpan.encoders.options import EncoderOptions
from goldpan.encoders.preprocessing import Preparer, Preprocessing
from goldpan.encoders.protocol import takes_no_text

try:
    import torch
except ImportError as error:
    raise MissingExtra("torch", "torch") from error

if TYPE_CHECKING:
    from PIL.Image import Image

_CPU_BATCH, _GPU_BATCH, _TEXT_BATCH = 32, 128, 256
_WRAPPERS = ("state_dict", "model", "model_state_dict")


@dataclass(frozen=True, slots=True)
class Towers:
    """A loaded network and how to ask it.

    Attributes:
        network: holds the weights, in evaluation mode.
        images: ``(b, 3, size, size)`` tensor to ``(b, dim)``.
        texts: texts to ``(n, dim)``; None for a network of images alone. Gets the device.
        rules: the network's own preprocessing.
        metric: what the vectors are made for.
        unit_norm: whether vectors are scaled to unit length unless the options say otherwise.
        settings: whatever else decides the vectors, as JSON values.
    """

    network: torch.nn.Module
    images: Callable[[torch.Tensor], torch.Tensor]
    rules: Preprocessing
    texts: Callable[[list[str], torch.device], torch.Tensor] | None = None
    metric: Metric = Metric.COSINE
    unit_norm: bool = False
    settings: Mapping[str, Any] | None = None


class TorchEncoder:
    """Any network of PyTorch; one thread at a time, since torch spreads one call over the machine by itself."""

    encodes_images = True
    dtype = "float32"
    concurrency = 1

    def __init__(self, spec: str, towers: Towers, options: EncoderOptions) -> None:
        rules = towers.rules.overridden(options)
        self.spec = spec
        self.metric = towers.metric
        self.unit_norm = towers.unit_norm if options.normalize is None else options.normalize
        self.encodes_text = towers.texts is not None
        self.preprocessing: dict[str, Any] = rules.as_json()
        self.revision = digest(
            {
                "goldpan": "torch 1",
                "preprocessing": self.preprocessing,
                "unit_norm": self.unit_norm,
                "settings": dict(towers.settings or {}),
            },
            weights_digest(towers.network),
        )
        self._prepare = Preparer(rules, spec)
        self._towers = towers
        self._device = choose_device(options.device)
        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self.batch_size = _CPU_BATCH if self._device.type == "cpu" else _GPU_BATCH
        towers.network.to(self._device)
        self.dim = self._images(np.zeros((1, 3, rules.size, rules.size), np.float32)).shape[1]

    def prepare(self, image: Image) -> NDArray[np.float32]:
        """Return ``(3, size, size)`` float32 of an RGB image."""
        return self._prepare(image)

    def encode(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        """Return ``(b, dim)`` float32 of ``(b, 3, size, size)``."""
        return self._finished(self._images(batch)) if len(batch) else np.empty((0, self.dim), np.float32)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(n, dim)`` float32 in the space of the images; long texts are cut at the model's length.

        Raises:
            InputError: the network has no text tower.
        """
        if self._towers.texts is None:
            raise takes_no_text(self.spec)
        if not len(texts):
            return np.empty((0, self.dim), np.float32)
        with torch.inference_mode():
            parts = [
                self._towers.texts(list(texts[start : start + _TEXT_BATCH]), self._device).float().cpu().numpy()
                for start in range(0, len(texts), _TEXT_BATCH)
            ]
        return self._finished(np.concatenate(parts))

    def _images(self, batch: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            # torch.tensor copies: sharing memory with a read-only array would be a warning.
            vectors = self._towers.images(torch.tensor(batch, dtype=torch.float32, device=self._device))
            answer: NDArray[np.float32] = vectors.float().cpu().numpy()
        return answer

    def _finished(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        return unit_rows(vectors) if self.unit_norm else vectors


def choose_device(name: str) -> torch.device:
    """Return the torch device of that name; "auto" is a GPU where there is one.

    Raises:
        InputError: no such device, or not on this machine.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = None
    if device is None or device.type not in ("cpu", "cuda", "mps"):
        raise InputError(f"There is no device {name!r}; allowed: auto, cpu, cuda, cuda:N, mps.")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        count = torch.cuda.device_count()
        raise InputError(f"Device {name} is not there: torch sees {count} CUDA devices; use --device cpu.")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("Device mps is not there: this machine is no Mac with Metal; use --device cpu.")
    return device


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a ``.safetensors`` file or of a checkpoint of torch, read without running its code.

    Raises:
        InputError: no such file.
        FormatError: it holds something else than tensors by name.
    """
    if not path.is_file():
        raise InputError(f"There is no file of weights {path}.")
    if path.suffix == ".safetensors":
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return dict(load_file(path))
        except SafetensorError as error:
            raise FormatError(path, f"is no safetensors file ({error}).") from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (UnpicklingError, RuntimeError, EOFError, LookupError, ValueError) as error:
        problem = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise FormatError(path, f"is no plain file of weights ({problem}).") from error
    for name in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(name), Mapping):
            content = content[name]
    if not isinstance(content, Mapping) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise FormatError(path, "holds no tensors by name; save the network's state_dict().")
    return {str(name).removeprefix("module."): value for name, value in content.items()}


def load_weights(network: torch.nn.Module, path: Path) -> None:
    """Fill a network from a file; surplus tensors (a classifier that was taken off) are left out.

    Raises:
        InputError: no such file.
        FormatError: tensors of the network are missing in it, or have another shape.
    """
    state = read_weights(path)
    wanted = network.state_dict()
    missing = [name for name in wanted if name not in state]
    if missing:
        raise FormatError(path, f"lacks {len(missing)} of {len(wanted)} tensors of the network, such as {missing[0]}.")
    for name, tensor in wanted.items():
        if state[name].shape != tensor.shape:
            raise FormatError(path, f"has {name} of {tuple(state[name].shape)}, not {tuple(tensor.shape)}.")
    network.load_state_dict({name: state[name] for name in wanted})


def weights_digest(network: torch.nn.Module) -> bytes:
    """Return SHA-256 over every tensor of a network: name, dtype, shape, bytes."""
    hasher = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        hasher.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        hasher.update(tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return hasher.digest()


def pooled(features: torch.Tensor) -> torch.Tensor:
    """Return one vector an image: of a feature map its mean, of a sequence its first (class) token."""
    if features.ndim == 4:
        return features.mean(dim=(2, 3))
    return features[:, 0] if features.ndim == 3 else features
