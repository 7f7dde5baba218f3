"""The captions of classes as vectors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.encoders.protocol import Encoder
from goldpan.formats.class_lists import ClassList


def class_vectors(
    encoder: Encoder, classes: ClassList, names: Sequence[str], *, ensemble: bool = False
) -> NDArray[np.float32]:
    """Return a vector of unit length for each template of each class, ``(n_names, n_templates, dim)``.

    Args:
        encoder: with a text tower.
        classes: that has the templates.
        names: of its classes.
        ensemble: one vector a class, the mean of all its templates, as CLIP makes its classifiers.
    """
    captions = [caption for name in names for caption in classes.captions(name)]
    parts = [
        unit_rows(encoder.encode_text(captions[start : start + encoder.batch_size]))
        for start in range(0, len(captions), encoder.batch_size)
    ]
    vectors = np.concatenate(parts).reshape(len(names), len(classes.templates), -1)
    return unit_rows(vectors.mean(axis=1))[:, None] if ensemble else vectors
