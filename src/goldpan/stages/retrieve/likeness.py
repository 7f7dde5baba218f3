"""How much the images of a workspace look like the texts that stand for their classes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from goldpan.core.arrays import unit_rows
from goldpan.core.errors import InputError
from goldpan.core.progress import Progress
from goldpan.encoders.loading import load_encoder
from goldpan.encoders.protocol import Encoder
from goldpan.formats.class_lists import read_classes
from goldpan.stages.retrieve.config import FilterConfig
from goldpan.stages.retrieve.queries import class_vectors
from goldpan.store.workspace import Workspace, vector_array

_BLOCK_ROWS = 65_536


def likeness(
    ws: Workspace, config: FilterConfig, labels: Mapping[str, str | None], progress: Progress
) -> dict[str, float]:
    """Return the cosine of every image that has a vector to its text: id -> cosine, nan where its class is not listed.

    The text of an image is the mean of the captions of its class, as CLIP classifies, or the nearest of `texts`.

    Raises:
        InputError: it is not clear which vectors are meant, or their encoder takes no texts.
    """
    table = ws.find_vectors(config.encoder or _only(ws))
    encoder = load_encoder(table.metadata.get("resolved") or table.metadata["encoder"])
    texts, place = _texts(encoder, config)
    found: dict[str, float] = {}
    for batch in table.scan(["id", "vector"], batch_rows=_BLOCK_ROWS):
        ids = batch.column("id").to_pylist()
        images = unit_rows(vector_array(batch.column("vector")))
        if place is None:
            near = (images @ texts.T).max(axis=1).astype(np.float64)
        else:
            rows = np.array([place.get(plain(labels.get(key)), -1) for key in ids])
            near = np.einsum("ij,ij->i", images, texts[rows], dtype=np.float64)
            near[rows < 0] = np.nan
        found |= {key: score for key, score in zip(ids, near.tolist(), strict=True) if key in labels}
        progress.advance(len(ids))
    return found


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
