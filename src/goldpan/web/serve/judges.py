"""What models that are given add to queries or take from answers: beauty, violence, safety."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.core.errors import FormatError, InputError
from goldpan.encoders.sessions import Model
from goldpan.web.serve.config import ServeConfig

_RATINGS = 10
_UNSAFE = 0.5

Vectors = NDArray[np.float32]
Drops = Callable[[Vectors], NDArray[np.bool_]]


class Judges(NamedTuple):
    """Those that are there.

    Attributes:
        beautify: from a query ``(dim,)``, a rating from 0 to 9 and a weight to a query of unit length.
        is_violent: which of ``(m, dim)`` are.
        is_unsafe: which of ``(m, dim)`` are.
    """

    beautify: Callable[[Vectors, int, float], Vectors] | None
    is_violent: Drops | None
    is_unsafe: Drops | None


def load_judges(config: ServeConfig) -> Judges:
    """Return what the configuration names.

    Raises:
        InputError: a file is not there.
        FormatError: it is not what it should be.
    """
    return Judges(
        _aesthetic(config.aesthetic) if config.aesthetic is not None else None,
        _violence(config.violence) if config.violence is not None else None,
        _safety(config.safety) if config.safety is not None else None,
    )


def _aesthetic(folder: Path) -> Callable[[Vectors, int, float], Vectors]:
    """Add the vector of a rating, as LAION's aesthetic-predictor has them."""
    ratings = np.concatenate([_read(folder / f"rating{score}.npy", 1) for score in range(_RATINGS)])

    def beautify(query: Vectors, score: int, weight: float) -> Vectors:
        moved: Vectors = unit_rows((query + _fitting(ratings, len(query))[score] * weight)[None])[0]
        return moved

    return beautify


def _violence(path: Path) -> Drops:
    """Drop what is nearer to the second of two prompts, as LAION's CLIP-based-NSFW-Detector has them."""
    prompts = _read(path, 2)

    def is_violent(vectors: Vectors) -> NDArray[np.bool_]:
        near = vectors @ _fitting(prompts, vectors.shape[1]).T
        nearer: NDArray[np.bool_] = near[:, 1] > near[:, 0]
        return nearer

    return is_violent


def _safety(path: Path) -> Drops:
    """Drop what a model from unit vectors to one probability rates above a half."""
    model = Model(path, "cpu")
    name, output = next(iter(model.inputs)), next(iter(model.outputs))

    def is_unsafe(vectors: Vectors) -> NDArray[np.bool_]:
        rated: NDArray[np.bool_] = (
            model.run(output, {name: unit_rows(vectors)}).reshape(len(vectors), -1)[:, 0] > _UNSAFE
        )
        return rated

    return is_unsafe


def _read(path: Path, rows: int) -> Vectors:
    try:
        found = np.load(path, allow_pickle=False)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except ValueError as error:
        raise FormatError(path, "no NumPy array of numbers.") from error
    vectors = np.atleast_2d(np.squeeze(found)).astype(np.float32)
    if vectors.ndim != 2 or len(vectors) != rows:
        raise FormatError(path, f"it has the shape {found.shape}; {rows} vector(s) are needed.")
    return vectors


def _fitting(given: Vectors, dim: int) -> Vectors:
    if given.shape[1] != dim:
        raise InputError(f"The server's vectors for this option have {given.shape[1]} values, the pool's have {dim}.")
    return given
