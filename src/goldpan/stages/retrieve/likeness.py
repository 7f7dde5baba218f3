"""How much the images of a workspace look like the texts that stand for their classes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.core.records import Floats
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.class_lists import read_classes
from goldpan.stages.retrieve.config import FilterConfig
from goldpan.stages.retrieve.numbered import Labels, numbered_vectors
from goldpan.stages.retrieve.queries import class_vectors
from goldpan.store.workspace import Workspace

Seen = NDArray[np.bool_]


def likeness(ws: Workspace, config: FilterConfig, labels: Labels, progress: Progress) -> tuple[Floats, Seen]:
    """Return the cosine of every image to its text, and which images have a vector.

    The text of an image is the mean of the captions of its class, as CLIP classifies, or the nearest of `texts`.

    Returns:
        ``(n,)`` float64, nan where there is no vector or the class is not listed; ``(n,)`` bool.

    Raises:
        InputError: it is not clear which vectors are meant, or their encoder takes no texts.
    """
    table = ws.find_vectors(config.encoder or _only(ws))
    encoder = load_encoder(table.metadata.get("resolved") or table.metadata["encoder"])
    texts, place = _texts(encoder, config)
    text_of = None if place is None else np.array([place.get(plain(name), -1) for name in labels.names])
    found, seen = np.full(len(labels.of), np.nan), np.zeros(len(labels.of), bool)
    for numbers, vectors in numbered_vectors(ws, table):
        there = numbers >= 0
        images, at = unit_rows(vectors[there]), numbers[there]
        if text_of is None:
            found[at] = (images @ texts.T).max(axis=1)
        else:
            rows = text_of[labels.of[at]]
            near = np.einsum("ij,ij->i", images, texts[rows], dtype=np.float64)
            found[at] = np.where(rows >= 0, near, np.nan)
        seen[at] = True
        progress.advance(len(numbers))
    return found, seen


def plain(label: str | None) -> str:
    """Return a label as it is compared: those made from file names have underscores for blanks."""
    return (label or "").replace("_", " ").casefold()


def _only(ws: Workspace) -> str:
    names = [name for name in ws.vector_names() if _sees_and_reads(ws, name)]
    if len(names) != 1:
        known = ", ".join(names) or f"none; make some: goldpan embed {ws.path} --encoder clip:..."
        raise InputError(
            f"{ws.path} has {len(names)} tables of vectors that texts compare to ({known}); --encoder NAME."
        )
    return names[0]


def _sees_and_reads(ws: Workspace, name: str) -> bool:
    about = ws.vectors_table(name).metadata
    return bool(about.get("encodes_text")) and about.get("column") is None


def _texts(encoder: Encoder, config: FilterConfig) -> tuple[NDArray[np.float32], dict[str, int] | None]:
    """Return texts as ``(m, dim)`` of unit length, and which one stands for a class."""
    if config.classes is None:
        return unit_rows(encoder.encode_text(config.texts)), None
    classes = read_classes(config.classes)
    places = {plain(name): number for number, name in enumerate(classes.names)}
    return class_vectors(encoder, classes, classes.names, ensemble=True)[:, 0], places
