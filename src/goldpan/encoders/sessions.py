"""ONNX Runtime sessions: where they run, how many threads they take, how much they are given at once.

On a CPU a session gets one thread, and several threads of ours run it at once, each on its own inputs, a few at
a time: that is faster than the runtime's own threads on one large batch (see ``docs/encoders.md``), since nothing
waits at the end of each layer and the activations stay in the cache.
"""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.errors import FormatError, InputError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU_CHUNK = 4

_CPU = "CPUExecutionProvider"
_PROVIDERS = {"cuda": "CUDAExecutionProvider", "mps": "CoreMLExecutionProvider"}


class Model:
    """One loaded ONNX file.

    Args:
        path: the file.
        device: auto, cpu, cuda, cuda:N or mps.

    Raises:
        InputError: the device is not there.
        FormatError: the file is no ONNX model.
    """

    def __init__(self, path: Path, device: str) -> None:
        self.path = path
        self._session = _session(path, device)
        self.on_cpu = self._session.get_providers()[0] == _CPU
        self.inputs = {node.name: node for node in self._session.get_inputs()}
        self.outputs = {node.name: node for node in self._session.get_outputs()}
        # Such a model rounds by the range of all activations of a call: an answer would depend on its neighbors.
        self._alone = _contains(path, b"DynamicQuantizeLinear")

    @property
    def chunk(self) -> int | None:
        """How many inputs to give at once; None for any number."""
        if self._alone:
            return 1
        return CPU_CHUNK if self.on_cpu else None

    def run(self, output: str, feeds: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """Return one output for a batch of inputs."""
        cast = {name: array.astype(self._dtype(name), copy=False) for name, array in feeds.items()}
        answer: NDArray[Any] = self._session.run([output], cast)[0]
        return answer

    def _dtype(self, name: str) -> type[np.generic]:
        kinds: dict[str, type[np.generic]] = {
            "tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64,
            "tensor(int64)": np.int64, "tensor(int32)": np.int32,
        }  # fmt: skip
        return kinds[self.inputs[name].type]


def _session(path: Path, device: str) -> InferenceSession:
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as states

    provider = _provider(device, onnxruntime.get_available_providers())
    providers = [provider] if provider.name == _CPU else [provider, _Provider(_CPU, {})]
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only; the warnings are about the runtime's own optimizer
    if provider.name == _CPU:
        options.intra_op_num_threads = 1
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=providers)
    except (states.Fail, states.InvalidArgument, states.InvalidGraph, states.InvalidProtobuf,
            states.NoModel, states.NotImplemented, states.RuntimeException) as error:  # fmt: skip
        problem = str(error).splitlines()[0]
        raise FormatError(path, f"is no model that ONNX Runtime can load ({problem}).") from error
    if session.get_providers()[0] != provider.name:  # its libraries are missing: the runtime falls back by itself
        if device != "auto":
            raise InputError(f"ONNX Runtime could not start {provider.name} for {path.name}; use --device cpu.")
        return _session(path, "cpu")
    return session


class _Provider(NamedTuple):
    """Where a session runs, as ONNX Runtime names it."""

    name: str
    settings: dict[str, Any]


def _provider(device: str, available: list[str]) -> _Provider:
    kind, _, number = device.partition(":")
    if device == "auto":
        return _Provider(_PROVIDERS["cuda"] if _PROVIDERS["cuda"] in available else _CPU, {})
    if device == "cpu":
        return _Provider(_CPU, {})
    if kind not in _PROVIDERS or (number and not number.isdecimal()):
        raise InputError(f"There is no device {device!r}; allowed: auto, cpu, cuda, cuda:N, mps.")
    if _PROVIDERS[kind] not in available:
        install = ", or type: pip install onnxruntime-gpu" if kind == "cuda" else ""
        raise InputError(f"The ONNX Runtime installed here cannot use {kind}; use --device cpu{install}.")
    return _Provider(_PROVIDERS[kind], {"device_id": number} if number else {})


def _contains(path: Path, word: bytes) -> bool:
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as view:
        return view.find(word) >= 0
